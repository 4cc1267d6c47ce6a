"""A session's own log in SESSIONS/: records as the journal has them, under a lock of its own."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.domain.record import GENESIS, Event, Record, Stamp, seal
from dispatcher.errors import InvalidInput, SessionLocked, Unrepairable
from dispatcher.files import Root
from dispatcher.store import journal
from dispatcher.store.base import Clock
from dispatcher.store.journal import Segment

FOLDER = "SESSIONS"
_MAX_BYTES = 1 << 30

Decide = Callable[[list[Event]], list[Event]]
"""Returns the events that follow those there are; none: nothing is written."""


class SessionLog:
    """The log of one session; one that is not there is empty. `seconds` is how long its lock is waited for."""

    def __init__(self, root: Root, name: str, clock: Clock, seconds: float) -> None:
        """Take the name, which is an id. Raises InvalidInput for another."""
        from dispatcher.domain.ids import is_id

        if not is_id(name):
            raise InvalidInput(what=f"session '{name}'", problem="must be of a-z, 0-9, '.', '_' and '-', at most 64")
        self._root, self._name, self._clock, self._seconds = root, name, clock, seconds
        self._file = f"{FOLDER}/{name}.jsonl"

    def events(self) -> list[Event]:
        """Return all that happened; takes no lock. Raises Unrepairable for a damaged log."""
        return [event for record in self._segment().records for event in record.events]

    def append(self, stamp: Stamp, decide: Decide) -> list[Event]:
        """Add what `decide` returns, as one record, and return it: when this returns, it has happened."""
        root, holder = self._root, f"{stamp.command} of {stamp.writer}".encode()
        root.make_folder(FOLDER)
        with root.lock(f"{FOLDER}/{self._name}.lock", self._seconds, holder, self._locked):
            segment = self._segment()
            before = [event for record in segment.records for event in record.events]
            events = decide(before)
            if events:
                self._write(segment, stamp, events)
            return events

    def _write(self, segment: Segment, stamp: Stamp, events: list[Event]) -> None:
        last: Record | None = segment.records[-1] if segment.records else None
        n = 1 + sum(record.writer == stamp.writer for record in segment.records)
        _, line = seal(last.seq + 1 if last else 1, last.crc if last else GENESIS, n, stamp, events)
        if last is None and not segment.tail:
            self._root.create_durable(self._file)
        if segment.tail:  # an append that was cut short was not acknowledged
            self._root.truncate_durable(self._file, segment.size)
        self._root.append_durable(self._file, line, segment.size)

    def _segment(self) -> Segment:
        found = self._root.read(self._file, _MAX_BYTES)
        segment = journal.parse(found or b"")
        if segment.damage:
            problem = f"line {segment.damage.line} is damaged; move the file away to begin the session anew"
            raise Unrepairable(file=self._root.full(self._file), problem=problem)
        return segment

    def _locked(self, note: bytes) -> Exception:
        return SessionLocked(
            session=self._name, holder=note.decode(errors="replace") or "another", seconds=self._seconds
        )

    def stamp(self, command: str) -> Stamp:
        """Return the stamp of a record that a command writes now."""
        return Stamp(command, command, self._clock().iso)
