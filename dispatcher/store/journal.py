"""The journal file: the truth, one record a line."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.domain.record import GENESIS, Record, unseal
from dispatcher.files import FileStat, Root

NAME = "JOURNAL.jsonl"
SUSPECT = "JOURNAL.suspect"
MAX_BYTES = 1 << 32


class Damage(NamedTuple):
    """The first place where a segment is not what was written."""

    line: int
    problem: str


class Segment(NamedTuple):
    """What a segment's bytes hold.

    `records` are those before the first bad line, `size` the bytes they take. `tail` is what follows
    when that can be an append that was cut short: no good record comes after it. Otherwise `damage` says
    what is wrong, and `salvaged` has the good records behind it.
    """

    records: list[Record]
    size: int
    tail: bytes
    damage: Damage | None
    salvaged: list[Record]


def read(root: Root) -> tuple[Segment, FileStat] | None:
    """Return the present segment and the state of its file, or None if there is none."""
    found = root.read_with_stat(NAME, MAX_BYTES)
    return (parse(found[0]), found[1]) if found else None


def parse(data: bytes, after: Record | None = None) -> Segment:
    """Check a segment's bytes line by line: checksum, sequence and link to the record before.

    `after` is the record that the first one must follow, None for a whole segment, which begins with
    the very first record or with a checkpoint.
    """
    records: list[Record] = []
    size = 0
    previous = after
    lines = data.split(b"\n")
    unfinished = lines.pop()
    for number, line in enumerate(lines, 1):
        record = unseal(line)
        problem = "is not a whole record" if record is None else _misfit(record, previous)
        if record is None or problem:
            salvaged = [r for r in map(unseal, lines[number - 1 :]) if r]
            if salvaged:
                return Segment(records, size, b"", Damage(number, f"line {number} {problem}"), salvaged)
            return Segment(records, size, data[size:], None, [])
        records.append(record)
        size += len(line) + 1
        previous = record
    return Segment(records, size, unfinished, None, [])


def is_checkpoint(record: Record) -> bool:
    """Tell whether a record begins a segment with the whole state."""
    return bool(record.events) and record.events[0].get("type") == "checkpoint"


def _misfit(record: Record, previous: Record | None) -> str:
    if previous is None:
        fits = is_checkpoint(record) or (record.seq == 1 and record.prev == GENESIS)
        return "" if fits else f"is record {record.seq}, but neither the first nor a checkpoint"
    if record.seq != previous.seq + 1:
        return f"is record {record.seq}, but {previous.seq + 1} was to follow"
    return "" if record.prev == previous.crc else f"(record {record.seq}) does not follow the record before it"
