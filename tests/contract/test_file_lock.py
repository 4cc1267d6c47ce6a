"""The lock of the store on files: bounded, told by name, and the same lock as filelock's on that file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock, Timeout

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.errors import Locked
from dispatcher.store.base import Change, Store
from dispatcher.store.filesystem import FilesystemStore
from tests.contract.opened import REDACTOR, added, happens, rows
from tests.support import FakeClock

LONG = 60.0
LOCK = ".lock"
"""The file's name is a promise: whoever wants to keep the state still locks it by that name."""
Open = Callable[[float], FilesystemStore]

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def opens(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    """Open the same state as another process would, with a given patience in seconds."""
    stores = []

    def opens(seconds: float) -> FilesystemStore:
        stores.append(FilesystemStore(tmp_path, clock, REDACTOR, seconds, lambda _: None))
        return stores[-1]

    opens(LONG).create()
    yield opens
    for store in stores:
        store.close()


def filelock(root: Path) -> FileLock:
    return FileLock(root / LOCK, timeout=0.2, poll_interval=0.01, fallback_to_soft=False)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """What is inside waits that long, and not much longer."""
    began = time.monotonic()
    yield
    assert seconds <= time.monotonic() - began < seconds + LONG / 2


COMMANDS: dict[str, Callable[[Store], object]] = {
    "transact": lambda store: store.transact("add", happens(added("a"))),
    "rotate": lambda store: store.rotate(),
    "rebuild": lambda store: store.rebuild(),
    "create": lambda store: store.create(),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_held_filelock_keeps_every_writing_command_out(tmp_path: Path, opens: Open, command: str) -> None:
    store = opens(0.2)
    before = list(store.history())
    with filelock(tmp_path):
        with patience(0.2), pytest.raises(Locked, match=r"gave up after 0\.2 s"):
            COMMANDS[command](store)
        assert list(store.history()) == before, "readers need no lock"
        assert rows(store) == {}
    COMMANDS[command](store)


def test_a_filelock_is_kept_out_while_a_transaction_decides(tmp_path: Path, opens: Open) -> None:
    tried: list[bool] = []

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        try:
            with filelock(tmp_path):
                tried.append(True)
        except Timeout:
            tried.append(False)
        return Change([added("a")])

    opens(LONG).transact("add", decide)
    with filelock(tmp_path):
        assert tried == [False]


def test_the_error_names_who_holds_the_lock(opens: Open, clock: FakeClock) -> None:
    """Command, process, host and since when."""
    said: list[str] = []

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        try:
            opens(0).transact("claim", happens())
        except Locked as error:
            said.append(str(error))
        return Change([])

    since = clock().iso
    opens(LONG).transact("prune", decide)
    assert len(said) == 1
    for part in ("'prune'", f"pid {os.getpid()}", os.uname().nodename, since):
        assert part in said[0]


def test_a_holder_that_left_no_note_is_another_process(tmp_path: Path, opens: Open) -> None:
    """Neither is a note of an earlier holder taken for its own."""
    opens(LONG).transact("add", happens(added("a")))
    with filelock(tmp_path), pytest.raises(Locked, match="locked by another process"):
        opens(0).transact("add", happens(added("b")))


@pytest.mark.parametrize("note", [b"\xff\xfe", b"[]", b'{"pid": 1}', b"7", b"{" * 5000], ids=repr)
def test_a_nonsensical_note_is_another_process(tmp_path: Path, opens: Open, note: bytes) -> None:
    with filelock(tmp_path):
        (tmp_path / LOCK).write_bytes(note)
        with pytest.raises(Locked, match="locked by another process"):
            opens(0).transact("add", happens(added("b")))


def test_a_note_cannot_write_to_the_terminal(tmp_path: Path, opens: Open) -> None:
    with filelock(tmp_path):
        (tmp_path / LOCK).write_text('{"pid":1,"host":"h","since":"s","command":"\\u001b[2J\\u202e"}')
        with pytest.raises(Locked) as caught:
            opens(0).transact("add", happens(added("b")))
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_who_waits_gets_in_when_the_lock_is_given_up_and_not_before(tmp_path: Path, opens: Open) -> None:
    given_up = Event()

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        assert given_up.is_set()
        return Change([added("a")])

    lock = filelock(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        lock.acquire()
        waiting = pool.submit(opens(LONG).transact, "add", decide)
        given_up.set()
        lock.release()
        assert waiting.result(LONG).record


def test_who_gave_up_does_not_take_the_lock_later(tmp_path: Path, opens: Open) -> None:
    """The thread that waited for it lets go of it at once when it gets it after all."""
    store = opens(0.05)
    for _ in range(5):
        with filelock(tmp_path), pytest.raises(Locked):
            store.transact("add", happens(added("a")))
    with filelock(tmp_path):
        pass
    opens(LONG).transact("add", happens(added("a")))


def test_a_killed_holder_holds_no_longer(tmp_path: Path, opens: Open) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Locked):
            opens(0).transact("add", happens(added("a")))
        holder.kill()
        holder.wait(LONG)
        opens(LONG).transact("add", happens(added("a")))


def test_the_lock_is_not_re_entrant(opens: Open) -> None:
    """A transaction inside a transaction would write between a decision and its commit."""
    store = opens(0.1)

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        with pytest.raises(Locked):
            store.transact("add", happens(added("inner")))
        return Change([added("outer")])

    store.transact("add", decide)
    assert list(rows(store)) == ["outer"]


def test_the_lock_file_stays(tmp_path: Path, opens: Open) -> None:
    """Unlinking it would let two in: one on the old file, one on the new."""
    inode = (tmp_path / LOCK).stat().st_ino
    store = opens(LONG)
    store.transact("add", happens(added("a")))
    store.rotate()
    store.rebuild()
    assert (tmp_path / LOCK).stat().st_ino == inode
