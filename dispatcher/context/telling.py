"""What a context tells beside code: how the task fails, what was tried, and what others have found. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dispatcher.context.pieces import Piece, Tier, text_forms
from dispatcher.domain.task import Task

_LAST_ATTEMPTS = 2


def told(task: Task) -> Iterator[Piece]:
    """Yield what a whole task tells of itself, those of one tier in the order of their worth."""
    yield from _failure(task)
    yield from _attempts(task)


def _failure(task: Task) -> Iterator[Piece]:
    failure = task.get("failure")
    if failure is None:
        if task["body"]:
            yield Piece("error", Tier.CRITICAL, "What is to be done", text_forms(task["body"]))
        return
    about: dict[str, Any] = (task.get("detail") or {}).get("failure") or {}
    message = str(about.get("message") or failure["message"])
    compared = (about.get("evidence") or {}).get("compared")
    place = failure["place"]
    said = [f"{failure['exception']}: {message}"]
    if failure["statement"]:
        said.append(f"at: {failure['statement']}")
    if place:
        said.append(f"in {place['function']}, {place['path']}:{place['line']}")
    if compared and str(compared["left"]) not in message:
        said.append(f"compared: {compared['left']} {compared['op']} {compared['right']}")
    yield Piece("error", Tier.CRITICAL, f"How {failure['test']} fails", text_forms("\n".join(said)))


def _attempts(task: Task) -> Iterator[Piece]:
    for n, attempt in enumerate(reversed(task["attempt_log"])):
        tier = Tier.HIGH if n < _LAST_ATTEMPTS else Tier.LOW
        said = f"{attempt['outcome']}: {attempt.get('note', '')}".strip(": ")
        yield Piece("attempt", tier, f"Attempt {attempt['generation']} by {attempt['agent']}", text_forms(said))
    if check := task.get("last_check"):
        yield Piece("attempt", Tier.HIGH, f"Refused, {check['agent']}", text_forms(check["why"]))
