"""A tool that tells about the hardware: found, asked, and given up when it takes too long.

The rooms above have a runner of their own (process.child) that takes in and kills whatever the process has started
meanwhile. Here that would be wrong: a watch runs beside other work, whose children are none of its business.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time

LIMIT = 5.0
"""Seconds that one tool may take, all that it is asked together."""

_ALSO = ("/opt/rocm/bin", "/usr/sbin", "/usr/bin")
_MOST_BYTES = 4_000_000


class NoAnswer(Exception):
    """A tool that could not be started, or did not end in time, and why."""


def find(name: str, path: str | None = None) -> str | None:
    """Return where a tool is, None when it is nowhere. `path` is searched, or PATH and where vendors put theirs."""
    searched = os.pathsep.join([os.environ.get("PATH", ""), *_ALSO]) if path is None else path
    return shutil.which(name, path=searched)


class Tool:
    """A program that may be asked several things, `seconds` in all."""

    def __init__(self, program: str, seconds: float = LIMIT) -> None:
        self._program, self._seconds, self._left = program, seconds, seconds

    def ask(self, *arguments: str) -> bytes:
        """Return what it prints for some arguments, whatever its exit code: that of these tools says little.

        Standard error is dropped. Raises NoAnswer.
        """
        started = time.monotonic()
        try:
            return self._output([self._program, *arguments], started + self._left)
        finally:
            self._left -= time.monotonic() - started

    def _output(self, argv: list[str], deadline: float) -> bytes:
        try:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise NoAnswer(f"{self._name} cannot be started: {error}") from error
        try:
            return self._read(child, deadline)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            if child.stdout is not None:
                child.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # killed, but stuck in the kernel
                child.wait(1)

    def _read(self, child: subprocess.Popen[bytes], deadline: float) -> bytes:
        """Read until the end of the output, which is all that is wanted; its children may live on with it open."""
        if child.stdout is None:
            return b""
        descriptor = child.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        read = b""
        while len(read) < _MOST_BYTES:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(max(1, round(left * 1000))):
                raise NoAnswer(f"{self._name} did not answer within {self._seconds:g} s")
            data = os.read(descriptor, 65_536)
            if not data:
                break
            read += data
        return read

    @property
    def _name(self) -> str:
        return os.path.basename(self._program)
