"""What the test and its failure say, and which code has the same words."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from dispatcher.context.clues import Clues
from dispatcher.context.signals.values import Values, definitions
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from dispatcher.graph.terms import terms_of

_FOUND_BY_TEXT = 60

_NEAR, _FAR = 1.0, 0.4
"""What the words of a test count for, within some lines of where it fails and farther away."""

_NEAR_LINES = 6
_MESSAGE, _NAME = 1.5, 2.0

_MISSING = re.compile(r"(?:import name|module '[\w.]+' has no attribute|^name) '(\w+)'")
_ALIKE, _SHORTEST = 0.7, 3
"""How much alike two names have to be, and how long, for one to be taken for the other."""

_PLAIN = frozenset(("test", "tests"))


def query(clues: Clues, graph: Graph) -> dict[str, float]:
    """Return the terms to search the code by, with what each counts for: of the test, its name, and what it says."""
    weights: defaultdict[str, float] = defaultdict(float)
    for text, weight in _texts(clues, graph):
        for term, times in terms_of(text).items():
            weights[term] = max(weights[term], weight * (1 + math.log(times)))
    return {term: weight for term, weight in weights.items() if term not in _PLAIN}


def _texts(clues: Clues, graph: Graph) -> Iterator[tuple[str, float]]:
    for words in clues.words:
        yield words, _MESSAGE
    yield clues.test_name, _NAME
    failing = {frame.line for frame in clues.frames if frame.path == clues.test_file}
    for test in definitions(graph, (clues.test_file, clues.test_name)):
        for n, words in enumerate(graph.lines(test.path)[test.first - 1 : test.last], test.first):
            yield words, _NEAR if any(abs(n - line) <= _NEAR_LINES for line in failing) else _FAR


def fitting(terms: dict[str, float], graph: Graph, among: Collection[Definition]) -> Values:
    """Tell how well a function's text fits some terms (BM25, the best one 1): of some functions, and of all."""
    scores = {**dict(graph.search(terms, _FOUND_BY_TEXT, tests=False)), **graph.score(terms, among)}
    best = max((score for d, score in scores.items() if d.kind != "test"), default=0.0)
    return {definition: score / best for definition, score in scores.items()} if best > 0 else {}


def in_the_name(clues: Clues, among: Collection[Definition]) -> Values:
    """Tell which share of the words in a function's name are in the test's name too."""
    wanted = {term for term in terms_of(clues.test_name) if len(term) > 2} - _PLAIN
    found: Values = {}
    for definition in among:
        own = {term for term in terms_of(definition.name.replace("<locals>", "")) if len(term) > 2}
        if common := own & wanted:
            found[definition] = len(common) / len(own)
    return found


def in_like_named_file(clues: Clues, among: Collection[Definition]) -> Values:
    """Tell how much of a module's name is in the name of the test's file: less where many modules have as much."""
    wanted = {word for part in PurePosixPath(clues.test_file).parts for word in _words_of_name(part)} - _PLAIN
    shares: dict[str, float] = {}
    for path in {d.path for d in among}:
        *parts, whole = _words_of_name(_module_name(path)) or [""]
        shares[path] = 1.0 if whole in wanted else len(wanted.intersection(parts)) / max(1, len(set(parts)))
    rarity = {
        share: _rarity(sum(other >= share for other in shares.values()), len(shares)) for share in {*shares.values()}
    }
    return {d: value for d in among if (value := shares[d.path] * rarity[shares[d.path]])}


def nearly_said(clues: Clues, among: Collection[Definition]) -> Values:
    """Tell which functions have nearly the name that an error did not find: how much of both is the same, if most is."""
    missing = {match[1] for text in clues.words for match in _MISSING.finditer(text)}
    found: Values = {}
    for definition in among if missing else ():
        likeness = max(_likeness(definition.name.rpartition(".")[2], name) for name in missing)
        if likeness >= _ALIKE:
            found[definition] = likeness
    return found


def _likeness(own: str, name: str) -> float:
    from difflib import SequenceMatcher  # few errors are about a name

    short, long = sorted((own, name), key=len)
    if own == name or len(short) < _SHORTEST:
        return 0.0
    return 1.0 if long.startswith(short) else SequenceMatcher(None, own, name).ratio()


def _module_name(path: str) -> str:
    """Return the last part of a module's name: for a package's `__init__.py` that of the folder."""
    pure = PurePosixPath(path)
    return pure.parent.name if pure.stem.startswith("__") else pure.stem


def _words_of_name(name: str) -> list[str]:
    """Return the words of a module's or folder's name, tests' affixes left out, and last all of them as one."""
    words = [word for word in re.split(r"[\W_]+", name.removesuffix(".py").lower()) if word and word not in _PLAIN]
    return [*words, "".join(words)] if words else []


def _rarity(having: int, of: int) -> float:
    return math.log(of / having) / math.log(of) if of > 1 else 0.0


def said(clues: Clues, among: Collection[Definition]) -> Values:
    """Tell which functions the error names."""
    words = {word for text in clues.words for word in re.findall(r"\w+", text)}
    return {d: 1.0 for d in among if d.name.rpartition(".")[2] in words}


def in_named_files(clues: Clues, graph: Graph) -> Values:
    """Tell which functions are in the files that are named with a wish."""
    return {d: 1.0 for path in clues.paths for d in graph.definitions(path) if d.kind == "function"}
