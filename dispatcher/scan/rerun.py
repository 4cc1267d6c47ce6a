"""Failing tests run again and again, to tell those that fail now and then from those that always do."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from dispatcher.domain.failure import BAD, file_of
from dispatcher.process import child
from dispatcher.scan.legs import Legs, Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.runner import Progress
from dispatcher.scan.stream import Stream, Text


class Reruns:
    """Runs some items again, each time in a fresh interpreter. `passed` and `runs` count per item."""

    def __init__(self, order: Order, limits: Limits, redact: Text, on_progress: Callable[[Progress], None]) -> None:
        self._order, self._limits, self._redact, self._on_progress = order, limits, redact, on_progress
        self.passed = Counter[str]()
        self.runs = Counter[str]()
        self.interrupted = False

    def run(self, tests: Collection[str], times: int) -> None:
        """Run items so many times more; less often when the time for a run is up, or at Ctrl-C."""
        began = time.monotonic()
        files = sorted({file_of(test) for test in tests})
        for round_ in range(times):
            left = self._limits.run - (time.monotonic() - began) if self._limits.run else 0
            if self.interrupted or (self._limits.run and left <= 0):
                return
            self._once(
                Part(files, only=sorted(tests)), self._limits._replace(run=left), f"rerun {round_ + 1} of {times}"
            )

    def _once(self, part: Part, limits: Limits, stage: str) -> None:
        with tempfile.TemporaryDirectory(prefix="dispatcher-") as folder:
            path = Path(folder, "stream.jsonl")
            path.touch(0o600)
            stream = Stream(path, self._redact)

            def tick() -> None:
                self._on_progress(Progress(len(stream.outcomes), len(part.only or ()), stream.bad, stage))

            try:
                whole = Legs(self._order, limits, Path(folder), stream, tick).run(part)
            except child.NotStarted:
                return
            finally:
                stream.close()
        self.interrupted = whole.ended.interrupted
        for test in part.only or ():
            if stream.outcomes.get(test) in ("passed", *BAD):  # a skip says nothing
                self.runs[test] += 1
                self.passed[test] += stream.outcomes[test] == "passed"
