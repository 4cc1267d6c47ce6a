"""Counting the tokens of a text with a lexicon: exactly as llama.cpp would make them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dispatcher.llm import pretokens
from dispatcher.llm.lexicon import Lexicon
from dispatcher.llm.merging import merged
from dispatcher.llm.vocabulary import SPACE


class Counter:
    """Counts with one lexicon; what a piece costs is kept for the next time it comes."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._specials = lexicon.specials()
        self._known: dict[str, int] = {}
        inner = "|".join(map(re.escape, lexicon.inner))
        self._inner = re.compile(inner) if inner else None

    def count(self, text: str, *, rendered: bool = False) -> int:
        """Return how many tokens a text is. `rendered`: with the special tokens of a prompt in it, and those around it."""
        total = self._lexicon.ends if rendered else 0
        at_start = True
        for part, special in self._parts(text, rendered=rendered):
            total += 1 if special else self._plain(part, at_start=at_start)
            at_start = special
        return total

    def _parts(self, text: str, *, rendered: bool) -> Iterator[tuple[str, bool]]:
        """Yield what lies between special tokens, and these; each is looked for in what the ones before have left."""
        parts = [(text, False)] if text else []
        for special in self._specials:
            if (special.control and not rendered) or special.text not in text:
                continue
            found: list[tuple[str, bool]] = []
            for part, is_special in parts:
                if is_special or special.text not in part:
                    found.append((part, is_special))
                else:
                    found += _around(part, special.text, strips=special.strips)
            parts = found
        return iter(parts)

    def _plain(self, text: str, *, at_start: bool) -> int:
        lexicon = self._lexicon
        if lexicon.in_bytes:
            return sum(map(self._piece, pretokens.split(lexicon.kind, text)))
        if lexicon.prefix and at_start:
            text = f" {text}"
        text = text.replace(" ", SPACE)
        lines = [text] if lexicon.by_score else pretokens.split(lexicon.kind, text)
        return sum(self._piece(word) for line in lines for word in self._words(line))

    def _words(self, text: str) -> Iterator[str]:
        """Cut a text before spaces, but not where a token lies across."""
        kept = [match.span() for match in self._inner.finditer(text)] if self._inner else []
        start = 0
        for match in _WORD_START.finditer(text):
            cut = match.start() + 1
            if not any(first < cut < last for first, last in kept):
                yield text[start:cut]
                start = cut
        yield text[start:]

    def _piece(self, piece: str) -> int:
        cost = self._known.get(piece)
        if cost is None:
            cost = self._known[piece] = self._cost(piece)
        return cost

    def _cost(self, piece: str) -> int:
        lexicon = self._lexicon
        symbol = lexicon.symbol(piece.encode("utf-8", "surrogatepass"))
        lines = not lexicon.in_bytes and not lexicon.by_score and not piece.strip("\n")
        if symbol >= 0 and (lexicon.is_whole(symbol) or lines):
            return lexicon.cost(symbol)
        return sum(self._by_score(piece) if lexicon.by_score else self._by_rank(piece))

    def _by_score(self, piece: str) -> Iterator[int]:
        """Merge whatever makes a token, the best token first; yield what is left, in tokens."""
        for part in merged(_letters(piece), self._join):
            symbol = self._lexicon.symbol(part)
            yield self._lexicon.cost(symbol) if symbol >= 0 else len(part)

    def _by_rank(self, piece: str) -> Iterator[int]:
        """Merge the pairs that the vocabulary lists, in their order; yield what is left, in tokens."""
        lexicon = self._lexicon
        text = piece.encode("utf-8", "surrogatepass")
        letters = [text[n : n + 1] for n in range(len(text))] if lexicon.in_bytes else _letters(piece)
        # What is no symbol merges with nothing; below zero stands how many bytes it has.
        numbers = [symbol if (symbol := lexicon.symbol(letter)) >= 0 else -len(letter) for letter in letters]
        for symbol in merged(numbers, lexicon.join):
            yield lexicon.cost(symbol) if symbol >= 0 else -symbol

    def _join(self, left: bytes, right: bytes) -> tuple[int, bytes] | None:
        symbol = self._lexicon.symbol(left + right)
        return (self._lexicon.rank(symbol), left + right) if symbol >= 0 else None


_WORD_START = re.compile(f"[^{SPACE}](?={SPACE})")


def _around(text: str, special: str, *, strips: bool) -> Iterator[tuple[str, bool]]:
    for n, part in enumerate(text.split(special)):
        if n:
            yield special, True
        rest = part.lstrip(" \t\n\r\f\v") if n and strips else part
        if rest:
            yield rest, False


def _letters(piece: str) -> list[bytes]:
    return [letter.encode("utf-8", "surrogatepass") for letter in piece]
