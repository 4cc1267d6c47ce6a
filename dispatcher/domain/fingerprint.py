"""Names for failures that survive everything that may change between two runs of the same code."""

from __future__ import annotations

import re

LENGTH = 12
_LONGEST = 300

_NUMBER = r"(?<![\w.])[-+]?\d[\d_,]*(?:\.\d+)?(?:[eE][-+]?\d+)?"

# What differs from run to run or from case to case, most specific first.
_VOLATILE = (
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "N"),
    (r"0x[0-9a-fA-F]+", "N"),
    (r"(?:[A-Za-z]:)?(?:[\\/][\w.@+-]+){2,}[\\/]?", "P"),
    (r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "N"),
    (rf"{_NUMBER}(?!\w)", "N"),
    (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "N"),
    (_NUMBER, "N"),
    (r"\d{3,}", "N"),
)
# What newer versions of Python say otherwise (3.11, 3.13).
_REWORDED = (
    (
        r"^cannot access local variable (\S+) where it is not associated with a value",
        r"local variable \1 referenced before assignment",
    ),
    (r"^(\S+ object has no attribute \S+) and no __dict__ for setting new attributes", r"\1"),
)
_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_NAME = r"['\"][A-Za-z_][\w.]*(?:\(\))?['\"]"
_REPEATED = r"\b([NSP])\b(?:[\s,:;|/-]+\1\b)+"


def mask(message: str, *, keep_names: bool = False) -> str:
    """Return the first line of a message with values, paths, addresses, times and ids masked.

    `keep_names` keeps what is quoted if it looks like a name in code: in an AttributeError it is the point,
    in a KeyError it is data.
    """
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")[:_LONGEST]

    for pattern, said_before in _REWORDED:
        line = re.sub(pattern, said_before, line)

    def quoted(match: re.Match[str]) -> str:
        return match.group() if keep_names and re.fullmatch(_NAME, match.group()) else "S"

    line = re.sub(_QUOTED, quoted, line)
    for pattern, letter in _VOLATILE:
        line = re.sub(pattern, letter, line)
    return re.sub(_REPEATED, r"\1", " ".join(line.split()))


def digest(*parts: str) -> str:
    """Return a short name for some texts: the beginning of their SHA-256, as hexadecimal digits."""
    import hashlib

    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]
