"""One run of the tests in as many legs as it takes: after a test that ends the interpreter, pytest is started again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dispatcher.domain import redact
from dispatcher.domain.failure import file_of
from dispatcher.process import child
from dispatcher.process.child import Child, Ended
from dispatcher.scan import crash
from dispatcher.scan.patience import SIGNAL, Limits, Patience
from dispatcher.scan.stream import Stream

_BOOT = Path(__file__).with_name("target") / "dispatcher_boot.py"
_ALWAYS = ("--continue-on-collection-errors",)
_WORKER_DIED = re.compile(r"worker '\w+' crashed while running")  # as pytest-xdist says it
MOST_CRASHES = 100
"""A suite that ends the interpreter more often than that is given up."""


class Order(NamedTuple):
    """How the tests are run: where, with which Python, and with which further arguments of pytest's."""

    project: Path
    python: str
    arguments: tuple[str, ...] = ()


class Part(NamedTuple):
    """What of the tests is run: those of `files` (relative to pytest's root folder), None for all, without `ignore`."""

    files: Sequence[str] | None = None
    ignore: Sequence[Path] = ()


class Whole(NamedTuple):
    """How a run ended: its last leg, with the seconds of all. `why` says why it was not gone on with, if something did."""

    ended: Ended
    why: str | None


class Legs:
    """Runs pytest until every item has run, or there is a reason to stop. `folder` is for its files, `tick` is told all along."""

    def __init__(self, order: Order, limits: Limits, folder: Path, stream: Stream, tick: Callable[[], None]) -> None:
        self._order, self._limits, self._folder, self._stream, self._tick = order, limits, folder, stream, tick
        self._began = time.monotonic()
        self._seconds = self._cpu = 0.0
        self._ignore: list[str] = []
        self._starved = 0
        self._last_words: list[str] = []

    def run(self, part: Part) -> Whole:
        """Run the tests. What `tick` raises ends the run. Raises process.child.NotStarted."""
        self._ignore = [str(path) for path in part.ignore]
        for _ in range(MOST_CRASHES):
            patience = Patience(self._limits, self._began)
            ended = self._leg(part, patience)
            stopped = self._stopped(ended, patience)
            self._explain_workers(ended)
            if stopped or not (self._workers_died_early() or self._may_go_on(ended, patience)):
                return self._whole(ended, stopped)
            self._stream.begin_leg()
        return self._whole(ended, f"{MOST_CRASHES} tests have ended the interpreter")

    def _whole(self, ended: Ended, why: str | None) -> Whole:
        return Whole(ended._replace(seconds=self._seconds, cpu=self._cpu), why)

    def _leg(self, part: Part, patience: Patience) -> Ended:
        self._folder.mkdir(0o700, exist_ok=True)  # a test may have cleared the folder for temporary files
        self._stream.ensure()
        control = self._folder / "control.json"
        stacks = self._folder / "stacks"
        stacks.write_bytes(b"")
        wanted = {
            "stream": str(self._stream.path),
            "files": part.files,
            "ignore": self._ignore,
            "done": list(self._stream.outcomes),
            "redact": redact.__file__,
            "signal": SIGNAL if self._limits.item else 0,
            "limit": self._limits.item,
            "stacks": str(stacks),
        }
        self._starved = crash.out_of_memory()
        control.write_bytes(orjson.dumps(wanted))
        argv = [self._order.python, str(_BOOT), str(control), *_ALWAYS, *self._order.arguments, *self._last_words]

        def look(process: Child) -> None:
            self._stream.read()
            for worker_was_in in patience.look(self._stream, process):
                self._fail(crash.records(worker_was_in, "call", self._last(None)))
            self._tick()

        ended = child.run(argv, self._order.project, on_tick=look)
        self._seconds += ended.seconds
        self._cpu += ended.cpu
        return ended

    def _stopped(self, ended: Ended, patience: Patience) -> str | None:
        """Return what keeps the run from going on, if anything does."""
        stream = self._stream
        if ended.interrupted:
            return "interrupted"
        if patience.over:
            doing = f", in {stream.current()}" if stream.current() else ""
            return f"the time was up ({self._limits.run:g} s, scan.timeout){doing}"
        if stream.end is None and patience.hung and patience.hung.kind in ("start", "end"):
            doing = "start" if patience.hung.kind == "start" else "end after the last test"
            return f"pytest did not {doing} within {self._limits.file:g} s (scan.fileTimeout)"
        most = stream.session["most"] if stream.session else 0
        if stream.end is None and most and len(stream.fails) >= most:
            return f"stopping after {len(stream.fails)} failures"
        return None

    def _may_go_on(self, ended: Ended, patience: Patience) -> bool:
        """Tell whether something can be blamed for a sudden end, and let it have failed."""
        stream = self._stream
        if stream.end is not None or stream.main is None:
            return False
        last = self._last(None if patience.hung else ended)
        if stream.leg:
            test = None if self._has_workers() else stream.current()
            if test is not None:
                self._fail([*crash.records(test, "call", last), ["failed", test, 0]])
            return test is not None
        file = stream.collecting.get(stream.main)
        path = last.rootdir / file_of(file) if file else None
        if file is None or path is None or not path.is_file() or str(path) in self._ignore:
            return False
        self._ignore.append(str(path))
        self._fail(crash.records(file, "collect", last))
        return True

    def _workers_died_early(self) -> bool:
        """Tell whether workers of pytest-xdist's have died while they collected; one process will find out of what."""
        died = self._has_workers() and not self._stream.leg and bool(self._stream.workers())
        if not died or self._last_words:
            return False
        self._last_words = ["-n0"]
        return True

    def _explain_workers(self, ended: Ended) -> None:
        """Find out more of the items that pytest-xdist's workers have died of than xdist knows."""
        died = [test for (test, _), fail in self._stream.fails.items() if _WORKER_DIED.match(fail["text"])]
        for test in died:
            self._fail(crash.of_worker(test, self._last(ended)))

    def _has_workers(self) -> bool:
        return bool(self._stream.session and self._stream.session["workers"])

    def _last(self, ended: Ended | None) -> crash.Last:
        rootdir = Path(self._stream.session["rootdir"] if self._stream.session else self._order.project)
        try:
            stacks = (self._folder / "stacks").read_text(errors="replace")
        except OSError:  # a test has cleared the folder for temporary files
            stacks = ""
        starved = ended is not None and ended.code < 0 and crash.out_of_memory() > self._starved
        return crash.Last(rootdir, self._limits, ended, stacks, starved)

    def _fail(self, records: Sequence[Any]) -> None:
        for record in records:
            self._stream.take(record)
