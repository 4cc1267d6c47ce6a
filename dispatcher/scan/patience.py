"""How long a run is waited for: an item, a file that is being collected, the whole."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from dispatcher.process.child import Child
from dispatcher.scan.stream import Stream

Kind = Literal["item", "file", "start", "end"]

SIGNAL = int(signal.SIGRTMAX) - 2 if hasattr(signal, "SIGRTMAX") else int(getattr(signal, "SIGINFO", 0))
"""What an overdue test is sent first: a signal that nobody uses."""

_MOST_GRACE = 10.0


class Limits(NamedTuple):
    """Seconds that one item may take, that collecting one file (as well as starting and ending) may, and all; 0: any."""

    item: float = 0
    file: float = 0
    run: float = 0

    @property
    def grace(self) -> float:
        """Seconds that an overdue item has to fail by itself, with its teardown."""
        return min(_MOST_GRACE, max(1.0, self.item))


class Awaited(NamedTuple):
    """What a process that runs tests is busy with: its id, if there is one, and a mark that changes with each step."""

    kind: Kind
    pid: int
    name: str
    step: int


class Patience:
    """Watches a run while it lasts, and ends what takes too long.

    `began` is the run's beginning, monotonic; in the file `stacks` processes leave their stacks when they are asked.

    `hung` is what pytest itself was killed for; `over` says that the time for the whole run was up.
    """

    def __init__(self, limits: Limits, began: float, stacks: Path) -> None:
        self._limits = limits
        self._stacks = stacks
        self._marks: dict[str, int] = {}
        self._began = began
        self._since: dict[Awaited, float] = {}
        self._asked: dict[Awaited, float] = {}
        self.hung: Awaited | None = None
        self.over = False

    def stacks_of(self, test: str) -> str:
        """Return what was left in the file since a test was asked; nothing if it was not."""
        if test not in self._marks:
            return ""
        try:
            with self._stacks.open("rb") as file:
                file.seek(self._marks[test])
                return file.read().decode(errors="replace")
        except OSError:  # a test has cleared the folder for temporary files
            return ""

    def _size(self) -> int:
        return self._stacks.stat().st_size if self._stacks.exists() else 0

    def look(self, stream: Stream, child: Child) -> list[str]:
        """Take note of what a run is busy with, and act on what has been too long.

        Returns the items for which a worker of pytest-xdist's was killed; xdist goes on with another.
        """
        now = time.monotonic()
        if self._limits.run and now - self._began >= self._limits.run and not self.over:
            self.over = True
            child.interrupt()
        killed: list[str] = []
        if self.over or child.gone:
            return killed
        awaited = list(_awaited(stream, child.pid))
        self._since = {each: self._since.get(each, now) for each in awaited}
        for each, since in self._since.items():
            limit = self._limits.item if each.kind == "item" else self._limits.file
            if limit and now - since >= limit:
                killed += self._end(each, now, stream, child)
        return killed

    def _end(self, overdue: Awaited, now: float, stream: Stream, child: Child) -> list[str]:
        """Do the next thing that may end what is overdue."""
        if overdue.kind == "item" and SIGNAL and overdue not in self._asked:
            self._asked[overdue] = now
            self._marks[overdue.name] = self._size()
            _send(overdue.pid, SIGNAL)
        elif now - self._asked.get(overdue, float("-inf")) < self._limits.grace:
            return []
        elif overdue.pid in (child.pid, stream.main):
            self.hung = overdue
            child.kill()
        else:
            _send(overdue.pid, signal.SIGKILL)
            self._asked[overdue] = now
            return [overdue.name] if overdue.kind == "item" else []
        return []


def _awaited(stream: Stream, pid: int) -> Iterator[Awaited]:
    """Yield what is waited for. `pid` is the process that was started, which pytest's own may be a child of."""
    main, ended = stream.main or pid, len(stream.outcomes)
    if stream.session is None or stream.main is None:
        yield Awaited("start", main, "", 0)
    elif stream.end is not None:
        yield Awaited("end", main, "", 0)
    elif stream.session["workers"]:
        for worker, (kind, name) in stream.workers().items():
            yield Awaited(kind, worker, name, 0)
        if not stream.workers():
            yield Awaited("end", main, "", ended)
    elif not stream.leg:
        yield Awaited("file", main, stream.collecting.get(main, ""), 0)
    elif (current := stream.current()) is not None:
        yield Awaited("item", main, current, ended)
    else:
        yield Awaited("end", main, "", ended)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
