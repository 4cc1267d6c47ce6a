"""Processes that have left their group and lost their parent: taken in as children of ours, and killed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable

import psutil

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # linux/prctl.h
_SECONDS = 5.0
"""How long new ones are looked for: some are born while others are killed."""


class Orphans:
    """From its making on, descendants whose parent dies become children of this process.

    Only Linux knows that (prctl(2), PR_SET_CHILD_SUBREAPER). Elsewhere those that have both left their group and
    lost their parent are not found.
    """

    def __init__(self) -> None:
        self._before = {(child.pid, child.create_time()) for child in psutil.Process().children()}
        self._was_reaper = _take_in(on=True)

    def kill(self) -> None:
        """Kill every child that has come since, with its descendants, and stop taking in others."""
        deadline = time.monotonic() + _SECONDS
        while (found := self._found()) and time.monotonic() < deadline:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=1)  # takes the exit codes of those that are our children
        if not self._was_reaper:
            _take_in(on=False)

    def _found(self) -> list[psutil.Process]:
        new = [child for child in psutil.Process().children() if (child.pid, child.create_time()) not in self._before]
        return list(_with_descendants(new))


def _with_descendants(processes: Iterable[psutil.Process]) -> Iterable[psutil.Process]:
    for process in processes:
        yield process
        with contextlib.suppress(psutil.Error):
            yield from process.children(recursive=True)


def _take_in(*, on: bool) -> bool:
    """Become, or stop to be, the one who gets orphans; return whether this process was that before."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    library = ctypes.CDLL(None)
    was = ctypes.c_int()
    library.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
    library.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)
    return bool(was.value)
