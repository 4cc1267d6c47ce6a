"""How full a window is, what still goes into it, and from where on something must be done. Pure.

Use is the tokens of the prompt over the window without the room that is kept for the answer: only that much can be
filled before the server has to cut either.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

ANSWER = 0.30
"""The answer's share of the window."""

_RETURN = 0.05
"""How far below a threshold use must fall, as a share, before its level is over."""


class Level(IntEnum):
    """How urgent it is: SOFT compress, HARD lower the target and force it, CRITICAL snapshot, then clear."""

    NONE = 0
    SOFT = 1
    HARD = 2
    CRITICAL = 3


class Thresholds(NamedTuple):
    """The use at which each level begins, as a share."""

    soft: float = 0.80
    hard: float = 0.90
    critical: float = 0.95


class Guard(NamedTuple):
    """A window, the tokens kept of it for the answer, and the tokens that the prompt has."""

    window: int
    reserve: int
    used: int = 0
    thresholds: Thresholds = Thresholds()

    @property
    def capacity(self) -> int:
        """The tokens that a prompt may have."""
        return max(0, self.window - self.reserve)

    @property
    def use(self) -> float:
        """The share of the capacity that is used; above 1 it is overdrawn."""
        return self.used / max(1, self.capacity)

    def safe_limit(self) -> int:
        """Return the most tokens of prompt at which nothing needs to be done."""
        return max(0, math.ceil(min(self.thresholds) * self.capacity) - 1)

    def can_allocate(self, tokens: int) -> bool:
        """Tell whether so many more tokens leave the prompt within the safe limit."""
        return self.used + tokens <= self.safe_limit()

    def level(self, before: Level = Level.NONE) -> Level:
        """Return the level, given the last one, which is left only when use has fallen well below where it begins."""
        return max(self._level(0.0), min(before, self._level(_RETURN)))

    def _level(self, slack: float) -> Level:
        reached = (
            level
            for level, share in zip(list(Level)[1:], self.thresholds, strict=True)
            if self.used > 0 and self.used >= (share - slack) * self.capacity
        )
        return max(reached, default=Level.NONE)


def answer_reserve(window: int, share: float = ANSWER) -> int:
    """Return the tokens of a window that are kept for the answer: 1,230 of 4,096.

    Rounded up to tens, as the budget of the prompt is: 20 %, 30 % and the rest are 820, 1,230 and 2,046 of 4,096.
    """
    return min(window, math.ceil(share * window / 10) * 10)
