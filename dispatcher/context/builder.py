"""The pieces of a task's context: what failed, the code that is to blame, what it uses, and what was tried. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from dispatcher.context import clues as read_clues
from dispatcher.context import lines, ranking
from dispatcher.context.candidates import Rules
from dispatcher.context.clues import Clues
from dispatcher.context.excerpt import Excerpt, signature
from dispatcher.context.fit import Fitted, fit
from dispatcher.context.markdown import Head
from dispatcher.context.pieces import Form, Piece, Tier, code_forms, text_forms
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.context.signals.values import definitions
from dispatcher.domain.task import Task
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from dispatcher.llm.tokens import Count
from dispatcher.text import count as counted

_HIGH, _MEDIUM = 8, 20
"""How many of the suspects are of the second tier and before; the same for the third."""

_USED = 6
"""Signatures of what the most suspicious function uses."""

_LAST_ATTEMPTS = 2

Order = Callable[[Clues, Graph], list[Ranked]]


class Recipe(NamedTuple):
    """How a context is made; what differs from the default is for measuring.

    `without` names signals that are left out, `tiers` are those that are filled, `whole`: code is shown whole or not at
    all, `order` is what ranks the functions instead.
    """

    without: frozenset[str] = frozenset()
    tiers: frozenset[Tier] = frozenset(Tier)
    whole: bool = False
    rules: Rules = Rules()
    order: Order | None = None


class Context(NamedTuple):
    """A prompt with all that is in it, and the functions in the order of suspicion."""

    fitted: Fitted
    ranked: list[Ranked]


class Asked(NamedTuple):
    """For which budget of tokens a context is made, and who counts them."""

    budget: int
    counter: Callable[[str], Count]


def build(task: Task, graph: Graph, asked: Asked, recipe: Recipe = Recipe()) -> Context:  # noqa: B008 - a tuple
    """Return the context of a whole task. Raises InvalidInput for a budget that not even what is critical fits in."""
    clues = read_clues.of(task)
    ranked = recipe.order(clues, graph) if recipe.order else ranking.rank(clues, graph, recipe.without)
    pieces = [piece for piece in _Pieces(task, clues, graph, ranked).all() if piece.tier in recipe.tiers]
    if recipe.whole:
        pieces = [p._replace(forms=p.forms[:1]) if p.kind == "code" and len(p.forms) > 1 else p for p in pieces]
    return Context(fit(_head(task), pieces, asked.budget, asked.counter, recipe.rules), ranked)


def _head(task: Task) -> Head:
    attempts = f", {counted(task['attempts'], 'attempt')} before" if task["attempts"] else ""
    return Head(f"Task {task['id']}", f"{task['status']}{attempts}", task["title"])


class _Pieces:
    """The pieces that a task's context may have, those of one tier in the order of their worth."""

    def __init__(self, task: Task, clues: Clues, graph: Graph, ranked: Sequence[Ranked]) -> None:
        self._task, self._clues, self._graph, self._ranked = task, clues, graph, ranked
        self._about: dict[str, Any] = (task.get("detail") or {}).get("failure") or {}
        self._query = words.query(clues, graph)

    def all(self) -> Iterator[Piece]:
        yield from self._code()
        yield from self._failure()
        yield from self._test()
        yield from self._used()
        yield from self._attempts()

    def _code(self) -> Iterator[Piece]:
        for n, ranked in enumerate(self._ranked[:_MEDIUM]):
            tier = Tier.CRITICAL if n == 0 else Tier.HIGH if n < _HIGH else Tier.MEDIUM
            yield self._function(ranked, tier)

    def _function(self, ranked: Ranked, tier: Tier) -> Piece:
        d = ranked.definition
        source = self._graph.lines(d.path)[d.first - 1 : d.last]
        forms = code_forms(source, d.first, lines.weights(self._clues, self._graph, d, self._query))
        return Piece(
            "code",
            tier,
            f"{d.name} in {d.path}",
            forms,
            d.path,
            ranked.score,
            tuple(_reasons(ranked, self._clues)),
            "python",
        )

    def _failure(self) -> Iterator[Piece]:
        failure = self._task.get("failure")
        if failure is None:
            if self._task["body"]:
                yield Piece("error", Tier.CRITICAL, "What is to be done", text_forms(self._task["body"]))
            return
        message = str(self._about.get("message") or failure["message"])
        compared = (self._about.get("evidence") or {}).get("compared")
        place = failure["place"]
        said = [f"{failure['exception']}: {message}"]
        if failure["statement"]:
            said.append(f"at: {failure['statement']}")
        if place:
            said.append(f"in {place['function']}, {place['path']}:{place['line']}")
        if compared and str(compared["left"]) not in message:
            said.append(f"compared: {compared['left']} {compared['op']} {compared['right']}")
        yield Piece("error", Tier.CRITICAL, f"How {failure['test']} fails", text_forms("\n".join(said)))

    def _test(self) -> Iterator[Piece]:
        clues = self._clues
        for d in definitions(self._graph, (clues.test_file, clues.test_name)):
            source = self._graph.lines(d.path)[d.first - 1 : d.last]
            failing = {frame.line: 1.0 for frame in clues.frames if frame.path == d.path}
            yield Piece(
                "test",
                Tier.CRITICAL,
                "The failing test",
                code_forms(source, d.first, failing),
                d.path,
                language="python",
            )

    def _used(self) -> Iterator[Piece]:
        """Yield the signatures of what the most suspicious function uses."""
        if not self._ranked:
            return
        shown = {r.definition for r in self._ranked[:_HIGH]}
        used = [d for d in self._graph.callees(self._ranked[0].definition) if d not in shown and d.kind == "function"]
        if not used:
            return
        text = "\n".join(f"# {d.path}:{d.first}\n{self._signature(d)}" for d in used[:_USED])
        yield Piece("code", Tier.MEDIUM, "Used there", (Form("signatures", Excerpt(text, ())),), language="python")

    def _signature(self, d: Definition) -> str:
        return signature(self._graph.lines(d.path)[d.first - 1 : d.last], d.first).text

    def _attempts(self) -> Iterator[Piece]:
        log = self._task["attempt_log"]
        for n, attempt in enumerate(reversed(log)):
            tier = Tier.HIGH if n < _LAST_ATTEMPTS else Tier.LOW
            said = f"{attempt['outcome']}: {attempt.get('note', '')}".strip(": ")
            yield Piece("attempt", tier, f"Attempt {attempt['generation']} by {attempt['agent']}", text_forms(said))
        if check := self._task.get("last_check"):
            yield Piece("attempt", Tier.HIGH, f"Refused, {check['agent']}", text_forms(check["why"]))


def _reasons(ranked: Ranked, clues: Clues) -> Iterator[str]:
    unit = ranked.definition.path, ranked.definition.name
    if unit in clues.way:
        yield f"{clues.way.index(unit) + 1} on the way of the exception"
    if told := clues.executed.get(unit):
        failing, passing = clues.tests
        yield f"executed by {told.failing} of {failing} failing and {told.passing} of {passing} passing tests"
    if ranked.signals.get("calls"):
        yield "used by the test"
    if ranked.signals.get("text"):
        yield "its words are those of the failure"
