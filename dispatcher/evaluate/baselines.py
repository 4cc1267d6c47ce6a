"""Simple ways to choose code, to compare ours with: they only order functions, all else stays the same."""

from __future__ import annotations

from collections.abc import Iterable
from math import log

from dispatcher.context.clues import Clues
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.context.signals.values import definitions
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

_MOST = 100


def traceback(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order the functions of the traceback, innermost first."""
    found = [
        definition
        for frame in clues.frames
        if frame.owner != "library"
        for definition in definitions(graph, (frame.path, frame.name))
        if definition.kind == "function"
    ]
    return _by_place(found)


def bm25(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order the functions that failing tests execute by how well they fit the test and the error; all, if none are known."""
    terms = words.query(clues, graph)
    executed = [each for unit in clues.executed for each in definitions(graph, unit)]
    scores = graph.score(terms, executed) if executed else dict(graph.search(terms, _MOST, tests=False))
    found = [definition for definition in scores if definition.kind == "function"]
    return _by_place(sorted(found, key=lambda d: (-scores[d], d.path, d.first)))


def traceback_then_bm25(clues: Clues, graph: Graph) -> list[Ranked]:
    """Order first the functions of the traceback, and behind them the others by their text."""
    return _by_place(ranked.definition for ranked in (*traceback(clues, graph), *bm25(clues, graph)))


def _by_place(definitions: Iterable[Definition]) -> list[Ranked]:
    """Return functions with scores that share out the room by place alone: the n-th is n times less likely than the first.

    What these ways have for scores is no logit; taken for one, nearly all room would be the first one's.
    """
    return [Ranked(definition, -log(n), {}) for n, definition in enumerate(dict.fromkeys(definitions), 1)]
