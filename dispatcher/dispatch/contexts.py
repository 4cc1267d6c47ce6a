"""The context of a task: which budget it has, who counts its tokens, and what it is made from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from dispatcher.config import Settings
from dispatcher.context import budget, builder
from dispatcher.context.builder import Asked, Context, Recipe, in_bytes
from dispatcher.context.candidates import Rules
from dispatcher.context.markdown import neutral, request
from dispatcher.context.telling import Beside
from dispatcher.context.window_state import Sizes
from dispatcher.domain.task import Task
from dispatcher.errors import DispatcherError
from dispatcher.graph import graph as code_graph
from dispatcher.graph import source
from dispatcher.graph.graph import Graph
from dispatcher.llm.tokens import Count, Tokens

if TYPE_CHECKING:
    from dispatcher.dispatch.machine import Asking
    from dispatcher.llm.vocabularies import Kept

PATIENCE = 2.0
"""Seconds that a model's server has to tell its vocabulary, if that is not kept yet."""


class Wish(NamedTuple):
    """How many tokens a context may have, None for the share of the window; the model that will read it, None for any.

    `told`: its reader has been told what fences hold, as `work` tells a model.
    """

    budget: int | None = None
    model: str | None = None
    told: bool = False


class Place(NamedTuple):
    """Where the source is, where what is known of it and of models is kept, and who can be asked of models.

    `lexicons` is the folder of vocabularies.
    """

    project: Path
    cache: str
    lexicons: str
    asking: Callable[[], Asking]


class Made(NamedTuple):
    """The context of a task within its budget; None where not even the simplest has room, and `why` not a better one."""

    budget: int
    context: Context | None
    why: str = ""

    @property
    def has_code(self) -> bool:
        """Whether any code of the project is in it."""
        return self.context is not None and any(each.piece.path for each in self.context.fitted.chosen)


class Contexts:
    """Makes contexts from one look at the project. Close it, or use it in a `with` statement. `notes` are for a person."""

    def __init__(self, settings: Settings, wish: Wish, place: Place) -> None:
        self._place = place
        self._count = Counting(settings, wish.model, place)
        self._asked = Asked(wish.budget or active(settings), self._count)
        self._rules = Rules(render=request if wish.told else neutral)
        self._graph: Graph | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._graph:
            self._graph.close()

    @property
    def notes(self) -> list[str]:
        """What a person should know of how tokens were counted."""
        return [self._count.note] if self._count.note else []

    def make(self, task: Task, beside: Beside, token: str = "") -> Made:
        """Return the context of a whole task; whatever goes wrong, a simpler one. Never raises but for a bug in that."""
        try:
            if "failure" in task or source.holds_any(str(self._place.project)):
                return self._with_graph(task, beside, token)
            why = ""
        except Exception as error:  # noqa: BLE001 - a claim is granted by now: nothing may keep its task from the agent
            why = _said(error)
        try:
            asked = self._asked._replace(token=token)
            made = builder.without_graph(task, self._lines, asked, self._rules, beside=beside)
        except Exception as error:  # noqa: BLE001 - as above
            return Made(self._asked.budget, None, why or _said(error))
        return Made(self._asked.budget, made, why)

    def _with_graph(self, task: Task, beside: Beside, token: str) -> Made:
        self._graph = self._graph or code_graph.opened(self._place.project, self._place.cache)
        recipe = Recipe(rules=self._rules)
        asked = self._asked._replace(token=token)
        made = Made(asked.budget, builder.build(task, self._graph, asked, recipe, beside=beside))
        if "failure" not in task or made.has_code:
            return made
        return made._replace(why=f"none of the code that it is about is in {self._place.project}")

    def _lines(self, path: str) -> list[str]:
        """Return the lines of a file of the project; none for one elsewhere or that cannot be read."""
        project = os.path.realpath(self._place.project)
        file = os.path.realpath(os.path.join(project, path))
        data = source.read(file) if file.startswith(os.path.join(project, "")) else None
        return source.lines_of(source.decoded(data)) if data else []


