"""Simple ways to choose code, to compare ours with: they only order functions, all else stays the same."""

from __future__ import annotations

from dispatcher.context.clues import Clues
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.context.signals.values import definitions
from dispatcher.graph.graph import Graph


def traceback(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order the functions of the traceback, innermost first."""
    found = [
        definition
        for frame in clues.frames
        if frame.owner != "library"
        for definition in definitions(graph, (frame.path, frame.name))
        if definition.kind == "function"
    ]
    return [Ranked(definition, 1 / n, {}) for n, definition in enumerate(dict.fromkeys(found), 1)]


def bm25(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order the functions that failing tests execute by how well they fit the test and the error; all, if none are known."""
    terms = words.query(clues, graph)
    executed = [each for unit in clues.executed for each in definitions(graph, unit)]
    scores = graph.score(terms, executed) if executed else dict(graph.search(terms, _MOST, tests=False))
    found = [Ranked(definition, score, {}) for definition, score in scores.items() if definition.kind == "function"]
    return sorted(found, key=lambda r: (-r.score, r.definition.path, r.definition.first))


_MOST = 100


def traceback_then_bm25(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order first the functions of the traceback, and behind them the others by their text."""
    first = traceback(clues, graph)
    known = {ranked.definition for ranked in first}
    return [*first, *(ranked for ranked in bm25(clues, graph) if ranked.definition not in known)]
