"""What a test that takes too long is told: a signal, which leaves its stacks in a file and makes it fail if it can.

Standard library and pytest (7 and later) only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import signal
from typing import Any, Dict

import pytest

_FROM = 900
"""Tests that close the descriptors they do not know seldom go that far."""


def begin(control: Dict[str, Any]) -> None:
    """Let the signal `control["signal"]` end what runs, which has had `control["limit"]` seconds.

    Its stacks are appended to the file `control["stacks"]` first, by C code that no loop can keep from running.
    """
    number, limit = control["signal"], control["limit"]

    def end(_number: int, frame: Any) -> None:
        if _is_of_a_test(frame):
            pytest.fail(f"Timeout >{limit:g}s")

    with contextlib.suppress(ValueError, OSError, AttributeError):  # no main thread, no such signal
        signal.signal(number, end)
        low = os.open(control["stacks"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        stacks = low
        with contextlib.suppress(OSError):  # not as many descriptors as that
            stacks = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _FROM)
            os.close(low)
        faulthandler.register(number, file=stacks, all_threads=True, chain=True)


def _is_of_a_test(frame: Any) -> bool:
    """Tell whether pytest is running a phase of an item, and expects it to raise."""
    while frame is not None:
        if frame.f_code.co_name == "from_call" and frame.f_code.co_filename.endswith("runner.py"):
            return True
        frame = frame.f_back
    return False
