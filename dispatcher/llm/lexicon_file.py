"""Making the file that a lexicon is read from: a second or two of work for a large vocabulary."""

from __future__ import annotations

import re
from array import array
from codecs import charmap_build, charmap_decode, charmap_encode
from collections.abc import Callable
from zlib import crc32

from dispatcher.llm import lexicon
from dispatcher.llm.lexicon import CHECKSUM, HEAD, MERGE, RECORD, SPACE, NotExact
from dispatcher.llm.merging import NEVER, Rank, merged
from dispatcher.llm.vocabulary import Vocabulary

_COMMON = 30_000
"""So many tokens, the first, are tried whether they are one token as whole pieces: the first are what texts have most."""

_LONGEST_WHOLE = 32
_LONGEST = 0xFFFF
_WRITTEN_AS_THEMSELVES = range(33, 127)


def data(vocabulary: Vocabulary, stamp: int) -> bytes:
    """Return a vocabulary's file, built at `stamp` (seconds). Raises NotExact."""
    if any("\0" in special.text for special in vocabulary.specials):
        raise NotExact("the vocabulary has a special token with a NUL in it")
    symbols = _Symbols(vocabulary)
    slots, records = _table(symbols)
    flags = (
        lexicon.BY_SCORE * (vocabulary.merging == "scores")
        | lexicon.IN_BYTES * vocabulary.in_bytes
        | lexicon.PREFIX * vocabulary.prefix
    )
    specials = _bytes("\0".join("csCS"[2 * s.control + s.strips] + s.text for s in vocabulary.specials))
    kind = _bytes(f"{vocabulary.kind}\0{symbols.joined()}")
    sizes = len(slots), len(records), len(specials), len(kind)
    head = HEAD.pack(lexicon.MAGIC, lexicon.VERSION, flags, vocabulary.ends, *sizes, stamp)
    found = b"".join((head, slots.tobytes(), records, specials, kind))
    return found + CHECKSUM.pack(crc32(found))


class _Symbols:
    """What texts are symbols: `costs` has their tokens, `merges` what makes them, `whole` those that are one token."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._bytes_of = _writing() if vocabulary.in_bytes else _bytes
        self._tokens = [self._bytes_of(text) for text in vocabulary.tokens]
        self.costs = {text: 1 for text in self._tokens if text}
        self.merges: dict[bytes, bytes] = {}
        if vocabulary.in_bytes:
            for byte in range(256):
                self.costs.setdefault(bytes([byte]), 0)  # a byte that is no token is none at all
        rank = self._take_scores() if vocabulary.merging == "scores" else self._take_merges()
        if max(map(len, self.costs)) > _LONGEST:
            raise NotExact("the vocabulary has a token of more than 65,535 bytes")
        self.whole = set(self._tokens) if vocabulary.whole_words else self._found_whole(rank)

    def _take_scores(self) -> Rank:
        """Let any two symbols merge that make a token, the best score first."""
        scores = dict(zip(self._tokens, self._vocabulary.scores, strict=True))
        order = {score: rank for rank, score in enumerate(sorted(set(scores.values()), reverse=True))}
        ranks = {text: order[score] for text, score in scores.items() if text}
        self.merges = {text: MERGE.pack(0, rank) for text, rank in ranks.items()}
        return lambda left, right: ranks.get(left + right, NEVER)

    def _take_merges(self) -> Rank:
        bytes_of, merges, costs, pack = self._bytes_of, self.merges, self.costs, MERGE.pack
        known = dict(zip(self._vocabulary.tokens, self._tokens, strict=True))
        for rank, merge in enumerate(self._vocabulary.merges):
            middle = merge.find(" ", 1)
            first, second = merge[:middle], merge[middle + 1 :]
            left, right = known.get(first) or bytes_of(first), known.get(second) or bytes_of(second)
            if middle < 1 or not left or not right:
                continue
            text = left + right
            if text not in costs:
                costs[text] = self._loose(text)
            made = pack(len(left) & _LONGEST, rank)
            merges[text] = merges[text] + made if text in merges else made
        return self._listed

    def _listed(self, left: bytes, right: bytes) -> int:
        merges = MERGE.iter_unpack(self.merges.get(left + right, b""))
        return next((rank for cut, rank in merges if cut == len(left)), NEVER)

    def _loose(self, text: bytes) -> int:
        """Return what a text costs that is no token: each of its bytes that is one."""
        if not self._vocabulary.in_bytes:
            return len(text)
        return sum(self.costs[bytes([byte])] for byte in text if byte in _WRITTEN_AS_THEMSELVES)

    def _found_whole(self, rank: Rank) -> set[bytes]:
        """Return which of the common tokens all their merges lead to: not all tokens are reached."""
        letters = _single if self._vocabulary.in_bytes else _letters
        common = (text for text in self._tokens[:_COMMON] if 0 < len(text) <= _LONGEST_WHOLE)
        return {text for text in common if len(merged(letters(text), rank)) == 1}

    def joined(self) -> str:
        """Return the characters behind which some symbol has a space in its middle."""
        if self._vocabulary.in_bytes:
            return ""
        inner = _bytes(SPACE)
        texts = (text.decode("utf-8", "surrogateescape") for text in self.costs if text.rfind(inner) > 0)
        return "".join(sorted({found for text in texts for found in re.findall(f"([^{SPACE}]){SPACE}", text)}))


def _table(symbols: _Symbols) -> tuple[array[int], bytes]:
    """Return where each symbol's record is, and the records."""
    size = 1 << max(1, len(symbols.costs) * 3 // 2).bit_length()
    slots, records, last = array("I", bytes(4 * size)), [], size - 1
    place, pack, whole = HEAD.size + 4 * size, RECORD.pack, symbols.whole
    for text, cost in symbols.costs.items():
        at = crc32(text) & last
        while slots[at]:
            at = (at + 1) & last
        slots[at] = place
        merges = symbols.merges.get(text, b"")
        if len(merges) // MERGE.size > _LONGEST:
            raise NotExact("the vocabulary has more than 65,535 merges to one text")
        record = pack(len(text), cost, len(merges) // MERGE.size, text in whole) + text + merges
        records.append(record)
        place += len(record)
    return slots, b"".join(records)


def _writing() -> Callable[[str], bytes]:
    """Return what tells the bytes that a token of GPT-2's writing stands for; none for one that is not written so."""
    table = charmap_build(_letters_of_bytes())

    def bytes_of(text: str) -> bytes:
        try:
            return charmap_encode(text, "strict", table)[0]
        except UnicodeEncodeError:
            return b""

    return bytes_of


def written() -> Callable[[bytes], str]:
    """Return what writes bytes as GPT-2 does."""
    letters = _letters_of_bytes()
    return lambda text: charmap_decode(text, "strict", letters)[0]


def _letters_of_bytes() -> str:
    """Return the characters that GPT-2 writes for the bytes from 0 to 255."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (chr(256 + n) for n in range(256))
    return "".join(chr(byte) if byte in plain else next(others) for byte in range(256))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _single(text: bytes) -> list[bytes]:
    return [text[n : n + 1] for n in range(len(text))]


def _letters(text: bytes) -> list[bytes]:
    return [letter.encode("utf-8", "surrogateescape") for letter in text.decode("utf-8", "surrogateescape")]
