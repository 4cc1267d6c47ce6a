"""A git repository that is only read, and a checkout of our own beside it, in which things are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dispatcher.domain.testcode import is_test_code
from dispatcher.errors import InvalidInput

_SECONDS = 300.0
_SAFE = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "-c",
    "gc.auto=0",
    "-c",
    "advice.detachedHead=false",
)
"""What a checkout must not do: run the user's hooks, or tidy up in the background."""


class Changed(NamedTuple):
    """A commit, the one before it, its subject, and the files that it changes: source, and what belongs to tests."""

    commit: str
    parent: str
    subject: str
    date: str
    source: tuple[str, ...]
    tests: tuple[str, ...]


class GitFailed(Exception):
    """A git command that failed, and what it said."""


def git(folder: Path, *arguments: str, data: bytes | None = None) -> bytes:
    """Run git in a folder and return what it prints. Raises GitFailed."""
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environ.pop(name, None)
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *_SAFE, *arguments],  # noqa: S607 - the user's own git
            capture_output=True, check=False, timeout=_SECONDS, input=data or b"", env=environ,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise InvalidInput(what="eval", problem="needs git, which is not on the path") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} did not end within {_SECONDS:.0f} seconds") from error
    if ended.returncode:
        raise GitFailed(
            ended.stderr.decode(errors="replace").strip().partition("\n")[0] or f"git {arguments[0]} failed"
        )
    return ended.stdout


class Repository:
    """The history of a repository. Nothing is written there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.folder = Path(os.path.realpath(git(path, "rev-parse", "--absolute-git-dir").decode().strip()))
        except (GitFailed, NotADirectoryError) as error:
            raise InvalidInput(what=f"--repo '{path}'", problem="is no git repository") from error

    def commits(self, since: str | None) -> list[str]:
        """Return the commits that have one parent, newest first: those after a revision, or since a date.

        Raises InvalidInput for a repository without commits.
        """
        span = ["HEAD"]
        if since is not None:
            span = [f"{since}..HEAD"] if self._is_revision(since) else ["HEAD", f"--since={since}"]
        try:
            told = git(self.path, "rev-list", "--no-merges", "--min-parents=1", *span)
        except GitFailed as error:
            raise InvalidInput(what=f"--repo '{self.path}'", problem=str(error)) from error
        return told.decode().split()

    def resolve(self, given: str) -> str:
        """Return the full hash of a commit. Raises InvalidInput."""
        try:
            return (
                git(self.path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")
                .decode()
                .strip()
            )
        except GitFailed as error:
            raise InvalidInput(what=f"'{given}'", problem=f"is no commit of {self.path}") from error

    def changed(self, commits: Sequence[str]) -> list[Changed]:
        """Return what some commits change. Of several parents the first counts."""
        told = git(
            self.path, "log", "--no-walk=unsorted", "--format=%x00%H%x00%P%x00%s%x00%cs", "--name-status", "--no-renames",
            "--diff-merges=first-parent", "--stdin", data="\n".join(commits).encode() + b"\n",
        )  # fmt: skip
        fields = told.decode(errors="replace").split("\0")[1:]
        found = []
        for at in range(0, len(fields), 4):
            commit, parents, subject = fields[at : at + 3]
            date, _, rest = fields[at + 3].partition("\n")
            names = [line.partition("\t")[2] for line in rest.splitlines() if "\t" in line]
            if parents:
                found.append(_sorted_out(Changed(commit, parents.split()[0], subject, date.strip(), (), ()), names))
        return found

    def text(self, commit: str, path: str) -> bytes | None:
        """Return a file as it was in a commit, None if it was not there."""
        try:
            return git(self.path, "cat-file", "blob", f"{commit}:{path}")
        except GitFailed:
            return None

    def hunks(self, changed: Changed) -> bytes:
        """Return the changes of the source files of a commit, as a diff without context."""
        return git(
            self.path, "diff", "--no-ext-diff", "--no-renames", "--no-color", "-U0",
            changed.parent, changed.commit, "--", *changed.source,
        )  # fmt: skip

    def _is_revision(self, given: str) -> bool:
        try:
            git(self.path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")
        except GitFailed:
            return False
        return True


def _sorted_out(changed: Changed, names: Sequence[str]) -> Changed:
    """Tell source from tests; what lies in a folder of tests, whatever it is, belongs to them."""
    tests = tuple(name for name in names if is_test_code(name))
    source = tuple(name for name in names if name.endswith(".py") and name not in tests)
    return changed._replace(source=source, tests=tests)


class Checkout:
    """A working copy of our own, which shares the objects of the repository; it can be thrown away."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.path = folder
        if not (folder / ".git").is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(0o700, parents=True, exist_ok=True)
            git(folder.parent, "clone", "--quiet", "--shared", "--no-checkout", str(repository.folder), str(folder))

    def at(self, commit: str) -> None:
        """Make the working copy that of a commit, and nothing else."""
        (self.path / ".git" / "index.lock").unlink(missing_ok=True)  # of a command that was killed
        git(self.path, "checkout", "--quiet", "--force", "--detach", commit)
        git(self.path, "clean", "-ffdxq")

    def before(self, changed: Changed) -> None:
        """Make the working copy that of a commit's parent, but with the tests of the commit."""
        self.at(changed.parent)
        kept = set(
            git(self.path, "ls-tree", "-r", "--name-only", "-z", changed.commit, "--", *changed.tests)
            .decode()
            .split("\0")
        )
        there = [path for path in changed.tests if path in kept]
        if there:
            git(self.path, "checkout", "--quiet", changed.commit, "--", *there)
        for path in set(changed.tests) - set(there):
            (self.path / path).unlink(missing_ok=True)
