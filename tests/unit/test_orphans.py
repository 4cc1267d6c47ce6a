"""Processes that have left their group and lost their parent are found and killed; others are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from dispatcher.process.orphans import Orphans

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux gives orphans to others")
SLEEPS = ["sleep", "600"]
LEAVES = """
import os, subprocess, sys
left = subprocess.Popen(["sh", "-c", "sleep 600 & echo $! && wait"], stdout=subprocess.PIPE, start_new_session=True)
print(left.pid, left.stdout.readline().decode().strip())
"""
"""Prints two that it leaves: one with a session of its own, and a child of that one."""


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPS)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def leave() -> list[int]:
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", LEAVES], stdout=subprocess.PIPE, check=True)
    return [int(word) for word in ended.stdout.split()]


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_all_that_was_left_since_is_killed_with_its_children_and_leaves_no_zombie() -> None:
    orphans = Orphans()
    left = leave()
    assert [alive(pid) for pid in left] == [True, True]
    orphans.kill()
    assert [psutil.pid_exists(pid) for pid in left] == [False, False]


def test_what_was_there_before_is_left_alone() -> None:
    with sleeping() as mine:
        orphans = Orphans()
        (first, _) = leave()
        orphans.kill()
        assert not alive(first)
        assert mine.poll() is None


def test_afterwards_orphans_go_where_they_went_before() -> None:
    before = psutil.Process().children()
    Orphans().kill()
    left = leave()
    try:
        assert psutil.Process().children() == before
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def test_one_inside_another_does_not_end_the_taking_in() -> None:
    outer = Orphans()
    Orphans().kill()
    left = leave()
    outer.kill()
    assert not any(alive(pid) for pid in left)
