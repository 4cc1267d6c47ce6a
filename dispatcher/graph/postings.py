"""Which documents have which terms, gathered for many files at once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

from dispatcher.graph.schema import BITS, MOST_COUNTED
from dispatcher.graph.terms import terms_of_word, words_of

_AT_ONCE = 8_000_000
"""Characters of text that wait at most."""


class Postings:
    """The postings of documents, numbered from 0 in the order in which they are added: see schema.posting."""

    def __init__(self) -> None:
        self._by_term: dict[str, array[int]] = {}
        self._adders: dict[str, tuple[Callable[[int], None], ...]] = {}
        self._of_several: set[str] = set()
        self._lengths = array("I")
        self._waiting: list[tuple[str, Iterable[str], tuple[str, int] | None]] = []
        self._size = 0

    def add(self, text: str, keys: Iterable[str], key: tuple[str, int] | None) -> None:
        """Add a document with the terms of a text, that keys find besides; one key with a number up to MOST_COUNTED."""
        self._waiting.append((text, keys, key))
        self._size += len(text)
        if self._size > _AT_ONCE:
            self._post()

    def lengths(self) -> array[int]:
        """Return how many terms each document has."""
        self._post()
        return self._lengths

    def _post(self) -> None:
        """Post what is waiting: many at once, since the postings of all terms are more than a processor's cache holds."""
        for document, (text, keys, key) in enumerate(self._waiting, len(self._lengths)):
            self._lengths.append(self._post_terms(document << BITS, text))
            self._post_keys(document << BITS, keys)
            if key is not None:
                self._post_keys(document << BITS | key[1], key[:1])
        self._waiting.clear()
        self._size = 0

    def _post_terms(self, posted: int, text: str) -> int:
        adders, length = self._adders, 0
        for word, times in words_of(text).items():
            every = adders[word] if word in adders else self._adders_of(word)
            length += times * len(every)
            here = posted | (times if times < MOST_COUNTED else MOST_COUNTED)  # noqa: FURB136 - a call saved, often
            for add in every:
                add(here)
        return length

    def _post_keys(self, posted: int, keys: Iterable[str]) -> None:
        by_term = self._by_term
        for key in keys:
            if key in by_term:
                by_term[key].append(posted)
            else:
                by_term[key] = array("I", (posted,))

    def _adders_of(self, word: str) -> tuple[Callable[[int], None], ...]:
        every = []
        for term in terms_of_word(word):
            found = self._by_term.get(term)
            if found is None:
                found = self._by_term[term] = array("I")
            else:
                self._of_several.add(term)
            every.append(found.append)
        adders = self._adders[word] = tuple(every)
        return adders

    def rows(self, first: int) -> Iterator[tuple[str, bytes]]:
        """Yield terms and keys in order with their postings, the documents numbered from `first` on."""
        self._post()
        shift = first << BITS
        for term, every in sorted(self._by_term.items()):
            found = _merged(every) if term in self._of_several else every
            if shift:
                found = array("I", [posted + shift for posted in found])
            yield term, found.tobytes()


def _merged(every: array[int]) -> array[int]:
    """Return postings with one for each document: a term may be part of several words of a text."""
    found = array("I")
    last, at = -1, -1
    for posted in every:
        document = posted >> BITS
        if document == last:
            found[at] = min(found[at] + (posted & MOST_COUNTED), document << BITS | MOST_COUNTED)
        else:
            found.append(posted)
            last, at = document, at + 1
    return found
