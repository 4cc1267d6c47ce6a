"""Tasks as people change them: add, edit, mute, reopen."""

from __future__ import annotations

from typing import Any, NamedTuple

from dispatcher.dispatch import finding, intake
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import ids, lifecycle
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.task import DEFAULT_PRIORITY, Task
from dispatcher.errors import InvalidInput, Refused
from dispatcher.store.base import Change


class NewTask(NamedTuple):
    """A task made by hand, as it was typed."""

    title: str
    body: str = ""
    priority: int = DEFAULT_PRIORITY
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class Edit(NamedTuple):
    """What to change; None or nothing leaves a field as it is."""

    title: str | None = None
    body: str | None = None
    priority: int | None = None
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    add_depends_on: tuple[str, ...] = ()
    remove_depends_on: tuple[str, ...] = ()


def add(desk: Desk, new: NewTask) -> Task:
    """Add a pending task and return it."""
    event: Event = {
        "type": "task_added",
        "task": "",
        "kind": "manual",
        "title": intake.title(desk, new.title),
        "body": intake.text(desk, "body", new.body),
        "priority": intake.priority(new.priority),
        "labels": intake.labels(new.labels),
        "paths": intake.paths(new.paths),
    }

    def decide(ledger: Ledger, _now: Moment) -> Change:
        seed = f"{ledger.head} {ledger.seq} {event['title']}"
        event["task"] = ids.mint(event["title"], seed, ledger.rows.keys())
        event["depends_on"] = finding.dependencies(desk, ledger, new.depends_on)
        return Change([event])

    commit = desk.store.transact("add", decide)
    return commit.ledger.task(event["task"])


def edit(desk: Desk, given: str, change: Edit) -> tuple[Task, bool]:
    """Change a task in the ledger; return it as it is then, and whether anything was to be changed."""
    found: list[str] = []

    def decide(ledger: Ledger, _now: Moment) -> Change:
        task_id = finding.find_here(desk, ledger, given)
        found[:] = [task_id]
        fields = _changed_fields(desk, ledger, ledger.task(task_id), change)
        return Change([{"type": "task_edited", "task": task_id, **fields}] if fields else [])

    commit = desk.store.transact("edit", decide)
    return commit.ledger.task(found[0]), commit.record is not None


def _changed_fields(desk: Desk, ledger: Ledger, task: Task, change: Edit) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if change.title is not None:
        fields["title"] = intake.title(desk, change.title)
    if change.body is not None:
        fields["body"] = intake.text(desk, "body", change.body)
    if change.priority is not None:
        fields["priority"] = intake.priority(change.priority)
    if change.add_labels or change.remove_labels:
        kept = [label for label in task["labels"] if label not in change.remove_labels]
        fields["labels"] = intake.labels([*kept, *change.add_labels])
    if change.add_depends_on or change.remove_depends_on:
        away = {finding.find(desk, ledger, d)[0] for d in change.remove_depends_on}
        more = finding.dependencies(desk, ledger, change.add_depends_on)
        fields["depends_on"] = list(dict.fromkeys([*(d for d in task["depends_on"] if d not in away), *more]))
        lifecycle.check_dependencies(ledger, task["id"], fields["depends_on"])
    same = [k for k, v in fields.items() if v == task[k] and f"{k}_blob" not in task]  # type: ignore[literal-required] # keys of Task
    return {k: v for k, v in fields.items() if k not in same}


def mute(desk: Desk, given: str, reason: str, until: str | None) -> Task:
    """Set a task aside until a date, or for ever, and return it."""
    why = intake.text(desk, "reason", reason, required=True)
    found: list[str] = []

    def decide(ledger: Ledger, now: Moment) -> Change:
        task_id = finding.find_here(desk, ledger, given)
        found[:] = [task_id]
        date = intake.moment_in_time("--until", until, now) if until else None
        if date and date <= now.iso:
            raise InvalidInput(what=f"--until '{until}'", problem="is in the past")
        return Change([{"type": "task_muted", "task": task_id, "reason": why, "until": date}])

    return desk.store.transact("mute", decide).ledger.task(found[0])


def unmute(desk: Desk, given: str) -> Task:
    """End the muting of a task and return it; one that is not muted is left as it is."""
    found: list[str] = []

    def decide(ledger: Ledger, _now: Moment) -> Change:
        task_id = finding.find_here(desk, ledger, given)
        found[:] = [task_id]
        muted = ledger.task(task_id)["muted"] is not None
        return Change([{"type": "task_unmuted", "task": task_id}] if muted else [])

    return desk.store.transact("mute", decide).ledger.task(found[0])


def reopen(desk: Desk, given: str, reason: str) -> Task:
    """Make a closed task pending again, out of the archive if need be, and return it."""
    why = intake.text(desk, "reason", reason)
    found: list[str] = []

    def decide(ledger: Ledger, _now: Moment) -> Change:
        task_id, archived = finding.find(desk, ledger, given)
        events: list[Event] = []
        if archived:
            events.append({"type": "task_restored", "task": task_id, "document": archived})
        else:
            lifecycle.check_may_reopen(ledger.task(task_id))
        _check_its_tests_are_free(desk, ledger, task_id, archived or ledger.task(task_id))
        found[:] = [task_id]
        events.append({"type": "task_reopened", "task": task_id, "reason": why})
        return Change(events)

    return desk.store.transact("reopen", decide).ledger.task(found[0])


def _check_its_tests_are_free(desk: Desk, ledger: Ledger, task_id: str, task: Task) -> None:
    """Raise Refused when a test of a task to be reopened is in another open task: it may be in one only."""
    if "test_count" not in task:
        return
    from dispatcher.dispatch import failing

    wanted = failing.known_of(desk, task).members
    for other_id, other in failing.of_ledger(desk, ledger).items():
        if other_id != task_id and other.status != "COMPLETED" and (shared := sorted(wanted.keys() & other.members)):
            raise Refused(task=task_id, why=f"{shared[0]} is in {other_id} now, which is {other.status}")
