"""The lines of a file of JSON documents, of any length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from dispatcher.scan.reports.refusal import Refused

_CHUNK = 65_536
_LONG_LINE = 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024
_KEEP = 65_536  # bytes of the beginning of a long text, and as many of its end


def lines_of(source: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Return each line with its number, long texts in it without their middles, and whether it is whole."""
    number, line = 1, _Line(1)
    while chunk := source.read(_CHUNK):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line.add(part)
            yield number, line.text(), True
            number, line = number + 1, _Line(number + 1)
        line.add(rest)
    if last := line.text():
        yield number, last, False


class _Line:
    """A line that comes in parts. When it gets long, its strings are cut while they come."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._parts: list[bytes] = []
        self._length = 0
        self._cutter: _Cutter | None = None

    def add(self, part: bytes) -> None:
        """Take the next part."""
        if self._cutter is not None:
            part = self._cutter.cut(part)
        self._parts.append(part)
        self._length += len(part)
        if self._cutter is None and self._length > _LONG_LINE:
            self._cutter = _Cutter()
            self._parts = [self._cutter.cut(b"".join(self._parts))]
            self._length = len(self._parts[0])
        if self._length > _LONGEST_LINE:
            raise Refused(f"line {self._number} is longer than {_LONGEST_LINE >> 20} MB, even without its long texts")

    def text(self) -> bytes:
        """Return what was kept."""
        return b"".join(self._parts)


class _Cutter:
    """Cuts the strings of a JSON document while it comes in parts."""

    _PLAIN = re.compile(rb'(?:[^"]++|"[^"\\]{0,1000}+")*+')  # short texts at once
    _STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)

    def __init__(self) -> None:
        self._inside = False
        self._half = b""  # a backslash whose letter is in the next part
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = False

    def cut(self, part: bytes) -> bytes:
        """Return what is left of the next part; what is kept of a string comes when it ends."""
        part, out, at = self._half + part, [], 0
        self._half = b""
        while at < len(part):
            found = (self._STRING if self._inside else self._PLAIN).match(part, at)
            end = found.end() if found else at
            if not self._inside:
                out.append(part[at:end])
            else:
                self._keep(part[at:end])
            if end < len(part) and part[end] == ord("\\"):
                self._half = part[end:]
                break
            if end < len(part):
                out.append(b'"' if not self._inside else self._kept() + b'"')
                self._inside = not self._inside
            at = end + 1
        return b"".join(out)

    def _keep(self, part: bytes) -> None:
        room = _KEEP - len(self._head)
        self._head += part[:room]
        self._tail += part[room:]
        if len(self._tail) > 2 * _KEEP:
            del self._tail[:-_KEEP]
            self._dropped = True

    def _kept(self) -> bytes:
        """Return what is left of a string. A space is part of no escape and no character, and of no word."""
        begin, end = bytes(self._head), bytes(self._tail)
        if self._dropped:
            begin, end = begin.rpartition(b" ")[0] + b" ...", end.partition(b" ")[2]
            begin += b" "
        self._head, self._tail, self._dropped = bytearray(), bytearray(), False
        return begin + end


def parsed(line: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return what a line holds. Raises ValueError or RecursionError for what is no JSON."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # Python writes NaN and lone surrogates, which orjson refuses.
        return json.loads(line.decode("utf-8", "replace"))
