"""What every use case works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dispatcher.config import SPECS, Settings
from dispatcher.domain.lifecycle import ClaimPolicy
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.redact import Redactor
from dispatcher.domain.retention import Limits
from dispatcher.domain.task import Task
from dispatcher.errors import InvalidInput
from dispatcher.store.base import Store


def lease_seconds(given: float) -> float:
    """Return the seconds of a lease, within the bounds of its setting. Raises InvalidInput."""
    try:
        return float(SPECS["claim.lease"].read(given))
    except ValueError as error:
        raise InvalidInput(what=f"--lease {given}", problem=str(error)) from error


class Desk(NamedTuple):
    """The store, the settings in force, the clock, and the redactor for text that shapes an id."""

    store: Store
    settings: Settings
    clock: Callable[[], Moment]
    redactor: Redactor

    def claim_policy(self, lease: float | None = None) -> ClaimPolicy:
        """Return the limits of claims, with another lease if one is given. Raises InvalidInput."""
        s = self.settings
        seconds = s.seconds("claim.lease") if lease is None else lease_seconds(lease)
        return ClaimPolicy(seconds, s.number("claim.maxAttempts"), s.seconds("claim.backoff"))

    def limits(self) -> Limits:
        """Return what pruning keeps."""
        s = self.settings
        return Limits(s.number("prune.keepClosed"), s.seconds("prune.archiveAfterDays"), s.number("prune.keepProgress"))


class Whose(NamedTuple):
    """How a holder's command names its claim: a task (or its token), a token, an agent. Each may be missing."""

    task: str | None = None
    claim: str | None = None
    agent: str | None = None


def whole(desk: Desk, task: Task) -> Task:
    """Return `task`, changed in place, with its long texts put back; one whose blob is gone stays cut."""
    _fill_in(desk.store, task)
    return task


def filled_in(desk: Desk, event: Event) -> Event:
    """Return an event, changed in place, with its long texts and bulk put back as far as they are there."""
    _fill_in(desk.store, event)
    return event


def _fill_in(store: Store, value: Any) -> None:  # noqa: ANN401 - any JSON data
    if isinstance(value, list):
        for item in value:
            _fill_in(store, item)
    if isinstance(value, dict):
        for key in [k for k in value if k.endswith("_blob")]:
            if (kept := store.bulk(value[key])) is not None:
                value[key.removesuffix("_blob")] = kept
                del value[key]
        for item in value.values():
            _fill_in(store, item)
