"""The pieces of a task's context: what failed, the code that is to blame, what it uses, and what was tried. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dispatcher.context import clues as read_clues
from dispatcher.context import ranking
from dispatcher.context.candidates import Rules
from dispatcher.context.clues import Clues
from dispatcher.context.code import Code
from dispatcher.context.fit import Fitted, fit
from dispatcher.context.markdown import Head
from dispatcher.context.pieces import Tier
from dispatcher.context.ranking import Ranked
from dispatcher.context.telling import told
from dispatcher.domain.task import Task
from dispatcher.graph.graph import Graph
from dispatcher.llm.tokens import Count
from dispatcher.text import count as counted

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
    found = [*Code(clues, graph, ranked).pieces(), *told(task)]
    pieces = [piece for piece in found if piece.tier in recipe.tiers]
    if recipe.whole:
        pieces = [p._replace(forms=p.forms[:1]) if p.kind == "code" and len(p.forms) > 1 else p for p in pieces]
    return Context(fit(_head(task), pieces, asked.budget, asked.counter, recipe.rules), ranked)


def _head(task: Task) -> Head:
    attempts = f", {counted(task['attempts'], 'attempt')} before" if task["attempts"] else ""
    return Head(f"Task {task['id']}", f"{task['status']}{attempts}", task["title"])
