"""The code that a context shows: the failing test, the suspects, and what they use. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from dispatcher.context import lines, surroundings
from dispatcher.context.allotment import Size, allot, likelihoods
from dispatcher.context.clues import Clues
from dispatcher.context.excerpt import Excerpt, Fits, most, signature
from dispatcher.context.layout import definition_of, layout_of
from dispatcher.context.pieces import Form, LeftOut, Piece, Tier, code_forms
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.context.signals.values import definitions
from dispatcher.domain.testcode import is_test_code
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph

_HIGH, _MEDIUM = 8, 30
"""How many of the suspects are of the second tier and before; the same for the third."""

_SHARE = 0.8
"""The part of the budget that suspects may have together, headings and all."""

_SHARPNESS = 1.2
"""How much surer the scores are than they say: their weights were held down when they were fitted."""

_FAR_BEHIND = 4.5
"""How far below the best score (a logit) a function is not worth showing that the failing test does not execute: it is
90 times less likely to be to blame."""

_BEHIND, _FAR = "less likely than those that have the room", "much less likely than the first"

_AROUND, _LEAST = 45, 45
"""Tokens of a heading with a fence, and the fewest of a function's body that are worth one."""

_SURROUNDED, _MOST_RANGES, _LONGEST = 3, 12, 160
"""For how many functions the surroundings are shown; ranges for each, characters of a line."""

_AROUND_SHARE = 0.02
"""Lines of what is around functions in one file, for each token of the budget."""

_CLASS_LINE = re.compile(r"\s*class\b.*:\s*(?:#.*)?")

_BYTES_PER_TOKEN = 3.5
_PER_LINE = 1
"""About what tells a function's tokens from its source before it is counted."""

_USED, _USED_SHARE = 6, 0.05
"""Signatures of what the most suspicious function uses, and the part of the budget that they may have."""


class Code:
    """The pieces of code for one failure, those of one tier in the order of their worth.

    `first` is the tier of the most suspicious function. `passed_over` has, once the pieces were made, the suspects that
    are not likely enough for the room that they would take.
    """

    def __init__(
        self, clues: Clues, graph: Graph, ranked: Sequence[Ranked], budget: int, first: Tier = Tier.CRITICAL
    ) -> None:
        self._clues, self._graph, self._ranked, self._budget, self._first = clues, graph, ranked, budget, first
        self._query = words.query(clues, graph)
        self.passed_over: list[LeftOut] = []

    def pieces(self) -> Iterator[Piece]:
        """Yield them."""
        yield from self._suspects()
        yield from self._test()
        yield from self._around()
        yield from self._used()

    def _suspects(self) -> Iterator[Piece]:
        ranked = list(_without_nested_helpers(self._ranked))[:_MEDIUM]
        ranked.sort(key=lambda each: not self._may_be_shown(each))
        near = [each for each in ranked if self._may_be_shown(each)]
        sizes = [_size(self._source(each.definition)) for each in near]
        likely = likelihoods([_SHARPNESS * each.score for each in near])
        rooms = allot(likely, sizes, int(self._budget * _SHARE), _AROUND, _LEAST)
        for n, each in enumerate(ranked):
            tier = self._first if n == 0 else Tier.HIGH if n < _HIGH else Tier.MEDIUM
            room = rooms[n] if n < len(rooms) else 0
            piece = self._function(each, tier, max(room, _AROUND + _LEAST))
            if room or n == 0:
                yield piece
            else:
                self.passed_over.append(LeftOut(piece, _BEHIND if n < len(near) else _FAR))

    def _may_be_shown(self, ranked: Ranked) -> bool:
        d = ranked.definition
        return ranked.score > self._ranked[0].score - _FAR_BEHIND or (d.path, d.name) in self._clues.executed

    def _function(self, ranked: Ranked, tier: Tier, room: int) -> Piece:
        d = ranked.definition
        forms = code_forms(self._source(d), d.first, lambda: lines.weights(self._clues, self._graph, d, self._query))
        return Piece(
            "code", tier, f"{d.name} in {d.path}", forms, d.path, ranked.score,
            tuple(_reasons(ranked, self._clues)) if ranked is self._ranked[0] else (), "python", d.name, room,
        )  # fmt: skip

    def _test(self) -> Iterator[Piece]:
        clues = self._clues
        for d in definitions(self._graph, (clues.test_file, clues.test_name)):
            failing = {frame.line: 1.0 for frame in clues.frames if frame.path == d.path}
            source = self._source(d)
            begins = definition_of(source)  # the values of all cases, which stand before, say little about this one
            forms = code_forms(source[begins:], d.first + begins, failing.copy)
            yield Piece("test", Tier.CRITICAL, "The failing test", forms, d.path, language="python", name=d.name)

    def _around(self) -> Iterator[Piece]:
        """Yield the class lines of the most suspicious functions, and the module's names that they use."""
        seen: dict[str, set[int]] = {}
        for ranked in self._ranked[:_SURROUNDED]:
            d = ranked.definition
            source, others = self._graph.lines(d.path), self._graph.definitions(d.path)
            holder = next((o for o in others if o.kind == "class" and o.name == d.name.rpartition(".")[0]), None)
            found = surroundings.own_lines(source, holder, others) if holder else []
            found += surroundings.names_used(source, d, others)
            for first, last in found[:_MOST_RANGES]:
                seen.setdefault(d.path, set()).update(range(first, last + 1))
        for path, numbers in seen.items():
            source = self._graph.lines(path)
            shown = sorted(numbers)[: int(self._budget * _AROUND_SHARE)]
            rows = [source[n - 1][:_LONGEST].rstrip() for n in shown]
            if all(map(_CLASS_LINE.fullmatch, rows)):
                continue  # the functions' names tell as much
            yield Piece("code", Tier.HIGH, "Around it", _beginnings(rows, shown), path, language="python")

    def _used(self) -> Iterator[Piece]:
        """Yield the signatures of what the most suspicious function uses."""
        if not self._ranked:
            return
        shown = {ranked.definition for ranked in self._ranked[:_HIGH]}
        user = self._ranked[0].definition
        called = set(re.findall(r"(\w+)\(", "\n".join(self._source(user))))
        callees = (d for d in self._graph.callees(user) if d not in shown and d.kind == "function")
        ran = self._clues.executed  # what a method's name alone seems to stand for, often is another class's
        used = (d for d in callees if d.name.rpartition(".")[2] in called and (not ran or (d.path, d.name) in ran))
        rows = [f"# {d.path}:{d.first}\n{signature(self._source(d), d.first).text}" for d in islice(used, _USED)]
        sizes = accumulate(_tokens([row]) for row in rows)
        if text := "\n".join(row for row, size in zip(rows, sizes, strict=True) if size <= self._budget * _USED_SHARE):
            yield Piece("code", Tier.MEDIUM, "Used there", (Form("signatures", Excerpt(text, ())),), language="python")

    def _source(self, d: Definition) -> list[str]:
        return self._graph.lines(d.path)[d.first - 1 : d.last]


