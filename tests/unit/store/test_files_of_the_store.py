"""The store on files where its files are behind, lost, or in the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.dispatch import tasks, upkeep
from dispatcher.store.filesystem import FilesystemStore
from tests.contract.opened import REDACTOR, Opened, added, completed, happens, rows
from tests.support import FakeClock

DAY = 86_400


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[Opened]:
    said: list[str] = []
    store = FilesystemStore(tmp_path, clock, REDACTOR, 5.0, said.append)
    store.create()
    yield Opened(store, clock, said)
    store.close()


def bytes_of(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_readers_fold_in_what_is_appended_and_not_yet_projected(opened: Opened, tmp_path: Path) -> None:
    """As a reader sees it between a writer's commit and its projections: the journal is ahead by two records."""
    opened.store.transact("add", happens(added("a", title="old title")))
    behind = {name: data for name, data in bytes_of(tmp_path).items() if name != "JOURNAL.jsonl"}
    opened.store.transact("edit", happens({"type": "task_edited", "task": "a", "title": "new title"}))
    opened.store.transact("add", happens(added("b")))
    for folder in ("PENDING_TASKS", "CACHE"):
        shutil.rmtree(tmp_path / folder)
    for name, data in behind.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    before = bytes_of(tmp_path)
    titles = opened.store.view(lambda ledger: [ledger.task(t)["title"] for t in ledger.rows])
    assert titles == ["new title", "B"]
    assert bytes_of(tmp_path) == before
    assert not opened.said
    opened.store.transact("add", happens(added("c")))
    assert list(rows(opened.store)) == ["a", "b", "c"]
    assert len(list((tmp_path / "PENDING_TASKS").iterdir())) == 3


def test_a_reboot_makes_the_next_writer_look_at_every_file(opened: Opened, tmp_path: Path) -> None:
    """Folders are not synced: after a power cut a file may be missing though the cursor says that all are there."""
    opened.store.transact("add", happens(added("a"), added("b")))
    (tmp_path / "PENDING_TASKS" / "a.json").unlink()
    opened.store.transact("edit", happens())
    assert not (tmp_path / "PENDING_TASKS" / "a.json").exists(), "in the same boot the cursor is believed"
    opened.clock.reboot()
    opened.store.transact("edit", happens())
    assert (tmp_path / "PENDING_TASKS" / "a.json").exists()
    assert opened.said == ["remade from the journal: PENDING_TASKS/a.json"]


@pytest.mark.parametrize("gone", ["DISPATCH_LEDGER.json", "CACHE", "PENDING_TASKS"])
def test_what_is_derived_comes_back_byte_for_byte(opened: Opened, tmp_path: Path, gone: str) -> None:
    opened.store.transact("add", happens(added("a"), added("b")))
    before = bytes_of(tmp_path)
    path = tmp_path / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    opened.store.rebuild()
    after = bytes_of(tmp_path)
    assert {k: v for k, v in after.items() if "cursor" not in k} == {
        k: v for k, v in before.items() if "cursor" not in k
    }


def test_waiting_needs_no_cache(opened: Opened, tmp_path: Path) -> None:
    opened.store.transact("add", happens(added("a")))
    shutil.rmtree(tmp_path / "CACHE")
    assert opened.store.wait(1, 0)


def test_a_pack_that_is_remade_is_the_pack_that_was_lost(opened: Opened, tmp_path: Path) -> None:
    """Though its task was reopened since."""
    desk = opened.desk(prune_archiveAfterDays=1)
    task = completed(desk, "a")
    opened.clock.pass_time(2 * DAY)
    upkeep.prune(desk)
    tasks.reopen(desk, task, "not done")
    opened.store.rotate()
    before = bytes_of(tmp_path / "ARCHIVE")
    for pack in (tmp_path / "ARCHIVE").glob("tasks-*"):
        pack.unlink()
    opened.store.rebuild()
    assert bytes_of(tmp_path / "ARCHIVE") == before


def test_a_record_over_the_limit_leaves_no_blob_and_no_file(opened: Opened, tmp_path: Path) -> None:
    before = bytes_of(tmp_path)
    with pytest.raises(Exception, match="too much for one command"):
        opened.store.transact("add", happens(added("a", body="x" * 9000, labels=["y" * 9_000_000])))
    assert bytes_of(tmp_path) == before


def test_what_a_command_says_about_the_files_it_says_once(opened: Opened, tmp_path: Path) -> None:
    opened.store.transact("add", happens(added("a")))
    (tmp_path / "DISPATCH_LEDGER.json").write_bytes(b"junk")
    for _ in range(3):
        assert list(rows(opened.store)) == ["a"]
    assert len(opened.said) == 1
    assert "DISPATCH_LEDGER.json is not what the journal says" in opened.said[0]
