"""Odd repositories and odd files: what the history tells of them, and what our checkout makes of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.evaluate import mining, repository
from dispatcher.evaluate.checkout import Checkout
from dispatcher.evaluate.git import GitFailed
from dispatcher.evaluate.history import Changed, History
from dispatcher.evaluate.mining import Why

ODD = 'my "täst" \t[1]*.py'


def git(folder: Path, *arguments: str, data: bytes | None = None) -> str:
    given = ("-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "protocol.file.allow=always")
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    argv = ["git", "-C", str(folder), *given, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, input=data, env=environ).stdout.decode().strip()


def commit(folder: Path, subject: str, files: dict[str, str | None]) -> str:
    for name, text in files.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project in the sub-folder `sub` of a repository, with odd names, and a fix that moves and removes tests."""
    folder = tmp_path / "made"
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    commit(folder, "begin", {
        "sub/a.py": "X = 1\r\n", f"sub/{ODD}": "Y = 1\n", "sub/tests/test_old.py": "1\n", "sub/tests/test_gone.py": "1\n",
        "sub/tests/data/in put.txt": "old\n", "grammar.txt": "old\n", "other.py": "1\n",
        ".gitattributes": "*.py -diff\n*.txt export-subst\n",
    })  # fmt: skip
    commit(folder, "elsewhere", {"other.py": "2\n", "tests/test_other.py": "2\n"})
    commit(folder, "fix", {
        "sub/a.py": "X = 2\r\n", f"sub/{ODD}": "Y = 2\n", "sub/tests/test_old.py": None, "sub/tests/test_gone.py": None,
        "sub/tests/test_new.py": "2\n", "sub/tests/data/in put.txt": "new\n", "grammar.txt": "new\n", "sub/setup.py": "2\n",
    })  # fmt: skip
    return folder


def told(path: Path, place: Path, since: str | None = None) -> tuple[list[Changed], Checkout, History]:
    found = repository.found_at(path)
    checkout = Checkout(found, place / "tree", anew=True)
    history = History(checkout.path, found.prefix)
    return list(history.behind(found.head, found.since(since) if since else None)), checkout, history


def test_a_sub_folder_is_a_project_with_files_of_any_name(made: Path, tmp_path: Path) -> None:
    changes, checkout, history = told(made / "sub", tmp_path)
    (fix,) = [each for each in changes if each.source]
    assert [file.path for file in fix.source] == ["a.py", ODD]
    assert fix.others == ("setup.py",)
    assert fix.test_files == ["tests/test_new.py"]
    (_, found), *_ = mining.candidates(history, [fix])
    assert not isinstance(found, Why)
    assert [(place.path, place.lines) for place in found.places] == [("a.py", (1,)), (ODD, (1,))]
    checkout.before(fix)
    there = {str(path.relative_to(checkout.project)) for path in checkout.project.rglob("*") if path.is_file()}
    assert there == {"a.py", ODD, "tests/test_new.py", "tests/data/in put.txt"}
    assert (checkout.project / "a.py").read_bytes() == b"X = 1\r\n"
    assert (checkout.project / "tests" / "data" / "in put.txt").read_text() == "new\n"
    assert (checkout.path / "grammar.txt").read_text() == "old\n"
    checkout.at(fix.commit)
    assert (checkout.path / "grammar.txt").read_text() == "new\n"


