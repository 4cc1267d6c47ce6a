"""What each kind of event does to the state.

An event is a dict with a `type`. Events carry decided values (a status to go to, a time
not to be claimed before), never settings, so that a fold needs nothing but the records.
Fields that a handler does not know are left alone in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Protocol

from dispatcher.domain import flakiness
from dispatcher.domain.record import Event, Record
from dispatcher.domain.task import KEPT_ATTEMPTS, Attempt, Check, Given, Mute, Result, Task, new_task


class UnknownEvent(Exception):
    """An event of a kind that this version does not know: a newer one wrote it."""


class Unfit(Exception):
    """An event that cannot follow this state."""


class Tasks(Protocol):
    """What a handler may do with the state."""

    pruned_at: str | None
    pruned_count: int
    added: int
    dropped: int
    last_scan: dict[str, Any] | None

    def put(self, task: Task) -> None:
        """Take a new task in."""

    def change(self, task_id: str, seq: int) -> Task:
        """Return a task for changing; raises Unfit if there is none."""

    def drop(self, task_id: str) -> None:
        """Let a task leave the ledger."""


Handler = Callable[[Tasks, Event, Record], None]
_FAILURE_FIELDS = ("failure", "tests", "test_count", "detail_blob")
_HANDLERS: dict[str, Handler] = {}


def apply(tasks: Tasks, event: Event, record: Record) -> None:
    """Let one event change the state."""
    handler = _HANDLERS.get(event["type"])
    if handler is None:
        raise UnknownEvent(event["type"])
    handler(tasks, event, record)


def kinds() -> list[str]:
    """Return every kind of event, sorted."""
    return sorted(_HANDLERS)


def _on(kind: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _HANDLERS[kind] = handler
        return handler

    return register


@_on("store_created")
@_on("checkpoint")
@_on("journal_repaired")
def _nothing(_tasks: Tasks, _event: Event, _record: Record) -> None:
    """These say something about the journal, not about a task."""


@_on("task_added")
def _added(tasks: Tasks, event: Event, record: Record) -> None:
    task = new_task(event["task"], event["title"], record.at, record.seq)
    _assign(task, event, "kind", "body", "body_blob", "priority", "labels", "depends_on", "paths", *_FAILURE_FIELDS)
    _note_flaky(task, event)
    tasks.put(task)
    tasks.added += 1


@_on("task_edited")
def _edited(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    if "body" in event:
        task.pop("body_blob", None)
    _assign(task, event, "title", "body", "body_blob", "priority", "labels", "depends_on", "paths")


@_on("failure_changed")
def _failure_changed(tasks: Tasks, event: Event, record: Record) -> None:
    """A task that a scan has made now stands for these failures. `solid`: it is flaky no longer, it always fails."""
    task = tasks.change(event["task"], record.seq)
    _assign(task, event, "title", "paths", "labels", "priority", *_FAILURE_FIELDS)
    if event.get("solid"):
        task.pop("flaky", None)
    _note_flaky(task, event)


@_on("scan_finished")
def _scan_finished(tasks: Tasks, event: Event, record: Record) -> None:
    tasks.last_scan = {"at": record.at, **{key: event[key] for key in ("facts", "finished", "filtered")}}


@_on("scan_noted")
def _scan_noted(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    task["scan"] = {
        "at": record.at,
        "failing": event["failing"],
        "passing": event["passing"],
        "held_open": event["held_open"],
    }


@_on("flake_noted")
def _flake_noted(tasks: Tasks, event: Event, record: Record) -> None:
    """Some runs of a flaky task's tests: in how many of them all passed."""
    task = tasks.change(event["task"], record.seq)
    task["flaky"] = flakiness.add(task.get("flaky"), event["passed"], event["runs"])


@_on("verification_failed")
def _verification_failed(tasks: Tasks, event: Event, record: Record) -> None:
    check: Check = {"at": record.at, "agent": event["agent"], "generation": event["generation"], "why": event["why"]}
    if "why_blob" in event:
        check["why_blob"] = event["why_blob"]
    tasks.change(event["task"], record.seq)["last_check"] = check


