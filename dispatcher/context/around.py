"""The code around the places that a failure names: what is in no function, and all there is without a graph. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dispatcher.context.clues import Clues
from dispatcher.context.excerpt import Excerpt, excerpts
from dispatcher.context.pieces import Form, Piece, Tier
from dispatcher.domain.task import Task

Lines = Callable[[str], list[str]]
"""Returns the lines of a project's file by its path; none for one that cannot be read."""

_BEFORE, _AFTER = 12, 8
"""Lines that are shown around a line."""

_MOST = 4
"""Places that are shown where there is no graph."""

_MODULE = "<module>"


def of_module(task: Task, clues: Clues, lines: Lines) -> Iterator[Piece]:
    """Yield the code around the innermost place, if that is in no function: an import that fails, wrong syntax."""
    found = _places(task, clues)
    if found and found[0][2] == _MODULE:
        yield from _shown(found[:1], lines, Tier.CRITICAL)


def of_all(task: Task, clues: Clues, lines: Lines) -> Iterator[Piece]:
    """Yield the code around each place, the innermost first, those that are near to another one left out."""
    far: list[tuple[str, int, str]] = []
    for path, line, name in _places(task, clues):
        if all(path != other or not -_AFTER <= line - near <= _BEFORE for other, near, _ in far):
            far.append((path, line, name))
    yield from _shown(far[:1], lines, Tier.CRITICAL)
    yield from _shown(far[1:_MOST], lines, Tier.HIGH)


def _places(task: Task, clues: Clues) -> list[tuple[str, int, str]]:
    """Return paths, lines and functions, the innermost first; of a report no more than one place is known."""
    found = [(frame.path, frame.line, frame.name) for frame in clues.frames if frame.owner != "library"]
    failure = task.get("failure") or {}
    if (place := failure.get("place")) and not any(path == place["path"] for path, _, _ in found):
        found.insert(0, (place["path"], place["line"], place["function"]))
    return found


def _shown(places: list[tuple[str, int, str]], lines: Lines, tier: Tier) -> Iterator[Piece]:
    for path, line, name in places:
        source = lines(path)
        first = max(1, min(line, len(source)) - _BEFORE)
        part = source[first - 1 : line + _AFTER]
        if part:
            whole = Excerpt("\n".join(part), ((first, first + len(part) - 1),))
            forms = (Form("full", whole), Form("excerpt", excerpts(part, first, {line: 1.0}.copy)))
            own = "" if name == _MODULE else name
            yield Piece(
                "code",
                tier,
                f"Around line {line}",
                forms,
                path,
                reasons=("the failure is here",),
                language="python",
                name=own,
            )
