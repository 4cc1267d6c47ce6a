"""Where a project's index is kept: one SQLite file in the user's cache folder, which can be deleted at any time.

What is damaged, of another version, locked or not writable is made anew or worked with in memory: that costs time and
is never an error. Several processes may do so at once. A new index is put in its place whole.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dispatcher.flock import Lock
from dispatcher.graph import schema
from dispatcher.graph.refreshing import refresh
from dispatcher.graph.source import Stamp, digest

if TYPE_CHECKING:
    import sqlite3

KEPT_DAYS = 90
"""Indexes that were not used for so many days go when a new one is made."""

_ENDING = ".sqlite"
_LEFT_BEHIND = 3600
"""A temporary file of so many seconds was left by a process that was killed."""

_PATIENCE = 5.0
"""Seconds to wait for another process that writes to the same index."""

_DAY = 86_400


class Ready(NamedTuple):
    """An index that is up to date, and the content of each file of the project."""

    connection: sqlite3.Connection
    contents: dict[str, int | None]


def place(project: str, cache: str) -> str:
    """Return the file that holds the index of the project at this path."""
    named = digest(os.fsencode(os.path.realpath(project))).hex()
    return os.path.join(cache, "graphs", named + _ENDING)


def ready(project: str, cache: str | None, stamps: Mapping[str, Stamp]) -> Ready:
    """Return the index of a project, brought up to date with its files: the one that is kept, else a new one."""
    if cache is not None:
        kept = _kept(place(project, cache), project, stamps)
        if kept is not None:
            return kept
    made = in_memory(project, stamps)
    if cache is not None:
        _keep(made.connection, place(project, cache))
    return made


def in_memory(project: str, stamps: Mapping[str, Stamp]) -> Ready:
    """Return a new index of a project, in memory."""
    connection = _connected(":memory:")
    schema.create(connection)
    return Ready(connection, refresh(connection, project, stamps))


def forget(project: str, cache: str) -> None:
    """Remove the index of a project, if there is one."""
    _remove(place(project, cache))


def _connected(path: str) -> sqlite3.Connection:
    import sqlite3

    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


def _opened(path: str) -> sqlite3.Connection | None:
    """Return the index in a file if it is one that can be used."""
    import sqlite3

    if not os.path.isfile(path) or os.path.islink(path):
        return None
    connection = None
    try:
        connection = _connected(path)
        connection.execute("PRAGMA synchronous = NORMAL")
        if schema.is_current(connection):
            return connection
    except sqlite3.Error:
        pass
    if connection is not None:
        connection.close()
    return None


def _kept(path: str, project: str, stamps: Mapping[str, Stamp]) -> Ready | None:
    """Return the index in a file, brought up to date there or, where that cannot be, in memory; None if it is no use."""
    import sqlite3

    connection = _opened(path)
    if connection is None:
        return None
    try:
        contents = refresh(connection, project, stamps)
        with contextlib.suppress(OSError):
            _touch(path)
        return Ready(connection, contents)
    except (sqlite3.Error, OverflowError, ValueError, TypeError):
        pass
    copy = _connected(":memory:")
    try:
        connection.backup(copy)
        return Ready(copy, refresh(copy, project, stamps))
    except (sqlite3.Error, OverflowError, ValueError, TypeError):
        copy.close()
        return None
    finally:
        connection.close()


def _touch(path: str) -> None:
    """Note that an index was used, once a day."""
    if os.stat(path).st_mtime < time.time() - _DAY:
        os.utime(path)


def _keep(connection: sqlite3.Connection, path: str) -> None:
    """Put a copy of an index in its place, unless another process has put a good one there. Failing is no error."""
    import sqlite3

    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        try:
            _copy(connection, temporary)
            with Lock(lambda: _open_lock(folder), _PATIENCE, b"", lambda _note: TimeoutError(path)):
                _put(temporary, path)
        finally:
            _remove(temporary)
        _make_room(folder)
    except (OSError, sqlite3.Error):
        return


def _copy(connection: sqlite3.Connection, path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    target = _connected(path)
    try:
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        connection.backup(target)
    finally:
        target.close()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)  # else a power cut can leave a file of the right length without its bytes
    finally:
        os.close(fd)


def _put(temporary: str, path: str) -> None:
    """Under the lock of the folder: nobody else can put an index there between the look and the link."""
    there = _opened(path)
    if there is not None:
        there.close()
        return
    _remove(path)
    os.link(temporary, path)


def _open_lock(folder: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(f"{folder}.lock", flags, 0o600)


def _make_room(folder: str) -> None:
    """Remove the indexes that were not used for long, and what killed processes have left."""
    now = time.time()
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            age = now - entry.stat(follow_symlinks=False).st_mtime
            if age > (_LEFT_BEHIND if entry.name.startswith(".") else KEPT_DAYS * _DAY):
                _remove(entry.path)


def _remove(path: str) -> None:
    """Remove an index with what SQLite keeps beside it, which must not outlive it."""
    for ending in ("-journal", "-wal", "-shm", ""):
        with contextlib.suppress(OSError):
            os.unlink(path + ending)
