"""The checker finds what is wrong with a state: a checker that finds nothing would let every fault pass."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.check import sound
from tests.faults.scenarios import LONG
from tests.support import FakeClock, Run


@pytest.fixture
def state(root: Path, run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with all that there can be: each status, a blob, an archived segment and pack."""
    for title in ("alpha", "beta", "gamma", "delta"):
        run("add", title, "--body", LONG)
        clock.pass_time(1)
    for title in ("alpha", "beta"):
        run("claim", title, "--agent", "me")
        run("complete", title, "--agent", "me")
    with monkeypatch.context() as settings:
        settings.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "1")
        settings.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "1")
        run("prune")
    run("claim", "gamma", "--agent", "me")
    return root


def test_a_state_made_without_faults_is_sound(state: Path) -> None:
    assert sound(state) == []


def _one(root: Path, pattern: str) -> Path:
    return min(root.glob(pattern))


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"{")


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _change_ledger(root: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the ledger and put its checksum right."""
    path = root / "DISPATCH_LEDGER.json"
    ledger = json.loads(path.read_bytes())
    change(ledger)
    data = json.dumps({**ledger, "checksum": "00000000"}).encode().replace(b'"checksum": "', b'"checksum":"')
    path.write_bytes(data.replace(b"00000000", f"{zlib.crc32(data):08x}".encode(), 1))


def _drop_line(root: Path, number: int) -> None:
    journal = root / "JOURNAL.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


def _copy_to(path: Path, folder: str) -> None:
    (path.parents[1] / folder / path.name).write_bytes(path.read_bytes())


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the journal": (lambda root: _flip(root / "JOURNAL.jsonl", 40), "bad checksum"),
    "half a record": (lambda root: _append(root / "JOURNAL.jsonl"), "unfinished line"),
    "a missing record": (lambda root: _drop_line(root, 0), "comes after"),
    "a record too few": (lambda root: _drop_line(root, 1), "ledger: seq"),
    "a bit of the ledger": (lambda root: _flip(root / "DISPATCH_LEDGER.json", 300), ""),
    "a total": (lambda root: _change_ledger(root, lambda x: x.update(totals={})), "ledger: totals"),
    "a row too few": (lambda root: _change_ledger(root, lambda x: x.update(tasks=x["tasks"][1:])), "ledger: ids"),  # type: ignore[index]
    "a task file edited": (lambda root: _flip(_one(root, "ACTIVE_TASKS/*"), -5), "ledger: sum"),
    "a task file gone": (lambda root: _one(root, "PENDING_TASKS/*").unlink(), "is in []"),
    "a task in two folders": (lambda root: _copy_to(_one(root, "ACTIVE_TASKS/*"), "PENDING_TASKS"), "is in ["),
    "a stray file": (lambda root: (root / "FAILED_TASKS" / "x.json").write_text("{}"), "left over"),
    "a temporary file": (lambda root: (root / "CACHE" / "write.tmp").write_text(""), "left over"),
    "the mark of a failed write": (lambda root: (root / "JOURNAL.suspect").write_text(""), "left over"),
    "a blob gone": (lambda root: _one(root, "BLOBS/*").unlink(), "is gone or bad"),
    "a blob changed": (lambda root: _flip(_one(root, "BLOBS/*"), 20), "bad"),
    "a pack gone": (lambda root: _one(root, "ARCHIVE/tasks-*").unlink(), "pack"),
    "a segment gone": (lambda root: _one(root, "ARCHIVE/journal-*").unlink(), "the history begins"),
    "a second name of the journal": (
        lambda root: os.link(root / "JOURNAL.jsonl", root / "ARCHIVE" / "journal-0000000009-0000000010.jsonl"),
        "is the journal itself",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(state: Path, damage: str) -> None:
    do, words = DAMAGE[damage]
    do(state)
    found = sound(state)
    assert found
    assert any(words in problem for problem in found), found


def test_a_held_lock_is_found(state: Path) -> None:
    with (state / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sound(state) == ["the lock is still held"]
