"""Tests that fail now and then: how often they pass, and when that may be believed to be over. Pure."""

from __future__ import annotations

import math
from typing import TypedDict

_DOUBT = 0.05
"""A streak of passes is believed when a test that passes as often as before would show it less often than this."""

_DOUBT_OF_FAILURES = 0.001
"""The same of failures: smaller, as a record that is given up by mistake has to be gathered anew."""

_LONGEST = 50


class Record(TypedDict):
    """All runs of a flaky task's tests since they were first seen to be, and in how many of them all passed.

    `streak`: in how many of the last ones without a break all passed; below zero, in how many they did not.
    """

    passed: int
    runs: int
    streak: int


def add(record: Record | None, passed: int, runs: int) -> Record:
    """Return a record with some more runs."""
    before = record or {"passed": 0, "runs": 0, "streak": 0}
    streak = 0
    if passed == runs:
        streak = max(0, before["streak"]) + runs
    elif passed == 0:
        streak = min(0, before["streak"]) - runs
    return {"passed": before["passed"] + passed, "runs": before["runs"] + runs, "streak": streak}


def needed(record: Record) -> int:
    """Return how many passes in a row show that the tests are flaky no more, counted from their last failure."""
    passes = max(0, record["streak"])
    runs, passed = record["runs"] - passes, record["passed"] - passes
    return _unlikely(passed / runs, _DOUBT) if passed > 0 and runs > 0 else 1


def is_over(record: Record) -> bool:
    """Tell whether the tests have passed so often in a row that they may be taken for mended."""
    return record["streak"] > 0 and record["streak"] >= needed(record)


def is_solid(record: Record) -> bool:
    """Tell whether the tests have failed so often in a row that they may be taken for broken, no longer for flaky."""
    failures = max(0, -record["streak"])
    runs, passed = record["runs"] - failures, record["passed"]
    return passed > 0 and runs > 0 and failures >= _unlikely(1 - passed / runs, _DOUBT_OF_FAILURES)


def _unlikely(rate: float, doubt: float) -> int:
    """Return how long a streak of what comes at this rate is less likely than a doubt."""
    return min(_LONGEST, max(1, math.ceil(math.log(doubt) / math.log(min(max(rate, 1e-9), 0.99)))))
