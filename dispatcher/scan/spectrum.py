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
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from dispatcher.domain.failure import function_of
from dispatcher.scan.evidence import Evidence, Function

_PRICE = 5.0
"""What one more fault costs, in units of log-likelihood: a program has few at a time."""

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


class _Lines:
    """The lines that failing tests execute, by the innermost function that holds them."""

    def __init__(self, tests: Sequence[str], evidence: Evidence) -> None:
        executed = Counter((path, n) for test in tests for path, ns in evidence.failing[test].lines.items() for n in ns)
        spans: dict[str, list[tuple[int, int, int, Function]]] = defaultdict(list)
        for function, (first, last) in evidence.spans.items():
            spans[function.path].append((last - first, first, last, function))
        self._best: dict[Function, float] = defaultdict(float)
        self._count = Counter[Function]()
        for inside in spans.values():
            inside.sort()
        for (path, n), ef in executed.items():
            holder = next((f for _, first, last, f in spans.get(path, ()) if first <= n <= last), None)
            if holder is not None:
                score = _ochiai(ef, len(tests), evidence.passing_lines[path, n])
                self._best[holder] = max(self._best[holder], score)
                self._count[holder] += 1

    def best(self, function: Function) -> float:
        """Return the score of the most suspicious line of a function."""
        return self._best[function]

    def count(self, function: Function) -> int:
        """Return how many lines of a function are executed."""
        return self._count[function]


def joint_causes(groups: Mapping[str, Collection[str]], evidence: Evidence) -> dict[str, Function]:
    """Return the function that is to blame for several groups of failing tests, for each group that has such a one."""
    passing = _passing(evidence)
    everywhere = {name: _executed_by_all(tests, evidence) for name, tests in groups.items()}
    sizes = {name: sum(test in evidence.failing for test in tests) for name, tests in groups.items()}
    alone = {
        name: _PRICE + min((_cost(sizes[name], passing[f]) for f in functions), default=0.0)
        for name, functions in everywhere.items()
    }
    joint: dict[str, Function] = {}
    left = {name for name, functions in everywhere.items() if functions}
    while left:
        best: tuple[float, int, Function] | None = None
        for function in {f for name in left for f in everywhere[name]}:
            explained = [name for name in left if function in everywhere[name]]
            together = _PRICE + _cost(sum(sizes[name] for name in explained), passing[function])
            gain = sum(alone[name] for name in explained) - together
            if len(explained) > 1 and gain > 0:
                offer = gain, -passing[function], function
                best = offer if best is None or offer > best else best
        if best is None:
            break
        explained = [name for name in left if best[2] in everywhere[name]]
        joint |= dict.fromkeys(explained, best[2])
        left.difference_update(explained)
    return joint


def _ochiai(failing: int, of: int, passing: int) -> float:
    return failing / math.sqrt(of * (failing + passing)) if failing else 0.0


def _cost(failing: int, passing: int) -> float:
    """Return how unlikely it is that of the tests of one faulty function so many fail and pass (-log likelihood)."""
    share = passing / (failing + passing)
    return -(passing * math.log(share) if passing else 0.0) - (failing * math.log(1 - share) if failing else 0.0)


def _passing(evidence: Evidence) -> Counter[Function]:
    return Counter(f for traced in evidence.passing.values() for f in traced.functions)


def _executed_by_all(tests: Iterable[str], evidence: Evidence) -> set[Function]:
    traced = [test for test in tests if test in evidence.failing]
    if not traced:
        return set()
    shared = set.intersection(*(set(evidence.failing[test].functions) for test in traced))
    return {f for f in shared if not _is_of_tests(f, traced)}


def _is_of_tests(function: Function, tests: Iterable[str]) -> bool:
    """Tell whether a function is a test's own, or lies in it; tests inherit them, so only their names count."""
    if function.owner != "test":
        return False
    parts = function.name.split(".")
    return any(function_of(test).rpartition("::")[2] in parts for test in tests)
