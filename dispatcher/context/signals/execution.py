"""What the failing tests execute, and the passing ones do not."""

from __future__ import annotations

import math
from bisect import bisect_left
from operator import attrgetter

from dispatcher.context.clues import Clues, Executed, Unit
from dispatcher.context.signals.values import Values, definitions
from dispatcher.graph.graph import Graph

_MANY_LINES = 60

Ran = dict[Unit, dict[int, int | None]]
"""By function and line, how many passing tests execute it; None where that is not known."""


def spectrum(clues: Clues, graph: Graph) -> Values:
    """Tell how suspicious a function is by Ochiai's formula (see `ochiai`)."""
    failing, _ = clues.tests
    return {
        definition: ochiai(told.failing, failing, told.passing)
        for unit, told in clues.executed.items()
        for definition in definitions(graph, unit)
    }


def lines(clues: Clues, graph: Graph, ran: Ran) -> Values:
    """Tell the same by each function's most suspicious line, where the lines of passing tests are known."""
    failing, _ = clues.tests
    found: Values = {}
    for unit, by_line in ran.items():
        counts = [passing for passing in by_line.values() if passing is not None]
        if counts:
            suspicion = ochiai(clues.executed[unit].failing, failing, min(counts))
            found |= dict.fromkeys(definitions(graph, unit), suspicion)
    return found


def executed(graph: Graph, ran: Ran) -> Values:
    """Tell how much of a function the failing test executes: the logarithm of its lines, 1 for 60 and more."""
    found: Values = {}
    for unit, by_line in ran.items():
        value = 0.5 + 0.5 * min(1.0, math.log1p(len(by_line)) / math.log1p(_MANY_LINES))
        found |= dict.fromkeys(definitions(graph, unit), value)
    return found


def ran_by_function(clues: Clues) -> Ran:
    """Return for each function that failing tests execute how many passing tests execute each of these lines."""
    return {unit: passing_by_line(clues, unit[0], told) for unit, told in clues.executed.items()}


def passing_by_line(clues: Clues, path: str, within: Executed) -> dict[int, int | None]:
    """Return how many passing tests execute each line of a function that the failing test executes."""
    spans = clues.lines.get(path, ())
    found: dict[int, int | None] = {}
    for at in range(bisect_left(spans, within.first, key=attrgetter("last")), len(spans)):
        span = spans[at]
        if span.first > within.last:
            break
        found |= dict.fromkeys(range(max(span.first, within.first), min(span.last, within.last) + 1), span.passing)
    return found


def ochiai(failing: int, of: int, passing: int) -> float:
    """Return failing / sqrt(all failing x (failing + passing)) (Abreu, Zoeteweij, van Gemund 2007)."""
    return failing / math.sqrt(of * (failing + passing)) if failing and of else 0.0
