"""The header of a `.gguf` file: what it says of its model, and the shapes of its tensors. Versions 2 and 3, little endian.

The layout is that of ggml's `gguf.cpp`: magic, version, two counts, key-value pairs, then name, shape, type and offset
of each tensor; the weights follow and are never touched. A vocabulary is most of a header, so long arrays are stepped
over unless they are asked for by name; what is known of them then is how long they are.

The file is mapped, not read: one that another program cuts short meanwhile may end this one with SIGBUS.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import InvalidInput

Value = str | int | float | list[str] | list[int] | list[float]
"""Of a key; truth values are numbers. Bytes of a text that are not UTF-8 are there as lone surrogates."""

BLOCKS = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "f64": (1, 8),
    "i8": (1, 1), "i16": (1, 2), "i32": (1, 4), "i64": (1, 8),
    "q4_0": (32, 18), "q4_1": (32, 20), "q5_0": (32, 22), "q5_1": (32, 24), "q8_0": (32, 34), "q8_1": (32, 36),
    "q2_k": (256, 84), "q3_k": (256, 110), "q4_k": (256, 144), "q5_k": (256, 176), "q6_k": (256, 210),
    "q8_k": (256, 292),
    "iq1_s": (256, 50), "iq1_m": (256, 56), "iq2_xxs": (256, 66), "iq2_xs": (256, 74), "iq2_s": (256, 82),
    "iq3_xxs": (256, 98), "iq3_s": (256, 110), "iq4_nl": (32, 18), "iq4_xs": (256, 136),
    "tq1_0": (256, 54), "tq2_0": (256, 66), "mxfp4": (32, 17), "nvfp4": (64, 36), "q1_0": (128, 18), "q2_0": (64, 18),
}  # fmt: skip
"""Each type of tensor: elements of a block, and bytes that it takes (ggml-common.h, `type_traits` in ggml.c)."""

_TYPES = {
    number: name
    for start, names in (
        (0, "f32 f16 q4_0 q4_1"),
        (6, "q5_0 q5_1 q8_0 q8_1 q2_k q3_k q4_k q5_k q6_k q8_k iq2_xxs iq2_xs iq3_xxs iq1_s iq4_nl iq3_s iq2_s iq4_xs"),
        (24, "i8 i16 i32 i64 f64 iq1_m bf16"),
        (34, "tq1_0 tq2_0"),
        (39, "mxfp4 nvfp4 q1_0 q2_0"),
    )
    for number, name in enumerate(names.split(), start)
}

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

_SHORT_ARRAY = 1024
"""Arrays of so many elements are always read, as Ollama shows them: they tell of layers."""

_LARGEST_HEADER = 1 << 28
_LARGEST_STRING = 1 << 24
_MOST_DIMENSIONS = 4

_LENGTH = struct.Struct("<Q")
_COUNT = struct.Struct("<I")


class Tensor(NamedTuple):
    """A tensor: its shape has the length of a row first, its type is ggml's name in lower case."""

    name: str
    shape: tuple[int, ...]
    type: str


class Header(NamedTuple):
    """What a file says before its weights.

    `lengths` has the number of elements of every array, `metadata` only the short and the wanted ones. `size` is where
    the header ends, in bytes.
    """

    metadata: dict[str, Value]
    lengths: dict[str, int]
    tensors: tuple[Tensor, ...]
    size: int


def elements(shape: Sequence[int]) -> int:
    """Return how many elements a tensor has."""
    total = 1
    for length in shape:
        total *= length
    return total


