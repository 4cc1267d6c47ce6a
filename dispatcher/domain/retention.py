"""What pruning takes out of the ledger and out of the folders."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment, to_iso
from dispatcher.domain.record import Event
from dispatcher.domain.task import CLOSED, Row

_DAY_MS = 86_400_000
_SLACK_TASKS = 20
_SLACK_DAYS = 1


class Limits(NamedTuple):
    """What to keep: closed tasks in the ledger, days a completed task keeps its file, lines of progress."""

    keep_closed: int
    archive_after_days: float
    keep_progress: int


class Plan(NamedTuple):
    """Ids, in ledger order. `archived` lose their file to the archive, `dropped` their row too."""

    archived: list[str]
    dropped: list[str]
    trimmed: list[str]

    def __bool__(self) -> bool:
        return bool(self.archived or self.dropped or self.trimmed)


def plan(ledger: Ledger, limits: Limits, now: Moment) -> Plan:
    """Decide what goes. Pending, active and failed tasks never do: a failed one is still somebody's problem.

    Of the closed tasks the latest `keep_closed` keep their rows; completed ones before these go. A
    completed task whose row stays moves its file to the archive after `archive_after_days`.
    """
    closed = [r for r in ledger.rows.values() if r["status"] in CLOSED]
    completed = [r for r in closed if r["status"] == "COMPLETED"]
    latest = {r["id"] for r in heapq.nlargest(limits.keep_closed, closed, key=lambda r: r["closed_seq"])}
    before = to_iso(now.wall - round(limits.archive_after_days * _DAY_MS))
    dropped = [r["id"] for r in completed if r["id"] not in latest]
    gone = set(dropped)
    archived = [
        r["id"] for r in completed if not r.get("archived") and (r["id"] in gone or (r["completed_at"] or "") < before)
    ]
    away = {*archived, *dropped}
    trimmed = [
        r["id"]
        for r in ledger.rows.values()
        if "progress" in r and r["progress"] > limits.keep_progress and r["id"] not in away and not r.get("archived")
    ]
    return Plan(archived, dropped, trimmed)


def due(ledger: Ledger, limits: Limits, now: Moment) -> bool:
    """Tell whether pruning by itself is worth it: well past a limit, so that it does not run at every command."""
    closed = [r for r in ledger.rows.values() if r["status"] in CLOSED]
    if len(closed) <= limits.keep_closed + _SLACK_TASKS and not _aged(closed, limits, now):
        return False
    return bool(plan(ledger, limits, now))


def event(decided: Plan, limits: Limits) -> Event:
    """Return the event that carries a plan out."""
    return {
        "type": "pruned",
        "archived": decided.archived,
        "dropped": decided.dropped,
        "trimmed": decided.trimmed,
        "keep_progress": limits.keep_progress,
    }


def _aged(closed: list[Row], limits: Limits, now: Moment) -> bool:
    before = to_iso(now.wall - round((limits.archive_after_days + _SLACK_DAYS) * _DAY_MS))
    return any(
        r["status"] == "COMPLETED" and (r["completed_at"] or "") < before and not r.get("archived") for r in closed
    )
