"""The C library shim.c from Python: building it, and arming it in a process that it was preloaded into."""

from __future__ import annotations

import ctypes
import errno
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("shim.c")
_MODES = {"count": 0, "kill before": 1, "kill after": 2, "torn": 3, "short": 4, "errno": 5, "full": 6}


class Fault(NamedTuple):
    """What goes wrong at the `n`-th call that changes something, and, with `from_then_on`, at all later ones.

    `mode` is one of "kill before", "kill after", "torn", "short" and "errno", "full" (half of this write
    and nothing of any later one), or "count" for nothing.
    """

    mode: str
    n: int = 0
    number: int = 0
    from_then_on: bool = False

    def __str__(self) -> str:
        what = errno.errorcode[self.number] if self.mode == "errno" else self.mode
        return f"{what}{' from' if self.from_then_on else ''} at {self.n}"


NONE = Fault("count")


def why_not() -> str | None:
    """Say why faults cannot be made here, or None if they can."""
    if platform.libc_ver()[0] != "glibc":
        return "faults are made by LD_PRELOAD and in terms of Linux's glibc, which is not here"
    return None if shutil.which("cc") else "no C compiler ('cc') to build the fault library with"


def build(folder: Path) -> Path:
    """Compile the library into `folder` and return its path."""
    library = folder / "shim.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", library, SOURCE, "-ldl"], check=True)  # noqa: S607 - the user's compiler
    return library


class Shim:
    """The library as it was preloaded into this process."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._arm, self._disarm = library.fault_arm, library.fault_disarm
        self._count, self._log = library.fault_count, library.fault_log
        self._log.restype = ctypes.c_char_p

    def arm(self, fault: Fault, folder: Path) -> None:
        """Count the calls under `folder` from here on, and let one go wrong. `folder` has no links in it."""
        self._arm(fault.n, _MODES[fault.mode], fault.number, int(fault.from_then_on), str(folder).encode())

    def disarm(self) -> None:
        """Let everything pass, uncounted."""
        self._disarm()

    def calls(self) -> list[str]:
        """Return the calls counted: "write JOURNAL.jsonl"."""
        return [self._log(i + 1).decode() for i in range(self._count())]