def _beginnings(rows: Sequence[str], numbers: Sequence[int]) -> tuple[Form, ...]:
    """Return the forms of single lines of a file: all of them, or as many of the first as have room."""

    def first(count: int) -> Excerpt:
        return Excerpt("\n".join(rows[:count]), tuple((n, n) for n in numbers[:count]))

    def made(fits: Fits) -> Excerpt:
        return first(1 + most(len(rows) - 1, lambda count: fits(first(1 + count).text)))

    return (Form("full", first(len(rows))), Form("excerpt", made))


def _without_nested_helpers(ranked: Sequence[Ranked]) -> Iterator[Ranked]:
    """Yield the functions, of those of tests that lie inside one another only the first: they would be shown twice."""
    seen: list[Definition] = []
    for each in ranked:
        d = each.definition
        if is_test_code(d.path):
            if any(d.path == s.path and (_holds(s, d) or _holds(d, s)) for s in seen):
                continue
            seen.append(d)
        yield each


def _holds(outer: Definition, inner: Definition) -> bool:
    return inner.name.startswith(f"{outer.name}.<locals>.")


def _size(source: Sequence[str]) -> Size:
    layout = layout_of(source)
    return Size(_tokens(source), _tokens(source[: layout.header]), _tokens(source[layout.docstring :]))


def _tokens(source: Sequence[str]) -> int:
    """Return about how many tokens a function is."""
    return int(sum(map(len, source)) / _BYTES_PER_TOKEN) + _PER_LINE * len(source)


def _reasons(ranked: Ranked, clues: Clues) -> Iterator[str]:
    unit = ranked.definition.path, ranked.definition.name
    if unit in clues.way:
        yield f"{clues.way.index(unit) + 1} on the way of the exception"
    if told := clues.executed.get(unit):
        failing, passing = clues.tests
        yield f"run by {told.failing} of {failing} failing and {told.passing} of {passing} passing tests"
