"""Which fault each failure comes from, and how well groups of failures fit that: extended to nothing, B-cubed.

The truth comes from runs with one fault each. An item that fails with several of them alone belongs to the
one with which it fails as it does in the combined run; when there is no such one, or there are several, it is
ambiguous, takes no part in any figure, and is counted. So is one that fails with no fault alone.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dispatcher.domain.failure import Failure
from tests.bench.injection.trial import Outcome, Seen


class Truth(NamedTuple):
    """The fault of each item for which it is known, and how many items are left out for what reason."""

    fault: dict[str, str]
    ambiguous: int
    unexplained: int


class Score(NamedTuple):
    """How well groups fit."""

    precision: float
    recall: float
    f1: float


def truth_of(combined: Mapping[str, Seen], alone: Mapping[str, Outcome], base: Outcome) -> Truth:
    """Return which of some faults (by id: the run with it alone) each item of a combined run fails for."""
    fault: dict[str, str] = {}
    ambiguous = unexplained = 0
    for test, seen in combined.items():
        if test in base.failing:
            continue
        able = [name for name, outcome in alone.items() if test in outcome.failing]
        if len(able) > 1:
            able = [name for name in able if _alike(alone[name].failing[test], seen)] or able
        if len(able) == 1:
            fault[test] = able[0]
        elif able:
            ambiguous += 1
        else:
            unexplained += 1
    return Truth(fault, ambiguous, unexplained)


def _alike(one: Seen, other: Seen) -> bool:
    return [_without_run(part) for part in one] == [_without_run(part) for part in other]


def _without_run(words: str) -> str:
    """Return words without what pytest numbers anew in each run: its temporary folders."""
    return re.sub(r"pytest-\d+", "pytest-N", words)


def b_cubed(groups: Mapping[str, str], truth: Mapping[str, str]) -> Score:
    """Return how well groups (item to group) fit the truth (item to fault), over the items of the truth."""
    group_sizes = Counter(groups[test] for test in truth)
    fault_sizes = Counter(truth.values())
    both = Counter((groups[test], fault) for test, fault in truth.items())
    precision = statistics.fmean(both[groups[t], f] / group_sizes[groups[t]] for t, f in truth.items())
    recall = statistics.fmean(both[groups[t], f] / fault_sizes[f] for t, f in truth.items())
    return Score(precision, recall, 2 * precision * recall / (precision + recall))


def mean(scores: Iterable[Score]) -> Score:
    """Return the mean of each figure: every run counts the same."""
    columns = list(zip(*scores, strict=True))
    return Score(*(statistics.fmean(column) for column in columns))


# What one could group by without any rules


def _innermost(failure: Failure) -> str:
    frames: list[Any] = failure.get("detail", {}).get("frames", [])
    return f"{frames[-1][1]}::{frames[-1][3]}" if frames else ""


def _innermost_of_project(failure: Failure) -> str:
    place = failure["place"]
    return f"{place['path']}::{place['function']}" if place else ""


def _said(failure: Failure) -> str:
    return f"{failure['exception']}: {failure['message'].partition(chr(10))[0]}"


BASELINES: dict[str, Callable[[Failure], str]] = {
    "all in one": lambda _failure: "",
    "one per test": lambda failure: failure["test"],
    "exception type": lambda failure: failure["exception"],
    "type and message": _said,
    "innermost frame": _innermost,
    "innermost frame of the project": _innermost_of_project,
}
