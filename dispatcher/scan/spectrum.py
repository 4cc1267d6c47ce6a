"""Who is to blame, told from what failing and passing tests execute: a ranking of functions, and joint causes. Pure.

The ranking is Ochiai's: of `failed` failing tests, ef execute a function, and of the passing ones ep;
ochiai = ef / sqrt(failed * (ef + ep)) (Abreu, Zoeteweij, van Gemund 2007). Where lines are known too, a function's best
line counts as much as the function; and where an exception tells the way, its frames add to that, as the plain average
of both does better than either (Widyasari et al. 2022, FauxPy 2024).

Joint causes are found as in diagnosis by likelihood (Barinel: Abreu, Zoeteweij, van Gemund 2009): if a function is to
blame, the tests that execute it pass with some probability h, whose best guess is ep / (ef + ep), and
the tests are as likely as h^ep (1 - h)^ef. A function that explains several groups of failures is to blame for all of
them when that is likelier than that each has a function of its own; each fault supposed has its price.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from dispatcher.domain.failure import function_of
from dispatcher.scan.evidence import Evidence, Function, Traced

_PRICE = 3.0
"""What one more fault costs, in units of log-likelihood: a program has few at a time."""

_MOST_PASSING = 1 / 3
"""What most tests pass that execute it, does not explain why others fail."""

Line = tuple[str, int]

_WAY = 0.5
"""How much the frames of an exception count beside what is executed."""

_TESTS_OWN = 0.6
"""Helpers and fixtures of the tests are to blame less often than what they test."""


class Suspect(NamedTuple):
    """A function with its score from 0 to 1, and how many of the failing and passing tests execute it."""

    function: Function
    score: float
    failing: int
    passing: int


def rank(tests: Collection[str], evidence: Evidence, way: Sequence[tuple[str, str]]) -> list[Suspect]:
    """Return the functions that some failing tests execute, the most suspicious first.

    `way` are the functions (path, name) that an exception came through, innermost first. Of equals the project's
    own come before those of its tests, and those with more executed lines before others. Test functions themselves
    are left out: they fail, that is known.
    """
    traced = [test for test in tests if test in evidence.failing]
    executed = Counter(f for test in traced for f in evidence.failing[test].functions)
    passing, lines = _passing(evidence), _Lines(traced, evidence)
    nearness = {function: 1 / n for n, function in reversed(list(enumerate(way, 1)))}
    found: list[tuple[Suspect, int]] = []
    for function, ef in executed.items():
        if not _is_of_tests(function, traced):
            score = _ochiai(ef, len(traced), passing[function])
            if evidence.passing_lines:
                score = (score + max(score, lines.best(function))) / 2
            score = (score + _WAY * nearness.get(function[:2], 0.0)) / (1 + (_WAY if way else 0))
            score *= _TESTS_OWN if function.owner == "test" else 1
            found.append((Suspect(function, score, ef, passing[function]), lines.count(function)))
    found.sort(key=lambda s: (-round(s[0].score, 6), s[0].function.owner, -s[1], s[0].function))
    return [suspect for suspect, _ in found]


class _Holders:
    """Tells in which function a line is: the innermost that holds it."""

    def __init__(self, spans: Mapping[Function, tuple[int, int]]) -> None:
        self._spans: dict[str, list[tuple[int, int, int, Function]]] = defaultdict(list)
        for function, (first, last) in spans.items():
            self._spans[function.path].append((last - first, first, last, function))
        for inside in self._spans.values():
            inside.sort()
        self.of = lru_cache(maxsize=100_000)(self._of)

    def _of(self, line: Line) -> Function | None:
        path, n = line
        return next((f for _, first, last, f in self._spans.get(path, ()) if first <= n <= last), None)


class _Lines:
    """The lines that failing tests execute, by function."""

    def __init__(self, tests: Sequence[str], evidence: Evidence) -> None:
        executed = Counter(line for test in tests for line in _lines_of(evidence.failing[test]))
        holders = _Holders(evidence.spans)
        self._best: dict[Function, float] = defaultdict(float)
        self._count = Counter[Function]()
        for line, ef in executed.items():
            holder = holders.of(line)
            if holder is not None:
                score = _ochiai(ef, len(tests), evidence.passing_lines[line])
                self._best[holder] = max(self._best[holder], score)
                self._count[holder] += 1

    def best(self, function: Function) -> float:
        """Return the score of the most suspicious line of a function."""
        return self._best[function]

    def count(self, function: Function) -> int:
        """Return how many lines of a function are executed."""
        return self._count[function]


def _lines_of(traced: Traced) -> Iterator[Line]:
    for path, numbers in traced.lines.items():
        for n in numbers:
            yield path, n


def joint_causes(groups: Mapping[str, Collection[str]], evidence: Evidence) -> dict[str, Function]:
    """Return the function that is to blame for several groups of failing tests, for each group that has such a one.

    Where lines are known, it is a line of the function that has to explain them.
    """
    traced = {name: [test for test in tests if test in evidence.failing] for name, tests in groups.items()}
    sizes = {name: len(tests) for name, tests in traced.items()}
    if evidence.passing_lines:
        holders = _Holders(evidence.spans)
        shared: dict[str, dict[Any, Function]] = {n: _shared_lines(t, evidence, holders) for n, t in traced.items()}
        passing: Counter[Any] = evidence.passing_lines
    else:
        shared = {name: {f: f for f in _shared_functions(tests, evidence)} for name, tests in traced.items()}
        passing = _passing(evidence)
    alone = {n: _PRICE + min(_cost(sizes[n], passing[u]) for u in units) for n, units in shared.items() if units}
    joint: dict[str, Function] = {}
    left = set(alone)
    while left:
        best: tuple[float, int, Function, list[str]] | None = None
        for unit, function in {u: f for name in left for u, f in shared[name].items()}.items():
            explained = sorted(name for name in left if unit in shared[name])
            failing = sum(sizes[name] for name in explained)
            if len(explained) < 2 or passing[unit] > _MOST_PASSING * (failing + passing[unit]):
                continue
            gain = sum(alone[name] for name in explained) - _PRICE - _cost(failing, passing[unit])
            offer = gain, -passing[unit], function, explained
            best = offer if gain > 0 and (best is None or offer > best) else best
        if best is None:
            break
        joint |= dict.fromkeys(best[3], best[2])
        left.difference_update(best[3])
    return joint


def _shared_lines(tests: Sequence[str], evidence: Evidence, holders: _Holders) -> dict[Any, Function]:
    """Return the lines of the project's own functions that all of some tests execute."""
    if not tests:
        return {}
    shared = set.intersection(*(set(_lines_of(evidence.failing[test])) for test in tests))
    held = {line: holders.of(line) for line in shared}
    return {line: holder for line, holder in held.items() if holder is not None and holder.owner != "test"}


def _shared_functions(tests: Sequence[str], evidence: Evidence) -> set[Function]:
    if not tests:
        return set()
    shared = set.intersection(*(set(evidence.failing[test].functions) for test in tests))
    return {function for function in shared if not _is_of_tests(function, tests)}


def _ochiai(failing: int, of: int, passing: int) -> float:
    return failing / math.sqrt(of * (failing + passing)) if failing else 0.0


def _cost(failing: int, passing: int) -> float:
    """Return how unlikely it is that of the tests of one faulty function so many fail and pass (-log likelihood)."""
    share = passing / (failing + passing)
    return -(passing * math.log(share) if passing else 0.0) - (failing * math.log(1 - share) if failing else 0.0)


def _passing(evidence: Evidence) -> Counter[Function]:
    return Counter(f for traced in evidence.passing.values() for f in traced.functions)


def _is_of_tests(function: Function, tests: Iterable[str]) -> bool:
    """Tell whether a function is a test's own, or lies in it; tests inherit them, so only their names count."""
    if function.owner != "test":
        return False
    parts = function.name.split(".")
    return any(function_of(test).rpartition("::")[2] in parts for test in tests)
