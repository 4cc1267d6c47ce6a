"""The plugin's stream of JSON lines, read while it grows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from dispatcher.domain.failure import BAD, file_of

Text = Callable[[str], str]


class Stream:
    """What the plugin has written so far; call `read` again and again. A line that is cut off or broken is skipped.

    Ids lose their secrets and the addresses of objects first: they are compared with ids that were kept.
    """

    def __init__(self, path: Path, redact: Text) -> None:
        self._file = path.open("rb")
        self._taken = 0
        self._redact = redact
        self.session: dict[str, Any] | None = None
        self.no_pytest: str | None = None
        self.interrupt: str | None = None
        self.end: dict[str, Any] | None = None
        self.collected: list[str] = []
        self.bad = 0
        self.outcomes: dict[str, str] = {}
        self.fails: dict[tuple[str, str], dict[str, Any]] = {}
        self.details: dict[tuple[str, str], dict[str, Any]] = {}
        self.deselected: set[str] = set()
        self.without_items: dict[str, str] = {}

    def not_run(self) -> list[str]:
        """Return the items that were collected and have not ended, in order."""
        return [i for i in self.collected if i not in self.outcomes]

    def _id_of(self, test: str) -> str:
        return re.sub(r" at 0x[0-9A-Fa-f]+", " at 0x", self._redact(test))

    def close(self) -> None:
        """Stop reading."""
        self._file.close()

    def read(self) -> None:
        """Take in what was written since the last time."""
        self._file.seek(self._taken)
        for line in self._file.read().split(b"\n")[:-1]:
            with contextlib.suppress(orjson.JSONDecodeError):
                self._take(orjson.loads(line))
            self._taken += len(line) + 1  # an interrupt at any point loses nothing: a line may be taken twice

    def _take(self, record: Any) -> None:  # noqa: ANN401 - JSON of our plugin's
        if isinstance(record, list):
            self._ended(*record)
        elif record["t"] in ("fail", "detail"):
            record["id"] = self._id_of(record["id"])
            place = self.fails if record["t"] == "fail" else self.details
            place.setdefault((record["id"], record["when"]), record)
            self.bad = len(self.fails)
        elif record["t"] in ("deselected", "without_items"):
            self._left_out(record)
        else:
            self._said(record)

    def _ended(self, outcome: str, test: str, _seconds: float) -> None:
        # Ids that are equal once their secrets are gone are one item, as bad as the worst of them.
        name = self._id_of(test)
        if self.outcomes.get(name) not in BAD:
            self.outcomes[name] = outcome

    def _left_out(self, record: dict[str, Any]) -> None:
        if record["t"] == "deselected":
            self.deselected.update(map(self._id_of, record["ids"]))
        else:
            self.without_items[file_of(self._id_of(record["id"]))] = "skipped" if record["skipped"] else "empty"

    def _said(self, record: dict[str, Any]) -> None:
        """Take in what a record says of the run as a whole."""
        kind = record["t"]
        if kind == "collected":
            self.collected = [self._id_of(i) for i in record["ids"]]
        elif kind == "session":
            self.session = record
        elif kind == "no_pytest":
            self.no_pytest = record["why"]
        elif kind == "interrupt":
            self.interrupt = record["why"]
        elif kind == "end":
            self.end = record
