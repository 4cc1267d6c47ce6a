"""How full a window is, what still fits, and when something must be done."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dispatcher.context.guard import Guard, Level, Thresholds, answer_reserve

NONE, SOFT, HARD, CRITICAL = Level


def guard(used: int) -> Guard:
    """A prompt in a window that leaves 1,000 tokens for it."""
    return Guard(1430, 430, used)


@pytest.mark.parametrize(("window", "kept"), [(4096, 1230), (8192, 2460), (2048, 620), (1000, 300), (5, 5), (0, 0)])
def test_the_answer_has_thirty_per_cent_of_the_window(window: int, kept: int) -> None:
    assert answer_reserve(window) == kept


def test_the_answer_s_share_can_be_set() -> None:
    assert answer_reserve(4096, 0.5) == 2050


def test_use_is_of_what_the_answer_leaves() -> None:
    assert guard(250).use == 0.25
    assert guard(1500).use == 1.5


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, NONE), (799, NONE), (800, SOFT), (899, SOFT), (900, HARD), (949, HARD), (950, CRITICAL), (5000, CRITICAL)],
)
def test_levels_begin_at_their_thresholds(used: int, level: Level) -> None:
    assert guard(used).level() == level


def test_what_can_be_allocated_leaves_nothing_to_do() -> None:
    half = guard(500)
    assert half.safe_limit() == 799
    assert half.can_allocate(299)
    assert not half.can_allocate(300)
    assert not guard(900).can_allocate(0)


@pytest.mark.parametrize(
    ("before", "used", "level"),
    [
        (SOFT, 790, SOFT),
        (SOFT, 750, SOFT),
        (SOFT, 749, NONE),
        (HARD, 860, HARD),
        (HARD, 849, SOFT),
        (CRITICAL, 900, CRITICAL),
        (CRITICAL, 899, HARD),
        (CRITICAL, 100, NONE),
        (SOFT, 970, CRITICAL),
    ],
)
def test_a_level_is_left_only_well_below_where_it_begins(before: Level, used: int, level: Level) -> None:
    assert guard(used).level(before) == level


def test_use_that_swings_about_a_threshold_changes_the_level_once() -> None:
    levels = [NONE]
    for used in [790, 805, 795, 810, 760, 800] * 10:
        levels.append(guard(used).level(levels[-1]))
    assert sum(a != b for a, b in pairwise(levels)) == 1


def test_a_window_without_room_for_a_prompt_is_critical_once_there_is_one() -> None:
    full = Guard(1000, 1000)
    assert (full.safe_limit(), full.can_allocate(1), full.level()) == (0, False, NONE)
    assert full._replace(used=1).level() == CRITICAL
    assert full._replace(used=1).use == 1.0


@pytest.mark.parametrize("soft", [0.5, 0.8, 0.97])
def test_thresholds_can_be_set(soft: float) -> None:
    for capacity in range(1, 300):
        least = Guard(capacity, 0, thresholds=Thresholds(soft=soft))
        limit = least.safe_limit()
        assert least._replace(used=limit).level() == NONE
        assert least._replace(used=limit + 1).level() != NONE
