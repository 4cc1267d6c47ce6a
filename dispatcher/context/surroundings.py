"""What stands around a function and belongs to it: the class's own lines, and the module's names that it uses. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dispatcher.graph.definition import Definition

Range = tuple[int, int]
"""Numbers of lines, from and to, both included."""

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)")
_MOST_LINES = 8
"""Of one assignment; of longer ones the beginning is shown."""


def names_used(source: Sequence[str], function: Definition, others: Sequence[Definition]) -> list[Range]:
    """Return the module's assignments, outside of all definitions, to names that a function uses."""
    used = set(re.findall(r"\w+", "\n".join(source[function.first - 1 : function.last])))
    inside = {n for d in others for n in range(d.first, d.last + 1)}
    found = []
    for n, line in enumerate(source, 1):
        match = _ASSIGNED.match(line) if n not in inside and line[:1].strip() else None
        if match and match[1] in used:
            found.append((n, _end(source, n)))
    return found


def own_lines(source: Sequence[str], holder: Definition, members: Sequence[Definition]) -> list[Range]:
    """Return a class's line and what it holds besides its definitions: attributes, slots; its docstring left out."""
    inside = {n for d in members if d != holder for n in range(d.first, d.last + 1)}
    ranges: list[Range] = []
    for n in _without_docstring(source, holder):
        if n in inside or not source[n - 1].strip() or source[n - 1].lstrip().startswith("#"):
            continue
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1] = ranges[-1][0], n
        else:
            ranges.append((n, n))
    return ranges


def _without_docstring(source: Sequence[str], holder: Definition) -> Iterator[int]:
    quotes = ""
    for n in range(holder.first, min(holder.last, len(source)) + 1):
        line = source[n - 1].strip()
        if quotes:
            quotes = "" if quotes in line else quotes
            continue
        if match := re.match(r"[rRuUbB]*(\"\"\"|''')", line):
            quotes = "" if line.count(match[1]) > 1 else match[1]
            continue
        yield n


def _end(source: Sequence[str], first: int) -> int:
    """Return the last line of a statement that begins at the margin: indented lines and closing brackets go on with it."""
    last = first
    for n in range(first + 1, min(len(source), first + _MOST_LINES - 1) + 1):
        line = source[n - 1]
        if line.strip() and line[:1].strip() and line[0] not in ")]}":
            break
        last = n if line.strip() else last
    return last
