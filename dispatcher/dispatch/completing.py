"""complete: closing a task as done, believed once its tests have run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dispatcher.dispatch import failing, intake, verify
from dispatcher.dispatch.claims import Done, done, heartbeat, note_of, said_by
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.domain import lease, lifecycle
from dispatcher.domain.lifecycle import Holder
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.task import Task
from dispatcher.errors import NotVerified
from dispatcher.scan.runner import Progress

_NO_TESTS: Event = {"verified": False, "unverified_because": "made by hand: it names no tests to run"}
_UNCHECKED: Event = {"verified": False, "unverified_because": "--no-verify"}


class Check(NamedTuple):
    """How a completion is checked: by running the task's tests in `project`, unless told not to.

    `tree` is another checkout of the project, whose tests are to be run with the project's own Python.
    `allow_changed` accepts tests that were changed, skipped or taken away, but none that fails.
    """

    project: Path = Path()
    verify: bool = True
    allow_changed: bool = False
    on_progress: Callable[[Progress], None] = lambda _progress: None
    tree: Path | None = None


_BY_DEFAULT = Check()


def complete(desk: Desk, whose: Whose, note: str, check: Check = _BY_DEFAULT) -> Done:
    """Close a task as done, once its tests pass; one made by hand has none, which its result says.

    The tests run outside the lock, while the lease is kept; whose task it is is looked at before and after.
    Raises NotVerified when they do not pass or are not what they were, and records that.
    """
    said = intake.text(desk, "note", note)
    checked: Event | None = None
    to_check: list[Task] = []

    def decide(task: Task, held: Holder, _now: Moment) -> Event | None:
        if lifecycle.closed_already(task, held, "completed"):
            return None
        lifecycle.check_may_close(task, held)
        how = checked or _unverifiable(task) or (None if check.verify else _UNCHECKED)
        if how is None:
            to_check[:] = [task]
            return None
        return {"type": "task_completed", **said_by(task), **how, **note_of(said)}

    closed = done(desk, "complete", whose, decide)
    if to_check:
        checked = _check(desk, whose, to_check[0], check)
        closed = done(desk, "complete", whose, decide)
    return closed


def _unverifiable(task: Task) -> Event | None:
    """Return what a completion says of a task whose tests cannot be run."""
    if task["kind"] != failing.KIND:
        return _NO_TESTS
    source = task["failure"].get("source")
    because = f"known from a {source} report, of tests that dispatcher cannot run"
    return {"verified": False, "unverified_because": because} if source else None


def _check(desk: Desk, whose: Whose, task: Task, check: Check) -> Event:
    """Run a task's tests and return what its completion is to say. Raises NotVerified."""
    keep = _keeper(desk, whose, task)

    def tick(progress: Progress) -> None:
        keep()
        check.on_progress(progress)

    where = verify.Where(check.project, check.tree or check.project)
    found = verify.verify(desk, task, where, allow_changed=check.allow_changed, on_progress=tick)
    if found.why:
        why = found.why

        def refuse(task: Task, held: Holder, _now: Moment) -> Event:
            lifecycle.check_may_close(task, held)
            return {"type": "verification_failed", **said_by(task), "why": why}

        done(desk, "complete", whose, refuse)
        raise NotVerified(task=task["id"], why=why)
    checked: Event = {"verified": True, "tests_run": found.ran}
    checked |= {"allowed": found.allowed} if found.allowed else {}
    return checked | ({"commit": found.commit} if found.commit else {})


def _keeper(desk: Desk, whose: Whose, task: Task) -> Callable[[], None]:
    """Return what to call while the tests run, so that nobody else gets the task meanwhile."""
    held = task["claim"]
    if held is None:  # a late claim that nobody has taken over
        return lambda: None
    over = lease.lapsed(held["lease"], desk.clock())
    return verify.LeaseKeeper(lambda: heartbeat(desk, whose, None), held["lease"]["seconds"], at_once=over)
