"""What the commits of a history change, read one after the other and no further than needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dispatcher.domain.testcode import is_test_code
from dispatcher.evaluate.git import GitFailed, fields, git

_FORMAT = "--format=%H%x00%P%x00%cs%x00%s"
_DIFF = (
    "--raw",
    "-z",
    "-r",
    "--no-abbrev",
    "--no-renames",
    "--diff-merges=first-parent",
    "--no-ext-diff",
    "--no-textconv",
)
_PLAIN_FILE = "10"
_NOTHING = "0"
_BUILD = "setup.py"
"""How a project is built and what it is called: no test can fail for it."""


class File(NamedTuple):
    """A file that a commit changes: its path, and the blobs before and after, None where there is no plain file.

    `stays`: with the commit there is something by that name, be it a link or a submodule.
    """

    path: str
    before: str | None
    after: str | None
    stays: bool


class Changed(NamedTuple):
    """A commit, the one before it, its subject and date, and the files that it changes, relative to the project.

    `parent` is "" where there is none. `tests` is all that lies in folders of tests; `source` the Python among the
    rest, `others` what is neither, and setup.py.
    """

    commit: str
    parent: str
    subject: str
    date: str
    source: tuple[File, ...]
    tests: tuple[File, ...]
    others: tuple[str, ...]

    @property
    def test_files(self) -> list[str]:
        """The Python files among the tests as the commit leaves them."""
        return [file.path for file in self.tests if file.after and file.path.endswith(".py")]


class History:
    """The history behind a checkout; `prefix` is the folder of the project in it, with a slash at its end, or ""."""

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self._folder, self._prefix = folder, prefix

    def behind(self, head: str, since: str | None) -> Iterator[Changed]:
        """Yield the commits behind one that have one parent, the newest first; `since` is an option of git-log(1)."""
        chosen = [head, *([since] if since else [])]
        return self._told("--no-merges", "--min-parents=1", *chosen, "--")

    def of(self, commits: Sequence[str]) -> Iterator[Changed]:
        """Yield given commits in their order. Of several parents the first counts."""
        data = "".join(f"{commit}\n" for commit in commits).encode()
        return self._told("--no-walk=unsorted", "--stdin", data=data)

    def _told(self, *arguments: str, data: bytes = b"") -> Iterator[Changed]:
        relative = [f"--relative={self._prefix}"] if self._prefix else []
        told = fields(self._folder, "log", _FORMAT, *_DIFF, *relative, *arguments, data=data)
        field = next(told, None)
        while field is not None:
            commit = field.decode()
            parents, date, subject = (next(told, b"").decode(errors="replace") for _ in range(3))
            files = []
            field = next(told, None)
            while field is not None and field.lstrip(b"\n")[:1] == b":":
                files.append(_file(field.decode().lstrip("\n"), os.fsdecode(next(told, b""))))
                field = next(told, None)
            yield _sorted_out(commit, parents.partition(" ")[0], subject, date, files)

    def texts(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of some blobs. Raises GitFailed for one that is not there."""
        told = git(self._folder, "cat-file", "--batch", data="".join(f"{blob}\n" for blob in blobs).encode())
        found, at = {}, 0
        for blob in blobs:
            end = told.index(b"\n", at)
            words = told[at:end].split()
            if len(words) != 3:
                raise GitFailed(f"the object {blob[:10]} is not there (is it a partial clone?)")
            at = end + 1 + int(words[2])
            found[blob] = told[end + 1 : at]
            at += 1
        return found

    def difference(self, file: File) -> bytes:
        """Return the difference between a file's blobs, without lines around the changes."""
        return git(
            self._folder, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--text", "-U0",
            file.before or "", file.after or "",
        )  # fmt: skip


def _file(told: str, path: str) -> File:
    """Read a line of git's raw format (git-diff(1)): ":MODE MODE BLOB BLOB STATUS"."""
    old_mode, new_mode, old, new, _status = told[1:].split(" ")
    return File(path, _blob(old_mode, old), _blob(new_mode, new), stays=bool(new_mode.strip(_NOTHING)))


def _blob(mode: str, blob: str) -> str | None:
    """Return a plain file's blob; links and submodules hold no source."""
    return blob if mode.startswith(_PLAIN_FILE) and blob.strip(_NOTHING) else None


def _sorted_out(commit: str, parent: str, subject: str, date: str, files: Sequence[File]) -> Changed:
    """Tell source from tests; what lies in a folder of tests, whatever it is, belongs to them."""
    tests = tuple(file for file in files if is_test_code(file.path))
    rest = [file for file in files if not is_test_code(file.path)]
    source = tuple(file for file in rest if file.path.endswith(".py") and file.path != _BUILD)
    others = tuple(file.path for file in rest if file not in source)
    return Changed(commit, parent, subject, date, source, tests, others)
