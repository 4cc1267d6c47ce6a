"""The window of a session: decided anew for each request, kept with its reasons, and set by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dispatcher.context.window import decide
from dispatcher.context.window_state import Window, from_dict
from dispatcher.dispatch.machine import Situation, asked
from dispatcher.domain.record import Event
from dispatcher.errors import InvalidInput
from dispatcher.store.session_log import SessionLog

ADJUSTED, OVERRIDDEN = "window_adjusted", "window_overridden"


class Kept(NamedTuple):
    """What a session's log says of windows: the last decision for each model, in their order, and what a person has set.

    `target` is None where the settings decide.
    """

    windows: dict[str, Window]
    target: int | None

    def before(self, model: str) -> Window | None:
        """Return what a decision for a model follows: the model's last one, else the session's."""
        return self.windows.get(model) or next(reversed(self.windows.values()), None)


def kept(events: Iterable[object]) -> Kept:
    """Return what the events of a session's log add up to; what none of our versions has written counts for nothing."""
    windows: dict[str, Window] = {}
    target: int | None = None
    for event in events:
        if not isinstance(event, dict):
            continue
        kind, size = event.get("type"), event.get("target")
        if kind == OVERRIDDEN:
            target = size if type(size) is int and size > 0 else None
        elif kind == ADJUSTED and (window := from_dict(event.get("window"))) is not None:
            windows.pop(window.model, None)
            windows[window.model] = window
    return Kept(windows, target)


def next_window(before: Kept, here: Situation, use: int, at: str) -> Window:
    """Return the window for the next request, whose prompt has `use` tokens; `at` is when it is decided.

    Raises what keeps the model's facts from being known.
    """
    facts, model = here.model.facts, here.model
    if facts is None:
        raise model.error or InvalidInput(what=model.model.name, problem=model.problem)
    question = asked(here.settings, facts, here.memory, model.loaded, use)
    question = question._replace(model=model.model.name, at=at)
    if before.target is not None:
        question = question._replace(profile="manual", sizes=question.sizes._replace(target=before.target))
    return decide(before.before(model.model.name), question)


def remember(log: SessionLog, command: str, window: Window) -> None:
    """Keep a decision, unless it changed nothing."""

    def event(before: list[Event]) -> list[Event]:
        last = kept(before).windows.get(window.model)
        # That it was decided once more is nothing to keep.
        same = last is not None and window.reason == "no_adjustment" and last._replace(reason=window.reason) == window
        return [] if same else [{"type": ADJUSTED, "window": window.to_dict()}]

    log.append(log.stamp(command), event)


def set_by_hand(log: SessionLog, command: str, target: int | None) -> bool:
    """Give the session a window of its own, or leave it to the settings again (None); False if it was so already."""

    def event(before: list[Event]) -> list[Event]:
        return [] if kept(before).target == target else [{"type": OVERRIDDEN, "target": target}]

    return bool(log.append(log.stamp(command), event))
