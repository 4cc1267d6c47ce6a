"""The Store protocol, and what every implementation of it owes.

A store keeps a history of records (domain/record.py) and answers with the ledger that they
add up to. Owed by every implementation, and checked by `tests/contract`:

- `transact` is atomic and serial: what it returned has happened for good, what raised has not
  happened at all. `decide` sees the state that its events will follow; it may be called again, on a
  sounder reading of the same state, before anything has happened.
- Text passes the redactor before it is kept.
- `view` changes nothing and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson

from dispatcher.domain import events
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event, Record, Stamp, seal
from dispatcher.domain.redact import Redactor
from dispatcher.domain.task import Task
from dispatcher.errors import Damaged, InvalidInput, TooNew
from dispatcher.text import cut

T = TypeVar("T")

MAX_RECORD_BYTES = 8_000_000
BULK = ("detail", "prompt")
"""Fields that hold any JSON data, or only matter as a whole, and go into a blob."""

EXCERPT_BYTES = 600
"""A longer field goes into a blob; the record and the task keep this much of it."""

Clock = Callable[[], Moment]
Tell = Callable[[str], None]
"""Takes one line for the user about the store itself: what was repaired, what could not be written."""


class Change(NamedTuple):
    """What a command decided: the events that happen, and the agent in whose name, None for the command's own.

    No events: nothing happens.
    """

    events: list[Event]
    writer: str | None = None


class Commit(NamedTuple):
    """What a transaction did: the state after it, and its record, None when nothing was to be written."""

    ledger: Ledger
    record: Record | None
    now: Moment


class Repair(NamedTuple):
    """What `rebuild` did, in words, and whether anything was lost."""

    lines: list[str]
    lost: bool


Decide = Callable[[Ledger, Moment], Change]


class Store(Protocol):
    """A place that keeps the state."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def close(self) -> None:
        """Give back what the store holds open; it is of no further use."""

    def create(self) -> bool:
        """Make the store if there is none; False if there is one already."""

    def view(self, look: Callable[[Ledger], T]) -> T:
        """Return what `look` says of the present state. `look` may be called again on a newer one."""

    def transact(self, command: str, decide: Decide) -> Commit:
        """Let `decide` say what happens, make it happen, and return it. Raises what `decide` raises."""

    def history(self) -> Iterator[Record]:
        """Yield every record there ever was, oldest first."""

    def bulk(self, ref: str) -> Any:  # noqa: ANN401 - JSON data
        """Return a long text, or other bulk of an event, by its reference; None if it is gone."""

    def archived(self, given: str) -> list[Task]:
        """Return the tasks outside the ledger whose id is `given` or begins with it, newest first."""

    def ledger_text(self, ledger: Ledger) -> bytes:
        """Return the ledger as people and models read it."""

    def history_bytes(self) -> int:
        """Return the size of the history since the last checkpoint."""

    def rotate(self) -> Commit:
        """Begin a new segment of the history behind a checkpoint of the state."""

    def rebuild(self) -> Repair:
        """Make everything derived anew from the history; repair the history if it is damaged."""

    def wait(self, seq: int, seconds: float) -> bool:
        """Wait until something has happened after `seq`; False when the time is up."""


def draft(
    ledger: Ledger, change: Change, redactor: Redactor, command: str, at: str
) -> tuple[Record, bytes, bytes | None]:
    """Return a change as the next record, its line, and the blob to be kept before it, if any.

    This is the one way into the state. All text is redacted here, and only then are long fields cut:
    the record holds their beginning and, in `<field>_blob`, where the rest is, as it does for bulk. Raises InvalidInput
    when the record would be too large.
    """
    clean, parts = [], {}
    for number, event in enumerate(change.events):
        short, long = _excerpt(redactor.event(event), number)
        clean.append(short)
        parts.update(long)
    blob = encode_blob(parts) if parts else None
    if blob:
        clean = [_point_into(event, blob_name(blob)) for event in clean]
    stamp = Stamp(command, change.writer or command, at)
    record, line = seal(ledger.seq + 1, ledger.head, ledger.writers.get(stamp.writer, 0) + 1, stamp, clean)
    if len(line) > MAX_RECORD_BYTES:
        raise InvalidInput(what=command, problem=f"too much for one command ({len(line):,} bytes); do it in parts")
    return record, line, blob


def advance(ledger: Ledger, record: Record, where: str) -> None:
    """Fold one record in. Raises TooNew for an event that this version does not know, Damaged for one that cannot be."""
    try:
        ledger.apply(record)
    except events.UnknownEvent as error:
        raise TooNew(file=where, problem=f"record {record.seq} has an unknown event '{error}'") from error
    except (events.Unfit, KeyError, TypeError) as error:
        raise Damaged(file=where, problem=f"record {record.seq} does not fit what came before: {error}") from error


def archived_by(ledger: Ledger, record: Record, gone: dict[str, Task]) -> list[Task]:
    """Return the tasks whose files a record has just moved to the archive."""
    return [
        gone[task_id] if task_id in gone else ledger.task(task_id)
        for event in record.events
        if event["type"] == "pruned"
        for task_id in event["archived"]
    ]


def encode_blob(parts: dict[str, Any]) -> bytes:
    """Return the canonical bytes of a blob: they name it, whatever compresses them."""
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def blob_name(data: bytes) -> str:
    """Return the name of a blob: the SHA-256 of its bytes, 32 hexadecimal digits of it."""
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


def _excerpt(event: Event, number: int) -> tuple[Event, dict[str, Any]]:
    """Return an event with its long texts cut and its bulk taken out, and these by the key that `<field>_blob` now holds."""
    short, long = dict(event), {}
    for field, value in event.items():
        if field in BULK:
            long[f"{number}.{field}"] = value
            del short[field]
            short[f"{field}_blob"] = f"{number}.{field}"
        # A title is bounded where it comes in, and must be whole in the ledger.
        elif field != "title" and isinstance(value, str) and (kept := cut(value, EXCERPT_BYTES)) != value:
            long[f"{number}.{field}"] = value
            short[field], short[f"{field}_blob"] = kept, f"{number}.{field}"
    return short, long


def _point_into(event: Event, name: str) -> Event:
    return {k: f"{name}#{v}" if k.endswith("_blob") else v for k, v in event.items()}
