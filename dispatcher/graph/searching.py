"""BM25: how well the own text of definitions fits the terms of another text.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse document
frequency that Lucene uses, which is never negative: ln(1 + (N - n + 0.5) / (n + 0.5)). Terms that are worth little and
are nearly everywhere are only looked up for what may still be among the best (MaxScore: Turtle and Flood, "Query
evaluation: strategies and optimizations", 1995).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from heapq import nlargest
from math import inf, log
from typing import NamedTuple

from dispatcher.graph.index import Index, Part
from dispatcher.graph.schema import BITS, MOST_COUNTED

K1, B = 1.2, 0.75
"""How soon more of a term stops to count, and how much long texts are held against (the usual values)."""

_FIRST = 4000
"""Postings that are gone through before it is asked whether the rest can matter."""

_CLEAR = 2
"""How many times as much as all that is left a score must be, for it to be cheaper to look the rest up."""

_ROUNDING = 1 - 1e-9
_SOME = 5e-324
"""The smallest score there can be."""


class _Term(NamedTuple):
    """A term: the most that it can add to a score, and its postings."""

    worth: float
    every: array[int]


class _Query:
    """A query of which the first terms have been added up.

    `terms`: those worth most first, `open`: how much they and all after them can add at most, `done`: how many of them
    are in the scores, `spent`: how many postings that took.
    """

    def __init__(self, asked: Mapping[str, float], terms: list[_Term], documents: int) -> None:
        self.asked = dict(asked)
        self.terms = terms
        self.open = [0.0]
        for term in reversed(terms):
            self.open.append(self.open[-1] + term.worth)
        self.open.reverse()
        self.done = self.spent = 0
        self.scores = [0.0] * documents


class _Norms(dict[int, float]):
    """What a term's frequency is held against, by the length of a text."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self._slope = slope
        self[0] = inf  # what is gone has no length: as if its text were endless, no term is worth anything there

    def __missing__(self, length: int) -> float:
        norm = self[length] = K1 * (1 - B) + self._slope * length
        return norm


class Search:
    """Scores the definitions of an index; texts that several files share count once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lengths = index.lengths
        self._documents = len(self._lengths) - self._lengths.count(0)
        average = sum(self._lengths) / self._documents if self._documents else 1.0
        slope = K1 * B / average if average else 0.0
        self._norms = list(map(_Norms(slope).__getitem__, self._lengths))
        self._last: _Query | None = None

    def best(self, terms: Mapping[str, float], most: int, wanted: Callable[[str], bool]) -> list[tuple[Part, float]]:
        """Return the definitions in wanted files that fit best, at least `most` where so many fit at all; ties all."""
        query = self._query(terms)
        is_wanted = self._index.documents_where(wanted)
        least = self._least(query, most, is_wanted)
        scores = self._completed(query, self._near(query, least, is_wanted))
        if len(scores) > most:
            least = max(least, nlargest(most, scores.values())[-1])
        near = self._near(query, least - query.open[query.done], is_wanted)
        scores |= self._completed(query, [document for document in near if document not in scores], least)
        found: list[tuple[Part, float]] = []
        for document in sorted(scores, key=lambda each: (-scores[each], each)):
            if len(found) >= most and scores[document] < found[-1][1]:
                break
            found += [(part, scores[document]) for part in self._index.parts_of(document) if wanted(part.path)]
        return found

    def of(self, terms: Mapping[str, float], among: Collection[Part]) -> list[float]:
        """Return the scores of these parts, 0 for what has none of the terms."""
        query = self._query(terms)
        if not query.done:
            self._go_on(query, 0.0)
        documents = [self._index.document(part) for part in among]
        scores = self._completed(query, documents)
        return [scores[document] for document in documents]

    def _query(self, terms: Mapping[str, float]) -> _Query:
        """Return a query; the last one is kept, for the same terms are asked for more than once."""
        if self._last is None or self._last.asked != terms:
            postings = self._index.every_posting(term for term, weight in terms.items() if weight > 0)
            found = [_Term(self._worth(terms[term], every), every) for term, every in sorted(postings.items())]
            found.sort(key=lambda term: term.worth, reverse=True)
            self._last = _Query(terms, found, len(self._norms))
        return self._last

    def _worth(self, weight: float, every: array[int]) -> float:
        count = self._live(every)
        return weight * (K1 + 1) * log(1 + (self._documents - count + 0.5) / (count + 0.5))

    def _live(self, every: array[int]) -> int:
        """Return in how many documents a term is, without those that are gone."""
        if not self._index.has_dead:
            return len(every)
        lengths = self._lengths
        return len([1 for posted in every if lengths[posted >> BITS]])

    def _least(self, query: _Query, most: int, is_wanted: bytearray) -> float:
        """Add up terms until what is left cannot lift what has none of them to the best; return what these have at least."""
        while True:
            scores = [score for score, wanted in zip(query.scores, is_wanted, strict=True) if wanted and score]
            least = nlargest(most, scores)[-1] if 0 < most <= len(scores) else 0.0
            if query.done == len(query.terms) or least > _CLEAR * query.open[query.done]:
                return least
            self._go_on(query, least)

    def _near(self, query: _Query, least: float, is_wanted: bytearray) -> list[int]:
        """Return the wanted documents that have at least so much by now."""
        least = max(least * _ROUNDING, _SOME)
        return [document for document, score in enumerate(query.scores) if score >= least and is_wanted[document]]

    def _go_on(self, query: _Query, least: float) -> None:
        """Add up some further terms, and where there is a least score, all until what is left is small against it."""
        norms, scores = self._norms, query.scores
        aim = query.spent + _FIRST
        while query.done < len(query.terms):
            if query.spent >= aim and not 0 < least <= _CLEAR * query.open[query.done]:
                break
            worth, every = query.terms[query.done]
            for posted in every:
                document, times = posted >> BITS, posted & MOST_COUNTED
                scores[document] += worth * times / (times + norms[document])
            query.done += 1
            query.spent += len(every)

    def _completed(self, query: _Query, documents: Iterable[int], least: float = 0.0) -> dict[int, float]:
        """Return the scores of some documents with all terms added, in the order in which it is always done.

        Those that cannot reach `least` any more are left out.
        """
        found = {document: query.scores[document] for document in documents}
        for number in range(query.done, len(query.terms)):
            worth, every = query.terms[number]
            if least:
                reach = least * _ROUNDING - query.open[number]
                found = {document: score for document, score in found.items() if score >= reach}
            for document in found:
                at = bisect_left(every, document << BITS)
                if at < len(every) and every[at] >> BITS == document:
                    times = every[at] & MOST_COUNTED
                    found[document] += worth * times / (times + self._norms[document])
        return found
