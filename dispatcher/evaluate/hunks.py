"""The changed lines of a file, as git tells them. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Hunk(NamedTuple):
    """Lines of the old file that are replaced by lines of the new one; both count from 1, and either may be empty.

    `after` is the old line behind which the change begins.
    """

    old: range
    after: int
    new: range


def hunks_of(difference: bytes) -> list[Hunk]:
    """Return the hunks of one file's difference without lines around the changes (git-diff(1), -U0)."""
    found = []
    left = 0
    for line in difference.split(b"\n"):
        if left:
            left -= line[:1] in (b"-", b"+")  # what is not counted says that a last line has no end
        elif match := _HUNK.match(line):
            start, count, new, more = (1 if n is None else int(n) for n in match.groups())
            found.append(Hunk(range(start, start + count), start - (count > 0), range(new, new + more)))
            left = count + more
    return found
