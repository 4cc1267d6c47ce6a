"""What the test uses, and the way that an exception took."""

from __future__ import annotations

import re
from collections.abc import Collection

from dispatcher.context.clues import Clues
from dispatcher.context.signals.values import Values, by_place, definitions
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

HOPS = 2
"""How far from the test; one hop finds no more (docs/measured.md)."""

_FADING = 0.5
"""How much less a callee's callee counts."""


def on_the_way(clues: Clues, graph: Graph) -> Values:
    """Tell how near a function is to where an exception was raised: 1, 1/2, 1/3 ... from the innermost on."""
    return by_place(graph, clues.way)


def misnamed(clues: Clues, graph: Graph) -> Values:
    """Tell which functions a wrong name, or a wrong call, probably means."""
    return by_place(graph, clues.named)


def used(clues: Clues, graph: Graph, hops: int = HOPS) -> Values:
    """Tell which functions the test refers to, and what these refer to: 1, 1/2."""
    found: Values = {}
    near: list[Definition] = definitions(graph, (clues.test_file, clues.test_name))
    strength = 1.0
    for _ in range(hops):
        further = [callee for definition in near for callee in graph.callees(definition)]
        near = [callee for callee in dict.fromkeys(further) if callee not in found]
        found |= dict.fromkeys(near, strength)
        strength *= _FADING
    return found


def of_named_class(clues: Clues, graph: Graph, among: Collection[Definition]) -> Values:
    """Tell which functions belong to a class that the test names."""
    text = "\n".join(
        line
        for test in definitions(graph, (clues.test_file, clues.test_name))
        for line in graph.lines(test.path)[test.first - 1 : test.last]
    )
    words = set(re.findall(r"\w+", text))
    return {d: 1.0 for d in among if "." in d.name and d.name.partition(".")[0] in words}
