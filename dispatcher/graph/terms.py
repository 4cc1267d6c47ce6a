"""The terms of a text: what is compared when one text is searched by another."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from keyword import kwlist

WORD = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_NO_TERMS = frozenset(word.lower() for word in kwlist)
_LONGEST = 100
_KEPT = 200_000
_known: dict[str, tuple[str, ...]] = {}


def terms_of(text: str) -> Counter[str]:
    """Return how often each term is in a text, as the index cuts them.

    Terms are names and words in lower case, whole and in their parts: "parseHTML_2" is "parsehtml_2", "parse" and
    "html". Python's keywords, single letters and numbers are none.
    """
    return Counter(counted(text))


def counted(text: str) -> dict[str, int]:
    """Return what `terms_of` returns, as a plain dictionary."""
    found: dict[str, int] = {}
    get, known = found.get, _known.get
    for word, times in words_of(text).items():
        terms = known(word)
        for term in _terms_of_word(word) if terms is None else terms:
            found[term] = get(term, 0) + times
    return found


def words_of(text: str) -> Counter[str]:
    """Return how often each word is in a text: runs of letters, digits and "_", normal forms as Python's names."""
    return Counter(WORD.findall(text if text.isascii() else unicodedata.normalize("NFKC", text)))


def _terms_of_word(word: str) -> tuple[str, ...]:
    if len(_known) > _KEPT:
        _known.clear()
    terms = _known[word] = tuple(_cut(word[:_LONGEST]))
    return terms


def _cut(word: str) -> dict[str, None]:
    whole = word.lower()
    parts = dict.fromkeys([whole, *(part.lower() for part in _PART.findall(word))])
    return {term: None for term in parts if len(term) > 1 and term not in _NO_TERMS}
