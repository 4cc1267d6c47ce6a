"""Who changed some lines last, as git tells it; and what is said where git tells nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from dispatcher.scan.history import Change, History

CODE = "def first():\n    return 1\n\n\ndef second():\n    return 2\n"
FIRST, SECOND = (1, 2), (5, 6)
PATH = "src/shop.py"


class Repository:
    """A git repository with one file, whose commits are told apart by their times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / PATH
        self.file.parent.mkdir(parents=True)
        self.file.write_text(CODE)
        self.git("init", "--quiet")

    def git(self, *argv: str, date: int = 0, author: str = "Ann") -> str:
        """Run git as somebody, at a second of 2020."""
        when = f"{1577880000 + date} +0000"
        whose = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
                 for what, value in (("NAME", author), ("EMAIL", "a@example.org"), ("DATE", when))}  # fmt: skip
        env = {**os.environ, **whose, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        argv = ("git", "-C", str(self.folder), *argv)
        return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str = "Begin", *, date: int = 0, author: str = "Ann") -> str:
        """Commit everything and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message, date=date, author=author)
        return self.git("rev-parse", "HEAD")

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert text.count(old) == 1
        self.file.write_text(text.replace(old, new))

    def latest(self, span: tuple[int, int], path: str = PATH) -> Change | None:
        return History(self.folder, str).latest(path, *span)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def test_the_latest_commit_that_touched_a_function_is_told(repository: Repository) -> None:
    first = repository.commit()
    repository.edit("return 2", "return 3")
    second = repository.commit("Return three", date=86400, author="Bob")
    assert repository.latest(FIRST) == Change(first, "Ann", "2020-01-01", "Begin", 2)
    assert repository.latest(SECOND) == Change(second, "Bob", "2020-01-02", "Return three", 1)


def test_of_commits_of_one_second_the_one_written_last_counts(repository: Repository) -> None:
    """As after a rebase, which gives all commits one time."""
    for number in range(6):
        text = repository.file.read_text().splitlines()
        text[0], text[1] = "def first():  # changed" if number % 2 else text[0], f"    return {number + 10}"
        repository.file.write_text("\n".join([*text, ""]))
        repository.git("add", "--all")
        author_date = f"--date={1577880000 + 60 * number} +0000"
        repository.git("commit", "--quiet", author_date, "--message", f"number {number}", date=3600)
    latest = repository.latest(FIRST)
    assert latest is not None
    assert latest.summary == "number 5"


def test_what_is_not_committed_is_the_latest_change(repository: Repository) -> None:
    repository.commit()
    repository.edit("return 2", "return 3")
    assert repository.latest(SECOND) == Change(None, "", "", "not committed yet", 1)
    assert (repository.latest(FIRST) or Change(None, "", "", "", 0)).summary == "Begin"
    repository.git("add", "--all")
    assert (repository.latest(SECOND) or Change("x", "", "", "", 0)).commit is None


def test_other_spaces_are_no_change(repository: Repository) -> None:
    commit = repository.commit()
    repository.edit("    return 2", "        return 2")
    repository.commit("Indent", date=60)
    assert (repository.latest(SECOND) or Change(None, "", "", "", 0)).commit == commit


def test_a_project_below_its_repository_is_known(repository: Repository) -> None:
    commit = repository.commit()
    change = History(repository.folder / "src", str).latest("shop.py", *FIRST)
    assert change is not None
    assert change.commit == commit


def test_long_and_odd_words_of_a_commit_are_bounded(repository: Repository) -> None:
    repository.commit("x" * 300 + "\n\nmore", author="A\u00f6\u2028" + "b" * 300)
    change = repository.latest(FIRST)
    assert change is not None
    assert change.summary == "x" * 100
    assert len(change.author) == 100


def test_source_that_looks_like_what_git_says_is_none_of_it(repository: Repository) -> None:
    """Some characters end a line for str.splitlines, and none for git and Python."""
    odd = "".join(
        f"{end}committer-time soon{end}\tx{end}{'f' * 40} 1 1" for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    )
    repository.edit("return 2", f"return '{odd}'")
    commit = repository.commit()
    assert repository.latest(SECOND) == Change(commit, "Ann", "2020-01-01", "Begin", 2)


@pytest.mark.parametrize(
    ("span", "path"), [((7, 99), PATH), ((0, 2), PATH), ((2, 1), "src/gone.py"), (FIRST, "--help"), (FIRST, "../x.py")]
)
def test_lines_and_files_that_are_not_there_have_no_change(
    repository: Repository, span: tuple[int, int], path: str
) -> None:
    repository.commit()
    assert repository.latest(span, path) is None


def test_a_file_that_is_not_tracked_has_no_change(repository: Repository) -> None:
    repository.commit()
    (repository.folder / "new.py").write_text(CODE)
    assert repository.latest(FIRST, "new.py") is None


def test_a_repository_without_commits_has_no_changes(repository: Repository) -> None:
    assert repository.latest(FIRST) is None


def test_without_a_repository_git_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_git(tmp_path / "bin", "exit 128", monkeypatch)
    history = History(tmp_path, str)
    assert [history.latest(PATH, n, n + 1) for n in range(1, 5)] == [None] * 4
    assert len(calls.read_text().splitlines()) == 1


def test_without_git_there_are_no_changes(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("PATH", str(repository.folder))
    assert repository.latest(FIRST) is None


def test_a_question_is_asked_once(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_git(tmp_path / "bin", "exit 1", monkeypatch)
    history = History(repository.folder, str)
    for _ in range(3):
        assert history.latest(PATH, *FIRST) is None
    assert len(calls.read_text().splitlines()) == 1


def test_a_git_that_hangs_is_waited_for_once_and_not_long(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fake_git(tmp_path / "bin", "exec sleep 60", monkeypatch)
    began = time.monotonic()
    history = History(repository.folder, str, seconds=0.3)
    assert [history.latest(PATH, n, n + 1) for n in range(1, 5)] == [None] * 4
    assert time.monotonic() - began < 2.5
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize("said", ["", "garbage", "fatal: no", f"{'a' * 40} 1 1 1"])
def test_what_git_does_not_say_is_not_made_up(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    fake_git(tmp_path / "bin", f"printf '{said}\\n'", monkeypatch)
    assert repository.latest(FIRST) is None


def fake_git(folder: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put another git first on the path; return the file that gets a line for each call."""
    folder.mkdir()
    calls = folder / "calls"
    calls.touch()
    script = folder / "git"
    script.write_text(f"#!/bin/sh\necho called >> '{calls}'\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return calls
