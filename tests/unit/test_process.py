"""A bounded child process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from dispatcher.process import child as process


def run(program: str, cwd: Path, **more: object) -> process.Ended:
    return process.run([sys.executable, "-c", program], cwd, **more)  # type: ignore[arg-type] # of each test


def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    ended = run("import os, sys; print(os.getcwd()); print('no', file=sys.stderr); sys.exit(3)", tmp_path)
    assert ended.code == 3
    assert sorted(ended.output.split()) == sorted([str(tmp_path), "no"])
    assert not ended.interrupted


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    assert run("import os; os.kill(os.getpid(), 9)", tmp_path).code == -signal.SIGKILL


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    ended = run("print('first'); print('x' * 20_000_000); print('last')", tmp_path)
    assert ended.output.startswith("first\nxxx")
    assert ended.output.endswith("xxx\nlast\n")
    assert "bytes left out" in ended.output
    assert len(ended.output) < process.HEAD_BYTES + process.TAIL_BYTES + 100


def test_there_is_nothing_on_standard_input(tmp_path: Path) -> None:
    assert run("print(repr(input()))", tmp_path).output.rstrip().endswith("EOFError: EOF when reading a line")


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(process.NotStarted, match="cannot be started: no such file"):
        process.run([str(tmp_path / "none")], tmp_path)


def test_what_a_child_leaves_behind_is_killed_and_not_waited_for(tmp_path: Path) -> None:
    """It holds the output open, which must not keep us."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    leave = (
        "import os, subprocess, sys\n"
        "if os.fork() == 0:\n"
        f"    held = os.open({str(fifo)!r}, os.O_RDWR)\n"
        "    print('left', flush=True)\n"
        "    os.read(held, 1)\n"
        "else:\n"
        "    import time\n"
        "    while not os.path.exists('told'): os.sched_yield()\n"
    )
    told = threading.Event()

    def tick(_child: process.Child) -> None:
        (tmp_path / "told").touch()
        told.set()

    started = time.monotonic()
    ended = run(leave, tmp_path, on_tick=tick)
    assert told.is_set()
    assert ended.code == 0
    assert time.monotonic() - started < 30
    # Nobody has the FIFO open any more: to open it for writing without waiting fails.
    deadline = time.monotonic() + 10
    while True:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            break
        assert time.monotonic() < deadline, "what was left behind is still there"


def test_a_tick_that_raises_ends_the_child(tmp_path: Path) -> None:
    def tick(_child: process.Child) -> None:
        raise LookupError

    started = time.monotonic()
    with pytest.raises(LookupError):
        run("import time; time.sleep(600)", tmp_path, on_tick=tick)
    assert time.monotonic() - started < 60


def test_an_interrupt_is_passed_on_and_answered(tmp_path: Path) -> None:
    """The child's own answer to Ctrl-C counts, and the caller learns that it was interrupted."""
    program = (
        "import signal, sys, pathlib\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('bye'), sys.exit(7)))\n"
        "pathlib.Path('ready').touch()\n"
        "while True: signal.pause()\n"
    )

    def tick(_child: process.Child) -> None:
        if (tmp_path / "ready").exists():
            (tmp_path / "ready").unlink()
            signal.raise_signal(signal.SIGTERM)

    ended = run(program, tmp_path, on_tick=tick, tick=0.01)
    assert (ended.code, ended.interrupted) == (7, True)
    assert "bye" in ended.output
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "as it was"
