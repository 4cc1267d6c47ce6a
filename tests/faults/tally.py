"""What the fault tests tried, for the summary at the end of the run."""

from __future__ import annotations

from typing import Any


class Tally:
    """What was tried in this run."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.kills: list[dict[str, Any]] = []

    def of_points(self) -> str:
        """Sum up the answers of the fork servers."""
        points, states = (sum(answer[key] for answer in self.answers) for key in ("points", "states"))
        violations = sum(len(answer["violations"]) for answer in self.answers)
        return f"{points} points of {len(self.answers)} commands, {states} distinct states, {violations} violations"

    def of_kills(self) -> str:
        """Sum up the lives of the residents."""
        killed, struck = (sum(story[key] for story in self.kills) for key in ("killed", "struck"))
        ended = sum(len(story["ended"]) for story in self.kills)
        return f"{killed} residents killed, {struck} of them in the middle of a command, {ended} commands ended"
