"""What a command may do to a task: pure decisions that return events or raise why not."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from dispatcher.domain import ids, lease
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment, from_iso, spoken, to_iso
from dispatcher.domain.record import Event
from dispatcher.domain.task import CLOSED, OPEN, Row, Task, row_kind
from dispatcher.errors import InvalidInput, NothingToClaim, Refused, StaleClaim, WrongAgent

MAX_BACKOFF = 3600.0
MOST_EXPIRIES = 5000
"""Leases that one command ends: a record has room for so many. The next command ends the next ones."""


class ClaimPolicy(NamedTuple):
    """The limits of claims. Times in seconds.

    The first retry is immediate; the k-th after it waits `backoff` times 2 to the power k-1, an hour at most.
    """

    lease: float
    max_attempts: int
    backoff: float


class Wanted(NamedTuple):
    """Which tasks a claim asks for; `task` is a whole id and excludes the filters."""

    agent: str
    limit: int = 1
    task: str | None = None
    labels: tuple[str, ...] = ()
    kind: str | None = None
    path: str | None = None


_ANY = Wanted("")[2:]


class Holder(NamedTuple):
    """Who says that a claim is theirs: by its generation (a token), or by the agent's name."""

    task: str
    generation: int | None = None
    agent: str | None = None


# Claiming


def claim(ledger: Ledger, wanted: Wanted, policy: ClaimPolicy, now: Moment) -> tuple[list[Event], list[str]]:
    """Return the events of a claim and the ids claimed: highest priority first, then oldest.

    Leases that have run out are ended first, and their tasks can be claimed by this very command.
    When no task fits, the events hold only those expiries. Raises Refused when a task asked for by
    its id cannot be claimed.
    """
    expiries = expire(ledger, policy, now)
    if wanted.task:
        refuse_unclaimable(ledger, ledger.rows[wanted.task], expiries, now)
    ready = claimable(ledger, expiries, now, held_too=wanted.task is not None)
    if wanted[2:] != _ANY:
        ready = (row for row in ready if _fits(row, wanted))
    # As stable as sorting: tasks of one scan stay in its order.
    chosen = heapq.nsmallest(wanted.limit, ready, key=_urgency)
    events = list(expiries.values())
    granted = lease.grant(policy.lease, now)
    for row in chosen:
        generation = row.get("generation", 0) + 1
        events.append(
            {
                "type": "task_claimed",
                "task": row["id"],
                "agent": wanted.agent,
                "generation": generation,
                "lease": granted,
            }
        )
    return events, [row["id"] for row in chosen]


def expire(ledger: Ledger, policy: ClaimPolicy, now: Moment) -> dict[str, Event]:
    """Return, per task whose lease has run out, the event that ends its claim; MOST_EXPIRIES at most."""
    ended: dict[str, Event] = {}
    for row in ledger.rows.values():
        if row["status"] != "ACTIVE" or not lease.lapsed(row["lease"], now):
            continue
        attempts = row["attempts"] + 1
        event: Event = {
            "type": "lease_expired",
            "task": row["id"],
            "agent": row["claimed_by"],
            "generation": row["generation"],
            "expired_at": row["lease"]["expires_at"],
            "to": "PENDING",
        }
        if attempts >= policy.max_attempts:
            event["to"] = "FAILED"
            event["note"] = f"the lease ran out {attempts} times" if attempts > 1 else "the lease ran out"
        elif attempts > 1:
            pause = min(policy.backoff * 2.0 ** (attempts - 2), MAX_BACKOFF) + lease.remaining(row["lease"], now)
            if pause > 0:  # counted from the end of the lease, however late that is noticed
                event["not_before"] = to_iso(now.wall + round(pause * 1000))
        ended[row["id"]] = event
        if len(ended) == MOST_EXPIRIES:
            break
    return ended


