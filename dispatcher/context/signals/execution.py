"""What the failing tests execute, and the passing ones do not."""

from __future__ import annotations

import math

from dispatcher.context.clues import Clues, Executed
from dispatcher.context.signals.values import Values, definitions
from dispatcher.graph.graph import Graph

_MANY_LINES = 60


def spectrum(clues: Clues, graph: Graph) -> Values:
    """Tell how suspicious a function is by Ochiai's formula (see `ochiai`)."""
    failing, _ = clues.tests
    return {
        definition: ochiai(told.failing, failing, told.passing)
        for unit, told in clues.executed.items()
        for definition in definitions(graph, unit)
    }


def lines(clues: Clues, graph: Graph) -> Values:
    """Tell the same by each function's most suspicious line, where the lines of passing tests are known."""
    failing, _ = clues.tests
    found: Values = {}
    for unit, told in clues.executed.items():
        counts = [passing for passing in passing_by_line(clues, unit[0], told).values() if passing is not None]
        if counts:
            found |= dict.fromkeys(definitions(graph, unit), ochiai(told.failing, failing, min(counts)))
    return found


def executed(clues: Clues, graph: Graph) -> Values:
    """Tell how much of a function the failing test executes: the logarithm of its lines, 1 for 60 and more."""
    found: Values = {}
    for unit, told in clues.executed.items():
        ran = len(passing_by_line(clues, unit[0], told))
        value = 0.5 + 0.5 * min(1.0, math.log1p(ran) / math.log1p(_MANY_LINES))
        found |= dict.fromkeys(definitions(graph, unit), value)
    return found


def passing_by_line(clues: Clues, path: str, within: Executed) -> dict[int, int | None]:
    """Return how many passing tests execute each line of a function that the failing test executes."""
    return {
        n: span.passing
        for span in clues.lines.get(path, ())
        for n in range(max(span.first, within.first), min(span.last, within.last) + 1)
    }


def ochiai(failing: int, of: int, passing: int) -> float:
    """Return failing / sqrt(all failing x (failing + passing)) (Abreu, Zoeteweij, van Gemund 2007)."""
    return failing / math.sqrt(of * (failing + passing)) if failing and of else 0.0
