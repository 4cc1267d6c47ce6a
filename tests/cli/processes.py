"""The program as others meet it: a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

from tests.support import Ran

PROGRAM = (sys.executable, "-m", "dispatcher")
SECONDS = 60.0
"""After so long a process counts as hung."""

_HOME = Path(__file__).parents[2]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what would change the program's ways, and with `changes`."""
    foreign = ("DISPATCHER_", "_DISPATCHER_", "_TYPER_", "COMP_", "LC_", "PYTHON", "COLUMNS", "LINES")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign) and k not in ("NO_COLOR", "TERM", "LANG")}
    return {
        **kept,
        "PYTHONPATH": str(_HOME),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        **changes,
    }


def program(*argv: str, cwd: Path, env: dict[str, str] | None = None, prefix: tuple[str, ...] = (), **more: Any) -> Ran:  # noqa: ANN401 - of subprocess.run
    """Run one command to its end."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
    ended = subprocess.run(
        [*prefix, *PROGRAM, *argv], cwd=cwd, env=env or environment(), timeout=SECONDS, check=False, **streams
    )
    return _ran(ended.returncode, ended.stdout or b"", ended.stderr or b"")


def shell(script: str, *, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    """Run a shell script in which `$D` is the program."""
    settings = {**(env or environment()), "D": " ".join(PROGRAM)}
    ended = subprocess.run(
        ["/bin/sh", "-c", script], cwd=cwd, env=settings, timeout=SECONDS, check=False, capture_output=True
    )
    return _ran(ended.returncode, ended.stdout, ended.stderr)


def start(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start one command and return its process."""
    return subprocess.Popen(
        [*PROGRAM, *argv],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> Ran:
    """Wait for a started command's end."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return _ran(process.returncode, out, err)


def on_terminal(*argv: str, cwd: Path, env: dict[str, str] | None = None, columns: int = 80) -> Ran:
    """Run one command with all three streams on a terminal; `out` is what the terminal got."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *argv], cwd=cwd, env=env or environment(), stdin=end, stdout=end, stderr=end, start_new_session=True
    )
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal whose other side is closed with EIO
        while chunk := os.read(terminal, 65536):
            shown += chunk
    os.close(terminal)
    return _ran(process.wait(SECONDS), shown.replace(b"\r\n", b"\n"), b"")


def _ran(code: int, out: bytes, err: bytes) -> Ran:
    ran = Ran(code, out.decode(), err.decode())
    assert "Traceback" not in ran.out + ran.err, ran
    return ran


MEASURED = r"""
import re, resource, sys
from pathlib import Path
from dispatcher.cli.app import main

code = main(sys.argv[1:])
status = Path("/proc/self/status")
# What the kernel counts for a process includes what its parent had when it forked; this is the program's own.
peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
print(int(peak[1]) * 1024 if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""A program like ours that prints last, on standard error, the most bytes that it has held, without its children."""
