"""The code that a context shows: the failing test, the suspects, and what they use. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dispatcher.context import lines
from dispatcher.context.clues import Clues
from dispatcher.context.excerpt import Excerpt, signature
from dispatcher.context.pieces import Form, Piece, Tier, code_forms
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.context.signals.values import definitions
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

_HIGH, _MEDIUM = 8, 20
"""How many of the suspects are of the second tier and before; the same for the third."""

_USED = 6
"""Signatures of what the most suspicious function uses."""


class Code:
    """The pieces of code for one failure, those of one tier in the order of their worth."""

    def __init__(self, clues: Clues, graph: Graph, ranked: Sequence[Ranked]) -> None:
        self._clues, self._graph, self._ranked = clues, graph, ranked
        self._query = words.query(clues, graph)

    def pieces(self) -> Iterator[Piece]:
        """Yield them."""
        yield from self._suspects()
        yield from self._test()
        yield from self._used()

    def _suspects(self) -> Iterator[Piece]:
        for n, ranked in enumerate(self._ranked[:_MEDIUM]):
            tier = Tier.CRITICAL if n == 0 else Tier.HIGH if n < _HIGH else Tier.MEDIUM
            yield self._function(ranked, tier)

    def _function(self, ranked: Ranked, tier: Tier) -> Piece:
        d = ranked.definition
        weights = lines.weights(self._clues, self._graph, d, self._query)
        forms = code_forms(self._source(d), d.first, weights)
        reasons = tuple(_reasons(ranked, self._clues))
        return Piece("code", tier, f"{d.name} in {d.path}", forms, d.path, ranked.score, reasons, "python", d.name)

    def _test(self) -> Iterator[Piece]:
        clues = self._clues
        for d in definitions(self._graph, (clues.test_file, clues.test_name)):
            failing = {frame.line: 1.0 for frame in clues.frames if frame.path == d.path}
            forms = code_forms(self._source(d), d.first, failing)
            yield Piece("test", Tier.CRITICAL, "The failing test", forms, d.path, language="python", name=d.name)

    def _used(self) -> Iterator[Piece]:
        """Yield the signatures of what the most suspicious function uses."""
        if not self._ranked:
            return
        shown = {ranked.definition for ranked in self._ranked[:_HIGH]}
        callees = self._graph.callees(self._ranked[0].definition)
        used = [d for d in callees if d not in shown and d.kind == "function"][:_USED]
        if used:
            text = "\n".join(f"# {d.path}:{d.first}\n{signature(self._source(d), d.first).text}" for d in used)
            yield Piece("code", Tier.MEDIUM, "Used there", (Form("signatures", Excerpt(text, ())),), language="python")

    def _source(self, d: Definition) -> list[str]:
        return self._graph.lines(d.path)[d.first - 1 : d.last]


def _reasons(ranked: Ranked, clues: Clues) -> Iterator[str]:
    unit = ranked.definition.path, ranked.definition.name
    if unit in clues.way:
        yield f"{clues.way.index(unit) + 1} on the way of the exception"
    if told := clues.executed.get(unit):
        failing, passing = clues.tests
        yield f"run by {told.failing} of {failing} failing and {told.passing} of {passing} passing tests"
