"""What a context tells beside code: how the task fails, what was tried, and what others have found. Pure.

Texts come from a ledger, which has redacted them; they are cut here to what helps, and fenced where they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dispatcher.context.excerpt import Excerpt, Fits
from dispatcher.context.excerpt import most as most_that
from dispatcher.context.pieces import Form, Kind, Piece, Tier, text_forms
from dispatcher.domain.task import Task
from dispatcher.text import count as counted
from dispatcher.text import one_line

_LAST_ATTEMPTS = 2
_LAST_STEPS = 3
_OTHERS, _NAMED = 8, 3
"""Other tests whose messages are shown, and those named that fail as the first does."""

_LONGEST = 200
"""Characters of one line about something else."""

_LONGEST_VALUE, _VALUES = 120, 120
"""Characters of one value, and tokens of all of them where other things need the room."""

_MUTE = re.compile(r"<.* at 0x[0-9a-f]+>|<module .*>")
"""Values that say nothing but what class they are of."""

_TAIL = 15
"""Lines of captured output."""


class Solved(NamedTuple):
    """A task like this one that was completed: its title, the note on how, and whether its tests were run."""

    title: str
    note: str
    verified: bool


class Beside(NamedTuple):
    """What is known beside the task itself: `worked` on tasks like it, open ones `alike`, `facts` of the project."""

    worked: Sequence[Solved] = ()
    alike: Sequence[str] = ()
    facts: str = ""


NOTHING = Beside()


def told(task: Task, beside: Beside = NOTHING) -> Iterator[Piece]:
    """Yield what a whole task tells of itself and others of it, those of one tier in the order of their worth."""
    about: dict[str, Any] = (task.get("detail") or {}).get("failure") or {}
    yield from _failure(task, about)
    yield from _attempts(task)
    yield from _values(about)
    yield from _other_tests(task)
    yield from _listed(Tier.MEDIUM, "What solved tasks like this one", map(_solved, beside.worked))
    yield from _listed(Tier.LOW, "Open tasks like this one, which others may be working on", beside.alike)
    steps = (f"{step['agent']}: {step['text']}" for step in task["progress"][-_LAST_STEPS:])
    yield from _listed(Tier.LOW, "Noted on the way, the latest last", steps)
    yield from _output(about)
    yield from _listed(Tier.LOW, "The project's last scan", (beside.facts,))


def _failure(task: Task, about: dict[str, Any]) -> Iterator[Piece]:
    failure = task.get("failure")
    if failure is None:
        if task["body"]:
            yield Piece("error", Tier.CRITICAL, "What is to be done", text_forms(task["body"]))
        return
    message = str(about.get("message") or failure["message"])
    compared = (about.get("evidence") or {}).get("compared")
    place = failure["place"]
    said = [f"{failure['exception']}: {message}"]
    if failure["statement"]:
        said.append(f"at: {failure['statement']}")
    if place:
        said.append(f"in {place['function']}, {place['path']}:{place['line']}")
    if compared and str(compared["left"]) not in message:
        said.append(f"compared: {compared['left']} {compared['op']} {compared['right']}")
    yield Piece("error", Tier.CRITICAL, f"How {failure['test']} fails", text_forms("\n".join(said)))


def _attempts(task: Task) -> Iterator[Piece]:
    check = task.get("last_check")
    if check:
        title = f"Attempt {check['generation']} by {check['agent']} was said to be done; its tests said"
        yield Piece("attempt", Tier.HIGH, title, text_forms(check["why"]))
    for n, attempt in enumerate(reversed(task["attempt_log"])):
        note = attempt.get("note", "")
        if note or not (check and check["generation"] == attempt["generation"]):
            tier = Tier.HIGH if n < _LAST_ATTEMPTS else Tier.LOW
            title = f"Attempt {attempt['generation']} by {attempt['agent']}: {attempt['outcome']}"
            yield Piece("attempt", tier, title, text_forms(note or "nothing was noted"))


def _values(about: dict[str, Any]) -> Iterator[Piece]:
    """Yield the variables at the failure, of the innermost function first."""
    frames = (about.get("evidence") or {}).get("values") or []
    rows = []
    for frame in frames:
        values = {name: str(value) for name, value in frame["values"].items()}
        told = [
            f"  {name} = {_short(value, _LONGEST_VALUE)}"
            for name, value in values.items()
            if not _MUTE.fullmatch(value)
        ]
        rows += [f"{frame['path']}:{frame['line']}", *told] if told else []
    for piece in _listed(Tier.MEDIUM, "Variables at the failure", rows, "error"):
        yield piece._replace(room=_VALUES)


def _other_tests(task: Task) -> Iterator[Piece]:
    """Yield how the task's other tests fail: each message once, then how many fail as one that was shown."""
    failure = task.get("failure")
    members: dict[str, Any] = (task.get("detail") or {}).get("members") or {}
    if failure is None or len(members) < 2:
        return
    main, seen = failure["test"], {one_line(failure["message"])}
    rows: list[str] = []
    alike: list[str] = []
    for test, member in members.items():
        message = one_line(str(member.get("message", "")))
        if test != main and message not in seen and len(rows) < _OTHERS:
            seen.add(message)
            rows.append(f"{one_line(test)}: {_short(message)}")
        elif test != main:
            alike.append(_short(test))
    if alike:
        named = ", ".join(alike[:_NAMED]) + (", ..." if len(alike) > _NAMED else "")
        rows.append(f"{counted(len(alike), 'more test')} of the task: {named}")
    yield from _listed(Tier.MEDIUM, f"Other tests of this task that fail ({len(members) - 1})", rows)


def _solved(solved: Solved) -> str:
    how = _short(solved.note) or "no note was left"
    return f"{_short(solved.title)}: {how} ({'its tests passed' if solved.verified else 'not verified'})"


def _output(about: dict[str, Any]) -> Iterator[Piece]:
    for name, output in about.get("output") or ():
        if tail := str(output).rstrip().splitlines()[-_TAIL:]:
            yield Piece("note", Tier.LOW, f"{name}, its end", _tail_forms(tail))


def _tail_forms(lines: Sequence[str]) -> tuple[Form, ...]:
    """Return the forms of a text of which the end matters most."""

    def made(fits: Fits) -> Excerpt:
        least = 1 + most_that(len(lines) - 1, lambda n: fits("\n".join(lines[-n - 1 :])))
        return Excerpt("\n".join(lines[-least:]), ())

    return (Form("full", Excerpt("\n".join(lines), ())), Form("excerpt", made))


def _listed(tier: Tier, title: str, rows: Iterator[str] | Sequence[str], kind: Kind = "note") -> Iterator[Piece]:
    """Yield a piece of these rows, if there are any."""
    if text := "\n".join(row for row in rows if row):
        yield Piece(kind, tier, title, text_forms(text))


def _short(text: object, most: int = _LONGEST) -> str:
    line = one_line(str(text))
    return line if len(line) <= most else f"{line[: most - 3]}..."
