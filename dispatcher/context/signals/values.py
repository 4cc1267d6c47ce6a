"""Values by definition, and how a clue's name becomes one."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.context.clues import Unit
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

Values = dict[Definition, float]


def definitions(graph: Graph, unit: Unit) -> list[Definition]:
    """Return the definition that a path and a qualified name stand for, if there is one; a module is none."""
    found = graph.find(*unit)
    return [found] if found is not None and found.kind != "module" else []


def by_place(graph: Graph, units: Iterable[Unit]) -> Values:
    """Return 1 for the first of some functions, 1/2 for the next, 1/3 ..."""
    found: Values = {}
    for n, unit in enumerate(units, 1):
        for definition in definitions(graph, unit):
            found.setdefault(definition, 1 / n)
    return found
