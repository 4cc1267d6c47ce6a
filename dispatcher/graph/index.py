"""What is asked of an index: outlines, definitions by name, where a term is."""

from __future__ import annotations

import functools
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from dispatcher.graph import schema
from dispatcher.graph.cache_file import Ready
from dispatcher.graph.definition import Definition, kind_of, module
from dispatcher.graph.outline import Outline


class Gone(Exception):
    """The index no longer holds what it held when it was opened: another process has swept it."""


class Part(NamedTuple):
    """A definition by its file and its place in that file's outline; 0 is the module, n the part n - 1."""

    path: str
    number: int


class _Documents(NamedTuple):
    """Where the documents of each content in use begin, by rising number: its content, and how many it has."""

    bases: list[int]
    contents: list[int]
    counts: list[int]


class Index:
    """An index that is up to date. Raises sqlite3.DatabaseError, ValueError or Gone when it was damaged meanwhile."""

    def __init__(self, ready: Ready) -> None:
        self._connection = ready.connection
        self.contents = ready.contents
        self._outlines: dict[int, Outline] = {}
        self._definitions: dict[str, list[Definition]] = {}
        self._named: dict[str, list[tuple[Part, int]]] = {}

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def outline(self, path: str) -> Outline | None:
        """Return the outline of a file; None for one that is not known or was not read."""
        content = self.contents.get(path)
        if content is None:
            return None
        outline = self._outlines.get(content)
        if outline is None:
            outline = self._outlines[content] = schema.loaded(self._row("outline", content))
        return outline

    def digest(self, path: str) -> bytes | None:
        """Return the hash of a file's bytes as they were read."""
        content = self.contents.get(path)
        return None if content is None else self._row("hash", content)

    def _row(self, column: str, content: int) -> bytes:
        row = self._connection.execute(f"SELECT {column} FROM contents WHERE id = ?", [content]).fetchone()  # noqa: S608 - ours
        if row is None:
            raise Gone
        found: bytes = row[0]
        return found

    def definitions(self, path: str) -> list[Definition]:
        """Return a file's definitions in order of lines, without its module."""
        found = self._definitions.get(path)
        if found is None:
            outline = self.outline(path)
            found = self._definitions[path] = [
                Definition(path, part.name, kind_of(path, part.name, is_class=part.is_class), part.first, part.last)
                for part in (outline.parts if outline else ())
            ]
        return found

    def definition(self, part: Part) -> Definition:
        """Return the definition that a part is."""
        if part.number:
            return self.definitions(part.path)[part.number - 1]
        outline = self.outline(part.path)
        return module(part.path, outline.lines if outline else 1)

    def named(self, name: str, where: int | None = None) -> list[Part]:
        """Return the definitions whose last part is `name`, by path and line; only those that stand so: see `standing`."""
        found = self._named.get(name)
        if found is None:
            rows = self._connection.execute("SELECT content, number, standing FROM defined WHERE name = ?", [name])
            found = self._named[name] = sorted(
                (Part(path, number), stands)
                for content, number, stands in rows
                for path in self._paths.get(content, ())
            )
        return [part for part, stands in found if where in (None, stands)]

    def other_names(self, name: str) -> set[str]:
        """Return the names that imports give to what is called `name`, itself among them, over any number of steps."""
        found, new = {name}, [name]
        while new:
            rows = self._connection.execute("SELECT bound, content FROM renamed WHERE name = ?", [new.pop()])
            for bound, content in rows.fetchall():
                if bound not in found and content in self._paths:
                    found.add(bound)
                    new.append(bound)
        return found

    def parts_with(self, key: str) -> list[Part]:
        """Return the modules and definitions that are found by a key, by path and line: see outline.NAMES."""
        places = (self._place(schema.document_of(posted)) for posted in self.postings(key))
        return sorted({Part(path, number) for content, number in places for path in self._paths.get(content, ())})

    def postings(self, term: str) -> Iterator[int]:
        """Yield where a term is, in every document there ever was: see `schema.posting`."""
        for (data,) in self._connection.execute("SELECT postings FROM terms WHERE term = ? ORDER BY segment", [term]):
            yield from schema.unpacked(data)

    def parts_of(self, document: int) -> list[Part]:
        """Return what a document is the own text of: files with the same text share their documents."""
        content, number = self._place(document)
        return [Part(path, number) for path in self._paths.get(content, ())]

    def document(self, part: Part) -> int:
        """Return the document that holds a part's own text."""
        content = self.contents.get(part.path)
        return -1 if content is None else self._begins[content] + part.number

    def _place(self, document: int) -> tuple[int, int]:
        """Return the content that a document belongs to, and its number there; (-1, 0) for one that is gone."""
        at = bisect_right(self._documents.bases, document) - 1
        number = document - self._documents.bases[at] if at >= 0 else 0
        if at < 0 or number >= self._documents.counts[at]:
            return -1, 0
        return self._documents.contents[at], number

    @functools.cached_property
    def lengths(self) -> array[int]:
        """How many terms each document has; 0 for modules and documents that are gone."""
        rows = self._connection.execute("SELECT id, base, lengths FROM contents ORDER BY base")
        found = array("I")
        for content, base, data in rows:
            found.frombytes(bytes(4 * (base - len(found))))
            lengths = schema.unpacked(data)
            found.extend(lengths if content in self._paths else array("I", bytes(4 * len(lengths))))
        return found

    @functools.cached_property
    def _documents(self) -> _Documents:
        found = _Documents([], [], [])
        for content, base, count in self._connection.execute("SELECT id, base, documents FROM contents ORDER BY base"):
            if content in self._paths:
                found.bases.append(base)
                found.contents.append(content)
                found.counts.append(count)
        return found

    @functools.cached_property
    def _begins(self) -> dict[int, int]:
        return dict(zip(self._documents.contents, self._documents.bases, strict=True))

    @functools.cached_property
    def _paths(self) -> dict[int, list[str]]:
        paths: dict[int, list[str]] = {}
        for path, content in self.contents.items():
            if content is not None:
                paths.setdefault(content, []).append(path)
        return paths
