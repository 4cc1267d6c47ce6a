"""How many tokens the ledger is for the model that is asked, by what is kept of it; nobody is asked for that."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from dispatcher.llm.catalogue import TRUST, Catalogue

BYTES_PER_TOKEN = 2.5
"""A guess for what is mostly ids, names and digits; said to be one wherever it is shown. Ledgers had 2.25 to 3.16 with eight vocabularies."""

_SAMPLE = 65_536
"""Bytes that are counted; rows are alike, and a longer ledger would make people wait."""


class LedgerTokens(NamedTuple):
    """A number of tokens, and how it was found."""

    tokens: int
    how: str


CountLedger = Callable[[bytes], LedgerTokens]


def guess(data: bytes) -> LedgerTokens:
    """Return the number where no vocabulary is kept."""
    return LedgerTokens(math.ceil(len(data) / BYTES_PER_TOKEN), f"estimated: bytes / {BYTES_PER_TOKEN}")


def by_model(name: str, catalogue: Catalogue, folder: str) -> CountLedger:
    """Return what counts with the vocabulary of a model, if `folder` has its lexicon, else guesses."""

    def count(data: bytes) -> LedgerTokens:
        digest = catalogue.digest(name)
        if digest is None:
            return guess(data)
        from dispatcher.llm import lexicons
        from dispatcher.llm.counting import Counter

        lexicon = lexicons.at_hand(digest, folder)
        if lexicon is None:
            return guess(data)
        counter = Counter(lexicon)
        tokens = counter.count(data[:_SAMPLE].decode(errors="replace"))
        if len(data) > _SAMPLE:
            how = f"estimated: the vocabulary of {name}, on the first 64 KiB"
            return LedgerTokens(tokens * len(data) // _SAMPLE, how)
        if catalogue.section(digest, TRUST):
            return LedgerTokens(tokens, f"estimated: the vocabulary of {name}, which its server counts otherwise")
        return LedgerTokens(tokens, f"exact: the vocabulary of {name}")

    return count
