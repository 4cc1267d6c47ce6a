"""Merging the symbols of a piece of text, the best pair first, until no two beside each other go together."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

S = TypeVar("S")
_SHORT = 100
_NEVER = float(1 << 62)

Join = Callable[[S, S], tuple[float, S] | None]
"""Returns the rank of a pair, the least first, and what it becomes; None if the two do not go together."""


def merged(symbols: list[S], join: Join[S]) -> list[S]:
    """Return what is left of some symbols; of pairs of one rank the leftmost goes first. Changes the list."""
    return _scanning(symbols, join) if len(symbols) <= _SHORT else _queueing(symbols, join)


def _scanning(symbols: list[S], join: Join[S]) -> list[S]:
    """Look at all pairs each time: for words, this is quickest."""
    found = [join(left, right) for left, right in pairwise(symbols)]
    ranks = [pair[0] if pair else _NEVER for pair in found]
    while ranks and (best := min(ranks)) < _NEVER:
        at = ranks.index(best)
        pair = found[at]
        assert pair is not None  # noqa: S101 - its rank is not _NEVER
        symbols[at : at + 2] = [pair[1]]
        del found[at], ranks[at]
        for place in (at - 1, at):
            if 0 <= place < len(ranks):
                found[place] = again = join(symbols[place], symbols[place + 1])
                ranks[place] = again[0] if again else _NEVER
    return symbols


def _queueing(symbols: list[S], join: Join[S]) -> list[S]:
    """Keep the pairs in a heap: for long runs, whose pairs are too many to look at again and again."""
    after = [*range(1, len(symbols)), -1]
    before = [-1, *range(len(symbols) - 1)]
    version = [0] * len(symbols)
    heap: list[tuple[float, int, int, int, int]] = []
    results: dict[tuple[int, int, int, int], S] = {}

    def offer(left: int) -> None:
        right = after[left]
        pair = join(symbols[left], symbols[right]) if left >= 0 and right >= 0 else None
        if pair is not None:
            key = (left, right, version[left], version[right])
            results[key] = pair[1]
            heapq.heappush(heap, (pair[0], *key))

    for place in range(len(symbols) - 1):
        offer(place)
    while heap:
        _, left, right, *versions = heapq.heappop(heap)
        result = results.pop((left, right, versions[0], versions[1]))
        if after[left] != right or versions != [version[left], version[right]]:
            continue
        symbols[left] = result
        version[left] += 1
        version[right] = -1
        after[left] = after[right]
        if after[right] >= 0:
            before[after[right]] = left
        if before[left] >= 0:
            offer(before[left])
        offer(left)
    return [symbol for place, symbol in enumerate(symbols) if version[place] >= 0]
