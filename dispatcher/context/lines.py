"""How suspicious each line of a function is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.context.clues import Clues
from dispatcher.context.signals.execution import ochiai, passing_by_line
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from dispatcher.graph.terms import terms_of

_LEAST, _SAID, _RUN = 0.05, 0.3, 0.6
"""What a line counts for at least, with the words of the failure in it, and when the failing test executes it."""

_EXECUTED_BY_ALL = 0.4
"""The part of the latter for a line that passing tests execute as well."""

_MANY_WORDS = 4


def weights(clues: Clues, graph: Graph, definition: Definition, terms: Mapping[str, float]) -> dict[int, float]:
    """Return by number how suspicious each line of a function is, from 0 to 1.

    Lines that the exception came through count most, then those that few passing tests execute; of these and the others
    those with `terms` of the failure.
    """
    told = clues.executed.get((definition.path, definition.name))
    executed = passing_by_line(clues, definition.path, told) if told else {}
    on_the_way = {frame.line for frame in clues.frames if frame.path == definition.path}
    enough = _MANY_WORDS * max(terms.values(), default=1.0)
    found = {}
    for n, words in enumerate(graph.lines(definition.path)[definition.first - 1 : definition.last], definition.first):
        fits = sum(terms.get(term, 0.0) for term in terms_of(words))
        weight = _LEAST + _SAID * min(1.0, fits / enough)
        if told and n in executed:
            passing = executed[n]
            alone = 1.0 if passing is None else ochiai(told.failing, clues.tests[0], passing)
            weight += _RUN * (_EXECUTED_BY_ALL + (1 - _EXECUTED_BY_ALL) * alone)
        found[n] = 1.0 if n in on_the_way else min(1.0, weight)
    return found
