"""How suspicious each line of a function is. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from dispatcher.context.clues import Clues
from dispatcher.context.signals.execution import ochiai, passing_by_line
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from dispatcher.graph.terms import terms_of

_LEAVING = re.compile(r"\s*(?:return|raise|yield)\b")
_WORDS, _NEAR, _ON_THE_WAY, _LATE, _ALONE = 1.26, 1.39, 0.69, 0.97, 0.34
_REMARK, _LEAVES = -1.1, -0.84
"""What the words of the failure in a line count for, how near it is to what is executed, the way of the exception, its
place in the function, that only failing tests execute it; and that it is a remark, or only leaves the function. They
were fitted to the changed lines of real fixes, as the exponents of how likely a line is one of them."""

_LEAST = 0.02
_FAR = 9


def weights(clues: Clues, graph: Graph, definition: Definition, terms: Mapping[str, float]) -> dict[int, float]:
    """Return by number how suspicious each line of a function is, the most suspicious 1; `terms` are the failure's."""
    told = clues.executed.get((definition.path, definition.name))
    executed = passing_by_line(clues, definition.path, told) if told else {}
    on_the_way = {frame.line for frame in clues.frames if frame.path == definition.path}
    strongest = max(terms.values(), default=1.0)
    source = graph.lines(definition.path)[definition.first - 1 : definition.last]
    distances = _distances(source, definition.first, executed)
    found: dict[int, float] = {}
    for n, (words, remark) in enumerate(_with_remarks(source), definition.first):
        if not words.strip():
            continue
        fits = sum(terms.get(term, 0.0) for term in terms_of(words)) / strongest
        weight = _WORDS * math.log1p(fits) + _LATE * (n - definition.first) / len(source) + _REMARK * remark
        weight += _LEAVES * bool(_LEAVING.match(words)) + _ON_THE_WAY * (n in on_the_way)
        if executed:
            weight += _NEAR * math.exp(-distances[n - definition.first])
        if told and (passing := executed.get(n)) is not None:
            weight += _ALONE * ochiai(told.failing, clues.tests[0], passing)
        found[n] = weight
    best = max(found.values(), default=0.0)
    return {n: max(_LEAST, math.exp(weight - best)) for n, weight in found.items()}


def _distances(source: Sequence[str], first: int, executed: Mapping[int, object]) -> list[int]:
    """Return how many lines each line is from one that is executed, up to 9."""
    found = [0 if first + n in executed else _FAR for n in range(len(source))]
    for order in (range(1, len(found)), range(len(found) - 2, -1, -1)):
        for n in order:
            found[n] = min(found[n], found[n - order.step] + 1)
    return found


def _with_remarks(source: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is one of a text in triple quotes or a comment."""
    inside = False
    for words in source:
        quotes = words.count('"""') + words.count("'''")
        yield words, inside or quotes > 0 or words.lstrip().startswith("#")
        inside ^= quotes % 2 == 1
