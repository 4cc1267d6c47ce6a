"""What was changed lately: where much is changed, mistakes are made, and what is unfinished is gone on with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from dispatcher.context.clues import Clues
from dispatcher.context.signals.values import Values
from dispatcher.graph.commits import Commit
from dispatcher.graph.definition import Definition
from dispatcher.graph.terms import terms_of

_FADES = 20
"""Commits after which a change counts half."""


def changed_together(commits: Sequence[Commit], with_file: str, among: Collection[Definition]) -> Values:
    """Tell how often and how lately functions were changed by commits that changed the test's file too.

    The one with most is 1, on a logarithmic scale.
    """
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    for age, commit in enumerate(commits):
        for unit in commit.functions if with_file in commit.files else ():
            counts[unit] += _faded(age)
    return _scaled(counts, among)


def changed_with_like_tests(commits: Sequence[Commit], clues: Clues, among: Collection[Definition]) -> Values:
    """Tell the same of the commits that changed tests of its file with names like the test's: by the words in common."""
    own = _words(clues.test_name.rpartition(".")[2])
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    for age, commit in enumerate(commits):
        others = [
            _words(name) for path, name in commit.functions if path == clues.test_file and name.startswith("test")
        ]
        like = max((len(own & other) / len(own | other) for other in others if own | other), default=0.0)
        for unit in commit.functions if like else ():
            counts[unit] += like * _faded(age)
    return _scaled(counts, among)


def _words(name: str) -> set[str]:
    return {term for term in terms_of(name) if len(term) > 2 and not term.startswith("test")}


def in_recent_file(commits: Sequence[Commit], among: Collection[Definition]) -> Values:
    """Tell how lately a function's file was changed: from 1 for the last commit down."""
    latest: dict[str, float] = {}
    for age, commit in enumerate(commits):
        for path in commit.files:
            latest.setdefault(path, _faded(age))
    return {d: latest[d.path] for d in among if d.path in latest}


def _scaled(counts: Mapping[tuple[str, str], float], among: Collection[Definition]) -> Values:
    found = {d: counts[unit] for d in among if (unit := (d.path, d.name.rpartition(".")[2])) in counts}
    most = max(found.values(), default=0.0)
    return {d: math.log1p(value) / math.log1p(most) for d, value in found.items()}


def _faded(age: int) -> float:
    return 1 / (1 + age / _FADES)
