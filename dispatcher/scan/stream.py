"""The plugin's stream of JSON lines, read while it grows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import orjson

from dispatcher.domain.failure import BAD, file_of

Text = Callable[[str], str]


class Stream:
    """What the plugin has written so far; call `read` again and again. A line that is cut off or broken is skipped.

    Ids lose their secrets and the addresses of objects first: they are compared with ids that were kept.
    """

    def __init__(self, path: Path, redact: Text) -> None:
        self.path = path
        self.legs = 1
        self._file = path.open("rb")
        self._taken = 0
        self._redact = redact
        self.session: dict[str, Any] | None = None
        self.no_pytest: str | None = None
        self.interrupt: str | None = None
        self.end: dict[str, Any] | None = None
        self.main: int | None = None
        self.collected: list[str] = []
        self.leg: list[str] = []
        self.collecting: dict[int, str] = {}
        self.running: dict[int, str] = {}
        self._next = 0
        self.bad = 0
        self.outcomes: dict[str, str] = {}
        self.fails: dict[tuple[str, str], dict[str, Any]] = {}
        self.details: dict[tuple[str, str], dict[str, Any]] = {}
        self.deselected: set[str] = set()
        self.without_items: dict[str, str] = {}

    def not_run(self) -> list[str]:
        """Return the items that were collected and have not ended, in order."""
        return [i for i in self.collected if i not in self.outcomes]

    def ensure(self) -> None:
        """Make the file anew if it is gone."""
        if not self.path.exists():
            self.close()
            self.path.touch(0o600)
            self._file, self._taken = self.path.open("rb"), 0

    def begin_leg(self) -> None:
        """Expect pytest to be started anew, for the items that are left."""
        self.legs += 1
        self.end = self.interrupt = self.main = None
        self.leg, self._next = [], 0
        self.collecting.clear()
        self.running.clear()

    def current(self) -> str | None:
        """Return the item that is running: the first of this leg that has not ended."""
        while self._next < len(self.leg) and self.leg[self._next] in self.outcomes:
            self._next += 1
        return self.leg[self._next] if self._next < len(self.leg) else None

    def workers(self) -> dict[int, tuple[Literal["item", "file"], str]]:
        """Return what each of pytest-xdist's workers is busy with, by process id."""
        busy: dict[int, tuple[Literal["item", "file"], str]] = {
            pid: ("file", file) for pid, file in self.collecting.items() if pid != self.main
        }
        return busy | {pid: ("item", test) for pid, test in self.running.items()}

    def take(self, record: Any) -> None:  # noqa: ANN401 - JSON, as the plugin writes it
        """Take in one record that does not come from the file. It counts more than what does."""
        if isinstance(record, dict):
            for known in (self.fails, self.details):
                if (record["id"], record["when"]) in known and record["t"] == (
                    "fail" if known is self.fails else "detail"
                ):
                    del known[record["id"], record["when"]]
        self._take(record)

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
        if self.running:
            self.running = {pid: test for pid, test in self.running.items() if test != name}

    def _left_out(self, record: dict[str, Any]) -> None:
        if record["t"] == "deselected":
            self.deselected.update(map(self._id_of, record["ids"]))
        else:
            self.without_items[file_of(self._id_of(record["id"]))] = "skipped" if record["skipped"] else "empty"

    def _busy(self, with_what: dict[int, str], record: dict[str, Any]) -> None:
        with_what.pop(record["pid"], None)
        if record["id"]:
            with_what[record["pid"]] = self._id_of(record["id"])

    def _said(self, record: dict[str, Any]) -> None:
        """Take in what a record says of the run as a whole."""
        kind = record["t"]
        if kind == "collected":
            self.leg = [self._id_of(i) for i in record["ids"]]
            self.collected = self.collected or self.leg
        elif kind == "collecting":
            self._busy(self.collecting, record)
        elif kind == "start":
            self._busy(self.running, record)
        elif kind == "session":
            self.main = record["pid"]
            self.session = {**(self.session or record), "workers": record["workers"]}
        elif kind == "no_pytest":
            self.no_pytest = record["why"]
        elif kind == "interrupt":
            self.interrupt = record["why"]
        elif kind == "end":
            self.end = record
