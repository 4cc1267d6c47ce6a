"""What the latest commits have changed, function by function, as git tells it.

It is kept in the user's cache folder and asked for again when another commit is checked out.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dispatcher import user_cache

MOST = 150
"""Commits that are looked at."""

_MOST_FUNCTIONS = 40
"""A commit that changes more than that says little about each of them."""

_SECONDS = 5.0
_MARK = "@@@commit"
_ATTRIBUTES = Path(__file__).with_name("gitattributes")
"""Has git name the function of a hunk in Python's way, where the project does not say otherwise."""

_FUNCTION = re.compile(r"^@@ [^@]* @@.*\bdef\s+(\w+)")


class Commit(NamedTuple):
    """The Python files that a commit changed, and the functions in them: path and last part of the name.

    Paths are relative to the project.
    """

    files: frozenset[str]
    functions: frozenset[tuple[str, str]]


def latest(project: Path, cache: str | None) -> list[Commit]:
    """Return the latest commits before what is checked out, newest first; none where git cannot tell."""
    head = _head(project)
    if head is None:
        return []
    place = None if cache is None else _place(project, cache)
    known = user_cache.read(place) if place else {}
    if known.get("head") == head and isinstance(known.get("commits"), list):
        return [Commit(frozenset(files), frozenset((p, n) for p, n in units)) for files, units in known["commits"]]
    found = list(_asked(project))
    if place:
        told = [[sorted(commit.files), sorted(commit.functions)] for commit in found]
        user_cache.change(place, lambda facts: facts.update(head=head, commits=told))
    return found


def forget(project: Path, cache: str) -> None:
    """Remove what is kept of a project's commits."""
    Path(_place(project, cache)).unlink(missing_ok=True)


def _place(project: Path, cache: str) -> str:
    from dispatcher.graph import cache_file

    return cache_file.place(str(project), cache).removesuffix(".sqlite") + ".commits"


def _head(project: Path) -> str | None:
    """Return what is checked out: git's own files tell it in no time, and where they do not, git does."""
    for folder in (project.absolute(), *project.absolute().parents):
        place = folder / ".git"
        if os.path.lexists(place):
            return _head_in(place) or _git(project, "rev-parse", "--verify", "--quiet", "HEAD")
    return None


def _head_in(place: Path) -> str | None:
    try:
        if place.is_file():  # a worktree's, which says where the rest is
            place = place.parent / place.read_text("utf-8").removeprefix("gitdir:").strip()
        head = (place / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        common = place / "commondir"
        home = place / common.read_text("utf-8").strip() if common.is_file() else place
        return (home / head.removeprefix("ref: ")).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None


def _asked(project: Path) -> Iterator[Commit]:
    told = _git(
        project, "-c", f"core.attributesFile={_ATTRIBUTES}", "log", f"--max-count={MOST}", "--no-merges", "--unified=0",
        "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--relative", f"--format=tformat:{_MARK}",
        "--", "*.py",
    )  # fmt: skip
    for text in (told or "").split(_MARK)[1:]:
        yield _parsed(text)


def _parsed(text: str) -> Commit:
    files, functions = set(), set()
    path = ""
    for line in text.split("\n"):
        if line.startswith("+++ b/"):
            path = line[6:].rstrip("\t")
            files.add(path)
        elif path and line.startswith("@@ ") and (match := _FUNCTION.match(line)):
            functions.add((path, match[1]))
    return Commit(frozenset(files), frozenset(functions if len(functions) <= _MOST_FUNCTIONS else ()))


def _git(project: Path, *arguments: str) -> str | None:
    argv = [
        "git",
        "-C",
        str(project),
        "--no-optional-locks",
        "-c",
        "core.quotePath=false",
        "-c",
        "core.fsmonitor=false",
        *arguments,
    ]
    try:
        ended = subprocess.run(argv, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.decode(errors="replace").strip() if ended.returncode == 0 else None
