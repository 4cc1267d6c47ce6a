"""Merging the symbols of a piece of text, the best pair first, until no two beside each other go together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

NEVER = 1 << 62
"""The rank of two symbols that do not go together."""

Rank = Callable[[bytes, bytes], int]
"""Returns the rank of two symbols, the least first, or NEVER."""

_SHORT = 100


def merged(symbols: list[bytes], rank: Rank) -> list[bytes]:
    """Return what is left of some symbols; of pairs of one rank the leftmost goes first. Changes the list."""
    return _scanning(symbols, rank) if len(symbols) <= _SHORT else _queueing(symbols, rank)


def _scanning(symbols: list[bytes], rank: Rank) -> list[bytes]:
    """Look at all pairs each time: for words, this is quickest."""
    ranks = [rank(left, right) for left, right in pairwise(symbols)]
    while ranks and (best := min(ranks)) < NEVER:
        at = ranks.index(best)
        symbols[at] += symbols.pop(at + 1)
        del ranks[at]
        if at:
            ranks[at - 1] = rank(symbols[at - 1], symbols[at])
        if at < len(ranks):
            ranks[at] = rank(symbols[at], symbols[at + 1])
    return symbols


def _queueing(symbols: list[bytes], rank: Rank) -> list[bytes]:
    """Keep the pairs in a heap: for long runs, whose pairs are too many to look at again and again."""
    from heapq import heappop, heappush

    end = len(symbols)
    after, before = [*range(1, end + 1)], [*range(-1, end - 1)]
    heap: list[tuple[int, int, bytes]] = []

    def offer(left: int, right: int) -> None:
        if left >= 0 and right < end and (found := rank(symbols[left], symbols[right])) < NEVER:
            heappush(heap, (found, left, symbols[left] + symbols[right]))

    for place in range(end - 1):
        offer(place, place + 1)
    while heap:
        _, left, result = heappop(heap)
        right = after[left]
        # What has merged meanwhile is longer or, on the right of a pair, empty: such an offer is out of date.
        if right == end or not symbols[left] or symbols[left] + symbols[right] != result:
            continue
        symbols[left], symbols[right] = result, b""
        after[left] = beyond = after[right]
        if beyond < end:
            before[beyond] = left
        offer(before[left], left)
        offer(left, beyond)
    return [symbol for symbol in symbols if symbol]
