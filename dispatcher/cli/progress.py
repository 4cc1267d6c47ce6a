"""How far the tests are: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Self

from dispatcher.cli import streams
from dispatcher.scan.runner import Progress

_BAR = 30
_EVERY = 10.0
"""Seconds between two lines in a pipe."""


class Shown:
    """Shows progress on standard error. Use as a context: the bar is wiped away at its end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._due = 0.0
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            self._put("")

    def __call__(self, progress: Progress) -> None:
        """Take note of how far the run is."""
        if self._quiet:
            return
        if self._terminal:
            self._put(_bar(progress))
        elif progress.total and time.monotonic() >= self._due:
            streams.say(f"dispatcher: {_words(progress)}")
            self._due = time.monotonic() + _EVERY

    def _put(self, words: str) -> None:
        words = words[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r{words.ljust(self._width)}" + ("" if words else "\r"))
        sys.stderr.flush()
        self._width = len(words)


def _words(progress: Progress) -> str:
    stage = f"{progress.stage}: " if progress.stage else ""
    return f"{stage}{progress.done:,} of {progress.total:,} tests, {progress.bad:,} failing"


def _bar(progress: Progress) -> str:
    if not progress.total:
        return "collecting tests …"
    filled = _BAR * progress.done // max(progress.total, progress.done)
    return f"[{'#' * filled}{'-' * (_BAR - filled)}] {_words(progress)}"
