"""Who changed some lines last, and when, as git tells it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

_SECONDS = 10.0
"""For all questions of one scan together: blaming is slow where files and histories are long."""

_UNCOMMITTED = "0" * 40
_MAX_WORDS = 100


class Change(NamedTuple):
    """The latest commit that touched some lines, and how many of them. `commit` is None for what is not committed."""

    commit: str | None
    author: str
    date: str
    summary: str
    lines: int


class History:
    """Asks git about files below one folder, as long as there is time. Without a repository it knows nothing."""

    def __init__(self, rootdir: Path, redact: Callable[[str], str], seconds: float = _SECONDS) -> None:
        self._root = rootdir
        self._redact = redact
        self._until = time.monotonic() + seconds
        self._asked: dict[tuple[str, int, int], Change | None] = {}
        self._known = (rootdir / ".git").exists() or self._git("rev-parse", "--git-dir") is not None

    def latest(self, path: str, first: int, last: int) -> Change | None:
        """Return the latest change to lines `first` to `last`, None if git does not tell."""
        key = path, first, last
        if key not in self._asked:
            said = self._git("blame", "--porcelain", "-w", "-L", f"{first},{last}", "--", path) if self._known else None
            self._asked[key] = None if said is None else _latest(said.split("\n"), self._redact)
        return self._asked[key]

    def _git(self, *arguments: str) -> str | None:
        left = self._until - time.monotonic()
        if left <= 0:
            return None
        argv = ["git", "-C", str(self._root), "--no-optional-locks", *arguments]
        try:
            ended = subprocess.run(
                argv, capture_output=True, timeout=left, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ended.stdout.decode(errors="replace") if ended.returncode == 0 else None


def _time(known: dict[str, str], whose: str) -> int:
    return int(known.get(f"{whose}-time", "0"))


def _latest(lines: Iterable[str], redact: Callable[[str], str]) -> Change | None:
    """Read the porcelain format of git-blame(1): a header per line, with a commit's details when it first comes."""
    touched: dict[str, int] = {}
    details: dict[str, dict[str, str]] = {}
    commit = ""
    for line in lines:
        word, _, rest = line.partition(" ")
        if line.startswith("\t"):
            touched[commit] = touched.get(commit, 0) + 1
        elif len(word) == len(_UNCOMMITTED) and rest[:1].isdigit():
            commit = word
        else:
            details.setdefault(commit, {})[word] = rest
    if not touched:
        return None
    if _UNCOMMITTED in touched:
        return Change(None, "", "", "not committed yet", touched[_UNCOMMITTED])
    newest = max(touched, key=lambda c: (_time(details[c], "committer"), _time(details[c], "author"), c))
    known = details[newest]
    date = datetime.fromtimestamp(int(known.get("author-time", "0")), UTC).date().isoformat()
    return Change(
        newest,
        redact(known.get("author", ""))[:_MAX_WORDS],
        date,
        redact(known.get("summary", ""))[:_MAX_WORDS],
        touched[newest],
    )