def test_bare_ones_worktrees_and_parts_of_a_history_tell_the_same(made: Path, tmp_path: Path) -> None:
    every, _, _ = told(made, tmp_path / "1")
    git(tmp_path, "clone", "--quiet", "--bare", str(made), "bare.git")
    git(made, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"), "HEAD")
    assert told(tmp_path / "bare.git", tmp_path / "2")[0] == every
    assert told(tmp_path / "worktree", tmp_path / "3")[0] == every
    assert repository.found_at(tmp_path / "worktree").folder == repository.found_at(made).folder
    assert told(made, tmp_path / "4", "HEAD~1")[0] == every[:1]
    assert told(made, tmp_path / "5", "2001-01-01")[0] == every


def test_a_shallow_one_ends_where_it_was_cut_off(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "2", f"file://{made}", "shallow")
    found = repository.found_at(tmp_path / "shallow")
    changes, checkout, history = told(tmp_path / "shallow", tmp_path)
    assert found.shallow is not None
    assert [each.subject for each in changes] == ["fix"]
    checkout.before(changes[0])
    (_, why), *_ = mining.candidates(history, history.of([git(made, "rev-parse", "HEAD~1")]))
    assert str(why) == "has no commit before it"


def test_names_that_are_no_text_are_left_alone(made: Path, tmp_path: Path) -> None:
    for name in (b"b\xff.py", b"tests/test_\xff.py"):
        (made / os.fsdecode(name)).parent.mkdir(exist_ok=True)
        (made / os.fsdecode(name)).write_text("1\n")
    commit(made, "odd", {"other.py": "4\n"})
    commit(made, "fix", {os.fsdecode(b"b\xff.py"): "2\n", "tests/test_other.py": "3\n"})
    changes, checkout, history = told(made, tmp_path)
    found = [str(why) for _, why in mining.candidates(history, changes[:2])]
    assert found == ["only adds code, so there is nothing to find", "has tests in files whose names are no text"]
    checkout.before(changes[0])


def test_submodules_stay_empty_and_links_are_links(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "inner")
    commit(tmp_path / "inner", "begin", {"b.py": "1\n"})
    git(made, "submodule", "--quiet", "add", str(tmp_path / "inner"), "tests/inner")
    (made / "tests" / "link").symlink_to("test_other.py")
    commit(made, "a fix with one", {"other.py": "3\n", "tests/test_other.py": "3\n"})
    changes, checkout, _ = told(made, tmp_path)
    assert repository.found_at(made).has_submodules
    checkout.before(changes[0])
    assert (checkout.path / "other.py").read_text() == "2\n"
    assert (checkout.path / "tests" / "test_other.py").read_text() == "3\n"
    assert not list((checkout.path / "tests" / "inner").iterdir())
    assert (checkout.path / "tests" / "link").is_symlink()
    checkout.at(changes[-1].parent)
    assert not (checkout.path / "tests" / "test_other.py").exists()


def test_subjects_of_any_encoding_and_merges_are_read(made: Path, tmp_path: Path) -> None:
    git(made, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(made, "side", {"side.py": "1\n"})
    git(made, "merge", "--quiet", "--no-edit", "main")
    subject = git(made, "rev-parse", "HEAD")
    tree = git(made, "rev-parse", "HEAD^{tree}")
    who = "A <a@example.invalid> 1700000000 +0000"
    raw = f"tree {tree}\nparent {subject}\nauthor {who}\ncommitter {who}\nencoding latin-1\n\n".encode() + b"f\xfcr\n"
    latin = git(made, "hash-object", "-t", "commit", "-w", "--stdin", data=raw)
    wrong = git(made, "hash-object", "-t", "commit", "-w", "--stdin", data=raw.replace(b"encoding latin-1\n", b""))
    checkout = Checkout(repository.found_at(made), tmp_path / "tree", anew=True)
    found = list(History(checkout.path).of([latin, wrong, subject]))
    assert [each.subject for each in found[:2]] == ["für", "f�r"]
    assert {file.path for file in found[2].source} == {
        "sub/a.py",
        f"sub/{ODD}",
        "sub/setup.py",
    }  # what the merge brought to its first parent


def test_a_checkout_that_tests_have_spoilt_is_made_anew(made: Path, tmp_path: Path) -> None:
    _, checkout, history = told(made, tmp_path)
    head = repository.found_at(made).head
    checkout.at(head)
    (checkout.path / ".git" / "hooks").mkdir(exist_ok=True)
    hook = checkout.path / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/called'\n")
    hook.chmod(0o755)
    (checkout.path / ".gitignore").write_text("left\n")
    (checkout.path / "sub" / "left").touch()
    checkout.at(head)
    assert not (checkout.path / "sub" / "left").exists()
    assert not (tmp_path / "called").exists()
    (checkout.path / "sub" / "shut").mkdir()
    (checkout.path / "sub" / "shut").chmod(0)
    (checkout.path / ".git" / "index").write_bytes(b"nonsense")
    (checkout.path / ".git" / "index.lock").touch()
    checkout.at(head)
    assert not (checkout.path / "sub" / "shut").exists()
    (checkout.path / ".git" / "objects" / "info" / "alternates").unlink()
    checkout.at(head)
    assert (checkout.path / "sub" / "a.py").exists()
    with pytest.raises(GitFailed):
        checkout.at("0" * 40)
    with pytest.raises(GitFailed, match="is not there"):
        history.texts(["1" * 40])


def test_what_is_no_repository_with_commits_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    (tmp_path / "none").mkdir()
    (tmp_path / "file").touch()
    for name, why in (
        ("empty", "has no commit on the branch that is checked out"), ("away", "is not there"),
        ("none", "is no git repository"), ("file", "is no git repository"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"--repo '.*{name}': {why}$"):
            repository.found_at(tmp_path / name)


@pytest.mark.parametrize("since", ["nowhen", "HEAD~99", "v1..v2", "", " ", "HEAD@{99}"])
def test_a_since_that_is_neither_a_date_nor_a_revision_is_refused(made: Path, since: str) -> None:
    with pytest.raises(InvalidInput, match="is neither a date nor a revision"):
        repository.found_at(made).since(since)


@pytest.mark.parametrize("since", ["now", "today", "2 weeks ago", "yesterday", "2020-01-01", "2020.01.01 10:30"])
def test_dates_are_those_that_git_knows(made: Path, since: str) -> None:
    assert repository.found_at(made).since(since) == f"--since={since}"


def test_a_revision_leaves_out_what_it_holds(made: Path) -> None:
    found = repository.found_at(made)
    assert found.since("HEAD") == f"^{found.head}"
