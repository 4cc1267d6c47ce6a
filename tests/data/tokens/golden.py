"""Golden counts: how many tokens the judge makes of each text, packed into one small file for each vocabulary."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.data.tokens import corpus


class Golden(NamedTuple):
    """Counts of all texts of the corpus, in its order: `plain`, and `rendered` with special tokens and those around.

    `judge` is what counted, `source` where the vocabulary was had, `texts` the CRC-32 of the corpus they are of.
    """

    judge: str
    source: str
    texts: int
    plain: Sequence[int]
    rendered: Sequence[int]


def path(name: str) -> Path:
    """Return the file of a vocabulary's counts."""
    return Path(__file__).with_name(f"{name}.json")


def load(name: str) -> Golden:
    """Read a vocabulary's counts."""
    found = json.loads(path(name).read_text())
    return Golden(**found | {key: _unpacked(found[key]) for key in ("plain", "rendered")})


def save(name: str, golden: Golden) -> None:
    """Write a vocabulary's counts."""
    packed = {key: _packed(getattr(golden, key)) for key in ("plain", "rendered")}
    path(name).write_text(json.dumps(golden._asdict() | packed, indent=1) + "\n")


def checksum() -> int:
    """Return the CRC-32 of the corpus."""
    plain = corpus.everything()
    rendered = [corpus.rendered(number, text) for number, text in enumerate(plain)]
    return zlib.crc32("\0".join([*plain, *rendered]).encode())


def _packed(counts: Sequence[int]) -> str:
    return base64.b64encode(zlib.compress(struct.pack(f"<{len(counts)}H", *counts), 9)).decode()


def _unpacked(text: str) -> list[int]:
    return [count for (count,) in struct.iter_unpack("<H", zlib.decompress(base64.b64decode(text)))]
