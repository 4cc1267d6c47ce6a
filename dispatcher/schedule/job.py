"""A job: what is to run, when, and in which folder. Pure."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import InvalidInput
from dispatcher.text import clean_line


class When(NamedTuple):
    """When a job runs, by local time: in words, in cron's five fields, and as systemd's OnCalendar."""

    words: str
    cron: str
    calendar: str


class Job(NamedTuple):
    """What runs: `argv` in the folder `project`, with `path` as its PATH. Made by `job`."""

    when: When
    project: str
    path: str
    argv: tuple[str, ...]


# When


def daily(time: str) -> When:
    """Return once a day at HH:MM. Raises InvalidInput."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", time)
    if not found:
        raise InvalidInput(what=f"--at '{time}'", problem="is no time of day; write HH:MM, such as 07:30")
    hour, minute = int(found[1]), int(found[2])
    at = f"{hour:02}:{minute:02}"
    return When(f"every day at {at}", f"{minute} {hour} * * *", f"*-*-* {at}:00")


# What cron can say evenly: spans that an hour or a day is a multiple of.
_SPANS = {
    **{f"{n}m": When(f"every {n} minutes", f"*/{n} * * * *", f"*-*-* *:00/{n}:00") for n in (5, 10, 15, 20, 30)},
    "1h": When("every hour", "0 * * * *", "*-*-* *:00:00"),
    **{f"{n}h": When(f"every {n} hours", f"0 */{n} * * *", f"*-*-* 00/{n}:00:00") for n in (2, 3, 4, 6, 8, 12)},
    "1d": daily("00:00"),
}


def every(span: str) -> When:
    """Return what comes round after each span, such as 15m. Raises InvalidInput."""
    if span not in _SPANS:
        raise InvalidInput(what=f"--every '{span}'", problem=f"can be {', '.join(_SPANS)}")
    return _SPANS[span]


# What


def scan(own_python: str, root: Path | None, tests_python: str | None, pytest_args: list[str]) -> tuple[str, ...]:
    """Return the words of a scan by this program. A module of the project's never gets in its way: hence -P."""
    named = ("--root", str(root)) if root else ()
    options = ("--python", tests_python) if tests_python else ()
    handed_on = ("--", *pytest_args) if pytest_args else ()
    return (own_python, "-P", "-m", "dispatcher", *named, "scan", "--quiet", *options, *handed_on)


def job(when: When, project: Path, path: str, argv: tuple[str, ...]) -> Job:
    """Return a job whose words a line can hold, each folder of PATH once. Raises InvalidInput."""
    once = ":".join(dict.fromkeys(path.split(":")))
    words = tuple(_holdable(f"'{word}'", word) for word in argv)
    return Job(when, holdable_project(project), _holdable("PATH", once), words)


def holdable_project(project: Path) -> str:
    """Return a project's path as text that a line can hold. Raises InvalidInput."""
    return _holdable(f"project '{project}'", str(project))


def _holdable(what: str, words: str) -> str:
    try:
        held = os.fsencode(words).decode()  # whatever the locale says: crontabs and units are written in UTF-8
    except UnicodeError:
        raise InvalidInput(what=what, problem="is not UTF-8, so it cannot be scheduled") from None
    if clean_line(held) != held:
        problem = "holds a newline or another invisible character, so it cannot be scheduled"
        raise InvalidInput(what=what, problem=problem)
    return held


# What is installed


def marker(project: str) -> str:
    """Return the comment by which a project's entry is known again."""
    return f"# dispatcher scan: {project}"


def done(*, there: bool, same: bool) -> str:
    """Return what putting an entry in its place was."""
    return "already installed" if same else "replaced" if there else "installed"
