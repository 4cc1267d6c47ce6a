"""Tools that are asked, and those that do not answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dispatcher.hardware.tool import NoAnswer, Tool, find
from tests.unit.hardware.machines import tool


def test_standard_output_comes_back_whatever_the_exit_code(tmp_path: Path) -> None:
    tool(tmp_path, "ask", 'echo "$@"; echo trouble >&2; exit 3')
    assert Tool(str(tmp_path / "ask")).ask("a", "b c") == b"a b c\n"


def test_a_tool_is_found_on_the_path_that_is_given(tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "amd-smi", "")
    assert find("amd-smi", f"{tmp_path}{os.pathsep}{path}") == str(tmp_path / "bin" / "amd-smi")
    assert find("amd-smi", str(tmp_path)) is None
    assert find("sh")


def test_what_hangs_is_given_up_and_killed_with_its_children(tmp_path: Path) -> None:
    tool(tmp_path, "hang", f"sleep 600 & echo $! > {tmp_path}/pid\nwait")
    started = time.monotonic()
    with pytest.raises(NoAnswer, match=r"^hang did not answer within 0\.3 s$"):
        Tool(str(tmp_path / "hang"), 0.3).ask()
    assert time.monotonic() - started < 30
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_all_questions_share_the_time(tmp_path: Path) -> None:
    tool(tmp_path, "slow", 'test "$1" = quick || exec sleep 600; echo done')
    asked = Tool(str(tmp_path / "slow"), 0.5)
    assert asked.ask("quick") == b"done\n"
    with pytest.raises(NoAnswer):
        asked.ask()
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        asked.ask()
    assert time.monotonic() - started < 0.4


def test_a_child_that_keeps_the_output_open_outside_of_the_group_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)
    tool(tmp_path, "leave", f"setsid cat {fifo} &\necho done")
    try:
        with pytest.raises(NoAnswer):
            Tool(str(tmp_path / "leave"), 0.3).ask()
    finally:
        os.write(held, b"x")
        os.close(held)


def test_endless_output_is_cut(tmp_path: Path) -> None:
    tool(tmp_path, "talk", "exec yes")
    assert 4_000_000 <= len(Tool(str(tmp_path / "talk"), 30).ask()) < 4_100_000


def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="cannot be started"):
        Tool(str(tmp_path / "none")).ask()


def is_gone(pid: int) -> bool:
    """Tell whether a process is no more, or only waits to be buried by the system."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        os.sched_yield()
    return False
