"""rebuild: every derived file comes back byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.steps import add, bytes_of, claim, close
from tests.support import FakeClock, Run

DERIVED = ("DISPATCH_LEDGER.json", "PENDING_TASKS", "ACTIVE_TASKS", "COMPLETED_TASKS", "FAILED_TASKS", "CACHE")
KEPT = (".lock", "CACHE")
"""Not compared: who held the lock last, and what may be deleted at any time."""


@pytest.fixture
def lived_in(run: Run, root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with tasks in every state, long texts, archived tasks and two journal segments."""
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "2")
    add(run, "pending", "--body", "long " * 1000, "--label", "x", "--path", "src/a.py")
    run("mute", add(run, "muted"), "--reason", "r", "--until", "7d")
    for n in range(4):
        close(run, f"closed {n}")
    monkeypatch.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "1")
    run("prune")
    monkeypatch.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "1000000")
    failed = add(run, "failed", "--priority", "90")
    run("fail", claim(run, failed), "--reason", "because " * 200)
    for title in ("expired", "held"):
        add(run, title, "--priority", "80")
    claim(run, "--lease", "10")
    clock.pass_time(11)
    run("prune")
    run("progress", "p" * 1000, "--claim", claim(run, "held"))
    close(run, "one more")
    run("prune")
    run("reopen", "closed-0")
    return root


def drop(root: Path, *names: str) -> None:
    for name in names:
        if (root / name).is_dir():
            shutil.rmtree(root / name)
        else:
            (root / name).unlink()


@pytest.mark.parametrize("command", [("rebuild",), ("heartbeat", "held", "--agent", "me")])
def test_deleted_projections_and_caches_come_back_byte_for_byte(
    run: Run, lived_in: Path, command: tuple[str, ...]
) -> None:
    run("heartbeat", "held", "--agent", "me")
    before = bytes_of(lived_in, but=KEPT)
    drop(lived_in, *DERIVED)
    run(*command)
    after = bytes_of(lived_in, but=KEPT)
    if command == ("rebuild",):
        assert after == before
    assert after.keys() == before.keys()
    assert run("rebuild").out == "everything was as the journal says\n"


def test_packs_of_archived_tasks_come_back_byte_for_byte(run: Run, lived_in: Path) -> None:
    before = bytes_of(lived_in, but=KEPT)
    packs = list((lived_in / "ARCHIVE").glob("tasks-*"))
    assert len(packs) >= 2
    for pack in packs:
        pack.unlink()
    said = run("rebuild").out
    assert all(pack.name in said for pack in packs)
    assert bytes_of(lived_in, but=KEPT) == before


def test_readers_see_the_same_without_any_projection_and_write_nothing(run: Run, lived_in: Path) -> None:
    readers = (("list", "--json"), ("show", "held"), ("show", "closed-1"), ("log", "--json"), ("status", "--json"))
    shown = {argv: run(*argv).out for argv in readers}
    drop(lived_in, *DERIVED)
    before = bytes_of(lived_in)
    for argv in readers:
        assert run(*argv).out == shown[argv]
    assert bytes_of(lived_in) == before


def test_after_a_reboot_the_next_writer_looks_at_every_file(run: Run, lived_in: Path, clock: FakeClock) -> None:
    """Task files are not synced: a power cut may have taken one that the ledger and the cursor speak of."""
    (lost,) = (lived_in / "FAILED_TASKS").iterdir()
    data = lost.read_bytes()
    lost.unlink()
    clock.reboot()
    assert lost.name in run("add", "something else").err
    assert lost.read_bytes() == data


def test_rebuilding_twice_changes_nothing(run: Run, lived_in: Path) -> None:
    run("rebuild")
    before = bytes_of(lived_in, but=(".lock",))
    assert run("rebuild").out == "everything was as the journal says\n"
    assert bytes_of(lived_in, but=(".lock",)) == before


def test_the_same_commands_at_the_same_times_make_the_same_bytes(run: Run, lived_in: Path, project: Path) -> None:
    """Ids, order and files follow from what was said and when, not from the process or the machine's hash seed."""
    records = run("log", "--json").json["records"]
    assert lived_in.is_relative_to(project)
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    first, second = (project / n / "INBOX" / "agents" / "Local Models" for n in ("a", "b"))
    for root in (first, second):
        run("--root", str(root), "init")
        for title in ("same", "same", "other"):
            run("--root", str(root), "add", title, "--body", "b" * 2000)
        run("--root", str(root), "claim", "--agent", "me", "--count", "2")
    assert bytes_of(first, but=KEPT) == bytes_of(second, but=KEPT)
