"""Tests that fail now and then: how often they pass, and when that may be believed to be over. Pure."""

from __future__ import annotations

import math
from typing import TypedDict

_DOUBT = 0.05
"""A streak of passes is believed when a test that passes as often as before would show it less often than this."""

_LONGEST = 50


class Record(TypedDict):
    """All runs of a flaky task's tests since they were first seen to be: in how many all passed, the last ones without a break."""

    passed: int
    runs: int
    streak: int


def add(record: Record | None, passed: int, runs: int) -> Record:
    """Return a record with some more runs."""
    before = record or {"passed": 0, "runs": 0, "streak": 0}
    streak = before["streak"] + runs if passed == runs else 0
    return {"passed": before["passed"] + passed, "runs": before["runs"] + runs, "streak": streak}


def needed(record: Record) -> int:
    """Return how many passes in a row show that the tests are flaky no more, counted from their last failure."""
    runs, passed = record["runs"] - record["streak"], record["passed"] - record["streak"]
    if passed <= 0 or runs <= 0:
        return 1
    rate = min(passed / runs, 0.99)
    return min(_LONGEST, max(1, math.ceil(math.log(_DOUBT) / math.log(rate))))


def is_over(record: Record) -> bool:
    """Tell whether the tests have passed so often in a row that they may be taken for mended."""
    return record["streak"] >= needed(record)
