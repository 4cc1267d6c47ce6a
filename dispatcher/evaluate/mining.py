"""Which commits of a history may be fixes, by what they change; whether they are is for the tests to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dispatcher.evaluate import truth
from dispatcher.evaluate.git import GitFailed
from dispatcher.evaluate.history import Changed, History
from dispatcher.evaluate.hunks import hunks_of
from dispatcher.evaluate.truth import Difference, Truth
from dispatcher.text import well_formed

MOST_FUNCTIONS = 10
"""A commit that changes more than that is a rebuilding, not a fix."""

MOST_FILES = 10
MOST_BYTES = 2_000_000
"""Larger files are known to the graph by their names only."""


class Why(NamedTuple):
    """Why a commit is no case: one reason of a few, and what there is to say about this one."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        """Both in one line."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


Candidate = tuple[Changed, Truth | Why]
NOT_BOTH = "does not change both source and tests"
UNREADABLE = "git cannot read it"


def candidates(history: History, commits: Iterable[Changed]) -> Iterator[Candidate]:
    """Yield commits, each with what it changed, or why that is no fix. Nothing is read before it is asked for."""
    for changed in commits:
        yield changed, _truth(history, changed)


def _truth(history: History, changed: Changed) -> Truth | Why:
    if why := _by_files(changed):
        return why
    try:
        found = truth.of(_differences(history, changed))
    except GitFailed as error:
        return Why(UNREADABLE, str(error))
    if len(found.functions) > MOST_FUNCTIONS:
        return Why(f"changes more than {MOST_FUNCTIONS} functions", str(len(found.functions)))
    if not found.functions and not found.places:
        return Why("only adds code, so there is nothing to find")
    return found


def _by_files(changed: Changed) -> Why | None:
    if not changed.parent:
        return Why("has no commit before it")
    if not changed.source or not changed.test_files:
        return Why(NOT_BOTH)
    if not all(map(_is_name, changed.test_files)):
        return Why("has tests in files whose names are no text")
    if len(changed.source) > MOST_FILES:
        return Why(f"changes more than {MOST_FILES} source files", str(len(changed.source)))
    return None


def _differences(history: History, changed: Changed) -> dict[str, Difference]:
    """Return the files that were there before, with their changes."""
    files = [file for file in changed.source if file.before and _is_name(file.path)]
    texts = history.texts([blob for file in files for blob in (file.before, file.after) if blob])
    found = {}
    for file in files:
        before, after = texts[file.before or ""], texts[file.after] if file.after else b""
        if max(len(before), len(after)) <= MOST_BYTES:
            found[file.path] = Difference(before, after, hunks_of(history.difference(file)) if file.after else [])
    return found


def _is_name(path: str) -> bool:
    """Tell whether a path is text: the graph knows no others."""
    return well_formed(path) == path
