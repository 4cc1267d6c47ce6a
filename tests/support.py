"""What tests share: a clock that is moved by hand, and how a command ended."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import orjson

from dispatcher.domain.moment import Moment


class FakeClock:
    """Both clocks of a machine, moved by hand. Seconds; `wall` is what the user's clock says."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.boot = 1000.0
        self.boot_id = "boot-1"

    def __call__(self) -> Moment:
        return Moment(round(self.wall * 1000), self.boot_id, self.boot)

    def pass_time(self, seconds: float) -> None:
        """Let time go by on both clocks."""
        self.wall += seconds
        self.boot += seconds

    def set_wall(self, seconds: float) -> None:
        """Let somebody set the wall clock by so much."""
        self.wall += seconds

    def reboot(self, seconds: float = 30.0) -> None:
        """Let the machine start anew, which takes so long."""
        self.wall += seconds
        self.boot = 5.0
        self.boot_id += "x"


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - tests know what they asked for
        """Standard output as one JSON document."""
        return orjson.loads(self.out)


class Run(Protocol):
    """Runs one command in this process; `code` is the exit code that it must end with, None for any."""

    def __call__(self, *argv: str, code: int | None = 0) -> Ran:
        """Run it."""
