"""The user's repository, which is only asked where things are: all else is done in a checkout of our own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import InvalidInput
from dispatcher.evaluate.git import GitFailed, git

_NOW, _AT_ONCE = ("now", "today"), 5
"""What git reads as this moment for good reason, and the seconds between two questions: all that it cannot read it takes
for this moment."""

_OF_REVISIONS = re.compile(r"[~^{]|\.\.")


class Repository(NamedTuple):
    """Where a repository is, and which commit is checked out.

    `path` as it was given, `folder` holds its refs, shared by all its worktrees, `objects` its objects. `worktree` is
    None for a bare one. `prefix` is the sub-folder that was named, with a slash at its end, or "". `format` is the hash
    that commits are named by. `shallow`: the file that says where the history was cut off, None if it is whole.
    """

    path: Path
    folder: Path
    objects: Path
    worktree: Path | None
    prefix: str
    head: str
    format: str
    shallow: Path | None

    def resolve(self, given: str) -> str:
        """Return the full hash of a commit. Raises InvalidInput."""
        found = _commit(self.path, given)
        if found is None:
            raise InvalidInput(what=f"'{given}'", problem=f"is no commit of {self.path}")
        return found

    def since(self, given: str) -> str:
        """Return the option of git-log(1) that leaves out what is older than a date or a revision. Raises InvalidInput."""
        found = _commit(self.path, given)
        if found is not None:
            return f"^{found}"
        no_date = not given.strip() or _OF_REVISIONS.search(given)
        is_now = abs(self._seconds(given) - self._seconds("now")) <= _AT_ONCE
        if no_date or (is_now and given.strip().lower() not in _NOW):
            raise InvalidInput(what=f"--since '{given}'", problem="is neither a date nor a revision")
        return f"--since={given}"

    def _seconds(self, date: str) -> int:
        """Return a date as git reads it, in seconds; of what is none that is now."""
        return int(git(self.path, "rev-parse", f"--since={date}").partition(b"=")[2])

    @property
    def has_submodules(self) -> bool:
        """Tell whether other repositories belong into its folders, which are not checked out."""
        try:
            return bool(git(self.path, "ls-tree", "--name-only", "--full-tree", self.head, ".gitmodules"))
        except GitFailed:
            return False


def found_at(path: Path) -> Repository:
    """Return the repository that a path lies in. Raises InvalidInput where there is none, or it has no commit."""
    what = f"--repo '{path}'"
    try:
        told = _told(path, "--git-common-dir", "--git-path", "objects", "--git-path", "shallow", "--show-object-format")
        prefix = os.fsdecode(git(path, "rev-parse", "--show-prefix", settings=True)).removesuffix("\n")
    except (GitFailed, NotADirectoryError) as error:
        raise InvalidInput(what=what, problem=_why(path, str(error))) from error
    common, objects, shallow = (Path(os.path.realpath(path / each)) for each in told[:3])
    head = _commit(path, "HEAD")
    if head is None:
        raise InvalidInput(what=what, problem="has no commit on the branch that is checked out")
    return Repository(
        path, common, objects, _worktree(path), prefix, head, told[3], shallow if shallow.is_file() else None
    )


def _worktree(path: Path) -> Path | None:
    try:
        return Path(os.path.realpath(_told(path, "--show-toplevel")[0]))
    except GitFailed:
        return None


def _told(path: Path, *asked: str) -> list[str]:
    # With the user's settings, of which safe.directory says whose repositories may be read; rev-parse runs nothing.
    return os.fsdecode(git(path, "rev-parse", *asked, settings=True)).split("\n")


def _commit(path: Path, given: str) -> str | None:
    try:
        return _told(path, "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")[0]
    except (GitFailed, ValueError):  # the latter for what holds a NUL
        return None


def _why(path: Path, said: str) -> str:
    if not path.exists():
        return "is not there"
    if "dubious ownership" in said:
        return "belongs to somebody else; git's setting safe.directory can allow it"
    return "is no git repository"
