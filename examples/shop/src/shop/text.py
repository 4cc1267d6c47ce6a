"""Names as file names and receipts need them."""

from __future__ import annotations

import re


def slug(name: str) -> str:
    """Turn a name into a file name.

    >>> slug("Green Tea (loose)")
    'green-tea-loose'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def shorten(name: str, width: int = 16) -> str:
    """Cut a name to at most ``width`` characters, dots included.

    >>> shorten("Green Tea")
    'Green Tea'
    >>> shorten("Assam Golden Tips, first flush")
    'Assam Golden T..'
    """
    if len(name) <= width:
        return name
    return name[: width - 1] + ".."


def plural(count: int, noun: str) -> str:
    """Count things.

    >>> plural(1, "box"), plural(3, "tin")
    ('1 box', '3 tins')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}{'es' if noun.endswith(('s', 'x')) else 's'}"
