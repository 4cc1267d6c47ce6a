"""The files that people and scripts read. Made from the ledger alone, and remade when they differ from it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.task import FOLDERS, SCHEMA_VERSION, Row, Status, Task, checksum
from dispatcher.errors import StorageError, TooNew
from dispatcher.files import FileStat, Root

LEDGER = "DISPATCH_LEDGER.json"
CURSOR = "CACHE/cursor.json"
MAX_LEDGER_BYTES = 1 << 31
MAX_TASK_BYTES = 1 << 24

_HEAD = b'{"checksum":"'
_SUM_AT = slice(len(_HEAD), len(_HEAD) + 8)
_NO_SUM = b"00000000"
_FEW = 16
# A title cannot hold these: JSON text has no bare line ends.
_BEFORE_ROWS, _BETWEEN, _AFTER_ROWS = b',"tasks":[\n', b",\n", b"\n],"


class Cursor(NamedTuple):
    """Up to where the projections are complete, and how to see that cheaply.

    `journal` is the state of the journal's file then: any other touch of it shows. Folders are not synced, so another `boot_id` proves nothing.
    """

    boot_id: str
    journal: FileStat
    seq: int
    head: str


# The ledger


def render_ledger(ledger: Ledger) -> bytes:
    """Return the ledger file's bytes: keys sorted, one task a line, the checksum over all the rest."""
    head = {
        "head": ledger.head,
        "last_scan": ledger.last_scan,
        "pruned_at": ledger.pruned_at,
        "pruned_count": ledger.pruned_count,
        "schema_version": SCHEMA_VERSION,
        "seq": ledger.seq,
        "summary": {status.lower(): n for status, n in ledger.counts().items()},
    }
    tail = {"totals": {"added": ledger.added, "archived": ledger.dropped}, "writers": ledger.writers}
    dumps, option = orjson.dumps, orjson.OPT_SORT_KEYS
    rows = _patched_rows(ledger)
    if rows is None:
        rows = _BETWEEN.join([dumps(row, option=option) for row in ledger.rows.values()])
    after_sum = b"".join(
        (
            b'",', dumps(head, option=option)[1:-1], _BEFORE_ROWS, rows,
            _AFTER_ROWS if rows else _AFTER_ROWS[1:], dumps(tail, option=option)[1:], b"\n",
        )
    )  # fmt: skip
    return _HEAD + _sum(after_sum) + after_sum


def parse_ledger(data: bytes, load: Callable[[Row], Task]) -> Ledger | None:
    """Return the ledger of a file's bytes, or None if they are not what was written."""
    if not data.startswith(_HEAD) or _sum(memoryview(data)[_SUM_AT.stop :]) != data[_SUM_AT]:
        return None
    try:
        fields: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if fields["schema_version"] > SCHEMA_VERSION:
        raise TooNew(file=LEDGER, problem=f"schema_version is {fields['schema_version']}")
    ledger = Ledger(load)
    ledger.seq, ledger.head, ledger.writers = fields["seq"], fields["head"], fields["writers"]
    ledger.added, ledger.dropped = fields["totals"]["added"], fields["totals"]["archived"]
    ledger.pruned_at, ledger.pruned_count = fields["pruned_at"], fields["pruned_count"]
    ledger.last_scan = fields.get("last_scan")
    ledger.rows = {row["id"]: row for row in fields["tasks"]}
    first, last = data.find(_BEFORE_ROWS) + len(_BEFORE_ROWS), data.rfind(_AFTER_ROWS)
    ledger.section = data[first:last] if ledger.rows else b""
    return ledger


def _patched_rows(ledger: Ledger) -> bytes | None:
    """Return the rows' bytes as they were read, with the few that a command changes put in; None if that will not do."""
    section = ledger.section
    if section is None or len(ledger.replaced) > _FEW:
        return None
    for task_id, old in ledger.replaced.items():
        new = orjson.dumps(ledger.rows[task_id], option=orjson.OPT_SORT_KEYS)
        if old is None:
            section = section + _BETWEEN + new if section else new
            continue
        line = orjson.dumps(old, option=orjson.OPT_SORT_KEYS)
        at = section.find(line)
        if at < 0:
            return None
        section = b"".join((section[:at], new, section[at + len(line) :]))
    return section


def _sum(after_sum: bytes | memoryview) -> bytes:
    return b"%08x" % zlib.crc32(after_sum, zlib.crc32(_HEAD + _NO_SUM))


# Task files


def task_path(row: Row) -> str:
    """Return where a task's file is."""
    return path_in(row["status"], row["id"])


def path_in(status: Status, task_id: str) -> str:
    """Return where the file of a task with this status is."""
    return f"{FOLDERS[status]}/{task_id}.json"


def read_task(root: Root, row: Row) -> Task | None:
    """Return the task of a row from its file, or None if the file is not the one that the row means."""
    try:
        data = root.read(task_path(row), MAX_TASK_BYTES)
    except StorageError:
        return None
    if data is None or checksum(data) != row["sum"]:
        return None
    task: Task = orjson.loads(data)
    return task


def place_task(root: Root, row: Row, data: bytes, was: Status | None) -> None:
    """Write a task's file where its status says, and take it away from where it was."""
    if row.get("archived"):
        root.unlink(task_path(row))
    else:
        root.replace(task_path(row), data)
    if was is not None and was != row["status"]:
        root.unlink(path_in(was, row["id"]))


# The cursor


def write_cursor(root: Root, cursor: Cursor) -> None:
    """Say up to where the projections are complete; written after all of them."""
    root.replace(CURSOR, orjson.dumps({**cursor._asdict(), "journal": list(cursor.journal)}) + b"\n")


def read_cursor(root: Root) -> Cursor | None:
    """Return the cursor, or None if there is none that can be read."""
    try:
        fields = orjson.loads(root.read(CURSOR, 4096) or b"")
        return Cursor(**{**fields, "journal": FileStat(*fields["journal"])})
    except (orjson.JSONDecodeError, KeyError, TypeError, StorageError):
        return None
