"""What a window's tokens are for, and how many each tier of a prompt may have. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dispatcher.config import Settings
from dispatcher.context.guard import ANSWER, answer_reserve
from dispatcher.context.pieces import Tier
from dispatcher.llm.tokens import Count

SYSTEM = 0.20
"""The share of the window that the system's instructions may have."""

TIERS = (400, 800, 600, 248)
"""How a budget is divided among the tiers, as parts of their sum, 2,048."""

SAMPLE = 4000
"""Characters of a text that tell how many tokens a byte of it takes."""

_BEYOND = 12
"""Characters to a token, three times the usual; a text that has more for each token of room is not counted."""


class Shares(NamedTuple):
    """The tokens of a window: instructions, answer, and the context between them."""

    system: int
    answer: int
    active: int


def shares(window: int, system: float = SYSTEM, answer: float = ANSWER) -> Shares:
    """Return what a window's tokens are for: 820, 1,230 and 2,046 of 4,096; the answer goes before the rest."""
    reserve = answer_reserve(window, answer)
    instructions = min(window - reserve, math.ceil(round(system * window, 6) / 10) * 10)
    return Shares(instructions, reserve, window - reserve - instructions)


def shares_of(window: int, settings: Settings) -> Shares:
    """Return what a window's tokens are for by the settings."""
    return shares(window, settings.share("context.systemShare"), settings.share("context.answerShare"))


def allowance(budget: int, tier: Tier, tiers: tuple[int, int, int, int] = TIERS) -> float:
    """Return the tokens that a tier may have for itself."""
    return budget * tiers[tier] / sum(tiers)


def limits(budget: int, wanted: Mapping[Tier, int], tiers: tuple[int, int, int, int] = TIERS) -> dict[Tier, int]:
    """Return how many tokens each tier and those before it may have together.

    `wanted` is what the pieces of each tier would take in full: what a tier does not want of its allowance is the
    others'. No limit is smaller in a larger budget.
    """
    owed = {tier: min(allowance(budget, tier, tiers), wanted.get(tier, 0)) for tier in Tier}
    return {tier: math.floor(budget - sum(owed[later] for later in Tier if later > tier)) for tier in Tier}


class Meter:
    """Counts tokens, each text once: counting is the dearest step of making a prompt."""

    def __init__(self, count: Callable[[str], Count]) -> None:
        self._count = count
        self._counted: dict[str, Count] = {}

    def count(self, text: str) -> Count:
        """Return the tokens of a text."""
        found = self._counted.get(text)
        if found is None:
            found = self._counted[text] = self._count(text)
        return found

    def bound(self, text: str) -> int:
        """Return the most tokens that a text may be."""
        return self.count(text).bound

    def rate(self, text: str) -> float:
        """Return about how many tokens a byte of a text takes, from its beginning."""
        sample = text[:SAMPLE]
        return self.bound(sample) / size(sample) if sample else 1.0

    def is_far_beyond(self, text: str, room: int) -> bool:
        """Tell, without counting, whether a text is so long that it has no room."""
        return len(text) > max(0, room) * _BEYOND


def size(text: str) -> int:
    """Return the bytes of a text."""
    return len(text.encode("utf-8", "surrogatepass"))
