"""One run of the tests in as many legs as it takes: after a test that ends the interpreter, pytest is started again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
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
_BREAKDOWNS = (0, 1, 3)
"""Exit codes of pytest's: all passed, some failed, and an error of its own."""
_MOST_FRUITLESS = 3
"""Legs in a row in which pytest breaks down at once: then it is not the items' doing."""

MOST_CRASHES = 100
"""A suite that ends the interpreter more often than that is given up."""


class Order(NamedTuple):
    """How the tests are run: where, with which Python, and with which further arguments of pytest's.

    `paths` are folders that modules are looked for in before all others.
    """

    project: Path
    python: str
    arguments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that the tests get in addition to our own."""
        given = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        return {"PYTHONPATH": os.pathsep.join([*self.paths, *given])} if self.paths else {}


class Part(NamedTuple):
    """What of the tests is run: those of `files` (relative to pytest's root folder), None for all, without `ignore`.

    `only` names items, all others are left out. `evidence` makes it a second pass over some items (see
    target/dispatcher_evidence.py).
    """

    files: Sequence[str] | None = None
    ignore: Sequence[Path] = ()
    only: Sequence[str] | None = None
    evidence: Mapping[str, Any] | None = None


class Whole(NamedTuple):
    """How a run ended: its last leg, with the seconds of all.

    `why` says why it was not gone on with, if something did; `asked_for`: it was to stop after so many failures.
    """

    ended: Ended
    why: str | None
    asked_for: bool = False


def control_of(part: Part, limits: Limits, stream: Path, stacks: Path) -> dict[str, Any]:
    """Return what our plugin is told for a first leg (see target/dispatcher_pytest.py)."""
    return {
        "stream": str(stream),
        "files": part.files,
        "ignore": [str(path) for path in part.ignore],
        "only": part.only,
        "again": part.only is not None or part.evidence is not None,
        "evidence": part.evidence,
        "done": {},
        "maxfail": 0,
        "redact": redact.__file__,
        "signal": SIGNAL if limits.item else 0,
        "limit": limits.item,
        "stacks": str(stacks),
    }


class Legs:
    """Runs pytest until every item has run, or there is a reason to stop. `folder` is for its files, `tick` is told all along."""

    def __init__(self, order: Order, limits: Limits, folder: Path, stream: Stream, tick: Callable[[], None]) -> None:
        self._order, self._limits, self._folder, self._stream, self._tick = order, limits, folder, stream, tick
        self._began = time.monotonic()
        self._seconds = self._cpu = 0.0
        self._ignore: list[str] = []
        self._starved = self._maxfail = self._fruitless = 0
        self._last_words: list[str] = []

    def run(self, part: Part) -> Whole:
        """Run the tests. What `tick` raises ends the run. Raises process.child.NotStarted."""
        self._ignore = [str(path) for path in part.ignore]
        for _ in range(MOST_CRASHES):
            patience = self._patience()
            ended = self._leg(part, patience)
            stopped = self._stopped(ended, patience)
            self._explain_workers(ended, patience)
            if not self._workers_gave_up(ended, patience):
                if stopped or not self._may_go_on(ended, patience):
                    return self._whole(ended, stopped)
                if why := self._has_failed_enough():
                    return self._whole(ended, why)._replace(asked_for=True)
            self._stream.begin_leg()
        return self._whole(ended, f"{MOST_CRASHES} tests have ended the interpreter")

    def once(self, part: Part) -> Ended:
        """Run one leg, whatever becomes of it. Raises process.child.NotStarted."""
        self._ignore = [str(path) for path in part.ignore]
        return self._leg(part, self._patience())

    def _patience(self) -> Patience:
        return Patience(self._limits, self._began, self._folder / "stacks")

    def _whole(self, ended: Ended, why: str | None) -> Whole:
        return Whole(ended._replace(seconds=self._seconds, cpu=self._cpu), why)

    def _leg(self, part: Part, patience: Patience) -> Ended:
        self._folder.mkdir(0o700, exist_ok=True)  # a test may have cleared the folder for temporary files
        self._stream.ensure()
        control = self._folder / "control.json"
        stacks = self._folder / "stacks"
        stacks.touch(0o600)
        wanted = {
            **control_of(part, self._limits, self._stream.path, stacks),
            "ignore": self._ignore,
            "done": self._stream.ended,
            "maxfail": self._maxfail,
        }
        self._starved = crash.out_of_memory()
        control.write_bytes(orjson.dumps(wanted))
        argv = [self._order.python, str(_BOOT), str(control), *_ALWAYS, *self._order.arguments, *self._last_words]

        def look(process: Child) -> None:
            self._stream.read()
            for worker_was_in in patience.look(self._stream, process):
                self._fail(crash.records(worker_was_in, "call", self._last(None, patience, worker_was_in)))
            self._tick()

        ended = child.run(argv, self._order.project, on_tick=look, environ=self._order.environ)
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
        return None

    def _has_failed_enough(self) -> str | None:
        """Say that as many have failed as the run was to stop after; else have the next leg count on."""
        most = self._stream.session["most"] if self._stream.session else 0
        failed = len({test for test, _ in self._stream.fails})
        self._maxfail = max(1, most - failed) if most else 0
        return f"stopping after {failed} failures" if most and failed >= most else None

    def _may_go_on(self, ended: Ended, patience: Patience) -> bool:
        """Tell whether something can be blamed for a sudden end, and let it have failed."""
        stream = self._stream
        if stream.main is None:
            return False
        if stream.end is not None:
            return self._broke_down(ended, patience)
        if stream.leg:
            test = None if self._has_workers() else stream.current()
            if test is not None:
                last = self._last(None if patience.hung else ended, patience, test)
                failed_before = any((test, when) in stream.fails for when in ("setup", "call"))
                when: crash.When = "teardown" if failed_before else "call"
                self._fail([*crash.records(test, when, last), ["failed", test, 0]])
            return test is not None
        file = stream.collecting.get(stream.main)
        last = self._last(None if patience.hung else ended, patience, "")
        path = last.rootdir / file_of(file) if file else None
        if file is None or path is None or not path.is_file() or str(path) in self._ignore:
            return False
        self._ignore.append(str(path))
        self._fail(crash.records(file, "collect", last))
        return True

    def _broke_down(self, ended: Ended, patience: Patience) -> bool:
        """Tell whether pytest itself did not get over an item: it came to an end with others left, for no reason."""
        stream = self._stream
        end, test = stream.end or {}, stream.current()
        reason = end["stopped"] or stream.interrupt or self._has_workers() or end["exit"] not in _BREAKDOWNS
        self._fruitless = 0 if stream.has_progressed() else self._fruitless + 1
        if reason or test is None or not stream.runs_items or self._fruitless > _MOST_FRUITLESS:
            return False
        last = self._last(ended, patience, test)
        self._fail([*crash.of_pytest(test, last), ["failed", test, 0]])
        return True

    def _workers_gave_up(self, ended: Ended, patience: Patience) -> bool:
        """Tell whether pytest-xdist has left items out because workers have died; one process will run these.

        Workers that die while they collect run nothing, and some ways to distribute (loadfile) do not get over a
        crash.
        """
        stream = self._stream
        if not self._has_workers() or ended.interrupted or patience.over:
            return False
        early = not stream.leg and bool(stream.workers())
        late = bool(stream.sudden) and bool(stream.not_run())
        most = stream.session["most"] if stream.session else 0
        if not (early or late) or (most and len(stream.fails) >= most):
            return False
        self._last_words = ["-n0"]
        return True

    def _explain_workers(self, ended: Ended, patience: Patience) -> None:
        """Find out more of the items that pytest-xdist's workers have died of than xdist knows."""
        for test in sorted(self._stream.workers_died - self._stream.sudden):
            self._fail(crash.of_worker(test, self._last(ended, patience, test)))

    def _has_workers(self) -> bool:
        return bool(self._stream.session and self._stream.session["workers"])

    def _last(self, ended: Ended | None, patience: Patience, test: str) -> crash.Last:
        rootdir = Path(self._stream.session["rootdir"] if self._stream.session else self._order.project)
        stacks = patience.stacks_of(test)
        starved = ended is not None and ended.code < 0 and crash.out_of_memory() > self._starved
        return crash.Last(rootdir, self._limits, ended, stacks, starved)

    def _fail(self, records: Sequence[Any]) -> None:
        for record in records:
            self._stream.take(record) if isinstance(record, list) else self._stream.overrule(record)