class Counting:
    """Counts for whoever will read; who that is, is found out when the first text is to be counted."""

    def __init__(self, settings: Settings, named: str | None, place: Place) -> None:
        self._settings, self._named, self._place = settings, named, place
        self._chosen: Callable[[str], Count] | None = None
        self.note = ""

    def __call__(self, text: str) -> Count:
        """Return the tokens of a text."""
        if self._chosen is None:
            self._chosen = self._choose()
        return self._chosen(text)

    def _choose(self) -> Callable[[str], Count]:
        try:
            tokens = self._usual() or self._reader()
            if tokens.basis.exact is not None:
                return tokens.count
            why = tokens.basis.why
        except (DispatcherError, OSError) as error:
            why = str(error)
        self.note = f"tokens are counted as bytes, which are more: {why}"
        return in_bytes

    def _usual(self) -> Tokens | None:
        """Return what counts where no model is meant and none is known: what asks servers is not even loaded for that."""
        from dispatcher.llm import reference
        from dispatcher.llm.catalogue import Catalogue

        name = self._settings.text("llm.model")
        if _is_meant(self._settings, self._named) or Catalogue(self._place.cache).digest(name) is not None:
            return None
        try:
            return reference.tokens(self._place.lexicons)
        except (ImportError, OSError):
            return None

    def _reader(self) -> Tokens:
        from dispatcher.llm.catalogue import Catalogue
        from dispatcher.llm.vocabularies import Kept

        kept = Kept(Catalogue(self._place.cache), self._place.lexicons)
        return reader(self._settings, self._named, kept, self._place.asking)


def active(settings: Settings) -> int:
    """Return the tokens that are for the context, of a window as the settings have it before any model is asked."""
    sizes, most = Sizes(), settings.number("context.maxSize")
    target = settings.number("context.targetSize")
    window = {"dynamic": sizes.start, "manual": target}.get(settings.text("context.profile"), sizes.hard)
    return budget.shares_of(min(window, most) if most else window, settings).active


def reader(settings: Settings, named: str | None, kept: Kept, asking: Callable[[], Asking] | None = None) -> Tokens:
    """Return what counts for the one who will read: the model that is named or set, exactly if its vocabulary is kept.

    If it is not, its server is asked for it once, where `asking` says how. Without it a model that was named or set gets
    the bound that holds for all; where none was, the reader may be anybody, and counts are those of a vocabulary that is
    always there.
    """
    from dispatcher.llm import reference, vocabularies

    name = named or settings.text("llm.model")
    known = vocabularies.at_hand(name, kept)
    if known is not None:
        return known
    meant = _is_meant(settings, named)
    if name == reference.NAME or not meant:
        try:
            return reference.tokens(kept.folder)
        except (ImportError, OSError):
            pass
    said = _ask(asking, name, kept) if asking and name != reference.NAME and meant else None
    if isinstance(said, Tokens):
        return said
    why = f" ({said})" if said else ""
    problem = f"the vocabulary of {name} is not known{why}; 'dispatcher tokens --model {name}' asks its server"
    return vocabularies.nothing(problem)


def _is_meant(settings: Settings, named: str | None) -> bool:
    return named is not None or settings.value("llm.model").source != "default"


def _ask(asking: Callable[[], Asking], name: str, kept: Kept) -> Tokens | str:
    """Ask a model's server for its vocabulary, and wait no longer than it is worth; else return why there is none."""
    from threading import Thread

    found: list[Tokens | str] = []

    def ask() -> None:
        from dispatcher.dispatch import counting
        from dispatcher.llm.counting import Counter

        try:
            tokens, problem = counting.tokens_of(asking(), name, kept)
            own = isinstance(tokens.basis.exact, Counter)  # else the server would be asked for each text
            found.append(tokens if own else str(problem or tokens.basis.why or "its server keeps it to itself"))
        except Exception as error:  # noqa: BLE001 - nobody else is there to tell of it
            found.append(_said(error))

    # What asks has limits of its own for each request, not for all that is said; nothing is lost when it is left alone.
    asker = Thread(target=ask, daemon=True)
    asker.start()
    asker.join(PATIENCE)
    return found[0] if found else f"its server did not tell it within {PATIENCE:g} s"


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, DispatcherError | OSError) else f"a bug: {type(error).__name__}: {error}"
