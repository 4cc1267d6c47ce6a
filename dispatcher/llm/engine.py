"""What reads a prompt, as far as it shows in the prompt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple


class Ends(NamedTuple):
    """What a vocabulary puts around a prompt: the texts of its tokens, and whether it adds them."""

    bos: str = ""
    eos: str = ""
    adds_bos: bool = False
    adds_eos: bool = False


class Engine(NamedTuple):
    """What reads the prompt: the number of Ollama's version (None: the latest), its vocabulary's ends, its clock."""

    number: tuple[int, int, int] | None = None
    ends: Ends = Ends()
    now: datetime | None = None

    def is_before(self, number: tuple[int, int, int]) -> bool:
        """Whether it is older than a version."""
        return self.number is not None and self.number < number

    def moment(self) -> datetime:
        """Return its time; templates may write the day into a prompt."""
        return self.now or datetime.now(UTC).astimezone()


LATEST = Engine()