@_on("task_muted")
def _muted(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    muted: Mute = {"at": record.at, "reason": event["reason"], "until": event["until"]}
    if "reason_blob" in event:
        muted["reason_blob"] = event["reason_blob"]
    task["muted"] = muted


@_on("task_unmuted")
def _unmuted(tasks: Tasks, event: Event, record: Record) -> None:
    tasks.change(event["task"], record.seq)["muted"] = None


@_on("task_claimed")
def _claimed(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    task["status"] = "ACTIVE"
    task["generation"] = event["generation"]
    task["not_before"] = None
    task["claim"] = {
        "agent": event["agent"],
        "generation": event["generation"],
        "claimed_at": record.at,
        "lease": event["lease"],
    }


@_on("context_given")
def _context_given(tasks: Tasks, event: Event, record: Record) -> None:
    """What an agent was given to read with its claim; the task keeps the figures of the latest."""
    given: Given = {
        "at": record.at, "agent": event["agent"], "generation": event["generation"], "budget": event["budget"],
        "tokens": event["tokens"], "count": event["count"], "by": event["by"], "prompt_blob": event["prompt_blob"],
    }  # fmt: skip
    tasks.change(event["task"], record.seq)["context"] = given


@_on("lease_extended")
def _extended(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    if task["claim"] is None:
        raise Unfit(f"task '{event['task']}' is not claimed")
    task["claim"]["lease"] = event["lease"]


@_on("lease_expired")
def _expired(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    _end_attempt(task, {**event, "ended_at": event["expired_at"]}, record, "expired")
    task["attempts"] += 1
    task["status"] = event["to"]
    task["not_before"] = event.get("not_before")
    if event["to"] == "FAILED":
        result: Result = {
            "outcome": "failed", "agent": event["agent"], "generation": event["generation"],
            "at": record.at, "verified": False, "note": event["note"],
        }  # fmt: skip
        _close(task, record, result)


@_on("task_released")
def _released(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    _end_attempt(task, event, record, "released")
    task["status"] = "PENDING"


@_on("task_completed")
def _completed(tasks: Tasks, event: Event, record: Record) -> None:
    _finished(tasks, event, record, "completed")


@_on("task_failed")
def _failed(tasks: Tasks, event: Event, record: Record) -> None:
    _finished(tasks, event, record, "failed")


@_on("task_reopened")
def _reopened(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    task["status"] = "PENDING"
    task["generation"] += 1  # an old claim, even a late one, is not for what is to be done now
    task["attempts"] = 0
    task["result"] = task["completed_at"] = task["closed_seq"] = task["archived_at"] = task["not_before"] = None
    task.pop("scan", None)
    if event.get("regression"):
        task["regressions"] = task.get("regressions", 0) + 1


@_on("progress_noted")
def _progress(tasks: Tasks, event: Event, record: Record) -> None:
    task = tasks.change(event["task"], record.seq)
    task["progress"].append({"at": record.at, "agent": event["agent"], "text": event["text"]})
    if "text_blob" in event:
        task["progress"][-1]["text_blob"] = event["text_blob"]
    del task["progress"][: -event["keep"]]


@_on("pruned")
def _pruned(tasks: Tasks, event: Event, record: Record) -> None:
    """`archived`: their files move to the archive. `dropped`: their rows leave the ledger as well."""
    for task_id in event["archived"]:
        tasks.change(task_id, record.seq)["archived_at"] = record.at
    for task_id in event["trimmed"]:
        del tasks.change(task_id, record.seq)["progress"][: -event["keep_progress"]]
    for task_id in event["dropped"]:
        tasks.drop(task_id)
    tasks.pruned_at = record.at
    tasks.pruned_count = len({*event["archived"], *event["dropped"]})


@_on("task_restored")
def _restored(tasks: Tasks, event: Event, record: Record) -> None:
    """A task comes back from the archive as it was."""
    task: Task = deepcopy(event["document"])  # what is folded in later must not change the record
    task["changed_seq"] = record.seq
    tasks.put(task)
    tasks.dropped -= 1


def _note_flaky(task: Task, event: Event) -> None:
    flaky = event.get("failure", {}).get("flaky")
    if flaky and "flaky" not in task:
        task["flaky"] = flakiness.add(None, flaky["passed"], flaky["runs"])


def _assign(task: Task, event: Event, *keys: str) -> None:
    for key in keys:
        if key in event:
            task[key] = event[key]  # type: ignore[literal-required] # keys of Task, named at the call


def _finished(tasks: Tasks, event: Event, record: Record, outcome: str) -> None:
    task = tasks.change(event["task"], record.seq)
    result: Result = {
        "outcome": "completed" if outcome == "completed" else "failed",
        "agent": event["agent"],
        "generation": event["generation"],
        "at": record.at,
        "verified": event.get("verified", False),
    }
    for key in ("unverified_because", "note", "note_blob", "resolved", "commit", "allowed", "tests_run"):
        if key in event:
            result[key] = event[key]
    task["status"] = "COMPLETED" if outcome == "completed" else "FAILED"
    if task["claim"]:  # a late completion finds its claim already ended by the expiry
        _end_attempt(task, event, record, outcome)
        task["attempts"] += 1
    _close(task, record, result)


def _close(task: Task, record: Record, result: Result) -> None:
    task["result"] = result
    task["completed_at"] = record.at
    task["closed_seq"] = record.seq
    task["not_before"] = None


def _end_attempt(task: Task, event: Event, record: Record, outcome: str) -> None:
    claim = task["claim"]
    if claim is None:
        raise Unfit(f"task '{task['id']}' is not claimed")
    attempt: Attempt = {
        "agent": claim["agent"],
        "generation": claim["generation"],
        "claimed_at": claim["claimed_at"],
        "ended_at": event.get("ended_at", record.at),
        "outcome": outcome,  # type: ignore[typeddict-item] # one of the four, named at the call
    }
    for key in ("note", "note_blob"):
        if key in event:
            attempt[key] = event[key]
    task["attempt_log"].append(attempt)
    del task["attempt_log"][:-KEPT_ATTEMPTS]
    task["last_attempt_at"] = attempt["ended_at"]
    task["claim"] = None
