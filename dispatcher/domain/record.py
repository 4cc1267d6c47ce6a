"""A journal record: one command's events under one checksum, chained to the record before it."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import orjson

Event = dict[str, Any]

GENESIS = "00000000"
"""The `prev` of the very first record."""

_TAIL = b',"crc":"00000000"}'


class Record(NamedTuple):
    """One transaction. `n` counts its writer's records; `crc` covers all the rest, `prev` included."""

    seq: int
    at: str
    writer: str
    n: int
    command: str
    events: list[Event]
    prev: str
    crc: str


class Stamp(NamedTuple):
    """Which command writes a record, in whose name, and when (a timestamp)."""

    command: str
    writer: str
    at: str


def seal(seq: int, prev: str, n: int, stamp: Stamp, events: list[Event]) -> tuple[Record, bytes]:
    """Return a record and its line, newline included."""
    command, writer, at = stamp
    fields = {"seq": seq, "at": at, "writer": writer, "n": n, "command": command, "events": events, "prev": prev}
    body = orjson.dumps(fields)[:-1]
    crc = f"{zlib.crc32(body):08x}"
    return Record(seq, at, writer, n, command, events, prev, crc), body + b',"crc":"' + crc.encode() + b'"}\n'


def unseal(line: bytes) -> Record | None:
    """Return the record of a line without its newline, or None if the line is not whole and unchanged."""
    body, tail = line[: -len(_TAIL)], line[-len(_TAIL) :]
    crc = f"{zlib.crc32(body):08x}"
    if tail != _TAIL.replace(b"00000000", crc.encode()):
        return None
    try:
        fields = orjson.loads(line)
        return Record(
            fields["seq"], fields["at"], fields["writer"], fields["n"], fields["command"],
            fields["events"], fields["prev"], crc,
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
