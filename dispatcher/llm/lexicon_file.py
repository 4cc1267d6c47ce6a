"""Writing the file that a lexicon is read from."""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from dispatcher.llm import lexicon
from dispatcher.llm.lexicon import NONE, Parts, pair_hash
from dispatcher.llm.merging import merged
from dispatcher.llm.vocabulary import SPACE, Vocabulary

_LONGEST_WHOLE = 64
_NEVER = 1 << 62
_WRITTEN_AS_THEMSELVES = range(33, 127)


def build(vocabulary: Vocabulary, path: Path) -> None:
    """Write the lexicon of a vocabulary: seconds of work for a large one. Another process may do the same meanwhile."""
    data = _Builder(vocabulary).file()
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _alphabet() -> dict[str, int]:
    """Return the byte that each letter of GPT-2's writing stands for."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{chr(byte): byte for byte in plain}, **{chr(256 + n): byte for n, byte in enumerate(others)}}


class _Builder:
    """The symbols of a vocabulary as they are found."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.symbols: dict[bytes, int] = {}
        self.costs = array("B")
        self.pairs: dict[tuple[int, int], tuple[int, int]] = {}
        self.scores: dict[int, float] = {}
        letters = _alphabet() if vocabulary.in_bytes else None
        self.bytes_of = (lambda text: _in_bytes(text, letters)) if letters else _in_characters
        self._take_tokens()
        self._take_merges()

    def _take_tokens(self) -> None:
        tokens = [self.bytes_of(text) for text in self.vocabulary.tokens]
        for number, text in enumerate(tokens):
            if text:
                symbol = self._symbol(text, 1)
                if self.vocabulary.scores:
                    self.scores[symbol] = self.vocabulary.scores[number]
        if self.vocabulary.in_bytes:
            for byte in range(256):
                self._symbol(bytes([byte]), 0)  # a byte that is no token is none at all

    def _take_merges(self) -> None:
        for rank, merge in enumerate(self.vocabulary.merges):
            middle = merge.find(" ", 1)
            left, right = self.bytes_of(merge[:middle]), self.bytes_of(merge[middle + 1 :])
            if middle < 1 or not left or not right:
                continue
            key = self._symbol(left), self._symbol(right)
            if key not in self.pairs:
                self.pairs[key] = rank, self._symbol(left + right)

    def _symbol(self, text: bytes, cost: int | None = None) -> int:
        symbol = self.symbols.setdefault(text, len(self.symbols))
        if symbol == len(self.costs):
            self.costs.append(min(self._loose(text) if cost is None else cost, 255))
        return symbol

    def _loose(self, text: bytes) -> int:
        """Return what a text costs that is no token: each of its bytes that is one."""
        if not self.vocabulary.in_bytes:
            return len(text)
        return sum(self.costs[self.symbols[bytes([byte])]] for byte in text if byte in _WRITTEN_AS_THEMSELVES)

    def file(self) -> list[bytes]:
        """Return the file, in pieces."""
        vocabulary = self.vocabulary
        flags = (
            lexicon.BY_SCORE * (vocabulary.merging == "scores")
            | lexicon.IN_BYTES * vocabulary.in_bytes
            | lexicon.WHOLE_WORDS * vocabulary.whole_words
            | lexicon.PREFIX * vocabulary.prefix
        )
        parts = self._parts()
        sizes = [len(part) for part in parts]
        return [
            lexicon.HEAD.pack(lexicon.MAGIC, lexicon.VERSION, flags, vocabulary.ends, len(self.symbols), *sizes),
            *parts,
        ]

    def _parts(self) -> Parts:
        pairs, results = self._pair_table()
        places = array("I", [0])
        for text in self.symbols:
            places.append(places[-1] + len(text))
        specials = "\0".join("csCS"[2 * s.control + s.strips] + s.text for s in self.vocabulary.specials)
        inner = (
            []
            if self.vocabulary.in_bytes
            else [t for t in self.vocabulary.tokens if re.search(f"[^{SPACE}]{SPACE}", t)]
        )
        return Parts(
            slots=self._slots(), places=places.tobytes(), ranks=self._ranks(),
            pairs=pairs, results=results, costs=self.costs.tobytes(), whole=self._whole(),
            texts=b"".join(self.symbols),
            specials=specials.encode("utf-8", "surrogateescape"),
            inner="\0".join([self.vocabulary.kind, *inner]).encode("utf-8", "surrogateescape"),
        )  # fmt: skip

    def _slots(self) -> bytes:
        size = _power_of_two(2 * len(self.symbols))
        slots = array("I", bytes(4 * size))
        for text, symbol in self.symbols.items():
            at = crc32(text) & (size - 1)
            while slots[at]:
                at = (at + 1) & (size - 1)
            slots[at] = symbol + 1
        return slots.tobytes()

    def _pair_table(self) -> tuple[bytes, bytes]:
        size = _power_of_two(2 * len(self.pairs))
        keys, results = array("Q", [NONE]) * size, array("Q", [0]) * size
        for (left, right), (rank, symbol) in self.pairs.items():
            at = pair_hash(left, right) & (size - 1)
            while keys[at] != NONE:
                at = (at + 1) & (size - 1)
            keys[at], results[at] = left << 32 | right, rank << 32 | symbol
        return keys.tobytes(), results.tobytes()

    def _ranks(self) -> bytes:
        """Return the rank of each symbol by its score, the highest first; nothing where merges have ranks."""
        if self.vocabulary.merging == "ranks":
            return b""
        order = {score: rank for rank, score in enumerate(sorted(set(self.scores.values()), reverse=True))}
        return array("I", [order[self.scores.get(symbol, 0.0)] for symbol in range(len(self.symbols))]).tobytes()

    def _whole(self) -> bytes:
        """Return which texts are one token as a whole piece: tokens that all their merges lead to."""
        whole = bytearray(len(self.symbols))
        for text, symbol in self.symbols.items():
            if self.costs[symbol] == 1 and len(text) <= _LONGEST_WHOLE:
                whole[symbol] = self.vocabulary.whole_words or self._merges_to(text, symbol)
        return bytes(whole)

    def _merges_to(self, text: bytes, symbol: int) -> bool:
        """Tell whether a text's letters merge to it: not all tokens are reached."""
        letters = [text[n : n + 1] for n in range(len(text))] if self.vocabulary.in_bytes else _letters(text)
        if self.vocabulary.merging == "scores":
            return merged(letters, self._join_texts) == [text]
        numbers = [self.symbols.get(letter, -1) for letter in letters]
        known = self.pairs.get
        while len(numbers) > 1:
            best, at = (_NEVER, -1), -1
            for place, pair in enumerate(pairwise(numbers)):
                if (found := known(pair)) is not None and found < best:
                    best, at = found, place
            if at < 0:
                return False
            numbers[at : at + 2] = [best[1]]
        return numbers == [symbol]

    def _join_texts(self, left: bytes, right: bytes) -> tuple[float, bytes] | None:
        symbol = self.symbols.get(left + right)
        return None if symbol is None else (-self.scores.get(symbol, 0.0), left + right)


def _letters(text: bytes) -> list[bytes]:
    return [letter.encode("utf-8", "surrogateescape") for letter in text.decode("utf-8", "surrogateescape")]


def _in_characters(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _in_bytes(text: str, letters: Mapping[str, int]) -> bytes:
    """Return the bytes that a token stands for; none for one that is not written as GPT-2 does."""
    try:
        return bytes(letters[letter] for letter in text)
    except KeyError:
        return b""


def _power_of_two(least: int) -> int:
    return 1 << max(1, least - 1).bit_length()
