"""A journal that is not what was written: refused by name, repaired on request, and the damaged one kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.domain.record import Stamp, seal, unseal
from tests.cli.steps import add, bytes_of, claim, listed, refused, task
from tests.support import Run

JOURNAL, LEDGER = "JOURNAL.jsonl", "DISPATCH_LEDGER.json"
Damage = Callable[[Path], object]


def flip(path: Path, word: bytes) -> None:
    """Flip one bit inside the last `word`."""
    data = bytearray(path.read_bytes())
    data[data.rindex(word) + 1] ^= 1
    path.write_bytes(data)


def cut(path: Path, lines: int, more: int = 0) -> None:
    """Keep so many lines and bytes."""
    data = path.read_bytes()
    kept = b"".join(data.splitlines(keepends=True)[:lines])
    path.write_bytes(data[: len(kept) + more])


def drop_line(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


DAMAGES: dict[str, Damage] = {
    "a flipped bit in the middle": lambda j: flip(j, b"alpha"),
    "a flipped bit in the last record": lambda j: flip(j, b"gamma"),
    "the last record cut short": lambda j: cut(j, 3, 40),
    "the last record missing": lambda j: cut(j, 3),
    "a record missing in the middle": lambda j: drop_line(j, 2),
    "the first record missing": lambda j: drop_line(j, 0),
    "a record twice": lambda j: j.write_bytes(j.read_bytes() + j.read_bytes().splitlines(keepends=True)[-1]),
    "emptied": lambda j: j.write_bytes(b""),
    "nonsense": lambda j: j.write_bytes(b"nonsense\n" * 100),
    "binary": lambda j: j.write_bytes(bytes(range(256)) * 10),
    "deleted": lambda j: j.unlink(),
}


@pytest.fixture
def ids(run: Run, root: Path) -> list[str]:
    """Three tasks: records 2 to 4."""
    assert root
    return [add(run, title) for title in ("alpha", "beta", "gamma")]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_refused_by_every_command_and_changes_nothing(
    run: Run, root: Path, ids: list[str], damage: Damage
) -> None:
    damage(root / JOURNAL)
    before = bytes_of(root, but=(".lock", "CACHE"))
    for argv in (
        ("status",), ("list",), ("show", ids[0]), ("log",), ("add", "x"), ("claim", "--agent", "me"), ("prune",),
        ("edit", ids[0], "--title", "t"), ("prune", "--dry-run"), ("mute", ids[0], "--reason", "r"),
    ):  # fmt: skip
        ran = run(*argv, code=None)
        assert ran.code == 7, (argv, ran)
        assert ran.err.count("\n") == 1, ran
        assert f"/{JOURNAL}: " in ran.err
        assert "dispatcher rebuild" in ran.err
        if argv[0] != "log":
            refused(ran, 7)
    assert bytes_of(root, but=(".lock", "CACHE")) == before


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_rebuild_brings_every_task_back_while_the_ledger_is_whole(
    run: Run, root: Path, ids: list[str], damage: Damage
) -> None:
    token = claim(run, ids[1])
    run("progress", "half way", "--claim", token)
    damage(root / JOURNAL)
    damaged = (root / JOURNAL).read_bytes() if (root / JOURNAL).exists() else b""
    said = run("rebuild", code=None)
    assert said.code in (0, 7), said
    assert set(listed(run)) == set(ids)
    assert task(run, ids[1])["progress"][0]["text"] == "half way"
    assert task(run, ids[1])["claim"]["generation"] == 1
    if damaged:
        kept = [p for p in (root / "ARCHIVE").iterdir() if ".damaged" in p.name]
        assert [p.read_bytes() for p in kept] == [damaged]
    run("complete", token)
    assert run("rebuild").code == 0
    assert run("log").code == 0


def test_without_the_ledger_rebuild_says_what_is_lost_and_exits_with_7(run: Run, root: Path, ids: list[str]) -> None:
    flip(root / JOURNAL, b"beta")
    for path in root.rglob("*.json"):
        path.unlink()
    said = run("rebuild", code=7)
    assert "record 3" in said.out
    assert set(listed(run)) == {ids[0], ids[2]}
    assert not run("rebuild", "--json").json["lost"]


def test_what_the_task_files_still_have_is_not_lost_with_its_record(run: Run, root: Path, ids: list[str]) -> None:
    flip(root / JOURNAL, b"beta")
    (root / LEDGER).unlink()
    said = run("rebuild", code=None)
    assert set(listed(run)) == set(ids) or ids[1] in said.out, "restored, or at least named"


def test_an_acknowledged_record_is_not_taken_for_an_unfinished_one_when_the_ledger_is_gone(
    run: Run, root: Path, ids: list[str]
) -> None:
    cut(root / JOURNAL, 3, 100)
    (root / LEDGER).unlink()
    refused(run("add", "x", code=None), 7, JOURNAL)
    run("rebuild", code=None)
    assert set(listed(run)) >= set(ids[:2])


def test_an_unfinished_record_is_ignored_by_readers_and_cut_off_by_the_next_writer(
    run: Run, root: Path, ids: list[str]
) -> None:
    with (root / JOURNAL).open("ab") as journal:
        journal.write(b'{"seq":5,"at":"20')
    assert run("list").err == ""
    assert set(listed(run)) == set(ids)
    said = run("add", "next")
    assert "unfinished" in said.err
    assert said.err.count("\n") == 1
    assert run("rebuild").err == ""
    assert set(listed(run)) == {*ids, said.out.strip()}


def test_an_event_of_a_newer_version_makes_writers_refuse_and_lose_nothing(
    run: Run, root: Path, ids: list[str]
) -> None:
    last = unseal((root / JOURNAL).read_bytes().splitlines()[-1])
    assert last
    _, line = seal(last.seq + 1, last.crc, 1, Stamp("zap", "zap", last.at), [{"type": "task_zapped", "task": ids[0]}])
    with (root / JOURNAL).open("ab") as journal:
        journal.write(line)
    before = bytes_of(root, but=(".lock",))
    for argv in (("add", "x"), ("claim", "--agent", "me"), ("rebuild",), ("list",)):
        refused(run(*argv, code=None), 11, "task_zapped", "upgrade")
    assert bytes_of(root, but=(".lock",)) == before


def test_a_store_whose_journal_and_ledger_are_gone_is_not_begun_anew_over_its_tasks(
    run: Run, root: Path, ids: list[str]
) -> None:
    (root / JOURNAL).unlink()
    (root / LEDGER).unlink()
    for argv in (("status",), ("init",), ("add", "x")):
        ran = run(*argv, code=None)
        refused(ran, 7, JOURNAL)
    run("rebuild", code=None)
    assert sorted(p.stem for p in (root / "PENDING_TASKS").iterdir()) == sorted(ids)


def test_a_damaged_archive_is_named(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch, ids: list[str]) -> None:
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "0")
    monkeypatch.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "1")
    run("complete", claim(run, ids[0]))
    run("prune")
    (segment,) = (root / "ARCHIVE").glob("journal-*")
    (pack,) = (root / "ARCHIVE").glob("tasks-*")
    for path, argv in ((segment, ("log",)), (pack, ("show", ids[0]))):
        good = path.read_bytes()
        path.write_bytes(good[:20])
        refused(run(*argv, code=None), 7, path.name)
        path.write_bytes(good)
        assert run(*argv).code == 0
    pack.unlink()
    assert pack.name in run("rebuild").out
    assert task(run, ids[0])["status"] == "COMPLETED"
    segment.unlink()
    said = run("log", code=None)
    assert "1 to 7" in said.err
