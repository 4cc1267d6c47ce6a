"""The tables of an index, and how rows and values turn into each other."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dispatcher.graph.outline import Import, Outline, Part

if TYPE_CHECKING:
    import sqlite3

VERSION = f"2 {sys.byteorder} {sys.version_info[0]}.{sys.version_info[1]}"
"""What an index was made by: another Python compiles other source, and calls other text a name."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, content INTEGER, mtime INTEGER, ctime INTEGER, size INTEGER, inode INTEGER,
                    seen INTEGER) WITHOUT ROWID;
CREATE TABLE contents (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB UNIQUE, base INTEGER, documents INTEGER,
                       lengths BLOB);
CREATE TABLE outlines (content INTEGER PRIMARY KEY, outline BLOB);
CREATE TABLE renamed (name TEXT, bound TEXT, content INTEGER, PRIMARY KEY (name, bound, content)) WITHOUT ROWID;
CREATE TABLE terms (term TEXT, segment INTEGER, postings BLOB, PRIMARY KEY (term, segment)) WITHOUT ROWID;
"""
BITS = 6
MOST_COUNTED = (1 << BITS) - 1
"""A term's frequency is kept up to this; BM25 hardly tells larger ones apart."""

MOST_DOCUMENTS = 1 << (32 - BITS)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty index."""
    connection.executescript(_TABLES)
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)", [("version", VERSION), ("documents", 0), ("segments", 0), ("used", 0)]
    )


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether an index is one that this version understands. Raises sqlite3.Error for what is none."""
    return bool(connection.execute("SELECT 1 FROM meta WHERE key = 'version' AND value = ?", [VERSION]).fetchone())


def number(connection: sqlite3.Connection, key: str) -> int:
    """Return one of the numbers that an index keeps."""
    return int(connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()[0])


def content(connection: sqlite3.Connection, digest: bytes) -> int | None:
    """Return the number of the content with a hash, if there is one."""
    row = connection.execute("SELECT id FROM contents WHERE hash = ?", [digest]).fetchone()
    return row[0] if row else None


def last_content(connection: sqlite3.Connection) -> int:
    """Return the highest number that a content ever had."""
    found = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'contents'").fetchone()
    return int(found[0])


def posting(document: int, times: int) -> int:
    """Return a document's number and how often it has a term, as one number below 2**32."""
    return document << BITS | (times if times < MOST_COUNTED else MOST_COUNTED)  # noqa: FURB136 - a call saved, often


def document_of(posted: int) -> int:
    """Return the document of a posting."""
    return posted >> BITS


def times_of(posted: int) -> int:
    """Return how often the document of a posting has the term."""
    return posted & MOST_COUNTED


def packed(numbers: Iterable[int]) -> bytes:
    """Return numbers below 2**32 as bytes."""
    return array("I", numbers).tobytes()


def unpacked(data: bytes) -> array[int]:
    """Return the numbers in bytes that `packed` made. Raises ValueError for others."""
    numbers = array("I")
    numbers.frombytes(data)
    return numbers


def dumped(outline: Outline) -> bytes:
    """Return an outline as bytes."""
    import orjson

    return orjson.dumps([
        [tuple(part) for part in outline.parts], [tuple(each) for each in outline.imports], outline.lines, outline.compiles,
    ])  # fmt: skip


def loaded(data: bytes) -> Outline:
    """Return the outline in bytes that `dumped` made. Raises ValueError or TypeError for others."""
    import orjson

    parts, imports, lines, compiles = orjson.loads(data)
    return Outline(list(map(Part._make, parts)), list(map(Import._make, imports)), lines, compiles)
