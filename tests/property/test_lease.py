"""Leases and times: what holds whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain import lease
from dispatcher.domain.moment import Moment, from_iso, spoken, to_iso
from tests.property.world import examples

SECONDS = st.floats(0.1, 31_536_000, allow_nan=False)
WALLS = st.integers(0, 4_000_000_000_000)
BOOTS = st.floats(0, 1e8, allow_nan=False)
SLACK = 0.01
"""Deadlines are kept to the millisecond."""


@examples(200)
@given(SECONDS, WALLS, BOOTS, st.floats(0, 1e8), WALLS)
def test_in_the_boot_that_granted_it_only_time_that_went_by_counts(
    seconds: float, wall: int, boot: float, elapsed: float, other_wall: int
) -> None:
    """Whatever the wall clock says then."""
    granted = lease.grant(seconds, Moment(wall, "a", boot))
    later = Moment(other_wall, "a", boot + elapsed)
    assert lease.remaining(granted, later) == pytest.approx(seconds - elapsed, abs=SLACK)
    if elapsed < seconds - SLACK:
        assert not lease.lapsed(granted, later)
    if elapsed > seconds + SLACK:
        assert lease.lapsed(granted, later)


@examples(200)
@given(SECONDS, WALLS, st.integers(-(10**12), 10**12), BOOTS)
def test_in_another_boot_the_wall_clock_decides_where_it_can_be_right(
    seconds: float, wall: int, passed_ms: int, boot: float
) -> None:
    """One that stands further before the grant than the lease is long cannot be right: the task comes back."""
    granted = lease.grant(seconds, Moment(wall, "a", 5.0))
    later = Moment(wall + passed_ms, "b", boot)
    left = seconds - passed_ms / 1000
    if left <= 0 or left > 2 * seconds + SLACK:
        assert lease.lapsed(granted, later) or abs(left) < SLACK
    elif left > SLACK and left < 2 * seconds - SLACK:
        assert lease.remaining(granted, later) == pytest.approx(left, abs=SLACK)


@examples(100)
@given(SECONDS, WALLS, BOOTS, st.integers(0, 10**12))
def test_no_lease_holds_for_ever_after_a_reboot(seconds: float, wall: int, boot: float, off: int) -> None:
    """However wrong the clock is after it, the lease ends within twice its length of that clock's running."""
    granted = lease.grant(seconds, Moment(wall, "a", 5.0))
    later = wall - off + round(seconds * 2000) + 1
    assert lease.lapsed(granted, Moment(later, "b", boot)) or off > 0
    assert lease.remaining(granted, Moment(wall - off, "b", boot)) <= 2 * seconds + SLACK


@examples(200)
@given(st.integers(-62_135_596_800_000 + 31_622_400_000 * 1000, 253_402_300_799_999))
def test_a_timestamp_is_read_as_it_was_written(wall: int) -> None:
    written = to_iso(wall)
    assert from_iso(written) == wall
    assert datetime.fromisoformat(written) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=wall)
    assert len(written) == len("2026-11-21T10:00:00.000Z")


@examples(200)
@given(st.integers(0, 253_402_300_799_999), st.integers(0, 253_402_300_799_999))
def test_timestamps_sort_as_the_times_do(one: int, other: int) -> None:
    assert (to_iso(one) < to_iso(other)) is (one < other)


@pytest.mark.parametrize("year", [1, 300, 999])
def test_timestamps_of_the_first_millennium_sort_too(year: int) -> None:
    wall = from_iso(f"{year:04d}-06-01")
    assert to_iso(wall) < to_iso(0)
    assert from_iso(to_iso(wall)) == wall


@examples(100)
@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_a_spoken_time_is_near_the_time(seconds: float) -> None:
    number, unit = spoken(seconds).split(" ")
    meant = float(number) * {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit]
    assert abs(meant - seconds) <= max(0.5, abs(seconds) / 3)
