"""Contents that are new to an index: read and gathered before anything is locked, and then written at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dispatcher.graph import reading, schema, source
from dispatcher.graph.definition import last_part, standing
from dispatcher.graph.outline import DEFINED
from dispatcher.graph.postings import Postings

if TYPE_CHECKING:
    import sqlite3


class _Content(NamedTuple):
    """A content as it is kept; `base` is its first document's number within the batch."""

    digest: bytes
    base: int
    documents: int
    outline: bytes
    renamed: set[tuple[str, str]]

    @property
    def end(self) -> int:
        """The number after that of its last document."""
        return self.base + self.documents


class Batch:
    """New contents by their hashes."""

    def __init__(self) -> None:
        self._postings = Postings()
        self._contents: dict[bytes, _Content] = {}
        self._documents = 0

    def __contains__(self, digest: object) -> bool:
        """Tell whether a content is in it."""
        return digest in self._contents

    def add(self, digest: bytes, data: bytes) -> None:
        """Read a content."""
        outline, text = reading.outline_of(source.decoded(data))
        own_keys = (None, *((DEFINED + last_part(part.name), standing(part.name)) for part in outline.parts))
        for own, keys, key in zip(text.own, text.found_by, own_keys, strict=True):
            self._postings.add(own, keys, key)
        renamed = {(each.name, each.bound) for each in outline.imports if each.bound not in ("", each.name)}
        content = _Content(digest, self._documents, len(text.own), schema.dumped(outline), renamed)
        self._contents[digest] = content
        self._documents += content.documents

    def write(self, connection: sqlite3.Connection) -> None:
        """Add what the index has not got by now: others may have been there meanwhile, and what they added stays.

        Documents of ours that come too late belong to no content then, as those of contents that are gone. Raises
        OverflowError for an index that has no number left.
        """
        fresh = [each for each in self._contents.values() if schema.content(connection, each.digest) is None]
        if not fresh:
            return
        first, segment = schema.number(connection, "documents"), schema.number(connection, "segments")
        if first + self._documents >= schema.MOST_DOCUMENTS:
            raise OverflowError("the index is worn out")
        lengths = self._postings.lengths()
        numbered = list(enumerate(fresh, schema.last_content(connection) + 1))
        contents = [
            (number, each.digest, first + each.base, each.documents, lengths[each.base : each.end].tobytes())
            for number, each in numbered
        ]
        connection.executemany("INSERT INTO contents VALUES (?, ?, ?, ?, ?)", contents)
        outlines = [(number, each.outline) for number, each in numbered]
        connection.executemany("INSERT INTO outlines VALUES (?, ?)", outlines)
        renamed = sorted((*names, number) for number, each in numbered for names in each.renamed)
        connection.executemany("INSERT INTO renamed VALUES (?, ?, ?)", renamed)
        rows = ((term, segment, data) for term, data in self._postings.rows(first))
        connection.executemany("INSERT INTO terms VALUES (?, ?, ?)", rows)
        connection.executemany(
            "UPDATE meta SET value = ? WHERE key = ?",
            [(first + self._documents, "documents"), (segment + 1, "segments")],
        )
