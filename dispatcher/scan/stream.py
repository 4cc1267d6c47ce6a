"""What a run of tests tells, record by record, and the plugin's file of them, read while it grows."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import orjson

from dispatcher.domain.failure import BAD, file_of

Text = Callable[[str], str]
Key = tuple[str, str]
"""An item and one of its phases."""

Told = dict[str, Any]
_WORKER_DIED = re.compile(r"worker '\w+' crashed while running")  # as pytest-xdist says it


class Kept(NamedTuple):
    """A record that stays in its file until it is wanted: many tests that fail have much to tell."""

    file: BinaryIO
    offset: int
    size: int

    def load(self) -> Told:
        """Return the record."""
        self.file.seek(self.offset)
        record: Told = orjson.loads(self.file.read(self.size))
        return record


class Records:
    """What a run has told so far, in the records that our plugin writes (see target/dispatcher_pytest.py).

    Ids lose their secrets and the addresses of objects first: they are compared with ids that were kept. `sudden` are
    the items that ended the interpreter or did not end by themselves; `workers_died` those that a worker of
    pytest-xdist's died of.
    """

    def __init__(self, redact: Text) -> None:
        self._redact = redact
        self._ids: dict[str, str] = {}
        self.legs = 1
        self.session: dict[str, Any] | None = None
        self.no_pytest: str | None = None
        self.interrupt: str | None = None
        self.end: dict[str, Any] | None = None
        self.main: int | None = None
        self.collected: list[str] = []
        self.leg: list[str] = []
        self.collecting: dict[int, str] = {}
        self.running: dict[int, str] = {}
        self._next = 0
        self._began = False
        self.ended = Counter[str]()
        self._ended_now = Counter[str]()
        self.bad = 0
        self.outcomes: dict[str, str] = {}
        self.fails: dict[Key, Told | Kept] = {}
        self.details: dict[Key, Told | Kept] = {}
        self.sudden: set[str] = set()
        self.workers_died: set[str] = set()
        self.deselected: set[str] = set()
        self.without_items: dict[str, str] = {}

    def not_run(self) -> list[str]:
        """Return the items that were collected and have not ended, in order."""
        ended = self.ended.copy()
        return [test for test in self.collected if not _taken(ended, test)]

    def begin_leg(self) -> None:
        """Expect pytest to be started anew, for the items that are left."""
        self.legs += 1
        self.end = self.interrupt = self.main = None
        self.leg, self._next, self._began = [], 0, False
        self._ended_now.clear()
        self.collecting.clear()
        self.running.clear()

    def current(self) -> str | None:
        """Return the item that is running: the first of this leg that has not ended."""
        while self._next < len(self.leg) and _taken(self._ended_now, self.leg[self._next]):
            self._next += 1
        return self.leg[self._next] if self._next < len(self.leg) else None

    def has_progressed(self) -> bool:
        """Tell whether any item has ended in this leg."""
        return self._next > 0

    @property
    def runs_items(self) -> bool:
        """Tell whether pytest has begun to run what it has collected."""
        return self._began and bool(self.session and not self.session["dry"])

    def workers(self) -> dict[int, tuple[Literal["item", "file"], str]]:
        """Return what each of pytest-xdist's workers is busy with, by process id."""
        busy: dict[int, tuple[Literal["item", "file"], str]] = {
            pid: ("file", file) for pid, file in self.collecting.items() if pid != self.main
        }
        return busy | {pid: ("item", test) for pid, test in self.running.items()}

    def overrule(self, record: dict[str, Any]) -> None:
        """Take in a record of a failure that counts more than what was told of it before."""
        known = self.fails if record["t"] == "fail" else self.details
        known.pop((self.id_of(record["id"]), record["when"]), None)
        self.take(record)

    def failure(self, key: Key) -> tuple[Told, Told | None]:
        """Return what was told of a failed phase, and its details if there are any."""
        found = [known.get(key) for known in (self.fails, self.details)]
        fail, detail = (told.load() if isinstance(told, Kept) else told for told in found)
        return {**(fail or {}), "id": key[0]}, detail

    def id_of(self, test: str) -> str:
        """Return an item's id without its secrets and the addresses of objects."""
        name = re.sub(r" at 0x[0-9A-Fa-f]+", " at 0x", self._redact(test))
        return self._ids.setdefault(name, name)  # each is told of several times, and kept once

    def take(self, record: Any, kept: Kept | None = None) -> None:  # noqa: ANN401 - JSON, as our plugin writes it
        """Take in one record, which may be kept in a file; of those about one phase of one item the first counts."""
        if isinstance(record, list):
            self._ended(*record)
        elif record["t"] in ("fail", "detail"):
            self._failed(record, kept)
        elif record["t"] in ("deselected", "without_items"):
            self._left_out(record)
        else:
            self._said(record)

    def _failed(self, record: Told, kept: Kept | None) -> None:
        test = self.id_of(record["id"])
        known = self.fails if record["t"] == "fail" else self.details
        known.setdefault((test, record["when"]), kept or record)
        self.bad = len(self.fails)
        if "ended" in record:
            self.sudden.add(test)
        if record["t"] == "fail" and _WORKER_DIED.match(record["text"]):
            self.workers_died.add(test)

    def _ended(self, outcome: str, test: str, _seconds: float) -> None:
        # Ids that are equal once their secrets are gone are one item, as bad as the worst of them.
        name = self.id_of(test)
        if self.collected:  # a report does not tell what was to be run
            self.ended[name] += 1
            self._ended_now[name] += 1
        if self.outcomes.get(name) not in BAD:
            self.outcomes[name] = outcome
        if self.running:
            self.running = {pid: test for pid, test in self.running.items() if test != name}

    def _left_out(self, record: dict[str, Any]) -> None:
        if record["t"] == "deselected":
            self.deselected.update(map(self.id_of, record["ids"]))
        else:
            self.without_items[file_of(self.id_of(record["id"]))] = "skipped" if record["skipped"] else "empty"

    def _busy(self, with_what: dict[int, str], record: dict[str, Any]) -> None:
        with_what.pop(record["pid"], None)
        if record["id"]:
            with_what[record["pid"]] = self.id_of(record["id"])

    def _said(self, record: dict[str, Any]) -> None:
        """Take in what a record says of the run as a whole."""
        kind = record["t"]
        if kind == "collected":
            self.leg = [self.id_of(i) for i in record["ids"]]
            self.collected = self.collected or self.leg
        elif kind == "collecting":
            self._busy(self.collecting, record)
        elif kind == "running":
            self._began = True
        elif kind == "start":
            self._busy(self.running, record)
        elif kind == "session":
            self.main = record["pid"]
            self.session = {**(self.session or record), "workers": record["workers"]}
        elif kind == "no_pytest":
            self.no_pytest = record["why"]
        elif kind == "interrupt":
            self.interrupt = record["why"]
        elif kind == "end":
            self.end = record
        else:
            self.take_other(record)

    def take_other(self, record: dict[str, Any]) -> None:
        """Take in a record of a kind that only a second pass writes."""


class Stream(Records):
    """The plugin's file of records; call `read` again and again. A line that is cut off or broken is skipped."""

    def __init__(self, path: Path, redact: Text) -> None:
        super().__init__(redact)
        self.path = path
        self._file: BinaryIO = path.open("rb")
        self._files = [self._file]
        self._taken = 0

    def ensure(self) -> None:
        """Make the file anew if it is gone."""
        if not self.path.exists():
            self.path.touch(0o600)
            self._file, self._taken = self.path.open("rb"), 0
            self._files.append(self._file)

    def close(self) -> None:
        """Stop reading. What is kept in the file cannot be had any more."""
        for file in self._files:
            file.close()

    def read(self) -> None:
        """Take in what was written since the last time."""
        self._file.seek(self._taken)
        while (line := self._file.readline()).endswith(b"\n"):
            with contextlib.suppress(orjson.JSONDecodeError):
                self.take(orjson.loads(line), Kept(self._file, self._taken, len(line)))
            self._taken += len(line)  # an interrupt at any point loses nothing: a line may be taken twice


def _taken(ended: Counter[str], test: str) -> bool:
    """Take one of the items of an id that have ended, if there is one left."""
    if not ended[test]:
        return False
    ended[test] -= 1
    return True
