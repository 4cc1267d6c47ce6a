"""What the fault tests tried, for the summary at the end of the run, whichever process ran them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

POINTS = "faults: points"
KILLS = "faults: kills"


def lines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Sum up the fork servers' answers and the lives of the residents, which tests have kept as properties."""
    kept = [prop for report in reports if report.when == "call" for prop in report.user_properties]
    answers = [value for name, value in kept if name == POINTS and isinstance(value, dict)]
    if answers:
        points, states, violations = (sum(one[key] for one in answers) for key in ("points", "states", "violations"))
        yield f"faults: {points} points of {len(answers)} commands, {states} distinct states, {violations} violations"
    kills = [value for name, value in kept if name == KILLS and isinstance(value, dict)]
    if kills:
        killed, struck, ended = (sum(one[key] for one in kills) for key in ("killed", "struck", "ended"))
        yield f"faults: {killed} residents killed, {struck} of them in the middle of a command, {ended} commands ended"
