"""Which functions are to blame for a failure: the signals weighed and added up. Pure.

Published work found tracebacks and spectra (FauxPy 2024), text and calls (AutoFL's data) to help; changes made lately are
the oldest predictor of mistakes (Nagappan and Ball 2005). The weights were fitted to real fixes of other projects than those
that docs/context.md reports on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from dispatcher.context.clues import Clues
from dispatcher.context.signals import calls, execution, history, neighbours, shape, words
from dispatcher.context.signals.values import Values
from dispatcher.domain.testcode import is_test_code
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

Told = dict[Definition, dict[str, float]]

SIGNALS: Mapping[str, tuple[str, ...]] = {
    "traceback": ("on the way", "misnamed"),
    "spectrum": ("spectrum", "lines", "executed"),
    "text": ("text", "name", "said", "nearly said", "file", "file named"),
    "calls": ("used", "class named"),
    "history": ("changed together", "like tests", "recent file"),
    "shape": ("size", "plain"),
    "neighbours": (),
}
"""What can be switched off, with the values that it stands for."""

_WEIGHTS: Mapping[str, tuple[float, float]] = {
    "on the way": (0.7, 0.3), "misnamed": (0.8, 0.4), "spectrum": (1.9, 1.6), "lines": (1.2, 1.1),
    "executed": (2.4, 2.4), "text": (2.9, 2.7), "name": (1.6, 1.6), "said": (0.3, 0.3), "used": (0.8, 0.4),
    "class named": (0.4, 0.4), "changed together": (1.2, 1.2), "like tests": (0.7, 0.7), "recent file": (0.9, 0.9),
    "size": (1.6, 1.6), "plain": (0.6, 0.6), "file": (1.4, 1.4),
    "nearly said": (2.0, 2.0), "file named": (3.0, 3.0),
}  # fmt: skip
"""What each value counts for where something was raised in the source, and otherwise: logits, so that scores tell how much
likelier one function is to be to blame than another. "nearly said" and "file named" were not fitted: too few
fixes are about a name that is gone, and none are for wishes."""

_NEIGHBOURS = 1.0
"""What it counts for that the other functions of the file are to blame, if this one is not."""

_TESTS_OWN = 1.5
"""How much less suspicious helpers and fixtures of tests are than what they test."""


class Ranked(NamedTuple):
    """A function, how suspicious it is, and what each signal adds to that."""

    definition: Definition
    score: float
    signals: dict[str, float]


def rank(clues: Clues, graph: Graph, without: Collection[str] = (), hops: int = calls.HOPS) -> list[Ranked]:
    """Return the functions that may be to blame, the most suspicious first.

    `without` names signals to leave out; `hops`: how far from the test what it uses is followed.
    """
    ranked = [
        _ranked(definition, told, clues)
        for definition, told in values(clues, graph, without, hops).items()
        if definition.kind == "function" and not _is_in_the_test(definition, clues)
    ]
    if "neighbours" not in without:
        likely = neighbours.likely({each.definition: each.score for each in ranked})
        ranked = [_with_neighbours(each, likely.get(each.definition, 0.0)) for each in ranked]
    ranked.sort(key=lambda r: (-r.score, r.definition.path, r.definition.first))
    return ranked


def _ranked(definition: Definition, told: Mapping[str, float], clues: Clues) -> Ranked:
    weighed = {name: _WEIGHTS[name][not clues.crash] * value for name, value in told.items()}
    adds = {signal: sum(weighed.get(name, 0.0) for name in names) for signal, names in SIGNALS.items()}
    score = sum(adds.values()) - _TESTS_OWN * is_test_code(definition.path)
    return Ranked(definition, round(score, 4), {s: round(v, 4) for s, v in adds.items() if v})


def _with_neighbours(ranked: Ranked, likely: float) -> Ranked:
    adds = round(_NEIGHBOURS * likely, 4)
    return Ranked(ranked.definition, ranked.score + adds, {**ranked.signals, "neighbours": adds}) if adds else ranked


def values(clues: Clues, graph: Graph, without: Collection[str] = (), hops: int = calls.HOPS) -> Told:
    """Return the values of each definition that a signal points to."""
    pointing: dict[str, Values] = {}
    if "traceback" not in without:
        pointing |= {"on the way": calls.on_the_way(clues, graph), "misnamed": calls.misnamed(clues, graph)}
    if "spectrum" not in without:
        pointing["spectrum"] = execution.spectrum(clues, graph)
        ran = execution.ran_by_function(clues)
        pointing |= {"lines": execution.lines(clues, graph, ran), "executed": execution.executed(graph, ran)}
    if "calls" not in without:
        pointing["used"] = calls.used(clues, graph, hops)
    if "text" not in without:
        pointing["file named"] = words.in_named_files(clues, graph)
    told: Told = defaultdict(dict)
    _take(told, pointing)
    if "text" not in without:
        _take(told, {"text": words.fitting(words.query(clues, graph), graph, list(told))})
    _take(told, _further(clues, graph, list(told), without))
    return told


def _is_in_the_test(definition: Definition, clues: Clues) -> bool:
    return definition.path == clues.test_file and definition.name.startswith(f"{clues.test_name}.")


def _further(clues: Clues, graph: Graph, among: Collection[Definition], without: Collection[str]) -> dict[str, Values]:
    """Return the values that only tell more of definitions that others point to."""
    found: dict[str, Values] = {}
    if "text" not in without:
        found |= {"name": words.in_the_name(clues, among), "said": words.said(clues, among)}
        found["nearly said"] = words.nearly_said(clues, among)
        found["file"] = words.in_like_named_file(clues, among)
    if "calls" not in without:
        found["class named"] = calls.of_named_class(clues, graph, among)
    if "history" not in without:
        commits = graph.commits()
        found["changed together"] = history.changed_together(commits, clues.test_file, among)
        found["like tests"] = history.changed_with_like_tests(commits, clues, among)
        found["recent file"] = history.in_recent_file(commits, among)
    if "shape" not in without:
        found |= {"size": shape.size(among), "plain": shape.plain(among)}
    return found


def _take(told: Told, found: Mapping[str, Values]) -> None:
    for name, by_definition in found.items():
        for definition, value in by_definition.items():
            if value and definition.kind != "test":
                told[definition][name] = value
