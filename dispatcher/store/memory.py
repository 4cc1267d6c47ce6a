"""A store that ends with its process: the smallest thing that keeps the promises of base.Store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from dispatcher.domain.ledger import Ledger, empty
from dispatcher.domain.record import Record
from dispatcher.domain.redact import Redactor
from dispatcher.domain.task import Task
from dispatcher.store.base import Change, Clock, Commit, Decide, Repair, T, advance, archived_by, blob_name, draft


class MemoryStore:
    """Records in a list. Nothing is projected and nothing can be damaged, so `rebuild` finds nothing to do."""

    place = "memory"

    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        self._clock = clock
        self._redactor = redactor
        self._records: list[Record] = []
        self._blobs: dict[str, bytes] = {}
        self._archive: dict[str, Task] = {}
        self._changed = threading.Condition()

    def close(self) -> None:
        """Hold on to everything: there is nothing open."""

    def create(self) -> bool:
        """Write the first record."""
        if self._records:
            return False
        self.transact("init", lambda _ledger, _now: Change([{"type": "store_created", "schema_version": 1}]))
        return True

    def view(self, look: Callable[[Ledger], T]) -> T:
        """Return what `look` says of the present state."""
        return look(self._fold())

    def transact(self, command: str, decide: Decide) -> Commit:
        """Let `decide` say what happens and make it happen."""
        with self._changed:
            now, ledger = self._clock(), self._fold()
            change = decide(ledger, now)
            if not change.events:
                return Commit(ledger, None, now)
            record, _, blob = draft(ledger, change, self._redactor, command, now.iso)
            advance(ledger, record, self.place)
            for task in archived_by(ledger, record, ledger.take_dropped()):
                self._archive.pop(task["id"], None)
                self._archive[task["id"]] = orjson.loads(orjson.dumps(task))
            ledger.settle()
            if blob:
                self._blobs[blob_name(blob)] = blob
            self._records.append(record)
            self._changed.notify_all()
            return Commit(ledger, record, now)

    def history(self) -> Iterator[Record]:
        """Yield every record."""
        yield from self._records

    def bulk(self, ref: str) -> Any:  # noqa: ANN401 - JSON data
        """Return a long text or other bulk by its reference."""
        name, _, key = ref.partition("#")
        parts: dict[str, Any] = orjson.loads(self._blobs.get(name, b"{}"))
        return parts.get(key)

    def archived(self, given: str) -> list[Task]:
        """Return the archived tasks whose id begins with `given`, newest first."""
        return [t for i, t in reversed(self._archive.items()) if i.startswith(given)]

    def ledger_text(self, ledger: Ledger) -> bytes:
        """Return all rows."""
        return orjson.dumps(list(ledger.rows.values()))

    def history_bytes(self) -> int:
        """Return 0: there is no file to keep small."""
        return 0

    def rotate(self) -> Commit:
        """Write the checkpoint's record, which changes nothing."""
        return self.transact("prune", lambda ledger, _now: Change([_checkpoint(ledger)]))

    def rebuild(self) -> Repair:
        """Fold everything once, which raises if it cannot be folded."""
        self._fold()
        return Repair([], lost=False)

    def wait(self, seq: int, seconds: float) -> bool:
        """Wait until a record after `seq` is there."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._records) > seq, seconds)

    def _fold(self) -> Ledger:
        ledger = empty()
        for record in self._records:
            advance(ledger, record._replace(events=orjson.loads(orjson.dumps(record.events))), self.place)
        ledger.take_dropped()
        ledger.settle()
        return ledger


def _checkpoint(ledger: Ledger) -> dict[str, object]:
    previous = {"segment": None, "seq": ledger.seq, "head": ledger.head}
    return {"type": "checkpoint", "state": None, "previous": previous}
