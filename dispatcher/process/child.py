"""A bounded child process: its time, what is kept of its output, and an end that takes all it has started along."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dispatcher.process.orphans import Orphans

HEAD_BYTES, TAIL_BYTES = 16_384, 65_536
GRACE = 5.0
"""Seconds that an interrupted child has to end by itself."""

_FIRST_TO_GO = "1000"
"""When memory runs out, the kernel kills what has the highest such score (proc(5), oom_score_adj): tests, not us."""

_CHUNK = 65_536
_PIPE_BYTES, _WIDE_PIPE_BYTES = 65_536, 1_048_576
"""What a pipe holds before its writer has to wait: what Linux and macOS give, or less, and what Linux may be asked for."""

_SHORTEST = 0.001


class NotStarted(Exception):
    """A command that could not even be started, and why."""


class Ended(NamedTuple):
    """How a child ended. `code` is negative for a signal; `cpu` counts the children that it waited for."""

    code: int
    seconds: float
    cpu: float
    output: str
    interrupted: bool


class _Kept:
    """The beginning and the end of a child's output."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._total = 0

    def add(self, data: bytes) -> None:
        self._total += len(data)
        room = HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail = (self._tail + data[max(room, 0) :])[-TAIL_BYTES:]

    def text(self) -> str:
        left_out = self._total - len(self._head) - len(self._tail)
        middle = f"\n[{left_out:,} bytes left out]\n".encode() if left_out else b""
        return (self._head + middle + self._tail).decode(errors="replace")


def run(
    argv: Sequence[str],
    cwd: Path,
    *,
    on_tick: OnTick = lambda _child: None,
    tick: float = 0.1,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Ended:
    """Run a command in a process group of its own, without standard input, and wait for its end.

    `environ` is added to our own environment.

    `on_tick` is called about every `tick` seconds with the child, on which it may act, and once after the end,
    when acting does nothing; what it raises ends the child. Ctrl-C, SIGTERM and SIGHUP are passed on as an
    interrupt, which the child may answer for GRACE seconds; a second Ctrl-C kills it at once. Whatever the child
    has started and left behind is killed with it, in a group of its own too. Raises NotStarted.
    """
    started = time.monotonic()
    orphans = Orphans()
    try:
        child = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, **environ},
        )  # fmt: skip
    except OSError as error:
        orphans.kill()
        raise NotStarted(f"{argv[0]} cannot be started: {(error.strerror or str(error)).lower()}") from error
    with contextlib.suppress(OSError):
        Path(f"/proc/{child.pid}/oom_score_adj").write_text(_FIRST_TO_GO)
    kept = _Kept()
    watch = _Watch(child, kept, on_tick, tick)
    interrupted = False
    with _as_interrupts():
        try:
            watch.until_end()
        except KeyboardInterrupt:
            interrupted = True
            with contextlib.suppress(KeyboardInterrupt):
                watch.child.interrupt()
                watch.until_end()
        finally:
            code, cpu = watch.finish()
            orphans.kill()
    on_tick(watch.child)
    return Ended(code, time.monotonic() - started, cpu, kept.text(), interrupted)


class Child:
    """A running child, as its caller may act on it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.deadline: float | None = None
        self.gone = False

    def interrupt(self, grace: float = GRACE) -> None:
        """Send its group an interrupt; what still runs after `grace` seconds is killed."""
        if not self.gone:
            _signal(self.pid, signal.SIGINT)
            self.deadline = time.monotonic() + grace

    def kill(self) -> None:
        """Have it ended now."""
        self.deadline = time.monotonic()


OnTick = Callable[[Child], None]


class _Watch:
    """Waits for a child while it reads what the child prints."""

    def __init__(self, process: subprocess.Popen[bytes], kept: _Kept, on_tick: OnTick, tick: float) -> None:
        self._process, self._kept, self._on_tick, self._tick = process, kept, on_tick, tick
        self.child = Child(process.pid)
        stdout: Any = process.stdout  # a pipe, as it was asked for
        self._stdout, self._out = stdout, stdout.fileno()
        os.set_blocking(self._out, False)
        self._room = _PIPE_BYTES
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or no more room for this user's pipes
            self._room = fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _WIDE_PIPE_BYTES)
        self._open = True
        self._pidfd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None

    def until_end(self) -> None:
        """Wait, until the child's deadline at most. The output may stay open: others may hold it."""
        poll = select.poll()
        if self._pidfd is not None:
            poll.register(self._pidfd, select.POLLIN)
        due, wait = 0.0, self._tick
        while not self._has_ended():
            if time.monotonic() >= due:
                self._on_tick(self.child)
                due = time.monotonic() + self._tick
            if self.child.deadline is not None and time.monotonic() >= self.child.deadline:
                return
            # To be woken for every word that a child prints would cost both of us more than the tests
            # do: what it prints waits in the pipe, and we look the more often the fuller that is.
            wait = max(_SHORTEST, wait / 4) if self._drain() >= self._room // 4 else min(self._tick, wait * 2)
            poll.poll(max(1, round(min(wait, due - time.monotonic()) * 1000)))

    def finish(self) -> tuple[int, float]:
        """Kill what is left of the group, take the child's exit code and its CPU seconds."""
        _signal(self._process.pid, signal.SIGKILL)
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.child.gone = True
        self._drain()
        self._stdout.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        return self._process.returncode, used.ru_utime + used.ru_stime

    def _has_ended(self) -> bool:
        """Look without taking the exit code: as long as it is not taken, nobody else can get the group's number."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _drain(self) -> int:
        """Take in what is there; return how many bytes that was."""
        taken = 0
        while self._open:
            try:
                data = os.read(self._out, _CHUNK)
            except BlockingIOError:
                break
            self._open = bool(data)
            self._kept.add(data)
            taken += len(data)
        return taken


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@contextlib.contextmanager
def _as_interrupts() -> Iterator[None]:
    """Treat the signals that end a command from outside as Ctrl-C, where signals can be handled at all."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not the main thread
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
