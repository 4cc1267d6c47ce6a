"""The pieces of a task's context: what failed, the code that is to blame, what it uses, and what was tried. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dispatcher.context import around, ranking
from dispatcher.context import clues as read_clues
from dispatcher.context.around import Lines
from dispatcher.context.budget import size
from dispatcher.context.candidates import Rules
from dispatcher.context.clues import Clues
from dispatcher.context.code import Code
from dispatcher.context.excerpt import Excerpt
from dispatcher.context.fit import Fitted, fit
from dispatcher.context.markdown import Head
from dispatcher.context.pieces import Chosen, Piece, Tier
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals.calls import HOPS
from dispatcher.context.telling import NOTHING, Beside, told
from dispatcher.domain.task import Task
from dispatcher.graph.graph import Graph
from dispatcher.llm.tokens import Count
from dispatcher.text import count as counted

Order = Callable[[Clues, Graph], list[Ranked]]


class Recipe(NamedTuple):
    """How a context is made; what differs from the default is for measuring.

    `without` names signals that are left out, `hops` is how far from the test what it uses is followed, `tiers` are those
    that are filled, `whole`: code is shown whole or not at all, `order` is what ranks the functions instead.
    """

    without: frozenset[str] = frozenset()
    hops: int = HOPS
    tiers: frozenset[Tier] = frozenset(Tier)
    whole: bool = False
    rules: Rules = Rules()
    order: Order | None = None


class Context(NamedTuple):
    """A prompt with all that is in it, and the functions in the order of suspicion."""

    fitted: Fitted
    ranked: list[Ranked]


class Asked(NamedTuple):
    """For which budget of tokens a context is made, who counts them, and the token of the claim that it goes with."""

    budget: int
    counter: Callable[[str], Count]
    token: str = ""


def build(
    task: Task,
    graph: Graph,
    asked: Asked,
    recipe: Recipe = Recipe(),  # noqa: B008 - a tuple
    *,
    beside: Beside = NOTHING,
) -> Context:
    """Return the context of a whole task. Raises InvalidInput for a budget that not even what is critical fits in."""
    clues = read_clues.of(task)
    ranked = recipe.order(clues, graph) if recipe.order else ranking.rank(clues, graph, recipe.without, recipe.hops)
    module = list(around.of_module(task, clues, graph.lines))
    surely = "failure" in task and not module  # no function is to blame for a module's own line, or for a wish
    code = Code(clues, graph, ranked, asked.budget, Tier.CRITICAL if surely else Tier.HIGH)
    pieces = [p for p in (*module, *code.pieces(), *told(task, beside)) if p.tier in recipe.tiers]
    if recipe.whole:
        pieces = [p._replace(forms=p.forms[:1]) if p.kind == "code" and len(p.forms) > 1 else p for p in pieces]
    fitted = _fitted(task, pieces, asked, recipe.rules)
    return Context(fitted._replace(left_out=[*fitted.left_out, *code.passed_over]), ranked)


def without_graph(
    task: Task,
    lines: Lines,
    asked: Asked,
    rules: Rules = Rules(),  # noqa: B008 - a tuple
    *,
    beside: Beside = NOTHING,
) -> Context:
    """Return a simpler context, with the code around the places that the failure names. Raises InvalidInput as `build`."""
    pieces = [*around.of_all(task, read_clues.of(task), lines), *told(task, beside)]
    return Context(_fitted(task, pieces, asked, rules), [])


def _fitted(task: Task, pieces: Sequence[Piece], asked: Asked, rules: Rules) -> Fitted:
    """Fit the pieces; where all of them surely have room, no vocabulary is asked."""
    attempts = f", {counted(task['attempts'], 'attempt')} before" if task["attempts"] else ""
    held = f", claim {asked.token}" if asked.token else ""
    status = f"{task['status']}{held}{attempts}"

    def render(head: Head, chosen: Sequence[Chosen]) -> str:
        return rules.render(head._replace(status=status), chosen)  # whole: pieces are cut, the token must not be

    head, rules_here = Head(f"Task {task['id']}", "", task["title"]), rules._replace(render=render)
    if sum(map(_bytes, pieces)) < asked.budget:
        fitted = fit(head, pieces, asked.budget, in_bytes, rules_here)
        best = all(chosen.form == chosen.piece.forms[0].name for chosen in fitted.chosen)
        if best and not fitted.left_out:
            return fitted
    return fit(head, pieces, asked.budget, asked.counter, rules_here)


def in_bytes(text: str) -> Count:
    """Return what a text has at most, whoever counts: its bytes, and one token that begins it."""
    most = size(text) + 1
    return Count(most, "bounded", "bytes", most)


def _bytes(piece: Piece) -> int:
    content = piece.forms[0].content
    return size(content.text) if isinstance(content, Excerpt) else 1 << 30
