"""How much room each function may have: more where it is likelier to be to blame, and where there is more to show. Pure.

What t tokens of a function of s tokens show of the lines that matter is taken to be 1 - exp(-3.5 t / s), 83 % in half of
it: measured on real fixes, it was 86 %, if it is the right half. The room is shared out so that one token more is worth
the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_STEEP = 3.5
_ROUNDS = 40


def likelihoods(scores: Sequence[float]) -> list[float]:
    """Return how likely each of some functions is to blame, given their scores, which are logits; together 1."""
    best = max(scores, default=0.0)
    weights = [math.exp(score - best) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def allot(likely: Sequence[float], sizes: Sequence[int], room: int, around: int, least: int) -> list[int]:
    """Return how many of `room` tokens each function may have, 0 for those that are not worth a heading.

    `sizes` are the functions' own tokens, `around` those of a heading and fence, `least` the smallest that is worth one.
    """
    low, high = 1e-12, 1e3
    for _ in range(_ROUNDS):
        price = math.sqrt(low * high)
        if sum(_worth(likely, sizes, price, around, least)) > room:
            low = price
        else:
            high = price
    return _worth(likely, sizes, high, around, least)


def _worth(likely: Sequence[float], sizes: Sequence[int], price: float, around: int, least: int) -> list[int]:
    found = []
    for p, size in zip(likely, sizes, strict=True):
        steep = _STEEP / max(1, size)
        tokens = min(float(size), math.log(max(1e-300, p * steep / price)) / steep)
        found.append(math.ceil(tokens) + around if tokens >= min(least, size) else 0)
    return found
