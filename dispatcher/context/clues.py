"""What is known of a failure that may tell which code is to blame, read from a task. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from dispatcher.domain.failure import file_of, function_of
from dispatcher.domain.task import Task

Unit = tuple[str, str]
"""A path and a qualified name."""

_NO_WAY = ("assertion", "doctest", "xpass")
"""Kinds of failures that are noticed where the test looks, and not where they come from."""

_MOST_CALLS = 3


class Executed(NamedTuple):
    """A function that failing tests execute: its lines, and how many failing and passing tests execute it."""

    first: int
    last: int
    failing: int
    passing: int


class Span(NamedTuple):
    """Lines that the failing test has executed, and how many passing tests execute each; None where that is not known."""

    first: int
    last: int
    passing: int | None


class Frame(NamedTuple):
    """A place that the exception came through; `owner` is "source", "test" or "library"."""

    owner: str
    path: str
    line: int
    name: str


class Clues(NamedTuple):
    """What a task tells. Paths are relative to the project.

    `crash`: something was raised in the project's source, rather than a result found wrong by the test. `frames` are
    innermost first, `lines` in their order. `way` are the functions that may be where it comes from, the likeliest
    first. `named` are those that a wrong name points to.
    `tests` counts the failing and passing tests whose execution was watched. `words` are texts about the failure.
    `paths`: files that somebody who wishes for something has named.
    """

    test: str
    crash: bool
    frames: tuple[Frame, ...] = ()
    way: tuple[Unit, ...] = ()
    named: tuple[Unit, ...] = ()
    executed: Mapping[Unit, Executed] = {}
    lines: Mapping[str, Sequence[Span]] = {}
    tests: tuple[int, int] = (0, 0)
    words: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def test_file(self) -> str:
        """The file of the test that stands for all."""
        return file_of(self.test)

    @property
    def test_name(self) -> str:
        """The qualified name of its function: classes and name, without parameters."""
        return function_of(self.test).partition("::")[2].replace("::", ".")


def of(task: Task) -> Clues:
    """Return what a whole task tells (its long texts put back). What is missing or of an odd shape is left out."""
    failure = task.get("failure")
    if failure is None:
        return Clues("", crash=False, words=(task["title"], task["body"]), paths=tuple(task["paths"]))
    about = _dict(_dict(task.get("detail")).get("failure"))
    evidence = _dict(about.get("evidence"))
    frames = tuple(reversed([Frame(*frame[:4]) for frame in about.get("frames", []) if _is_frame(frame)]))
    raised = failure["kind"] not in _NO_WAY
    crash = raised and any(frame.owner == "source" and frame.name != "<module>" for frame in frames)
    return Clues(
        test=failure["test"],
        crash=crash,
        frames=frames,
        way=_way(failure, about, frames) if raised else (),
        named=tuple((s["path"], s["function"]) for s in failure.get("suspects", []) if not s["failing"]),
        executed={(row[0], row[1]): Executed(*row[2:4], *row[5:7]) for row in evidence.get("suspects", [])},
        lines={
            path: sorted(map(_span, spans), key=itemgetter(0, 1))
            for path, spans in _dict(evidence.get("executed")).items()
        },
        tests=(_dict(evidence.get("tests")).get("failing", 0), _dict(evidence.get("tests")).get("passing", 0)),
        words=tuple(_words(failure, about, evidence)),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_frame(frame: object) -> bool:
    return isinstance(frame, list) and len(frame) >= 4 and isinstance(frame[2], int)


def _span(each: Sequence[int]) -> Span:
    return Span(each[0], each[1], each[2] if len(each) > 2 else None)


def _way(failure: Mapping[str, Any], about: Mapping[str, Any], frames: Sequence[Frame]) -> tuple[Unit, ...]:
    """Return where an exception may come from: a fixture that gave nothing, the innermost frame, what it calls, the others."""
    own = [(frame.path, frame.name) for frame in frames if frame.owner != "library"]
    called = [(path, name) for site in about.get("sites", [])[:1] for name, path in site["calls"]][:_MOST_CALLS]
    given = failure.get("given")
    first = [(given["path"], given["function"])] if given else []
    suspect = failure["suspect"]
    last = [(suspect["path"], suspect["function"])] if suspect else []
    return tuple(dict.fromkeys([*first, *own[:1], *called, *own[1:], *last]))


def _words(failure: Mapping[str, Any], about: Mapping[str, Any], evidence: Mapping[str, Any]) -> list[str]:
    """Return the texts that say what went wrong: the exception, its message, the statement, what was compared."""
    compared = _dict(evidence.get("compared"))
    parameters = re.search(r"\[(.*)\]$", failure["test"], re.DOTALL)
    return [
        failure["exception"],
        str(about.get("message") or failure["message"]),
        failure["statement"],
        *(str(compared[side]) for side in ("left", "right") if side in compared),
        *([parameters[1]] if parameters else []),
    ]
