"""BM25: how well the own text of definitions fits the terms of another text.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse document
frequency that Lucene uses, which is never negative: ln(1 + (N - n + 0.5) / (n + 0.5)).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import log

from dispatcher.graph import schema
from dispatcher.graph.index import Index, Part

K1, B = 1.2, 0.75
"""How soon more of a term stops to count, and how much long texts are held against (the usual values)."""


class Search:
    """Scores the definitions of an index; texts that several files share count once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lengths = index.lengths
        self._documents = sum(1 for length in self._lengths if length)
        average = sum(self._lengths) / self._documents if self._documents else 1.0
        slope = K1 * B / average if average else 0.0
        self._last: tuple[dict[str, float], dict[int, float]] | None = None
        self._norms = [K1 * (1 - B) + slope * length for length in self._lengths]

    def best(self, terms: Mapping[str, float], most: int, wanted: Callable[[Part], bool]) -> list[tuple[Part, float]]:
        """Return the wanted definitions that fit best, at least `most` of them where so many fit at all; ties all."""
        scores = self._scores(terms)
        found: list[tuple[Part, float]] = []
        least = 0.0
        for document in sorted(scores, key=lambda each: (-scores[each], each)):
            if scores[document] < least or most < 1:
                break
            found += [(part, scores[document]) for part in self._index.parts_of(document) if wanted(part)]
            if len(found) >= most:
                least = scores[document]
        return found

    def of(self, terms: Mapping[str, float], among: Collection[Part]) -> list[float]:
        """Return the scores of these parts, 0 for what has none of the terms."""
        documents = [self._index.document(part) for part in among]
        scores = self._scores(terms)
        return [scores.get(document, 0.0) for document in documents]

    def _scores(self, terms: Mapping[str, float]) -> dict[int, float]:
        """Return the scores by document; those of the last terms are kept, for they are asked for more than once."""
        if self._last is None or self._last[0] != terms:
            self._last = dict(terms), self._scored(terms)
        return self._last[1]

    def _scored(self, terms: Mapping[str, float]) -> dict[int, float]:
        lengths, norms = self._lengths, self._norms
        scores: dict[int, float] = {}
        for term, weight in terms.items():
            found = [
                (document, times)
                for posted in self._index.postings(term)
                if (times := posted & schema.MOST_COUNTED) and lengths[document := posted >> schema.BITS]
            ]
            if not found or not weight:
                continue
            worth = weight * (K1 + 1) * log(1 + (self._documents - len(found) + 0.5) / (len(found) + 0.5))
            for document, times in found:
                scores[document] = scores.get(document, 0.0) + worth * times / (times + norms[document])
        return scores
