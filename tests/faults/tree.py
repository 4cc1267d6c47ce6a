"""Whole states as folders: copied, read, compared, removed. Plain calls, since this is done thousands of times."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

ROOT = Path("INBOX", "agents", "Local Models")
"""Where a project's state is."""

Files = dict[str, bytes | None]
"""A folder's files by their paths in it, with their bytes; None for folders and what else is no file."""

_CURSOR = "CACHE/cursor.json"
_TEMPORARY = "CACHE/write.tmp"
_JOURNAL = "JOURNAL.jsonl"


def read(root: Path) -> Files:
    """Return all that is under a folder; nothing if there is no such folder."""
    return {path: _bytes(full, state) for path, full, state in _walk(str(root))} if root.exists() else {}


def contents(root: Path) -> Files:
    """Return all that is state: everything but the cache and the lock's note."""
    return {path: data for path, data in read(root).items() if not path.startswith("CACHE") and path != ".lock"}


def copy(source: Path, target: Path) -> None:
    """Copy a project with the links between its files.

    The cursor says which file the journal was, by inode and times, so that it would not vouch for a
    copy; where it vouched for the source it is made to vouch for the copy.
    """
    twins: dict[int, str] = {}
    os.mkdir(target, 0o700)
    for path, full, state in _walk(str(source)):
        new = f"{target}/{path}"
        if stat.S_ISDIR(state.st_mode):
            os.mkdir(new, stat.S_IMODE(state.st_mode))
        elif (twin := twins.setdefault(state.st_ino, new)) != new:
            os.link(twin, new)
        else:
            _write(new, _bytes(full, state) or b"", state.st_mode)
    _move_cursor(source / ROOT, target / ROOT)


def digest(project: Path) -> str:
    """Return a name for everything that a command can see of a project's files, the same for a copy.

    That is names, kinds, modes, contents and which files are one; of the cursor how it relates to the
    journal, instead of the inode and the times in it. The lock file's note is for people only. Of the
    temporary file only that it is there: it is made anew before it is written to (see `leftover`).
    """
    found = hashlib.blake2b(digest_size=16)
    twins: dict[int, str] = {}
    for path, full, state in _walk(str(project)):
        twin = twins.setdefault(state.st_ino, path)
        data = None if path.endswith((".lock", _TEMPORARY, _CURSOR)) else _bytes(full, state)
        found.update(f"{path}\0{state.st_mode}\0{twin}\0{None if data is None else len(data)}\0".encode())
        found.update(data or b"")
    found.update(_cursor_relation(project / ROOT))
    return found.hexdigest()


def leftover(project: Path) -> int:
    """Return the size of the temporary file, -1 if there is none."""
    try:
        return os.stat(project / ROOT / _TEMPORARY).st_size
    except FileNotFoundError:
        return -1


def remove(folder: Path) -> None:
    """Remove a folder and what is in it."""
    shutil.rmtree(folder)


def _walk(folder: str, prefix: str = "") -> list[tuple[str, str, os.stat_result]]:
    """Return path, full path and state of all that is under a folder, in order, folders first."""
    found: list[tuple[str, str, os.stat_result]] = []
    for name in sorted(os.listdir(folder)):
        full = f"{folder}/{name}"
        state = os.lstat(full)
        found.append((prefix + name, full, state))
        if stat.S_ISDIR(state.st_mode):
            found += _walk(full, f"{prefix}{name}/")
    return found


def _bytes(full: str, state: os.stat_result) -> bytes | None:
    if not stat.S_ISREG(state.st_mode):
        return None
    fd = os.open(full, os.O_RDONLY)
    data = os.read(fd, state.st_size + 1)
    os.close(fd)
    return data


def _write(full: str, data: bytes, mode: int) -> None:
    fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IMODE(mode))
    if data:
        os.write(fd, data)
    os.close(fd)


# The cursor


def _move_cursor(source: Path, target: Path) -> None:
    cursor = _read_cursor(source)
    old, new = _journal_state(source), _journal_state(target)
    if isinstance(cursor, dict) and old and new:
        pairs = zip(cursor["journal"], old, new, strict=True)
        cursor["journal"] = [there if kept == here else kept for kept, here, there in pairs]
        (target / _CURSOR).write_text(json.dumps(cursor, separators=(",", ":")) + "\n")


def _cursor_relation(root: Path) -> bytes:
    cursor = _read_cursor(root)
    state = _journal_state(root)
    if isinstance(cursor, dict) and state:
        inode, *rest = zip(cursor["journal"], state, strict=True)
        cursor["journal"] = [inode[0] == inode[1], *((a > b) - (a < b) for a, b in rest)]
    return cursor if isinstance(cursor, bytes) else json.dumps(cursor).encode()


def _read_cursor(root: Path) -> dict[str, Any] | bytes | None:
    """Return the cursor; its bytes when they are not whole, None when there are none."""
    try:
        data = (root / _CURSOR).read_bytes()
    except FileNotFoundError:
        return None
    try:
        cursor: dict[str, Any] = json.loads(data)
    except json.JSONDecodeError:
        return data
    return cursor


def _journal_state(root: Path) -> list[int] | None:
    try:
        found = os.stat(root / _JOURNAL)
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_nlink]