def claimable(ledger: Ledger, expiries: dict[str, Event], now: Moment, *, held_too: bool = False) -> Iterator[Row]:
    """Yield the rows that may be claimed once `expiries` have happened, held ones only if asked for."""
    iso = now.iso
    for row in ledger.rows.values():
        if row["status"] == "PENDING":
            # Most rows have nothing that could hold them back, and there may be very many.
            if not ("not_before" in row or "muted_until" in row or "depends_on" in row or "held" in row):
                yield row
                continue
            not_before = row.get("not_before")
        elif row["status"] == "ACTIVE" and (event := expiries.get(row["id"])) and event["to"] == "PENDING":
            not_before = event.get("not_before")
        else:
            continue
        if "held" in row and not held_too:
            continue
        if not _held_back(row, iso, not_before, now) and _dependencies_met(ledger, row):
            yield row


def refuse_unclaimable(ledger: Ledger, row: Row, expiries: dict[str, Event], now: Moment) -> None:
    """Raise Refused, saying why, if this task cannot be claimed."""
    why = None
    if row["status"] == "ACTIVE" and row["id"] not in expiries:
        left = spoken(lease.remaining(row["lease"], now))
        why = f"already claimed by '{row['claimed_by']}', whose lease has {left} left"
    elif row["status"] in CLOSED:
        why = f"it is {row['status']}; 'dispatcher reopen' makes it pending again"
    elif row["id"] in expiries and expiries[row["id"]]["to"] == "FAILED":
        why = "it has used up its attempts; 'dispatcher reopen' allows new ones"
    elif row.get("muted_until", "") > now.iso:
        why = "it is muted; 'dispatcher mute --off' ends that"
    elif not _dependencies_met(ledger, row):
        missing = [d for d in row["depends_on"] if not _done(ledger, d)]
        why = f"it waits for {', '.join(missing)}"
    else:
        not_before = expiries[row["id"]].get("not_before") if row["id"] in expiries else row.get("not_before")
        if _held_back(row, now.iso, not_before, now):
            why = f"it failed before and is held back until {not_before}"
    if why:
        raise Refused(task=row["id"], why=why)


def nothing_to_claim(ledger: Ledger, wanted: Wanted) -> NothingToClaim:
    """Return the error that says why no task fits."""
    pending = [row for row in ledger.rows.values() if row["status"] == "PENDING"]
    if not pending:
        return NothingToClaim(why="no task is pending")
    fitting = [row for row in pending if _fits(row, wanted)]
    if not fitting:
        return NothingToClaim(why=f"none of {len(pending)} pending tasks fits the filters")
    return NothingToClaim(why=f"{len(fitting)} pending, all muted, held back or waiting for another task")


def _urgency(row: Row) -> tuple[int, int]:
    return -row["priority"], row["seq"]


def _fits(row: Row, wanted: Wanted) -> bool:
    if wanted.task:
        return row["id"] == wanted.task
    return (
        all(label in row["labels"] for label in wanted.labels)
        and (wanted.kind is None or row_kind(row) == wanted.kind)
        and (wanted.path is None or matches_path(row, wanted.path))
    )


def matches_path(row: Row, pattern: str) -> bool:
    """Tell whether one of a task's paths is `pattern`, lies under it, or fits it as a glob."""
    folder = pattern.rstrip("/") + "/"
    return any(p == pattern or p.startswith(folder) or fnmatchcase(p, pattern) for p in row.get("paths", ()))


def _held_back(row: Row, iso: str, not_before: str | None, now: Moment) -> bool:
    if row.get("muted_until", "") > iso:
        return True
    if not not_before or not_before <= iso:
        return False
    # No pause is that long: the clock was set back since it was decided.
    return from_iso(not_before) - now.wall <= MAX_BACKOFF * 1000


def _dependencies_met(ledger: Ledger, row: Row) -> bool:
    return all(_done(ledger, task_id) for task_id in row.get("depends_on", ()))


def _done(ledger: Ledger, task_id: str) -> bool:
    """A task that is no longer in the ledger was archived, which only completed ones are."""
    row = ledger.rows.get(task_id)
    return row is None or row["status"] == "COMPLETED"


