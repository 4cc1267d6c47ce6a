"""Bulk, kept beside the journal: one compressed file per command, named by its content."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from dispatcher.errors import Damaged
from dispatcher.files import Root
from dispatcher.store.base import blob_name

FOLDER = "BLOBS"
_MAX_BYTES = 1 << 31


def put(root: Root, data: bytes) -> str:
    """Keep a blob (see base.encode_blob) durably and return its name.

    One that is there already is written again: a command that was killed may have left it unsynced.
    """
    name = blob_name(data)
    root.replace(_path(name), zlib.compress(data, 6), durable=True)
    return name


def get(root: Root, name: str) -> dict[str, Any] | None:
    """Return a blob's parts, or None if it is gone. Raises Damaged when its bytes are not those that it is named by."""
    packed = root.read(_path(name), _MAX_BYTES)
    if packed is None:
        return None
    try:
        data = zlib.decompress(packed)
    except zlib.error:
        data = b""
    if blob_name(data) != name:
        raise Damaged(file=root.full(_path(name)), problem="its content is not what its name says")
    parts: dict[str, Any] = orjson.loads(data)
    return parts


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.z"
