"""A vocabulary as a file to be looked into: built once, then mapped into memory by every command that counts.

The file holds every text that is a symbol (the tokens, and what merges make on the way) with what it costs in tokens
and the merges that make it, and the special tokens. Looking up touches a few pages of it, so that a count in a fresh
process need not read a vocabulary of megabytes. It can be deleted at any time.

After the head come the slots (u32: where the record of a text is in the file, by the text's CRC-32, 0 for none), the
records (RECORD, the text, then its merges, the first of one split being the valid one), the special tokens and the
kind, and at the end the CRC-32 of all that. Numbers are in this machine's byte order.

This module, `counting`, `merging` and `pretokens` are what every count imports: they take only what `re` has loaded.
"""

from __future__ import annotations

import struct
from mmap import mmap
from zlib import crc32

from dispatcher.llm.merging import NEVER

VERSION = 1
"""Goes up whenever the file, or what `vocabulary` and `pretokens` know, changes."""

SPACE = "\u2581"
"""What stands for a space in vocabularies that write characters, not bytes."""

MAGIC = b"lexicon\n"
BY_SCORE, IN_BYTES, PREFIX = 1, 2, 4

HEAD = struct.Struct("=8s4I4Q")
"""Magic, version, flags, ends, number of slots; bytes of records, special tokens and kind; stamp: see `opened`."""

RECORD = struct.Struct("=HHHB")
"""Bytes of the text, tokens that it costs, its merges, 1 for a text that is known to be one token as a whole piece."""

MERGE = struct.Struct("=HI")
"""Bytes of the left part (0: any), rank."""

CHECKSUM = struct.Struct("=I")


class NotExact(Exception):
    """A vocabulary of a kind whose rules are not known, or whose parts are missing: it cannot be counted exactly."""


class NotTold(NotExact):
    """A vocabulary whose parts are missing in what was told of it: another server, or a newer one, may tell them."""


class Damaged(Exception):
    """A file that is no lexicon of this version and of this machine's byte order."""


class Lexicon:
    """A vocabulary's file, open for looking up.

    `kind` names the rules of pretokens. `ends`: tokens put around a prompt. `by_score`, `in_bytes` and `prefix`: see
    Vocabulary. `joined`: characters behind which a symbol has a space in its middle, so that a text is not cut there.
    `stamp`: when the file was built, in seconds.
    """

    def __init__(self, data: mmap | bytes) -> None:
        """Look into a file's bytes. Raises Damaged when they are not as long as they say, or of another version."""
        if len(data) < HEAD.size or data[: len(MAGIC)] != MAGIC:
            raise Damaged("it is no lexicon")
        _, version, flags, self.ends, slots, records, specials, kind, self.stamp = HEAD.unpack_from(data)
        start = HEAD.size + 4 * slots
        if version != VERSION or len(data) != start + records + specials + kind + CHECKSUM.size or slots & (slots - 1):
            raise Damaged(f"it is no lexicon of version {VERSION}")
        self._data = data
        self._slots = memoryview(data)[HEAD.size : start].cast("I")
        self._last = slots - 1
        self._specials = _text(data[start + records : start + records + specials])
        self.kind, self.joined = _text(data[start + records + specials : -CHECKSUM.size]).split("\0")
        self.by_score, self.in_bytes, self.prefix = bool(flags & BY_SCORE), bool(flags & IN_BYTES), bool(flags & PREFIX)

    def check(self) -> None:
        """Read all of the file. Raises Damaged when it is not what was written."""
        if crc32(memoryview(self._data)[: -CHECKSUM.size]) != CHECKSUM.unpack(self._data[-CHECKSUM.size :])[0]:
            raise Damaged("its checksum is wrong")

    def cost(self, text: bytes) -> int:
        """Return how many tokens a symbol is; what is none is its bytes."""
        found = self._find(text)
        return int(RECORD.unpack_from(self._data, found)[1]) if found else len(text)

    def is_whole(self, text: bytes) -> bool:
        """Tell whether a text is known to be one token when it is a whole piece; others must be merged to know."""
        found = self._find(text)
        return found > 0 and self._data[found + RECORD.size - 1] == 1

    def rank(self, left: bytes, right: bytes) -> int:
        """Return the rank of the merge of two symbols, NEVER if there is none."""
        found = self._find(left + right)
        if not found:
            return NEVER
        length, _, merges, _ = RECORD.unpack_from(self._data, found)
        split = 0 if self.by_score else len(left)
        at = found + RECORD.size + length
        for cut, rank in MERGE.iter_unpack(self._data[at : at + merges * MERGE.size]):
            if cut == split:
                return int(rank)
        return NEVER

    def specials(self) -> list[tuple[str, bool, bool]]:
        """Return the tokens to be cut out of texts, in the order in which they are looked for: see Special."""
        return [(line[1:], line[0] in "CS", line[0] in "sS") for line in self._specials.split("\0") if line]

    def _find(self, text: bytes) -> int:
        """Return where the record of a text is, 0 if there is none."""
        slots, data, last, size = self._slots, self._data, self._last, len(text)
        at = crc32(text) & last
        while found := slots[at]:
            start = found + RECORD.size
            if data[start : start + size] == text and RECORD.unpack_from(data, found)[0] == size:
                return int(found)
            at = (at + 1) & last
        return 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
