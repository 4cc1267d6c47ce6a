"""The definitions of a file read by its lines and their indents: for source that this Python does not compile."""

from __future__ import annotations

import re
from typing import NamedTuple

from dispatcher.graph.definition import LOCALS
from dispatcher.graph.span import Span, indent_of, last_line

_HEAD = re.compile(r"[ \t\f]*(?:async[ \t]+)?(def|class)[ \t]+([^\W\d]\w*)")
_ASSIGNED = re.compile(r"(?<![.\w])([^\W\d]\w*)[ \t]*=(?!=)")
_PARAMETERS = re.compile(r"\(([^()]*)")
_NAME = re.compile(r"[^\W\d]\w*")
_DEEPEST = 100


class _Open(NamedTuple):
    column: int
    name: str
    is_class: bool


def spans(blanks: list[str]) -> list[Span]:
    """Return what looks like a definition, in order of lines; `blanks` are the lines of blanked text. Never raises."""
    found: list[Span] = []
    around: list[_Open] = []
    decorated = 0
    for number, line in enumerate(blanks, 1):
        match = _HEAD.match(line)
        if match is None:
            decorated = _decorated(decorated, number, line)
            continue
        column = indent_of(line)
        while around and around[-1].column >= column:
            around.pop()
        name = _qualified(around, match[2])
        is_class = match[1] == "class"
        last = last_line(blanks, number, number)
        found.append(_span(name, decorated or number, last, blanks[number - 1 : last], is_class=is_class))
        if len(around) < _DEEPEST:
            around.append(_Open(column, name, is_class))
        decorated = 0
    return found


def _decorated(since: int, number: int, line: str) -> int:
    """Return the line of the first decorator of what may come, given the one so far; 0 for none."""
    text = line.strip()
    if text.startswith("@"):
        return since or number
    # A decorator's arguments may go on for some lines; another statement ends it.
    goes_on = not text or line[0] in " \t\f" or text[0] in ")]}"
    return since if goes_on else 0


def _qualified(around: list[_Open], name: str) -> str:
    if not around:
        return name
    outer = around[-1]
    return f"{outer.name}.{name}" if outer.is_class else f"{outer.name}{LOCALS}{name}"


def _span(name: str, first: int, last: int, body: list[str], *, is_class: bool) -> Span:
    if is_class:
        return Span(name, is_class, first, last, None, frozenset(), frozenset(), "")
    parameters = _PARAMETERS.search("\n".join(body[:20]))
    listed = [each.strip(" \t\n*\\") for each in parameters[1].split(",")] if parameters else []
    named = [match[0] for each in listed if (match := _NAME.match(each))]
    # Bound to be read as keyword arguments as well, which no link comes from either.
    local = {assigned for line in body for assigned in _ASSIGNED.findall(line)} | set(named)
    return Span(name, is_class, first, last, None, frozenset(), frozenset(local), named[0] if named else "")
