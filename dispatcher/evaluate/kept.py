"""What evaluations keep: a folder for each repository and Python, in which every commit has its own.

What is written there is whole or not there: whenever an evaluation is ended, the next one goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from dispatcher.errors import Locked
from dispatcher.evaluate.checkout import remove
from dispatcher.evaluate.repository import Repository
from dispatcher.flock import Lock

_LOCK, _BUSY = "lock", "busy"


class InUse(Locked):
    """another eval of this repository is running{holder}; wait for its end, or stop it"""


class Place:
    """The folder of a repository and a Python below the user's cache folder."""

    def __init__(self, cache: str, repository: Repository, python: str) -> None:
        named = f"{repository.folder}\0{repository.prefix}\0{python}"
        self.path = Path(cache, "eval", hashlib.sha256(os.fsencode(named)).hexdigest()[:16])

    @property
    def tree(self) -> Path:
        """The working copy."""
        return self.path / "tree"

    def of(self, commit: str) -> Path:
        """Return the folder of a commit."""
        return self.path / "commits" / commit

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Have the folder for oneself; tells whether the one before has ended in order. Raises InUse."""
        self.path.mkdir(0o700, parents=True, exist_ok=True)
        busy = self.path / _BUSY
        with Lock(self._open, 0, str(os.getpid()).encode(), _in_use):
            in_order = not busy.exists()
            busy.touch()
            yield in_order
            busy.unlink(missing_ok=True)

    def _open(self) -> int:
        return os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _in_use(note: bytes) -> InUse:
    return InUse(holder=f" (process {note.decode()})" if note.isdigit() else "")


def read(file: Path, by: str) -> dict[str, Any] | None:
    """Return what was written to a file in the same circumstances, None where that is not so."""
    try:
        told = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("by") == by else None


def write(file: Path, by: str, told: dict[str, Any]) -> None:
    """Write a file in one step."""
    file.parent.mkdir(0o700, parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    with temporary.open("wb") as out:
        out.write(orjson.dumps({**told, "by": by}))
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def forget(folder: Path) -> None:
    """Remove what is kept of something."""
    if os.path.lexists(folder):
        remove(folder)
