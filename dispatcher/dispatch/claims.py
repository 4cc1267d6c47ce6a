"""Claims: taking a task, holding it, giving it back, closing it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from dispatcher.dispatch import finding, intake
from dispatcher.dispatch.desk import Desk, Whose, lease_seconds, whole
from dispatcher.domain import lifecycle
from dispatcher.domain.ids import Token
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Holder, Wanted
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.task import Task
from dispatcher.errors import InvalidInput
from dispatcher.store.base import Change, Commit

MAX_WAIT = 31_536_000.0
_LONGEST_NAP = 1.0
"""Seconds between two looks while waiting: a lease may run out without anything happening."""


class Claimed(NamedTuple):
    """A claim that was granted."""

    token: Token
    task: Task


class Granted(NamedTuple):
    """The claims that a command got, and the state after it."""

    claims: list[Claimed]
    ledger: Ledger


class Done(NamedTuple):
    """What a holder's command did to its task; `again` when this claim had done it before."""

    task: Task
    again: bool
    ledger: Ledger


def claim(desk: Desk, wanted: Wanted, lease: float | None = None, wait: float = 0.0) -> Granted:
    """Claim tasks and return them, `wanted.limit` at most. Raises NothingToClaim, after waiting if asked to."""
    wanted = wanted._replace(agent=intake.agent(desk, wanted.agent))
    if wanted.limit < 1:
        raise InvalidInput(what=f"--count {wanted.limit}", problem="must be at least 1")
    if not 0 <= wait <= MAX_WAIT:
        raise InvalidInput(what=f"--wait {wait}", problem=f"must be from 0 to {MAX_WAIT:,.0f} seconds")
    until = time.monotonic() + wait
    while True:
        ids, commit = _claim_once(desk, wanted, lease)
        if ids:
            tasks = [whole(desk, commit.ledger.task(i)) for i in ids]
            return Granted([Claimed(Token(t["id"], t["generation"]), t) for t in tasks], commit.ledger)
        if wanted.task or time.monotonic() >= until:
            raise lifecycle.nothing_to_claim(commit.ledger, wanted)
        _await_claimable(desk, wanted, commit.ledger.seq, until)


def _claim_once(desk: Desk, wanted: Wanted, lease: float | None) -> tuple[list[str], Commit]:
    chosen: list[str] = []

    def decide(ledger: Ledger, now: Moment) -> Change:
        exact = wanted._replace(task=finding.find_here(desk, ledger, wanted.task)) if wanted.task else wanted
        events, chosen[:] = lifecycle.claim(ledger, exact, desk.claim_policy(lease), now)
        return Change(events, wanted.agent)

    commit = desk.store.transact("claim", decide)
    return chosen, commit


def _await_claimable(desk: Desk, wanted: Wanted, seq: int, until: float) -> None:
    """Return when a claim may succeed, or when the time is up; looks without the lock."""
    while (left := until - time.monotonic()) > 0:
        desk.store.wait(seq, min(left, _LONGEST_NAP))
        seen, found = desk.store.view(lambda ledger: (ledger.seq, _would_find(desk, ledger, wanted)))
        if found:
            return
        seq = seen


def _would_find(desk: Desk, ledger: Ledger, wanted: Wanted) -> bool:
    _, chosen = lifecycle.claim(ledger, wanted, desk.claim_policy(), desk.clock())
    return bool(chosen)


def heartbeat(desk: Desk, whose: Whose, lease: float | None) -> Task:
    """Renew a claim's lease, from now, and return the task."""
    seconds = None if lease is None else lease_seconds(lease)
    return _as_holder(desk, "heartbeat", whose, lambda task, held, now: lifecycle.extend(task, held, seconds, now))


def release(desk: Desk, whose: Whose, reason: str) -> Task:
    """Give a task back unfinished; that counts as no attempt. Return it."""
    why = intake.text(desk, "reason", reason)

    def decide(task: Task, held: Holder, _now: Moment) -> Event:
        lifecycle.check_holder(task, held)
        return {"type": "task_released", **said_by(task), **note_of(why)}

    return _as_holder(desk, "release", whose, decide)


def progress(desk: Desk, whose: Whose, line: str) -> Task:
    """Add a line to the task's log and return the task."""
    said = intake.text(desk, "progress", line, required=True)
    _check_order(desk, whose, line)

    def decide(task: Task, held: Holder, _now: Moment) -> Event:
        lifecycle.check_holder(task, held)
        keep = desk.settings.number("prune.keepProgress")
        return {"type": "progress_noted", **said_by(task), "text": said, "keep": keep}

    return _as_holder(desk, "progress", whose, decide)


def fail(desk: Desk, whose: Whose, reason: str) -> Done:
    """Close a task as one that could not be done."""
    said = intake.text(desk, "reason", reason, required=True)

    def decide(task: Task, held: Holder, _now: Moment) -> Event | None:
        if lifecycle.closed_already(task, held, "failed"):
            return None
        lifecycle.check_may_close(task, held)
        return {"type": "task_failed", **said_by(task), "note": said}

    return done(desk, "fail", whose, decide)


def _check_order(desk: Desk, whose: Whose, line: str) -> None:
    """Say so when task and text were given the other way around, as other commands have them."""
    known = desk.store.view(lambda ledger: ledger.rows.keys()) if whose.task and " " in whose.task else ()
    if any(i.startswith(line) for i in known):
        raise InvalidInput(what="progress", problem="the text comes first, then the task")


Decision = Callable[[Task, Holder, Moment], Event | None]


def _as_holder(desk: Desk, command: str, whose: Whose, decide: Decision) -> Task:
    return done(desk, command, whose, decide).task


def done(desk: Desk, command: str, whose: Whose, decide: Decision) -> Done:
    """Run a holder's command: find whose claim it is, decide on its task, return the task as it is then."""
    met: list[Task] = []

    def on_ledger(ledger: Ledger, now: Moment) -> Change:
        held, task = finding.holder(desk, ledger, whose)
        met[:] = [task]
        event = decide(task, held, now)
        return Change([event], event["agent"]) if event else Change([])

    if whose.agent:
        intake.agent(desk, whose.agent)
    commit = desk.store.transact(command, on_ledger)
    task_id = met[0]["id"]
    task = commit.ledger.task(task_id) if task_id in commit.ledger.rows else met[0]
    return Done(task, commit.record is None, commit.ledger)


def said_by(task: Task) -> Event:
    """Return the fields of an event that name the task and whose claim it is."""
    agent, generation = lifecycle.holder_of(task)
    return {"task": task["id"], "agent": agent, "generation": generation}


def note_of(text: str) -> Event:
    """Return the field of an event that holds a note, if there is one."""
    return {"note": text} if text else {}
