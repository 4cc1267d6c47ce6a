"""A vocabulary as a file to be looked into: built once, then mapped into memory by every command that counts.

The file holds every text that is a symbol (the tokens, and what merges make on the way) with what it costs in tokens,
the pairs that merge, and the special tokens. Looking up touches a few pages of it, so that a count in a fresh process
need not read a vocabulary of megabytes. It can be deleted at any time.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

from dispatcher.llm.vocabulary import Special

VERSION = 1
MAGIC = b"lexicon\n"
HEAD = struct.Struct("=8s4I10Q")
BY_SCORE, IN_BYTES, WHOLE_WORDS, PREFIX = 1, 2, 4, 8
NONE = (1 << 64) - 1
"""A free place among the pairs."""


class Damaged(Exception):
    """A file that is no lexicon of this version and of this machine's byte order."""


class Parts(NamedTuple):
    """The parts of the file, in their order.

    `slots` (u32): symbols by the hash of their texts, plus one, 0 for none. `places` (u32): where each text begins.
    `ranks` (u32): the rank of the merge that makes a symbol, by score. `pairs` (u64): two symbols that merge, by their
    hash. `results` (u64): rank and symbol of each. `costs` (u8): tokens that a symbol is. `whole` (u8): 1 for texts that
    are one token when they are a whole piece. `texts`, `specials`, `inner`: see the readers below.
    """

    slots: bytes
    places: bytes
    ranks: bytes
    pairs: bytes
    results: bytes
    costs: bytes
    whole: bytes
    texts: bytes
    specials: bytes
    inner: bytes


_NUMBERS: tuple[tuple[str, Literal["I", "Q"]], ...] = (("ranks", "I"), ("pairs", "Q"), ("results", "Q"))


def pair_hash(left: int, right: int) -> int:
    """Return where a pair of symbols is looked for first."""
    return (left * 2654435761 ^ right * 40503) >> 3


class Lexicon:
    """A vocabulary's file, open for looking up.

    `kind` names the rules of pretokens. `ends`: tokens put around a prompt. `by_score`, `in_bytes`, `whole_words` and
    `prefix`: see Vocabulary. `inner`: tokens with a space in their middle, where a text must not be cut.
    """

    def __init__(self, path: Path) -> None:
        """Map a file into memory. Raises Damaged, OSError."""
        with path.open("rb") as file:
            try:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                magic, version, flags, self.ends, symbols, *sizes = HEAD.unpack_from(data)
            except (ValueError, struct.error):
                raise Damaged(f"{path} is too short") from None
        if magic != MAGIC or version != VERSION or sum(sizes) + HEAD.size != len(data):
            raise Damaged(f"{path} is no lexicon of version {VERSION}")
        parts = dict(zip(Parts._fields, _cut(data, sizes), strict=True))
        self._slots, self._places = parts["slots"].cast("I"), parts["places"].cast("I")
        self._ranks, self._pairs, self._results = (parts[name].cast(kind) for name, kind in _NUMBERS)
        self._costs, self._whole, self._texts = parts["costs"], parts["whole"], parts["texts"]
        self._specials = parts["specials"]
        self._last_slot, self._last_pair = len(self._slots) - 1, len(self._pairs) - 1
        if len(self._places) != symbols + 1 or len(self._costs) != symbols:
            raise Damaged(f"{path}: its parts do not fit each other")
        self.kind, *self.inner = bytes(parts["inner"]).decode("utf-8", "surrogateescape").split("\0")
        self.by_score, self.in_bytes = bool(flags & BY_SCORE), bool(flags & IN_BYTES)
        self.whole_words, self.prefix = bool(flags & WHOLE_WORDS), bool(flags & PREFIX)

    def symbol(self, text: bytes) -> int:
        """Return the number of the symbol of a text, -1 if there is none."""
        slots, places, texts, last = self._slots, self._places, self._texts, self._last_slot
        at = crc32(text) & last
        while found := slots[at]:
            if texts[places[found - 1] : places[found]] == text:
                return found - 1
            at = (at + 1) & last
        return -1

    def cost(self, symbol: int) -> int:
        """Return how many tokens a symbol is."""
        return self._costs[symbol]

    def is_whole(self, symbol: int) -> bool:
        """Tell whether a piece of this text is one token."""
        return self._whole[symbol] == 1

    def rank(self, symbol: int) -> int:
        """Return the rank of a merge that makes this symbol, where any two symbols merge that make a token."""
        return self._ranks[symbol]

    def join(self, left: int, right: int) -> tuple[int, int] | None:
        """Return the rank of the merge of two symbols, and the symbol it makes; None if there is no such merge."""
        key, last = left << 32 | right, self._last_pair
        at = pair_hash(left, right) & last
        while (found := self._pairs[at]) != NONE:
            if found == key:
                result = self._results[at]
                return result >> 32, result & 0xFFFFFFFF
            at = (at + 1) & last
        return None

    def specials(self) -> Sequence[Special]:
        """Return the tokens to be cut out of texts, in the order in which they are looked for."""
        lines = bytes(self._specials).decode("utf-8", "surrogateescape").split("\0")
        return [Special(line[1:], line[0] in "CS", line[0] in "sS") for line in lines if line]


def _cut(data: memoryview, sizes: Sequence[int]) -> list[memoryview]:
    parts, start = [], HEAD.size
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    return parts
