"""How much room each function may have: more where it is likelier to be to blame, and where there is more to show. Pure.

To see a function at all is worth part of what it is worth to see the lines that matter in it. Of these, t tokens behind
the header of a function with s tokens in its body are taken to show 1 - exp(-0.5 t / s^0.75): fitted to excerpts of
functions that real fixes changed, of which long ones need fewer of their tokens. The room is shared out so that no
token would be worth more elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_PRESENT = 0.4
"""The part of the worth that a function has by being there at all."""

_STEEP, _GROWS = 0.5, 0.75
_ROUNDS = 40


def likelihoods(scores: Sequence[float]) -> list[float]:
    """Return how likely each of some functions is to blame, given their scores, which are logits; together 1."""
    best = max(scores, default=0.0)
    weights = [math.exp(score - best) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


class Size(NamedTuple):
    """The tokens of a function: all of them, those of its header, and those of its body without the docstring."""

    whole: int
    header: int
    body: int


def allot(likely: Sequence[float], sizes: Sequence[Size], room: int, around: int, least: int) -> list[int]:
    """Return how many of `room` tokens each function may have, 0 for those that are not worth any.

    `around`: tokens of a heading and fence, `least`: the fewest behind a header that show anything.
    """
    low, high = 1e-12, 1e3
    for _ in range(_ROUNDS):
        price = math.sqrt(low * high)
        if sum(_bought(likely, sizes, price, around, least)) > room:
            low = price
        else:
            high = price
    return _bought(likely, sizes, high, around, least)


def _bought(likely: Sequence[float], sizes: Sequence[Size], price: float, around: int, least: int) -> list[int]:
    """Return the tokens that are worth a price each: all of a function, a part of it, or none of one not worth either."""
    found = []
    for p, size in zip(likely, sizes, strict=True):
        steep = _STEEP / max(1, size.body) ** _GROWS
        wanted = math.log(max(1e-300, p * (1 - _PRESENT) * steep / price)) / steep
        part = min(float(size.whole), size.header + max(wanted, least))
        gain, tokens = max((p * _worth(size, t, steep) - price * (t + around), t) for t in (part, float(size.whole)))
        found.append(math.ceil(tokens) + around if gain >= 0 else 0)
    return found


def _worth(size: Size, tokens: float, steep: float) -> float:
    """Return what some tokens of a function that is to blame are worth, all of them 1."""
    shown = 1.0 if tokens >= size.header + size.body else -math.expm1(-steep * max(0.0, tokens - size.header))
    return _PRESENT + (1 - _PRESENT) * shown
