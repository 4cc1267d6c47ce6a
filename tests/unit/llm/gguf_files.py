"""GGUF files for the tests, written key by key; their weights are missing, as nothing reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "q4_k": 12, "q6_k": 14, "iq4_xs": 23, "bf16": 30, "mxfp4": 39}
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: object) -> bytes:
    """A key with a value of a type's number; a list is an array of such values."""
    head = text(key)
    if isinstance(value, list):
        return head + struct.pack("<IIQ", 9, kind, len(value)) + b"".join(one(kind, each) for each in value)
    return head + struct.pack("<I", kind) + one(kind, value)


def one(kind: int, value: object) -> bytes:
    if kind == 8:
        assert isinstance(value, str | bytes)
        return text(value)
    return struct.pack("<" + FORMS[kind], value)


def guessed(key: str, value: object) -> bytes:
    """The same, the type told by the value."""
    first = value[0] if isinstance(value, list) and value else value
    return pair(key, 8 if isinstance(first, str | bytes) else 7 if isinstance(first, bool) else 4, value)


def tensor(name: str, shape: Sequence[int], kind: int, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def model_file(
    path: Path, metadata: Mapping[str, object], tensors: Iterable[tuple[str, Sequence[int], str]] = (), version: int = 3
) -> Path:
    """Write a file whose weights are missing, as nothing reads them."""
    infos = [tensor(name, shape, TYPES[kind]) for name, shape, kind in tensors]
    return raw_file(path, [guessed(key, value) for key, value in metadata.items()], infos, version)


def raw_file(path: Path, pairs: Sequence[bytes], infos: Sequence[bytes] = (), version: int = 3) -> Path:
    start = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(pairs))
    path.write_bytes(start + b"".join(pairs) + b"".join(infos))
    return path
