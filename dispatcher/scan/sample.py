"""Which tests are run again for evidence. Pure and deterministic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

from dispatcher.domain.failure import Failure, file_of, function_of

MOST_FAILING, MOST_PASSING = 200, 400
_MOST_NEAR = 200
"""Passing tests of files that others fail in; the rest comes from other files."""


def failing(failures: Iterable[Failure]) -> list[str]:
    """Return the failing items to run again: one per cause, and then further ones in turn.

    Left out are those that cannot be collected, those that take too long, and the flaky.
    """
    by_cause: dict[str, list[str]] = defaultdict(list)
    for failure in sorted(failures, key=lambda f: f["test"]):
        if failure["kind"] != "timeout" and failure["when"] != "collect" and "flaky" not in failure:
            by_cause[failure["cause"]].append(failure["test"])
    return list(_in_turn(by_cause.values()))[:MOST_FAILING]


def passing(outcomes: Mapping[str, str], near: Iterable[str]) -> list[str]:
    """Return the passing items to run, those that are nearest to some failing ones first.

    Nearest are other cases of the same test functions, then tests of the same classes, of the same files, and then
    one of each other file in turn.
    """
    failing_ones = list(near)
    scopes = [{scope(test) for test in failing_ones} for scope in _SCOPES]
    by_distance: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(len(_SCOPES) + 1)]
    for test, outcome in outcomes.items():
        if outcome == "passed":
            distance = next((n for n, scope in enumerate(_SCOPES) if scope(test) in scopes[n]), len(_SCOPES))
            finer = _SCOPES[max(0, distance - 1)] if distance < len(_SCOPES) else file_of
            by_distance[distance][finer(test)].append(test)
    close = [test for groups in by_distance[:-1] for test in _in_turn(groups.values())][:_MOST_NEAR]
    far = list(_in_turn(by_distance[-1].values()))[: MOST_PASSING - len(close)]
    return [*close, *far]


def _class_of(test: str) -> str:
    return function_of(test).rpartition("::")[0]


_SCOPES = (function_of, _class_of, file_of)


def _in_turn(groups: Iterable[list[str]]) -> Iterator[str]:
    """Yield the first of each group, then the second of each."""
    for round_ in zip_longest(*groups):
        yield from (test for test in round_ if test is not None)
