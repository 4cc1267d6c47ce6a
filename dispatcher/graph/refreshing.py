"""Bringing an index up to date: work is linear in what changed, beyond one look at each file's state."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dispatcher.graph import schema, source
from dispatcher.graph.definition import last_part, standing
from dispatcher.graph.outline import Outline, Text, outline_of
from dispatcher.graph.source import Stamp

if TYPE_CHECKING:
    import sqlite3

RACY = 2_000_000_000
"""Nanoseconds. A file that changed so shortly before it was read may have changed again within one tick of its clock."""

MOST_SEGMENTS = 256


class _File(NamedTuple):
    content: int | None
    stamp: Stamp
    seen: int


class _New(NamedTuple):
    outline: Outline
    text: Text


class _Found(NamedTuple):
    """What a look at the files has shown: the hash of what may have changed (None: unreadable), and what is new."""

    hashes: dict[str, bytes | None]
    new: dict[bytes, _New]
    seen: int


def refresh(connection: sqlite3.Connection, project: str, stamps: Mapping[str, Stamp]) -> dict[str, int | None]:
    """Bring an index up to date with the files of a project; return the content of each, None for one not read.

    Nothing is locked while files are read. Raises sqlite3.Error where the index cannot be read or written.
    """
    known = _known(connection)
    found = _look(connection, project, stamps, known)
    gone = known.keys() - stamps.keys()
    if found.hashes or gone:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _write(connection, stamps, found, gone)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        known = _known(connection)
    return {path: known[path].content for path in stamps if path in known}


def _known(connection: sqlite3.Connection) -> dict[str, _File]:
    rows = connection.execute("SELECT path, content, seen, mtime, ctime, size, inode FROM files")
    return {path: _File(content, Stamp(*stamp), seen) for path, content, seen, *stamp in rows}


def _look(
    connection: sqlite3.Connection, project: str, stamps: Mapping[str, Stamp], known: Mapping[str, _File]
) -> _Found:
    from hashlib import blake2b

    found = _Found({}, {}, time.time_ns())
    for path, stamp in stamps.items():
        before = known.get(path)
        if before and before.stamp == stamp and stamp.ctime + RACY < before.seen:
            continue
        data = source.read(os.path.join(project, path))
        if data is None:
            found.hashes[path] = None
            continue
        digest = found.hashes[path] = blake2b(data, digest_size=16).digest()
        if digest not in found.new and _content(connection, digest) is None:
            found.new[digest] = _New(*outline_of(source.decoded(data)))
    return found


def _content(connection: sqlite3.Connection, digest: bytes) -> int | None:
    row = connection.execute("SELECT id FROM contents WHERE hash = ?", [digest]).fetchone()
    return row[0] if row else None


def _write(connection: sqlite3.Connection, stamps: Mapping[str, Stamp], found: _Found, gone: Iterable[str]) -> None:
    connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
    # Another process may have been here meanwhile: what it has added stays.
    fresh = {digest: new for digest, new in found.new.items() if _content(connection, digest) is None}
    if fresh:
        _add(connection, fresh)
    rows = [
        (path, None if digest is None else _content(connection, digest), found.seen, *stamps[path])
        for path, digest in found.hashes.items()
    ]
    connection.executemany(
        "INSERT OR REPLACE INTO files (path, content, seen, mtime, ctime, size, inode) VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    if _is_to_be_swept(connection):
        _sweep(connection)


def _add(connection: sqlite3.Connection, fresh: Mapping[bytes, _New]) -> None:
    document, segment = schema.number(connection, "documents"), schema.number(connection, "segments")
    postings: dict[str, array[int]] = {}
    contents: list[tuple[int, bytes, int, int, bytes, bytes]] = []
    defined: list[tuple[str, int, int, int]] = []
    renamed: set[tuple[str, str, int]] = set()
    number = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'contents'").fetchone()
    for content, (digest, (outline, text)) in enumerate(fresh.items(), number[0] + 1):
        lengths = [sum(terms.values()) for terms in text.terms]
        contents.append((content, digest, document, len(lengths), schema.packed(lengths), schema.dumped(outline)))
        defined += [
            (last_part(part.name), content, number, standing(part.name)) for number, part in enumerate(outline.parts, 1)
        ]
        renamed |= {(each.name, each.bound, content) for each in outline.imports if each.bound not in ("", each.name)}
        for offset, (terms, found_by) in enumerate(zip(text.terms, text.found_by, strict=True)):
            _post(postings, document + offset, terms, found_by)
        document += len(lengths)
    if document >= schema.MOST_DOCUMENTS:
        raise OverflowError("the index is worn out")
    connection.executemany("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)", contents)
    connection.executemany("INSERT INTO defined VALUES (?, ?, ?, ?)", sorted(defined))
    connection.executemany("INSERT INTO renamed VALUES (?, ?, ?)", sorted(renamed))
    connection.executemany(
        "INSERT INTO terms VALUES (?, ?, ?)", [(term, segment, postings[term].tobytes()) for term in sorted(postings)]
    )
    connection.executemany(
        "UPDATE meta SET value = ? WHERE key = ?", [(document, "documents"), (segment + 1, "segments")]
    )


def _post(postings: dict[str, array[int]], document: int, terms: Mapping[str, int], found_by: Iterable[str]) -> None:
    """Add a document to the postings of its terms, and of names that it is found by that are no terms of it."""
    for term, times in terms.items():
        posted = schema.posting(document, times)
        found = postings.get(term)
        if found is None:
            postings[term] = array("I", (posted,))
        else:
            found.append(posted)
    for term in found_by:
        postings.setdefault(term, array("I")).append(schema.posting(document, 0))


def _is_to_be_swept(connection: sqlite3.Connection) -> bool:
    everything = connection.execute("SELECT coalesce(sum(documents), 0) FROM contents").fetchone()[0]
    live = connection.execute(
        "SELECT coalesce(sum(documents), 0) FROM contents WHERE id IN (SELECT content FROM files)"
    ).fetchone()[0]
    segments = schema.number(connection, "segments")
    return bool(everything > 2 * live + 1000 or segments > MOST_SEGMENTS)


def _sweep(connection: sqlite3.Connection) -> None:
    """Forget contents that no file has any more, and make one segment of all."""
    connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM files WHERE content IS NOT NULL)")
    for table in ("defined", "renamed"):
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
