"""What is asked of an index: outlines, definitions by name, where a term is."""

from __future__ import annotations

import functools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from dispatcher.graph import outline, schema
from dispatcher.graph.cache_file import Ready
from dispatcher.graph.definition import Definition, kind_of, module
from dispatcher.graph.outline import DEFINED, KEYS

_AT_ONCE = 500
"""Terms that are asked for in one query."""


class Gone(Exception):
    """The index no longer holds what it held when it was opened: another process has swept it."""


class Part(NamedTuple):
    """A definition by its file and its place in that file's outline; 0 is the module, n the part n - 1."""

    path: str
    number: int


class _Documents(NamedTuple):
    """Where the documents of each content in use begin, by rising number: its content, how many it has, their lengths."""

    bases: Sequence[int]
    contents: Sequence[int]
    counts: Sequence[int]
    lengths: Sequence[bytes]


class Index:
    """An index that is up to date. Raises sqlite3.DatabaseError, ValueError or Gone when it was damaged meanwhile."""

    def __init__(self, ready: Ready) -> None:
        self._connection = ready.connection
        self.contents = ready.contents
        self._outlines: dict[int, outline.Outline] = {}
        self._definitions: dict[str, list[Definition]] = {}
        self._known: dict[Part, Definition] = {}
        self._numbers: dict[str, dict[str, list[int]]] = {}
        self._named: dict[str, list[tuple[Part, int]]] = {}

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def outline(self, path: str) -> outline.Outline | None:
        """Return the outline of a file; None for one that is not known or was not read."""
        content = self.contents.get(path)
        if content is None:
            return None
        outline = self._outlines.get(content)
        if outline is None:
            data = self._row("SELECT outline FROM outlines WHERE content = ?", content)
            outline = self._outlines[content] = schema.loaded(data)
        return outline

    def digest(self, path: str) -> bytes | None:
        """Return the hash of a file's bytes as they were read."""
        content = self.contents.get(path)
        return None if content is None else self._row("SELECT hash FROM contents WHERE id = ?", content)

    def _row(self, query: str, content: int) -> bytes:
        row = self._connection.execute(query, [content]).fetchone()
        if row is None:
            raise Gone
        found: bytes = row[0]
        return found

    def definitions(self, path: str) -> list[Definition]:
        """Return a file's definitions in order of lines, without its module."""
        found = self._definitions.get(path)
        if found is None:
            outline = self.outline(path)
            found = self._definitions[path] = [_definition(path, part) for part in (outline.parts if outline else ())]
        return found

    def numbers(self, path: str) -> dict[str, list[int]]:
        """Return the numbers of a file's definitions by their qualified names: of one name there may be several."""
        found = self._numbers.get(path)
        if found is None:
            found = self._numbers[path] = {}
            outline = self.outline(path)
            for number, part in enumerate(outline.parts if outline else (), 1):
                found.setdefault(part[0], []).append(number)
        return found

    def called(self, path: str, name: str) -> list[tuple[int, Definition]]:
        """Return the definitions of a file with a qualified name, and their numbers."""
        return [(number, self.definition(Part(path, number))) for number in self.numbers(path).get(name, ())]

    def definition(self, part: Part) -> Definition:
        """Return the definition that a part is."""
        found = self._known.get(part)
        if found is None:
            outline = self.outline(part.path)
            if part.number and outline:
                found = _definition(part.path, outline.parts[part.number - 1])
            else:
                found = module(part.path, outline.lines if outline else 1)
            self._known[part] = found
        return found

    def named(self, name: str, where: int | None = None) -> list[Part]:
        """Return the definitions whose last part is `name`, by path and line; only those that stand so: see `standing`."""
        found = self._named.get(name)
        if found is None:
            places = ((self._place(schema.document_of(each)), each) for each in self.postings(DEFINED + name))
            found = self._named[name] = sorted(
                (Part(path, number), schema.times_of(each))
                for (content, number), each in places
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

    def every_posting(self, terms: Iterable[str]) -> dict[str, array[int]]:
        """Return where some terms are, in every document that there was when this was first asked for lengths."""
        limit = len(self.lengths) << schema.BITS
        found: dict[str, array[int]] = {}
        wanted = [term for term in terms if not term.startswith(KEYS)]
        for start in range(0, len(wanted), _AT_ONCE):
            asked = wanted[start : start + _AT_ONCE]
            any_of = ",".join("?" * len(asked))
            query = f"SELECT term, postings FROM terms WHERE term IN ({any_of}) ORDER BY term, segment"  # noqa: S608 - ours
            for term, data in self._connection.execute(query, asked):
                if term in found:
                    found[term].frombytes(data)
                else:
                    found[term] = schema.unpacked(data)
        for every in found.values():
            if every and every[-1] >= limit:  # another process has added to the index meanwhile
                del every[bisect_left(every, limit) :]
        return found

    def parts_of(self, document: int) -> list[Part]:
        """Return what a document is the own text of: files with the same text share their documents."""
        content, number = self._place(document)
        return [Part(path, number) for path in self._paths.get(content, ())]

    def documents_where(self, wanted: Callable[[str], bool]) -> bytearray:
        """Return 1 for each document of a file that is wanted, 0 for the others and what is gone."""
        found = bytearray(len(self.lengths))
        for base, content, count, _ in zip(*self._documents, strict=True):
            if any(wanted(path) for path in self._paths[content]):
                found[base : base + count] = b"\1" * count
        return found

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
        pieces, end = [], 0
        for base, data in zip(self._documents.bases, self._documents.lengths, strict=True):
            pieces += [bytes(4 * (base - end)), data]
            end = base + len(data) // 4
        return schema.unpacked(b"".join(pieces))

    @functools.cached_property
    def has_dead(self) -> bool:
        """Whether there are documents that are gone among those with lengths."""
        return sum(self._documents.counts) < len(self.lengths)

    @functools.cached_property
    def _documents(self) -> _Documents:
        paths = self._paths
        rows = self._connection.execute("SELECT base, id, documents, lengths FROM contents ORDER BY base")
        found = [row for row in rows if row[1] in paths]
        if len(found) != len(paths):
            raise Gone
        return _Documents(*zip(*found, strict=True)) if found else _Documents((), (), (), ())

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


def _definition(path: str, part: outline.Part) -> Definition:
    kind = kind_of(path, part.name, is_class=part.is_class)
    return Definition(path, part.name, kind, part.first, part.last)
