"""A moment as two clocks tell it, and how times are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class Moment(NamedTuple):
    """Now: the wall clock, and the clock that runs since boot and cannot be set.

    `wall` is milliseconds since 1970 in UTC; `boot` is seconds since the boot named `boot_id`,
    suspend included. Within one boot only the second can be trusted to measure a lease.
    """

    wall: int
    boot_id: str
    boot: float

    @property
    def iso(self) -> str:
        """The wall clock as a timestamp."""
        return to_iso(self.wall)


def to_iso(wall: int) -> str:
    """Write milliseconds since 1970 as "2026-11-21T10:00:00.000Z"; such strings sort as the times do."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=wall)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_iso(text: str) -> int:
    """Read a timestamp written by `to_iso`, or any ISO 8601 date or time, as milliseconds since 1970.

    A time without a zone is UTC. Raises ValueError when it is not one.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def spoken(seconds: float) -> str:
    """Write a duration as a person would: "45 s", "12 min", "3 h", "9 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size or (unit == "min" and abs(seconds) >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
