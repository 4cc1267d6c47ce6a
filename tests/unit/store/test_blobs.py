"""Bulk beside the journal: named by its content, and never taken for what it is not."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from dispatcher.errors import Damaged
from dispatcher.files import Root
from dispatcher.store import blobs
from dispatcher.store.base import blob_name, encode_blob

PARTS = {"0.body": "é🙂" * 500, "1.note": "x"}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_what_is_put_is_got_by_its_name(root: Root) -> None:
    name = blobs.put(root, encode_blob(PARTS))
    assert blobs.get(root, name) == PARTS
    assert blobs.get(root, name) == PARTS
    assert blobs.get(root, "0" * 32) is None


def test_the_same_content_is_one_file_whatever_the_order(root: Root) -> None:
    name = blobs.put(root, encode_blob(PARTS))
    assert blobs.put(root, encode_blob(dict(reversed(PARTS.items())))) == name
    assert root.names("BLOBS") == [f"{name}.z"]


def test_it_is_compressed(root: Root) -> None:
    name = blobs.put(root, encode_blob(PARTS))
    state = root.stat(f"BLOBS/{name}.z")
    assert state
    assert state.size < len(encode_blob(PARTS)) / 5


def test_no_changed_bit_is_got(root: Root) -> None:
    name = blobs.put(root, encode_blob({"0.body": "words that count"}))
    path = f"BLOBS/{name}.z"
    data = root.read(path, 1 << 20) or b""
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        root.replace(path, bytes(changed))
        try:
            assert blobs.get(root, name) == {"0.body": "words that count"}, "a bit that zlib does not use"
        except Damaged as error:
            assert "its content is not what its name says" in str(error)  # noqa: PT017 - either may be the case


@pytest.mark.parametrize("data", [b"", b"junk", zlib.compress(b'{"0.body":"other"}')], ids=["empty", "junk", "other"])
def test_other_content_under_a_name_is_damage(root: Root, data: bytes) -> None:
    name = blob_name(encode_blob(PARTS))
    root.replace(f"BLOBS/{name}.z", data)
    with pytest.raises(Damaged, match="its content is not what its name says"):
        blobs.get(root, name)
