"""What can be asked: list, show, status, log. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dispatcher.dispatch import finding, intake
from dispatcher.dispatch.desk import Desk, whole
from dispatcher.dispatch.ledger_tokens import CountLedger, guess
from dispatcher.domain import lease, lifecycle, retention
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment, from_iso
from dispatcher.domain.record import Record
from dispatcher.domain.task import Row, Status, Task, row_kind
from dispatcher.errors import InvalidInput

WARN_SHARE = 6000 / 8192
"""Share of the window from which the ledger's size is worth a warning."""


class Filter(NamedTuple):
    """Which tasks to list; None or nothing does not filter."""

    statuses: tuple[Status, ...] = ()
    labels: tuple[str, ...] = ()
    kind: str | None = None
    agent: str | None = None
    path: str | None = None
    muted: bool = False


class LogFilter(NamedTuple):
    """Which records to show."""

    task: str | None = None
    agent: str | None = None
    kind: str | None = None
    since: str | None = None
    limit: int | None = None


def list_tasks(desk: Desk, wanted: Filter) -> list[Row]:
    """Return the rows that fit: pending by urgency, then the others as they came."""
    iso = desk.clock().iso

    def look(ledger: Ledger) -> list[Row]:
        return [row for row in ledger.rows.values() if _fits(row, wanted, iso)]

    order: dict[Status, int] = {"ACTIVE": 0, "PENDING": 1, "FAILED": 2, "COMPLETED": 3}
    rows = desk.store.view(look)
    return sorted(rows, key=lambda r: (order[r["status"]], -r["priority"], r["seq"]))


def _fits(row: Row, wanted: Filter, iso: str) -> bool:
    return (
        (not wanted.statuses or row["status"] in wanted.statuses)
        and all(label in row["labels"] for label in wanted.labels)
        and (wanted.kind is None or row_kind(row) == wanted.kind)
        and (wanted.agent is None or row["claimed_by"] == wanted.agent)
        and (wanted.path is None or lifecycle.matches_path(row, wanted.path))
        and (not wanted.muted or row.get("muted_until", "") > iso)
    )


def show(desk: Desk, given: str) -> Task:
    """Return a whole task with its long texts put back, from the ledger or the archive."""

    def look(ledger: Ledger) -> Task:
        task_id, archived = finding.find(desk, ledger, given)
        return archived or ledger.task(task_id)

    task = desk.store.view(look)
    return whole(desk, task)


def status(desk: Desk, count: CountLedger = guess) -> dict[str, Any]:
    """Return the state of the whole, as docs/status.schema.json describes it; `count` tells the ledger's tokens."""
    return desk.store.view(lambda ledger: _status_of(desk, ledger, desk.clock(), count))


def _status_of(desk: Desk, ledger: Ledger, now: Moment, count: CountLedger) -> dict[str, Any]:
    rows, iso = ledger.rows.values(), now.iso
    pending = [r for r in rows if r["status"] == "PENDING"]
    ready = sum(1 for _ in lifecycle.claimable(ledger, {}, now))
    oldest = min(pending, key=lambda r: r["seq"], default=None)
    return {
        "schema_version": 1,
        "root": desk.store.place,
        "at": iso,
        "seq": ledger.seq,
        "counts": {name.lower(): n for name, n in ledger.counts().items()},
        "ready": ready,
        "muted": sum(r["muted_until"] > iso for r in rows if "muted_until" in r),
        "added": ledger.added,
        "archived": ledger.dropped,
        "agents": _agents(rows, now),
        "oldest_pending": _age(oldest, now) if oldest else None,
        "last_scan": _last_scan(ledger, now),
        "pruned_at": ledger.pruned_at,
        "pruned_count": ledger.pruned_count,
        "context": _context(desk, ledger, now, count),
    }


def _agents(rows: Any, now: Moment) -> list[dict[str, Any]]:  # noqa: ANN401 - a view of rows
    active = sorted((r for r in rows if r["status"] == "ACTIVE"), key=lambda r: (r["claimed_by"], r["seq"]))
    return [
        {
            "agent": row["claimed_by"],
            "task": row["id"],
            "generation": row["generation"],
            "lease_expires_at": row["lease_expires_at"],
            "lease_seconds_left": round(lease.remaining(row["lease"], now)),
        }
        for row in active
    ]


def _age(row: Row, now: Moment) -> dict[str, Any]:
    seconds = max(0, (now.wall - from_iso(row["created_at"])) // 1000)
    return {"task": row["id"], "created_at": row["created_at"], "seconds": seconds}


def _last_scan(ledger: Ledger, now: Moment) -> dict[str, Any] | None:
    scan = ledger.last_scan
    if scan is None:
        return None
    facts = scan["facts"]
    bad = facts.get("failed", 0) + facts.get("error", 0)
    said = f"{facts['collected']:,} tests, {bad:,} failing" + ("" if scan["finished"] else ", not finished")
    return {**scan, "seconds": max(0, (now.wall - from_iso(scan["at"])) // 1000), "said": said}


def _context(desk: Desk, ledger: Ledger, now: Moment, count: CountLedger) -> dict[str, Any]:
    window = desk.settings.number("status.window")
    tokens, how = count(desk.store.ledger_text(ledger))
    prunable = len(retention.plan(ledger, desk.limits(), now).dropped)
    return {
        "ledger_tasks": len(ledger.rows),
        "ledger_tokens": tokens,
        "count": how,
        "window": window,
        "usage_percent": round(100 * tokens / window, 1),
        "prunable": prunable,
        "warning": tokens >= WARN_SHARE * window and prunable > 0,
    }


def log(desk: Desk, wanted: LogFilter) -> Iterator[Record]:
    """Yield the records that fit, oldest first, each with only the events that fit."""
    from dispatcher.domain import events

    if wanted.kind is not None and wanted.kind not in events.kinds():
        raise InvalidInput(what=f"--kind '{wanted.kind}'", problem=f"must be one of {', '.join(events.kinds())}")
    since = intake.moment_in_time("--since", wanted.since, desk.clock(), past=True) if wanted.since else ""
    task = None
    if named := wanted.task:
        task, _ = desk.store.view(lambda ledger: finding.find(desk, ledger, named))
    found = (
        record._replace(events=fitting)
        for record in desk.store.history()
        if record.at >= since
        and (wanted.agent is None or record.writer == wanted.agent or _names_agent(record, wanted.agent))
        and (fitting := [e for e in record.events if _event_fits(e, task, wanted.kind)])
    )
    if wanted.limit is None:
        return found
    from collections import deque

    return iter(deque(found, maxlen=min(wanted.limit, 1 << 40)))


def _event_fits(event: dict[str, Any], task: str | None, kind: str | None) -> bool:
    if kind is not None and event["type"] != kind:
        return False
    return task is None or event.get("task") == task or task in (*event.get("archived", ()), *event.get("dropped", ()))


def _names_agent(record: Record, agent: str) -> bool:
    return any(event.get("agent") == agent for event in record.events)
