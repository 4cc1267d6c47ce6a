"""What is known of a test that ended the interpreter, or did not end by itself."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dispatcher.domain.failure import function_of
from dispatcher.process.child import Ended
from dispatcher.scan import dump
from dispatcher.scan.gist import gist
from dispatcher.scan.patience import Limits

When = Literal["call", "teardown", "collect"]
TIMEOUT = "Timeout"
_MAX_OUTPUT = 4000
_MOMENT: dict[When, str] = {
    "call": "in the middle of the test",
    "teardown": "in its teardown",
    "collect": "while the file was imported",
}
_ENDLESS: dict[When, str] = {
    "call": "it did not end, and could not be interrupted",
    "teardown": "its teardown did not end, and could not be interrupted",
    "collect": "importing the file did not end",
}
# As Python's faulthandler calls them.
_SIGNALS = {
    "Segmentation fault": signal.SIGSEGV,
    "Floating point exception": signal.SIGFPE,
    "Floating-point exception": signal.SIGFPE,
    "Aborted": signal.SIGABRT,
    "Bus error": signal.SIGBUS,
    "Illegal instruction": signal.SIGILL,
}


class Last(NamedTuple):
    """The last signs of life of a run in `rootdir`: how its process ended, None if it was killed for taking too long.

    `stacks` holds what it left when it was told to show its stacks. `starved`: the kernel has killed for want of
    memory meanwhile.
    """

    rootdir: Path
    limits: Limits
    ended: Ended | None
    stacks: str
    starved: bool = False


def how_it_died(code: int) -> str:
    """Return how a process came to its end, as words."""
    return f"killed by {_signal(code)}" if code < 0 else f"the interpreter exited with code {code}"


def records(name: str, when: When, last: Last) -> list[dict[str, Any]]:
    """Return what the plugin would have written of a failure, had it lived."""
    if last.ended is None:
        limit = last.limits.file if when == "collect" else last.limits.item
        message = f"{TIMEOUT} >{limit:g}s: {_ENDLESS[when]}"
        return _records((name, when), TIMEOUT, message, dump.frames(last.stacks) or dump.definition(last.rootdir, name))
    output, code = last.ended.output, last.ended.code
    fatal = "the machine ran out of memory" if last.starved else dump.said(output)
    frames = dump.frames(output) or dump.definition(last.rootdir, name)
    return _records((name, when), _kind(code), _message(when, code, fatal), frames, output)


def of_worker(name: str, last: Last) -> list[dict[str, Any]]:
    """Return the records of an item that ended a worker of pytest-xdist's: only the stacks it left tell how."""
    output = last.ended.output if last.ended else ""
    dumped = dump.of_test(output, function_of(name).rpartition("::")[2])
    frames = dump.frames(dumped) or dump.definition(last.rootdir, name)
    fatal = dump.said(dumped) or ""
    if fatal in _SIGNALS:
        code = -_SIGNALS[fatal]
        return _records((name, "call"), _kind(code), _message("call", code, fatal), frames)
    return _records((name, "call"), "crash", "the interpreter ended in the middle of the test", frames)


def of_pytest(name: str, last: Last) -> list[dict[str, Any]]:
    """Return the records of an item that pytest itself did not get over."""
    output = last.ended.output if last.ended else ""
    said = gist(output) if "INTERNALERROR" in output else "it ended with others left"
    message = f"pytest itself broke down in the middle of the test: {said}"
    return _records((name, "call"), "INTERNALERROR", message, dump.definition(last.rootdir, name), output)


def _records(
    where: tuple[str, When], kind: str, message: str, frames: list[list[Any]], output: str = ""
) -> list[dict[str, Any]]:
    name, when = where
    printed = re.sub(r"Fatal Python error: [\s\S]*", "", output)[-_MAX_OUTPUT:]
    fail = {
        "t": "fail", "id": name, "when": when, "text": message,
        "ended": "timeout" if kind == TIMEOUT else "crash",
        "sections": [["The last output of the run", printed]] if printed.strip() else [],
    }  # fmt: skip
    detail = {
        "t": "detail", "id": name, "when": when, "type": kind, "bases": [], "message": message,
        "frames": frames, "chain": [], "sites": [],
    }  # fmt: skip
    return [fail, detail]


def _message(when: When, code: int, fatal: str | None) -> str:
    died = how_it_died(code)
    words = f"{died if code >= 0 else f'the interpreter was {died}'} {_MOMENT[when]}"
    return f"{words}: {fatal}" if fatal else words


def out_of_memory() -> int:
    """Return how many processes this kernel has killed for want of memory (proc(5), vmstat); 0 where it does not tell."""
    try:
        counters = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else 0


def _kind(code: int) -> str:
    return _signal(code) if code < 0 else f"exit code {code}"


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:  # one without a name
        return f"signal {-code}"
