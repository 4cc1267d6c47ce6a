"""The stores that the contract is checked on, and what its tests do with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher import config
from dispatcher.dispatch import claims, completing, tasks
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.dispatch.tasks import NewTask
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Wanted
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.redact import Redactor
from dispatcher.store.base import Change, Decide, Store
from dispatcher.store.filesystem import FilesystemStore
from dispatcher.store.memory import MemoryStore
from tests.support import FakeClock

PASSWORD = "correct-horse-9"
REDACTOR = Redactor({"DB_PASSWORD": PASSWORD})


def open_files(path: Path, clock: FakeClock, said: list[str]) -> Store:
    return FilesystemStore(path, clock, REDACTOR, 5.0, said.append)


def open_memory(_path: Path, clock: FakeClock, _said: list[str]) -> Store:
    return MemoryStore(clock, REDACTOR)


OPENERS: dict[str, Callable[[Path, FakeClock, list[str]], Store]] = {"files": open_files, "memory": open_memory}


class Opened(NamedTuple):
    """A fresh store, the clock it reads, and what it told its user."""

    store: Store
    clock: FakeClock
    said: list[str]

    def desk(self, **limits: Any) -> Desk:  # noqa: ANN401 - values of settings
        """Return the desk of a user with these settings, the dots of their names as underscores."""
        flags = {key.replace("_", "."): value for key, value in limits.items()}
        return Desk(self.store, config.load(None, config.FILE, {}, flags), self.clock, REDACTOR)


def added(task: str, **more: Any) -> Event:  # noqa: ANN401 - fields of an event
    """Return the event of a task that is added."""
    return {"type": "task_added", "task": task, "title": task.upper(), **more}


def happens(*events: Event, writer: str | None = None) -> Decide:
    """Return a decision for these events, whatever the state is."""

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        return Change([{**event} for event in events], writer)

    return decide


def rows(store: Store) -> dict[str, Any]:
    """Return the ledger's rows."""
    return store.view(lambda ledger: dict(ledger.rows))


def seq(store: Store) -> int:
    """Return the number of the last record."""
    return store.view(lambda ledger: ledger.seq)


def completed(desk: Desk, title: str) -> str:
    """Add a task, claim it, complete it, and return its id."""
    task = tasks.add(desk, NewTask(title))["id"]
    token = claims.claim(desk, Wanted("ann", task=task)).claims[0].token
    completing.complete(desk, Whose(claim=str(token)), f"done: {title}")
    return task
