"""How times are read and spoken; tests/property/test_lease.py has the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dispatcher.domain.moment import Moment, from_iso, spoken, to_iso


def test_a_timestamp_looks_like_this() -> None:
    assert to_iso(0) == "1970-01-01T00:00:00.000Z"
    assert Moment(1_800_000_000_001, "b", 0.0).iso == "2027-01-15T08:00:00.001Z"
    assert to_iso(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2027-01-15", 1_799_971_200_000),
        ("2027-01-15T08:00", 1_800_000_000_000),
        ("2027-01-15T08:00:00.001Z", 1_800_000_000_001),
        ("2027-01-15T10:00:00+02:00", 1_800_000_000_000),
        ("20270115T080000Z", 1_800_000_000_000),
        ("2027-01-15 08:00:00.0019", 1_800_000_000_001),
    ],
)
def test_dates_and_times_are_read_as_utc_unless_they_say_otherwise(text: str, wall: int) -> None:
    assert from_iso(text) == wall


@pytest.fixture(params=["Pacific/Kiritimati", "America/St_Johns", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the test as on a machine in that time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_the_zone_of_the_machine_does_not_matter() -> None:
    assert from_iso("2027-01-15T08:00") == 1_800_000_000_000
    assert to_iso(1_800_000_000_000) == "2027-01-15T08:00:00.000Z"


@pytest.mark.parametrize("text", ["", "now", "2027-13-01", "2027-01-32", "15.1.2027", "1800000000", "2027-01-15T25:00"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_iso(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (119, "2 min"), (600, "10 min"), (7199, "120 min"), (7200, "2 h"),
        (172_799, "48 h"), (172_800, "2 d"), (-90, "-2 min"),
    ],
)  # fmt: skip
def test_durations_are_spoken_in_their_largest_unit(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
