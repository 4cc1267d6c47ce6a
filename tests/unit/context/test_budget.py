"""What a window's tokens are for, and what each tier may have of a prompt's."""

from __future__ import annotations

import pytest

from dispatcher import config
from dispatcher.context.budget import Meter, limits, shares, shares_of
from dispatcher.context.pieces import Tier
from dispatcher.llm.tokens import Count

PLENTY = dict.fromkeys(Tier, 1_000_000)


@pytest.mark.parametrize(
    ("window", "parts"),
    [
        (4096, (820, 1230, 2046)),
        (8192, (1640, 2460, 4092)),
        (2048, (410, 620, 1018)),
        (1000, (200, 300, 500)),
        (10, (0, 10, 0)),
        (0, (0, 0, 0)),
    ],
)
def test_a_fifth_is_for_instructions_and_three_tenths_for_the_answer(window: int, parts: tuple[int, ...]) -> None:
    assert shares(window) == parts


def test_shares_are_settings_and_never_more_than_the_window() -> None:
    set_to = config.load(None, "f", {}, {"context.systemShare": 0.5, "context.answerShare": 0.25})
    assert shares_of(4096, set_to) == (2050, 1030, 1016)
    assert shares_of(4096, config.load(None, "f", {})) == shares(4096)
    for window in (1, 9, 11, 4097, 131_072):
        found = shares(window, 0.9, 0.9)
        assert sum(found) == window
        assert min(found) >= 0


def test_tiers_have_400_800_600_and_248_of_2048() -> None:
    assert list(limits(2048, PLENTY).values()) == [400, 1200, 1800, 2048]
    assert list(limits(4096, PLENTY).values()) == [800, 2400, 3600, 4096]


def test_what_a_tier_does_not_want_is_the_others() -> None:
    assert list(limits(2048, {Tier.CRITICAL: 5000}).values()) == [2048] * 4
    wanted = {**PLENTY, Tier.MEDIUM: 100, Tier.LOW: 0}
    assert list(limits(2048, wanted).values()) == [1148, 1948, 2048, 2048]


def test_no_limit_is_smaller_in_a_larger_budget() -> None:
    for wanted in (PLENTY, {Tier.HIGH: 300, Tier.LOW: 77}, {}):
        found = [limits(budget, wanted) for budget in range(200, 3000)]
        for tier in Tier:
            of_tier = [each[tier] for each in found]
            assert of_tier == sorted(of_tier)


def test_each_text_is_counted_once() -> None:
    asked: list[str] = []

    def count(text: str) -> Count:
        asked.append(text)
        return Count(len(text), "exact", "letters", len(text))

    meter = Meter(count)
    assert [meter.bound("abc"), meter.bound("abcd"), meter.bound("abc")] == [3, 4, 3]
    assert asked == ["abc", "abcd"]
    assert meter.rate("éé") == 0.5
    assert meter.rate("") == 1.0
