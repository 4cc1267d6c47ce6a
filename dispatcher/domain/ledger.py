"""The ledger: the state that a history of records adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from dispatcher.domain import events
from dispatcher.domain.record import GENESIS, Record
from dispatcher.domain.task import STATUSES, Row, Status, Task, checksum, encode, row_of


class Changed(NamedTuple):
    """A task that records have changed: its new file, and the status it had before, None for a new one."""

    task_id: str
    file: bytes
    was: Status | None


class Ledger:
    """The fold of all records up to `seq`.

    Rows are in memory; whole tasks are loaded one by one when an event or a question needs them.
    `load` returns the task of a row and raises what the store likes when it cannot. After `apply`,
    call `settle` before reading rows.

    Attributes:
        head: checksum of the last record, GENESIS before the first.
        writers: per writer, how many records it has written (a vector clock).
        last_scan: when the tests were run last and what came of it, None before the first time.
        added: tasks ever added. dropped: of these, how many have left the ledger for the archive.
        section: the rows as the ledger file that this state was read from has them, None if it was not.
        replaced: of the rows changed since, what they were there; None for a new one.
    """

    def __init__(self, load: Callable[[Row], Task]) -> None:
        self.seq = 0
        self.head = GENESIS
        self.writers: dict[str, int] = {}
        self.rows: dict[str, Row] = {}
        self.section: bytes | None = None
        self.replaced: dict[str, Row | None] = {}
        self.added = 0
        self.dropped = 0
        self.pruned_at: str | None = None
        self.pruned_count = 0
        self.last_scan: dict[str, Any] | None = None
        self._load = load
        self._tasks: dict[str, Task] = {}
        self._changed: dict[str, None] = {}
        self._dropped: dict[str, Task] = {}

    # Reading

    def task(self, task_id: str) -> Task:
        """Return a whole task; the caller does not change it."""
        if task_id not in self._tasks:
            self._tasks[task_id] = self._load(self.rows[task_id])
        return self._tasks[task_id]

    def counts(self) -> dict[Status, int]:
        """Return how many rows have each status."""
        found = Counter(map(itemgetter("status"), self.rows.values()))
        return {status: found[status] for status in STATUSES}

    # Folding

    def apply(self, record: Record) -> None:
        """Take one record in. Raises events.UnknownEvent or events.Unfit, and is then of no further use."""
        for event in record.events:
            events.apply(self, event, record)
        self.seq = record.seq
        self.head = record.crc
        self.writers[record.writer] = record.n

    def settle(self) -> list[Changed]:
        """Bring the rows up to date; return what changed since the last call."""
        changed = []
        for task_id in self._changed:
            if task_id in self.rows:
                file = encode(self._tasks[task_id])
                old = self.rows[task_id]
                changed.append(Changed(task_id, file, old.get("status")))
                self.replaced.setdefault(task_id, old if "id" in old else None)
                self.rows[task_id] = row_of(self._tasks[task_id], checksum(file))
        self._changed = {}
        return changed

    def take_dropped(self) -> dict[str, Task]:
        """Return the tasks that left the ledger since the last call, as they were."""
        gone, self._dropped = self._dropped, {}
        return gone

    # For the event handlers

    def put(self, task: Task) -> None:
        """Take a new task in, behind all others."""
        self._tasks[task["id"]] = task
        self.rows[task["id"]] = {}  # type: ignore[typeddict-item] # `settle` fills it; the place is kept
        self._changed[task["id"]] = None
        self._dropped.pop(task["id"], None)

    def change(self, task_id: str, seq: int) -> Task:
        """Return a task for changing."""
        if task_id not in self.rows:
            raise events.Unfit(f"task '{task_id}' is not in the ledger")
        task = self.task(task_id)
        task["changed_seq"] = seq
        self._changed[task_id] = None
        return task

    def drop(self, task_id: str) -> None:
        """Let a task leave the ledger."""
        self._dropped[task_id] = self.task(task_id)
        del self.rows[task_id]
        del self._tasks[task_id]
        self.section = None
        self.dropped += 1

    # Checkpoints

    def checkpoint(self) -> dict[str, Any]:
        """Return the whole state, tasks included, as JSON data."""
        return {
            "seq": self.seq,
            "head": self.head,
            "writers": self.writers,
            "added": self.added,
            "dropped": self.dropped,
            "pruned_at": self.pruned_at,
            "pruned_count": self.pruned_count,
            "last_scan": self.last_scan,
            "tasks": [self.task(task_id) for task_id in self.rows],
        }


def from_checkpoint(state: dict[str, Any]) -> Ledger:
    """Return the ledger that `Ledger.checkpoint` described."""
    ledger = Ledger(_nothing_to_load)
    for task in state["tasks"]:
        ledger.put(task)
    ledger.settle()
    ledger.seq, ledger.head, ledger.writers = state["seq"], state["head"], state["writers"]
    ledger.added, ledger.dropped = state["added"], state["dropped"]
    ledger.pruned_at, ledger.pruned_count = state["pruned_at"], state["pruned_count"]
    ledger.last_scan = state.get("last_scan")
    return ledger


def empty() -> Ledger:
    """Return the ledger before the first record."""
    return Ledger(_nothing_to_load)


def _nothing_to_load(row: Row) -> Task:
    raise KeyError(row["id"])
