"""Ledgers made from events, without a store."""

from __future__ import annotations

from typing import Any

from dispatcher.domain import lease
from dispatcher.domain.ledger import Ledger, empty
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event, Stamp, seal

NOW = Moment(1_800_000_000_000, "boot-1", 1000.0)


def later(seconds: float, now: Moment = NOW) -> Moment:
    """Return the moment so many seconds after `now` on both clocks."""
    return Moment(now.wall + round(seconds * 1000), now.boot_id, now.boot + seconds)


def added(task: str, **more: Any) -> Event:  # noqa: ANN401 - fields of an event
    return {"type": "task_added", "task": task, "title": task, **more}


def claimed(task: str, *, agent: str = "ann", generation: int = 1, seconds: float = 60, at: Moment = NOW) -> Event:
    return {
        "type": "task_claimed", "task": task, "agent": agent, "generation": generation,
        "lease": lease.grant(seconds, at),
    }  # fmt: skip


def ended(how: str, task: str, *, agent: str = "ann", generation: int = 1, **more: Any) -> Event:  # noqa: ANN401 - as above
    """Return the event of a claim that ended: completed, failed or released."""
    return {"type": f"task_{how}", "task": task, "agent": agent, "generation": generation, **more}


def happen(ledger: Ledger, *events: Event, at: Moment = NOW) -> Ledger:
    """Fold events in, as one record, and return the ledger."""
    copies = [{**event} for event in events]
    record, _ = seal(ledger.seq + 1, ledger.head, 1, Stamp("test", "test", at.iso), copies)
    ledger.apply(record)
    ledger.settle()
    return ledger


def ledger_of(*events: Event) -> Ledger:
    """Return the ledger of these events, each a record of its own."""
    ledger = empty()
    for event in events:
        happen(ledger, event)
    return ledger
