"""Counting the tokens of a text with a lexicon: exactly as llama.cpp would make them."""

from __future__ import annotations

import re

from dispatcher.llm import pretokens
from dispatcher.llm.lexicon import SPACE, Lexicon
from dispatcher.llm.merging import merged

_MOST_KNOWN = 200_000


class Counter:
    """Counts with one lexicon; what a piece costs is kept for the next time it comes."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._specials = lexicon.specials()
        self._known: dict[str, int] = {}
        self._ranks: dict[tuple[bytes, bytes], int] = {}
        self._word_start = re.compile(f"(?={SPACE})(?<![{SPACE}{re.escape(lexicon.joined)}])")

    def count(self, text: str, *, rendered: bool = False) -> int:
        """Return how many tokens a text is. `rendered`: with the special tokens of a prompt in it, and those around it.

        A lone surrogate, which UTF-8 cannot have, is taken for U+FFFD.
        """
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        total = self._lexicon.ends if rendered else 0
        at_start = True
        for part, special in self._parts(text, rendered=rendered):
            total += 1 if special else self._plain(part, at_start=at_start)
            at_start = special
        return total

    def _parts(self, text: str, *, rendered: bool) -> list[tuple[str, bool]]:
        """Return what lies between special tokens, and these; each is looked for in what the ones before have left."""
        parts = [(text, False)] if text else []
        for special, control, strips in self._specials:
            if (control and not rendered) or special not in text:
                continue
            found: list[tuple[str, bool]] = []
            for part, is_special in parts:
                if is_special or special not in part:
                    found.append((part, is_special))
                else:
                    found += _around(part, special, strips=strips)
            parts = found
        return parts

    def _plain(self, text: str, *, at_start: bool) -> int:
        lexicon = self._lexicon
        if lexicon.in_bytes:
            return self._sum(pretokens.split(lexicon.kind, text))
        if lexicon.prefix and at_start:
            text = f" {text}"
        text = text.replace(" ", SPACE)
        lines = [text] if lexicon.by_score else pretokens.split(lexicon.kind, text)
        return self._sum([word for line in lines for word in self._word_start.split(line)])

    def _sum(self, pieces: list[str]) -> int:
        known, total = self._known, 0
        for piece in pieces:
            cost = known.get(piece)
            total += self._piece(piece) if cost is None else cost
        return total

    def _piece(self, piece: str) -> int:
        if len(self._known) > _MOST_KNOWN or len(self._ranks) > _MOST_KNOWN:
            self._known.clear()
            self._ranks.clear()
        cost = self._known[piece] = self._cost(piece)
        return cost

    def _cost(self, piece: str) -> int:
        lexicon, text = self._lexicon, piece.encode()
        if lexicon.is_whole(text) or not text:
            return min(1, len(text))
        if not lexicon.in_bytes:
            # llama.cpp does not merge line breaks where a token has as many.
            if not lexicon.by_score and not piece.strip("\n") and lexicon.cost(text) == 1:
                return 1
            letters = [letter.encode() for letter in piece]
        else:
            letters = [text[n : n + 1] for n in range(len(text))]
        return sum(map(lexicon.cost, merged(letters, self._rank)))

    def _rank(self, left: bytes, right: bytes) -> int:
        key = left, right
        rank = self._ranks.get(key)
        if rank is None:
            rank = self._ranks[key] = self._lexicon.rank(left, right)
        return rank


def _around(text: str, special: str, *, strips: bool) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    for n, part in enumerate(text.split(special)):
        if n:
            found.append((special, True))
        rest = part.lstrip(" \t\n\r\f\v") if n and strips else part
        if rest:
            found.append((rest, False))
    return found
