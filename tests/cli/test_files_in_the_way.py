"""Something else where a file or a folder of the state should be: named, refused or remade, and nothing lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import orjson
import pytest

from tests.cli.steps import add, claim, listed
from tests.support import Ran, Run

FILES = [
    "JOURNAL.jsonl", "DISPATCH_LEDGER.json", "CACHE/cursor.json", "CACHE/write.tmp", ".lock", "config.yaml",
    "PENDING_TASKS/gamma.json", "ACTIVE_TASKS/held.json",
]  # fmt: skip
FOLDERS = ["PENDING_TASKS", "ACTIVE_TASKS", "COMPLETED_TASKS", "CACHE", "ARCHIVE", "BLOBS"]
COMMANDS = [
    ("status",), ("list",), ("show", "gamma"), ("log",), ("config",), ("prune", "--dry-run"), ("init",),
    ("add", "new one"), ("add", "new two", "--body", "b" * 2000), ("claim", "gamma", "--agent", "me"),
    ("progress", "said", "held", "--agent", "other"), ("complete", "held", "--agent", "other"), ("prune",), ("rebuild",),
]  # fmt: skip
CODES = (0, 5, 7, 8)
"""Done; refused for what the task is; damaged; storage."""


def replace_by(kind: str, path: Path, elsewhere: Path) -> None:
    """Move what is at `path` to `elsewhere` and put something else there."""
    if path.exists():
        shutil.move(path, elsewhere)
    else:
        elsewhere.write_text("")
    match kind:
        case "folder":
            path.mkdir()
            (path / "something").write_text("x")
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(elsewhere)
        case "dangling link":
            path.symlink_to(elsewhere.with_name("nowhere"))
        case "file":
            path.write_bytes(b"")


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def said_well(ran: Ran, place: str) -> None:
    """Check that a command ended as documented, in one line of error at most, and that this names the place."""
    assert ran.code in CODES, ran
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (ran.code != 0), ran
    if ran.code == 8:
        assert f"/{place}: " in errors[0], ran
        assert "move it away" in errors[0], ran
    for line in ran.err.splitlines():
        assert line in errors or line.startswith("dispatcher: "), ran


def try_everything(run: Run, root: Path, place: str, kind: str, tmp_path: Path) -> None:
    """Run every command with `kind` at `place`, clear the way, and check that everything acknowledged is there."""
    ids = {name: add(run, name) for name in ("held", "gamma")}
    claim(run, ids["held"], agent="other")
    for name, task_id in ids.items():
        place = place.replace(f"/{name}.json", f"/{task_id}.json")
    replace_by(kind, root / place, tmp_path / "moved")
    done = {}
    for argv in COMMANDS:
        ran = run(*argv, code=None)
        said_well(ran, place)
        done[argv] = ran.code == 0
        if ran.code == 0 and argv[0] == "add":
            ids[argv[1]] = ran.out.strip()
    if (root / place).is_symlink() or kind != "file" or place in FOLDERS:
        remove(root / place)
    if (tmp_path / "moved").exists() and not (root / place).exists():
        shutil.move(tmp_path / "moved", root / place)
    assert run("rebuild", code=None).code == 0
    assert set(listed(run)) == set(ids.values())
    rows = {row["id"]: row for row in run("list", "--json").json["tasks"]}
    assert rows[ids["gamma"]]["status"] == ("ACTIVE" if done[COMMANDS[9]] else "PENDING")
    assert rows[ids["held"]]["status"] == ("COMPLETED" if done[COMMANDS[11]] else "ACTIVE")
    for task_id, row in rows.items():
        document = orjson.loads((root / f"{row['status']}_TASKS" / f"{task_id}.json").read_bytes())
        assert document["status"] == row["status"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
@pytest.mark.parametrize("place", FILES)
def test_no_command_follows_hangs_on_or_trips_over_what_is_no_file(
    run: Run, root: Path, place: str, kind: str, tmp_path: Path
) -> None:
    try_everything(run, root, place, kind, tmp_path)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
@pytest.mark.parametrize("place", FOLDERS)
def test_no_command_follows_hangs_on_or_trips_over_what_is_no_folder(
    run: Run, root: Path, place: str, kind: str, tmp_path: Path
) -> None:
    try_everything(run, root, place, kind, tmp_path)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"{}", b"[1,2]", b"null", b"\xff\xfe", b"x" * 20_000_000])
def test_nonsense_in_a_task_file_is_reported_and_remade(run: Run, root: Path, data: bytes) -> None:
    task_id = add(run, "gamma", "--body", "what it was")
    path = root / "PENDING_TASKS" / f"{task_id}.json"
    good = path.read_bytes()
    path.write_bytes(data)
    shown = run("show", task_id)
    assert "what it was" in shown.out
    assert task_id in shown.err
    assert path.name in run("claim", task_id, "--agent", "me").err
    run("release", task_id, "--agent", "me")
    path.write_bytes(data)
    assert path.name in run("rebuild").out
    assert orjson.loads(path.read_bytes())["body"] == orjson.loads(good)["body"]


@pytest.mark.parametrize("place", ["DISPATCH_LEDGER.json", "CACHE/cursor.json"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"{}", b"[1,2]", b"null", b"\xff\xfe", b"x" * 10_000])
def test_nonsense_in_the_ledger_or_the_cursor_is_remade_and_no_command_fails(
    run: Run, root: Path, place: str, data: bytes
) -> None:
    ids = [add(run, "one"), add(run, "two")]
    good = (root / "DISPATCH_LEDGER.json").read_bytes()
    (root / place).write_bytes(data)
    assert set(listed(run)) == set(ids)
    run("status")
    ran = run("rebuild")
    assert (root / "DISPATCH_LEDGER.json").read_bytes() == good
    if place == "DISPATCH_LEDGER.json":
        assert place in ran.out, "what was remade is said"
    (root / place).write_bytes(data)
    ids.append(add(run, "three"))
    assert set(listed(run)) == set(ids)


def test_a_hand_edited_ledger_is_not_believed(run: Run, root: Path) -> None:
    add(run, "honest title")
    path = root / "DISPATCH_LEDGER.json"
    path.write_bytes(path.read_bytes().replace(b"honest", b"forged"))
    said = run("list")
    assert "honest title" in said.out
    assert path.name in said.err
    assert path.name in run("rebuild").out
    assert b"forged" not in path.read_bytes()


def test_strange_files_in_a_task_folder_are_left_alone(run: Run, root: Path) -> None:
    folder = root / "PENDING_TASKS"
    (folder / "notes.txt").write_text("mine")
    (folder / "mine.json").write_text("{}")
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("/etc/passwd")
    (folder / "folder.json").mkdir()
    task_id = add(run, "one")
    run("complete", claim(run))
    run("rebuild")
    assert sorted(p.name for p in folder.iterdir()) == [
        "folder.json",
        "link.json",
        "mine.json",
        "notes.txt",
        "pipe.json",
    ]
    assert listed(run) == [task_id]


def test_the_same_task_in_two_folders_is_put_right(run: Run, root: Path) -> None:
    task_id = add(run, "one")
    copy = (root / "PENDING_TASKS" / f"{task_id}.json").read_bytes()
    run("complete", claim(run))
    (root / "PENDING_TASKS" / f"{task_id}.json").write_bytes(copy)
    run("rebuild")
    assert not list((root / "PENDING_TASKS").iterdir())
    assert (root / "COMPLETED_TASKS" / f"{task_id}.json").is_file()
