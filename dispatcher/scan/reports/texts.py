"""Texts of reports: made fit to be kept, and cut where that leaves no half of a secret."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from dispatcher.text import well_formed

MAX_TEXT = 4000
MAX_LINE = 200
_KEEP = 65_536  # characters of the beginning of a text, and as many of its end

_COLOUR = re.compile(r"(?:\x1b|#x1B)\[[0-9;?]*[A-Za-z]")

Redact = Callable[[str], str]
"""Takes the secrets out of a text; before it is cut, as half of a secret is not known for one."""


def clean(text: str) -> str:
    """Return a text without the colours of terminals, also as pytest writes them in XML, and without lone surrogates."""
    text = well_formed(text).replace("\r\n", "\n")
    return _COLOUR.sub("", text) if "\x1b[" in text or "#x1B[" in text else text


def head(text: str, most: int) -> str:
    """Return the beginning of a text, cut at white space: a part of a secret would not be known for one."""
    if len(text) <= most:
        return text
    kept = re.match(r".*(?=\s)", text[: most + 1], re.DOTALL)
    return kept.group().rstrip() if kept else ""


def tail(text: str, most: int) -> str:
    """Return the end of a text, cut at white space as `head` does."""
    if len(text) <= most:
        return text
    kept = re.search(r"\s.*", text[-most - 1 :], re.DOTALL)
    return kept.group().lstrip() if kept else ""


def shortened(text: str, most: int = MAX_TEXT) -> str:
    """Return a text without its middle if it is too long."""
    if len(text) <= most:
        return text
    return f"{head(text, most // 2 - 5)}\n...\n{tail(text, most // 2)}"


class Excerpt:
    """The beginning and the end of a text that comes in parts."""

    def __init__(self) -> None:
        self._head = ""
        self._tail: deque[str] = deque()
        self._length = 0
        self._cut = False

    def add(self, part: str) -> None:
        """Take the next part."""
        room = _KEEP - len(self._head)
        self._head += part[:room]
        if part[room:]:
            self._tail.append(part[room:])
            self._length += len(part[room:])
        while self._tail and self._length - len(self._tail[0]) > _KEEP:
            self._length -= len(self._tail.popleft())
            self._cut = True

    def text(self) -> str:
        """Return what was kept; where something was left out no word is left in half."""
        rest = "".join(self._tail)
        if not self._cut:
            return clean(self._head + rest)
        return clean(f"{head(self._head + 'x', _KEEP)}\n...\n{tail('x' + rest, len(rest))}")
