"""The context of a task: which budget it has, who counts its tokens, and what it is made from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dispatcher.config import Settings
from dispatcher.context import budget, builder
from dispatcher.context.builder import Context
from dispatcher.context.window_state import Sizes
from dispatcher.domain.task import Task
from dispatcher.graph import graph as code_graph
from dispatcher.llm import reference, vocabularies
from dispatcher.llm.tokens import Tokens
from dispatcher.llm.vocabularies import Kept


class Wish(NamedTuple):
    """How many tokens a context may have, None for the share of the window; the model that will read it, None for any."""

    budget: int | None = None
    model: str | None = None


class Place(NamedTuple):
    """Where the source is, and where what is known of it and of models is kept."""

    project: Path
    cache: str
    kept: Kept


def build(task: Task, settings: Settings, wish: Wish, place: Place) -> Context:
    """Return the context of a whole task. Raises InvalidInput for a budget that is too small."""
    tokens = reader(settings, wish.model, place.kept)
    asked = builder.Asked(wish.budget or active(settings), tokens.count)
    with code_graph.opened(place.project, place.cache) as graph:
        return builder.build(task, graph, asked)


def active(settings: Settings) -> int:
    """Return the tokens that are for the context, of a window as the settings have it before any model is asked."""
    sizes, most = Sizes(), settings.number("context.maxSize")
    target = settings.number("context.targetSize")
    window = {"dynamic": sizes.start, "manual": target}.get(settings.text("context.profile"), sizes.hard)
    return budget.shares_of(min(window, most) if most else window, settings).active


def reader(settings: Settings, named: str | None, kept: Kept) -> Tokens:
    """Return what counts for the one who will read: the model that is named or set, exactly if its vocabulary is kept.

    Without it a model that was named or set gets the bound that holds for all; where none was, the reader may be
    anybody, and counts are those of a vocabulary that is always there.
    """
    name = named or settings.text("llm.model")
    known = vocabularies.at_hand(name, kept)
    if known is not None:
        return known
    if named == reference.NAME or (named is None and settings.value("llm.model").source == "default"):
        try:
            return reference.tokens(kept.folder)
        except (ImportError, OSError):
            pass
    return vocabularies.nothing(
        f"the vocabulary of {name} is not known; 'dispatcher tokens --model {name}' asks its server"
    )
