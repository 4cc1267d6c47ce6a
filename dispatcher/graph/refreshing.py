"""Bringing an index up to date: work is linear in what changed, beyond one look at each file's state."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dispatcher.graph import schema, source
from dispatcher.graph.source import Stamp

if TYPE_CHECKING:
    import sqlite3

    from dispatcher.graph.batch import Batch

RACY = 2_000_000_000
"""Nanoseconds. A file that changed so shortly before it was read may have changed again within one tick of its clock."""

MOST_SEGMENTS = 256
_LOOKED_AT = 16
"""Segments after which it is looked whether more than half of the index is dead."""

_KNOWN = "SELECT path, content, seen, mtime, ctime, size, inode FROM files"


class _Found:
    """What a look at the files has shown: the hash of what may have changed (None: unreadable), and what is new."""

    def __init__(self) -> None:
        self.hashes: dict[str, bytes | None] = {}
        self.new: Batch | None = None
        self.seen = time.time_ns()


def refresh(connection: sqlite3.Connection, project: str, stamps: Mapping[str, Stamp]) -> dict[str, int | None]:
    """Bring an index up to date with the files of a project; return the content of each, None for one not read.

    Nothing is locked while files are read. Raises sqlite3.Error where the index cannot be read or written.
    """
    known = {row[0]: row for row in connection.execute(_KNOWN)}
    changed = _changed(stamps, known)
    gone = known.keys() - stamps.keys()
    if not changed and not gone:
        return {path: known[path][1] for path in stamps}
    found = _look(connection, project, changed)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _write(connection, stamps, found, gone)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    contents = dict(connection.execute("SELECT path, content FROM files"))
    return {path: contents[path] for path in stamps if path in contents}


def _changed(stamps: Mapping[str, Stamp], known: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """Return the files that are new, or may have changed since they were seen."""
    found = []
    for path, stamp in stamps.items():
        row = known.get(path)
        if row is None or row[3:] != stamp or stamp.ctime + RACY >= row[2]:
            found.append(path)
    return found


def _look(connection: sqlite3.Connection, project: str, paths: Iterable[str]) -> _Found:
    found = _Found()
    for path in paths:
        data = source.read(os.path.join(project, path))
        if data is None:
            found.hashes[path] = None
            continue
        digest = found.hashes[path] = source.digest(data)
        if (found.new is None or digest not in found.new) and schema.content(connection, digest) is None:
            if found.new is None:
                from dispatcher.graph.batch import Batch  # reading source takes much that questions do not

                found.new = Batch()
            found.new.add(digest, data)
    return found


def _write(connection: sqlite3.Connection, stamps: Mapping[str, Stamp], found: _Found, gone: Iterable[str]) -> None:
    connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
    if found.new is not None:
        found.new.write(connection)
    rows = []
    for path, digest in found.hashes.items():
        content = None if digest is None else schema.content(connection, digest)
        was_swept = digest is not None and content is None  # by another process, since we looked: next time it is read
        rows.append((path, content, 0 if was_swept else found.seen, *stamps[path]))
    connection.executemany(
        "INSERT OR REPLACE INTO files (path, content, seen, mtime, ctime, size, inode) VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    if found.new is not None and _is_to_be_swept(connection):
        _sweep(connection)


def _is_to_be_swept(connection: sqlite3.Connection) -> bool:
    segments = schema.number(connection, "segments")
    if segments % _LOOKED_AT:
        return segments > MOST_SEGMENTS
    everything = connection.execute("SELECT coalesce(sum(documents), 0) FROM contents").fetchone()[0]
    live = connection.execute(
        "SELECT coalesce(sum(documents), 0) FROM contents WHERE id IN (SELECT content FROM files)"
    ).fetchone()[0]
    return bool(everything > 2 * live + 1000 or segments > MOST_SEGMENTS)


def _sweep(connection: sqlite3.Connection) -> None:
    """Forget contents that no file has any more, and make one segment of all."""
    connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM files WHERE content IS NOT NULL)")
    for table in ("outlines", "renamed"):
        connection.execute(f"DELETE FROM {table} WHERE content NOT IN (SELECT id FROM contents)")  # noqa: S608 - of two
    is_live = bytearray(schema.number(connection, "documents") + 1)
    for base, count in connection.execute("SELECT base, documents FROM contents"):
        is_live[base : base + count] = b"\1" * count
    kept: dict[str, array[int]] = {}
    for term, data in connection.execute("SELECT term, postings FROM terms ORDER BY term, segment"):
        found = [posted for posted in schema.unpacked(data) if is_live[schema.document_of(posted)]]
        if found:
            kept.setdefault(term, array("I")).extend(found)
    connection.execute("DELETE FROM terms")
    connection.executemany("INSERT INTO terms VALUES (?, 0, ?)", [(t, found.tobytes()) for t, found in kept.items()])
    connection.execute("UPDATE meta SET value = 1 WHERE key = 'segments'")
