"""The lock of `files.Root`: bounded, with a note of its holder for who waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Barrier, Event

import pytest

from dispatcher.errors import NotRegular, StorageError
from dispatcher.files import Root

LONG = 60.0


class GaveUp(Exception):
    """The wait was too long; the holder's note is the argument."""


Locks = Callable[[float, bytes], AbstractContextManager[object]]


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Locks]:
    """Make locks on one file, each with its own patience and note."""
    root = Root(tmp_path)
    yield lambda seconds, note: root.lock("lock", seconds, note, GaveUp)
    root.close()


@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_the_wait_is_bounded_and_tells_who_holds_it(lock: Locks, seconds: float) -> None:
    with lock(LONG, b"held by ann"):
        began = time.monotonic()
        with pytest.raises(GaveUp) as caught, lock(seconds, b"bob"):
            pass
        assert seconds <= time.monotonic() - began < LONG / 2
        assert caught.value.args == (b"held by ann",)


def test_a_shorter_note_leaves_nothing_of_a_longer_one(lock: Locks) -> None:
    with lock(LONG, b"a long note of an earlier holder"):
        pass
    with lock(LONG, b"bob"), pytest.raises(GaveUp) as caught, lock(0, b""):
        pass
    assert caught.value.args == (b"bob",)


def test_the_note_goes_with_the_lock(lock: Locks, tmp_path: Path) -> None:
    with lock(LONG, b"ann"):
        assert (tmp_path / "lock").read_bytes() == b"ann"
    assert (tmp_path / "lock").read_bytes() == b""


def test_an_error_inside_gives_the_lock_up(lock: Locks) -> None:
    with pytest.raises(ZeroDivisionError), lock(LONG, b"ann"):
        raise ZeroDivisionError
    with lock(0, b"bob"):
        pass


def test_one_at_a_time(lock: Locks) -> None:
    """Eight threads add to a number that they read before: none of the additions is lost."""
    total, inside = [0], []
    together = Barrier(8)

    def add(_: int) -> None:
        together.wait(LONG)
        for _ in range(20):
            with lock(LONG, b"x"):
                inside.append(1)
                assert len(inside) == 1
                seen = total[0]
                os.sched_yield()
                total[0] = seen + 1
                inside.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert total == [160]


def test_who_waits_gets_in_when_the_holder_leaves(lock: Locks) -> None:
    left = Event()

    def enter() -> bool:
        with lock(LONG, b"bob"):
            return left.is_set()

    with ThreadPoolExecutor(1) as pool:
        with lock(LONG, b"ann"):
            waiting = pool.submit(enter)
            left.set()
        assert waiting.result(LONG)


def test_who_gave_up_leaves_the_lock_free(lock: Locks) -> None:
    """Its thread may still get the lock after that, and closes it at once."""
    for _ in range(5):
        with lock(LONG, b"ann"), pytest.raises(GaveUp), lock(0.02, b"bob"):
            pass
        with lock(LONG, b"carl"):
            pass


def test_giving_up_leaves_no_descriptor_open(lock: Locks, tmp_path: Path) -> None:
    """Neither does taking and leaving."""

    def on_the_lock() -> int:
        own = Path("/proc/self/fd")
        links = [os.readlink(fd) for fd in own.iterdir() if fd.is_symlink()] if own.exists() else []
        return links.count(str(tmp_path / "lock"))

    for _ in range(3):
        with lock(LONG, b"ann"), pytest.raises(GaveUp), lock(0, b"bob"):
            pass
    with lock(LONG, b"ann"):
        pass
    until = time.monotonic() + LONG
    while on_the_lock() and time.monotonic() < until:
        os.sched_yield()
    assert on_the_lock() == 0


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_no_lock(lock: Locks, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("elsewhere")
    with pytest.raises(NotRegular, match="move it away"), lock(LONG, b"ann"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_needs_its_folder(tmp_path: Path) -> None:
    root = Root(tmp_path)
    with pytest.raises(StorageError, match="its folder is gone"):
        root.lock("gone/lock", 1, b"", GaveUp)
    root.close()
