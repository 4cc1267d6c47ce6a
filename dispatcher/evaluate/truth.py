"""What a fix has changed, told from the source before and after it: functions, and places among the lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dispatcher.evaluate.hunks import Hunk
from dispatcher.evaluate.reading import Reading, read
from dispatcher.graph.definition import LOCALS

Unit = tuple[str, str]
"""A path and the qualified name of a function."""


class Place(NamedTuple):
    """A changed line of the old file, or the lines on both sides of an addition; and the function it is in, "" for none."""

    path: str
    lines: tuple[int, ...]
    holder: str


class Truth(NamedTuple):
    """The functions that a fix changes, and the changed places."""

    functions: tuple[Unit, ...]
    places: tuple[Place, ...]


class Difference(NamedTuple):
    """A file before and after a commit, b"" where it is not there, and the changed lines."""

    before: bytes
    after: bytes
    hunks: list[Hunk]


def of(differences: Mapping[str, Difference]) -> Truth:
    """Return what was changed in some files, by their paths; comments, docstrings and blank lines are no change.

    A function counts as changed if what it does is written differently, or not any more, the functions inside it left
    out. What is new cannot be found in the old file: new functions, classes and other statements outside of functions do not
    count, nor do imports.
    """
    functions: list[Unit] = []
    places: list[Place] = []
    for path, (before, after, hunks) in sorted(differences.items()):
        old, new = read(before, after)
        changed = {
            name for name, f in old.functions.items() if name not in new.functions or new.functions[name].code != f.code
        }
        functions += [(path, name) for name in old.functions if name in changed]
        for hunk in hunks:
            found = list(_replaced(hunk, old)) or list(_added(hunk, old, new))
            places += [Place(path, lines, holder) for lines, holder in found if not holder or holder in changed]
    return Truth(tuple(functions), tuple(dict.fromkeys(places)))


def _replaced(hunk: Hunk, old: Reading) -> Iterator[tuple[tuple[int, ...], str]]:
    for n in hunk.old:
        if n in old.code:
            yield (n,), old.holder(n)


def _added(hunk: Hunk, old: Reading, new: Reading) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the lines around code that is added, once for each old function that it is added to."""
    holders = (_old_holder(n, hunk, old, new) for n in hunk.new if n in new.code)
    for holder in dict.fromkeys(holder for holder in holders if holder is not None):
        if lines := _sides(hunk, holder, old):
            yield lines, holder


def _old_holder(line: int, hunk: Hunk, old: Reading, new: Reading) -> str | None:
    """Return the function of the old file that a new line was added to, None for what is all new.

    And "" for a statement outside of functions that has become longer.
    """
    holder = new.holder(line)
    if not holder:
        return "" if any(first <= hunk.after < last for first, last in old.long) else None
    while holder and holder not in old.functions:
        holder = holder.rpartition(LOCALS)[0]
    return holder or None


def _sides(hunk: Hunk, holder: str, old: Reading) -> tuple[int, ...]:
    """Return the nearest lines before and behind a change that are not blank, within the function if it has some."""
    spans = old.functions[holder].spans if holder else ()
    lines = [n for n in old.filled if not holder or any(first <= n <= last for first, last in spans)]
    before = [n for n in lines if n <= hunk.after][-1:]
    behind = [n for n in lines if n > hunk.after + len(hunk.old)][:1]
    return (*before, *behind)
