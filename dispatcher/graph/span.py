"""Where a definition stands in a file, and which names its code uses."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = re.compile(r"[ \t\f]*(?:def|class|async)\b")
_LONGEST_DECORATORS = 1000


class Span(NamedTuple):
    """A definition as a reading of the file found it.

    `names`: the global and attribute names of its code, None where it could not be compiled and any may be one;
    `outer` those of the code around it.
    `local`: names of its own, its parameters among them; `me` is the first parameter of a method.
    """

    name: str
    is_class: bool
    first: int
    last: int
    names: frozenset[str] | None
    outer: frozenset[str]
    local: frozenset[str]
    me: str


def indent_of(line: str) -> int:
    """Return the column at which a line begins, as Python's tokenizer counts: tabs to eights, anew after form feeds."""
    body = line.lstrip(" \t\f")
    head = line[: len(line) - len(body)]
    return len(head.rpartition("\f")[2].expandtabs(8))


def last_line(blanks: list[str], first: int, at_least: int) -> int:
    """Return the last line of the definition that begins at line `first` and has code up to `at_least`.

    It reaches to the last line with code that is indented deeper; a line that goes on from the one before, or that
    closes a bracket, ends nothing.
    """
    column = indent_of(blanks[first - 1])
    head = first
    while head < at_least + _LONGEST_DECORATORS and head < len(blanks) and not _HEAD.match(blanks[head - 1]):
        head += 1  # a function of nothing but a docstring has no code below its decorators
    last = max(at_least, head if head < at_least + _LONGEST_DECORATORS else first)
    for number in range(last, len(blanks)):
        line = blanks[number]
        if not blanks[number - 1].endswith("\\"):
            if not line or line.isspace():
                continue
            if indent_of(line) <= column and line.lstrip()[0] not in ")]}":
                break
        last = number + 1
    return last