def size_of(shape: Sequence[int], kind: str) -> int | None:
    """Return what a tensor takes in bytes, or None when its type is not known. Rows are whole blocks."""
    block = BLOCKS.get(kind.lower())
    if block is None or not shape:
        return None
    return -(-shape[0] // block[0]) * block[1] * elements(shape[1:])


def read(path: Path, wanted: Collection[str] = ()) -> Header:
    """Read a file's header; of arrays with more than 1,024 elements only those that are `wanted`, by their keys.

    Raises InvalidInput when it is not there, not a GGUF file, cut short, or says what cannot be.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidInput(what=path, problem=(error.strerror or "cannot be opened").lower()) from error
    try:
        return _mapped(path, fd, wanted)
    finally:
        os.close(fd)


def digest(path: Path, header: Header) -> str:
    """Return a digest of a file's header, which tells vocabularies and shapes apart, though not weights.

    A blob in Ollama's store bears its digest as its name: that one is taken.
    """
    if path.name.startswith("sha256-"):
        return path.name.removeprefix("sha256-")
    with path.open("rb") as file:
        return hashlib.sha256(file.read(header.size)).hexdigest()


def _mapped(path: Path, fd: int, wanted: Collection[str]) -> Header:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(what=path, problem="is not a file")
    if found.st_size == 0:
        raise InvalidInput(what=path, problem="is empty")
    with mmap.mmap(fd, found.st_size, access=mmap.ACCESS_READ) as data:
        return _Reader(path, data).header(frozenset(wanted))


class _Reader:
    """Goes through a mapped file from its start. Whatever is wrong with it is told with the file's name."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.end = min(len(data), _LARGEST_HEADER)
        self.at = 0

    def header(self, wanted: frozenset[str]) -> Header:
        tensors, pairs = self._start()
        metadata: dict[str, Value] = {}
        lengths: dict[str, int] = {}
        for _ in range(pairs):
            key = self._string()
            if not key or key in metadata or key in lengths:
                raise self._wrong(f"key '{key}' comes twice" if key else "a key has no name")
            kind = self._number(_COUNT)
            if kind == _ARRAY:
                self._array(key, wanted, metadata, lengths)
            else:
                metadata[key] = self._value(key, kind)
        found = tuple(self._tensor() for _ in range(tensors))
        return Header(metadata, lengths, found, self.at)

    def _start(self) -> tuple[int, int]:
        """Return how many tensors and how many keys there are."""
        if self.data[:4] != b"GGUF":
            raise self._wrong("is not a GGUF file")
        self.at = 4
        version = self._number(_COUNT)
        if version not in (2, 3):
            raise self._wrong(f"is of GGUF version {version}, not 2 or 3" if version & 0xFFFF else "is big endian")
        tensors, pairs = self._number(_LENGTH), self._number(_LENGTH)
        # The least that a tensor and a key take; what cannot fit is refused before anything is made of it.
        if tensors * 24 + pairs * 13 > self.end - self.at:
            raise self._wrong(f"cannot hold {tensors} tensors and {pairs} keys")
        return tensors, pairs

    def _array(self, key: str, wanted: frozenset[str], metadata: dict[str, Value], lengths: dict[str, int]) -> None:
        """Read an array where it is short or wanted, else step over it."""
        kind, count = self._number(_COUNT), self._number(_LENGTH)
        if kind not in _NUMBERS and kind != _STRING:
            raise self._wrong(f"key '{key}' is an array of type {kind}, which is not allowed")
        width = 8 if kind == _STRING else struct.calcsize("<" + _NUMBERS[kind])
        if count * width > self.end - self.at:
            raise self._wrong(f"key '{key}' cannot have {count} elements")
        lengths[key] = count
        if count <= _SHORT_ARRAY or key in wanted:
            metadata[key] = self._strings(count) if kind == _STRING else self._numbers(kind, count)
        elif kind == _STRING:
            self._skip_strings(count)
        else:
            self.at += count * width

    def _value(self, key: str, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind not in _NUMBERS:
            raise self._wrong(f"key '{key}' is of an unknown type {kind}")
        return self._numbers(kind, 1)[0]

    def _tensor(self) -> Tensor:
        name, dimensions = self._string(), self._number(_COUNT)
        if dimensions > _MOST_DIMENSIONS:
            raise self._wrong(f"tensor '{name}' has {dimensions} dimensions")
        shape = tuple(self._number(_LENGTH) for _ in range(dimensions))
        if elements(shape) >= 1 << 63:
            raise self._wrong(f"tensor '{name}' cannot have the shape {shape}")
        kind = self._number(_COUNT)
        self._number(_LENGTH)
        return Tensor(name, shape, _TYPES.get(kind, f"type {kind}"))

    def _number(self, form: struct.Struct) -> int:
        at = self._take(form.size)
        value: int = form.unpack_from(self.data, at)[0]
        return value

    def _numbers(self, kind: int, count: int) -> list[int] | list[float]:
        form = struct.Struct(f"<{count}{_NUMBERS[kind]}")
        found = form.unpack_from(self.data, self._take(form.size))
        return [int(value) for value in found] if _NUMBERS[kind] == "?" else list(found)

    def _string(self) -> str:
        length = self._number(_LENGTH)
        if length > _LARGEST_STRING:
            raise self._wrong(f"has a text of {length} bytes")
        at = self._take(length)
        return self.data[at : at + length].decode("utf-8", "surrogateescape")

    def _strings(self, count: int) -> list[str]:
        """Read texts; a vocabulary has 250,000, so this and the next are loops without calls of ours."""
        found: list[str] = []
        at, end, unpack, data = self.at, self.end, _LENGTH.unpack_from, self.data
        for _ in range(count):
            start = at + 8
            if start > end or (at := start + unpack(data, start - 8)[0]) > end:
                raise self._short()
            found.append(data[start:at].decode("utf-8", "surrogateescape"))
        self.at = at
        return found

    def _skip_strings(self, count: int) -> None:
        at, last, unpack, data = self.at, self.end - 8, _LENGTH.unpack_from, self.data
        for _ in range(count):
            if at > last:
                raise self._short()
            at += 8 + unpack(data, at)[0]
        if at > self.end:
            raise self._short()
        self.at = at

    def _take(self, length: int) -> int:
        """Return where so many bytes begin, which are there, and go behind them."""
        at = self.at
        if length > self.end - at:
            raise self._short()
        self.at = at + length
        return at

    def _short(self) -> InvalidInput:
        return self._wrong("is cut short" if self.end == len(self.data) else "has a header of more than 256 MiB")

    def _wrong(self, problem: str) -> InvalidInput:
        return InvalidInput(what=self.path, problem=problem)
