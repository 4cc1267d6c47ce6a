"""What was changed lately: where much is changed, mistakes are made, and what is unfinished is gone on with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from dispatcher.context.signals.values import Values
from dispatcher.graph.commits import Commit
from dispatcher.graph.definition import Definition

_FADES = 20
"""Commits after which a change counts half."""


def changed(commits: Sequence[Commit], among: Collection[Definition]) -> Values:
    """Tell how often and how lately functions were changed, the one with most 1, on a logarithmic scale."""
    return _changes(commits, among)


def changed_together(commits: Sequence[Commit], with_file: str, among: Collection[Definition]) -> Values:
    """Tell the same of the commits that changed the test's file too."""
    return _changes([c if with_file in c.files else Commit(frozenset(), frozenset()) for c in commits], among)


def in_recent_file(commits: Sequence[Commit], among: Collection[Definition]) -> Values:
    """Tell how lately a function's file was changed: from 1 for the last commit down."""
    latest: dict[str, float] = {}
    for age, commit in enumerate(commits):
        for path in commit.files:
            latest.setdefault(path, _faded(age))
    return {d: latest[d.path] for d in among if d.path in latest}


def _changes(commits: Sequence[Commit], among: Collection[Definition]) -> Values:
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    for age, commit in enumerate(commits):
        for unit in commit.functions:
            counts[unit] += _faded(age)
    found = {d: counts[unit] for d in among if (unit := (d.path, d.name.rpartition(".")[2])) in counts}
    most = max(found.values(), default=0.0)
    return {d: math.log1p(value) / math.log1p(most) for d, value in found.items()}


def _faded(age: int) -> float:
    return 1 / (1 + age / _FADES)