# Holding a claim


def check_holder(task: Task, holder: Holder) -> None:
    """Raise Refused unless `holder` has the live claim of an active task. Late is not refused."""
    claim_now = task["claim"]
    if claim_now is None:
        if holder.generation is not None and holder.generation <= task["generation"]:
            raise _stale(task, holder)
        why = "it is pending and not claimed" if task["status"] == "PENDING" else f"it is {task['status']} already"
        raise Refused(task=task["id"], why=why)
    if holder.generation is not None and holder.generation != claim_now["generation"]:
        raise _stale(task, holder)
    if holder.agent is not None and holder.agent != claim_now["agent"]:
        raise WrongAgent(task=task["id"], holder=claim_now["agent"], given=holder.agent)


def check_may_close(task: Task, holder: Holder) -> None:
    """Like `check_holder`, but a claim that ran out and that nobody has taken over may still close its task."""
    log = task["attempt_log"]
    last = log[-1] if log else None
    if task["claim"] is None and task["status"] != "COMPLETED" and last and last["outcome"] == "expired":
        same_agent = holder.agent is None or holder.agent == last["agent"]
        if holder.generation == task["generation"] == last["generation"] and same_agent:
            return
    check_holder(task, holder)


def closed_already(task: Task, holder: Holder, outcome: str) -> bool:
    """Tell whether this very claim has closed the task in this way: saying it twice is no error."""
    result = task["result"]
    return (
        result is not None
        and not result.get("resolved")  # nobody said so: a scan saw it
        and result["outcome"] == outcome
        and holder.generation is not None
        and result["generation"] == holder.generation
        and holder.agent in (None, result["agent"])
    )


def extend(task: Task, holder: Holder, seconds: float | None, now: Moment) -> Event:
    """Return the event that renews a claim's lease, for as long as it was granted unless told otherwise."""
    check_holder(task, holder)
    claim_now = task["claim"]
    if claim_now is None:  # check_holder has refused that
        raise Refused(task=task["id"], why="it is not claimed")
    renewed = lease.grant(seconds or claim_now["lease"]["seconds"], now)
    return {
        "type": "lease_extended",
        "task": task["id"],
        "agent": claim_now["agent"],
        "generation": claim_now["generation"],
        "lease": renewed,
    }


def holder_of(task: Task) -> tuple[str, int]:
    """Return the agent and generation that the events of a holder's command name."""
    if task["claim"]:
        return task["claim"]["agent"], task["claim"]["generation"]
    return task["attempt_log"][-1]["agent"], task["generation"]


def _stale(task: Task, holder: Holder) -> StaleClaim:
    if task["claim"]:
        now = f"generation {task['claim']['generation']} is held by '{task['claim']['agent']}'"
    elif task["attempt_log"] and task["attempt_log"][-1]["outcome"] == "expired":
        now = f"its lease ran out and the task is {task['status']}"
    else:
        now = f"the task is {task['status']}"
    return StaleClaim(task=task["id"], given=ids.Token(holder.task, holder.generation or 0), now=now)


# Around the claim


def check_may_reopen(task: Task) -> None:
    """Raise Refused unless the task is closed."""
    if task["status"] in OPEN:
        raise Refused(task=task["id"], why=f"it is {task['status']}, not closed")


def check_dependencies(ledger: Ledger, task_id: str | None, depends_on: list[str]) -> None:
    """Raise InvalidInput if `depends_on` would make a task wait for itself."""
    if task_id is None:
        return
    seen: set[str] = set()
    waiting = list(depends_on)
    while waiting:
        current = waiting.pop()
        if current == task_id:
            raise InvalidInput(what=f"depends on '{depends_on[0]}'", problem=f"'{task_id}' would wait for itself")
        if current not in seen and current in ledger.rows:
            seen.add(current)
            waiting.extend(ledger.rows[current].get("depends_on", ()))
