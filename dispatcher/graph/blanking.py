"""Source without what is in its strings and comments, line for line, so that patterns find code only."""

from __future__ import annotations

import re

# A string ends with its quotes; a broken one with the line, or the file for three quotes. Every alternative begins
# with a character of its own: so the search skips what is none of them at the speed of C.
_STRING = re.compile(
    r"""\#[^\n]*
    | \"\"\" [^"\\]* (?: (?: \\(?s:.) | "(?!"") ) [^"\\]* )* (?: \"\"\" | \\?\Z )
    | ''' [^'\\]* (?: (?: \\(?s:.) | '(?!'') ) [^'\\]* )* (?: ''' | \\?\Z )
    | " [^"\\\n]* (?: \\(?s:.) [^"\\\n]* )* "?
    | ' [^'\\\n]* (?: \\(?s:.) [^'\\\n]* )* '?
    """,
    re.VERBOSE,
)
_PREFIX = frozenset("rbuftRBUFT")
_FIELDS = frozenset("ftFT")
_FIELD = re.compile(r"\{([^{}]*)\}")


def blanked(text: str) -> str:
    """Return source with its strings and comments emptied; of f-strings what stands in braces remains.

    It has as many lines: the line breaks inside a string become continued lines.
    """
    pieces: list[str] = []
    done = 0
    for match in _STRING.finditer(text):
        start, end = match.span()
        if text[start] == "#":
            pieces.append(text[done:start])
        else:
            begin = _begin(text, done, start) if start > done and text[start - 1] in _PREFIX else start
            pieces.append(text[done:begin])
            pieces.append(_blank(text[begin:start], match[0]))
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _begin(text: str, done: int, quote: int) -> int:
    """Return where the prefix of a string begins: one or two letters that are no part of a longer word."""
    begin = quote - 1
    if begin > done and text[begin - 1] in _PREFIX:
        begin -= 1
    is_word = begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] == "_")
    return quote if is_word else begin


def _blank(prefix: str, found: str) -> str:
    if prefix and not _FIELDS.isdisjoint(prefix):
        fields = " ".join(field.replace("\n", " ") for field in _FIELD.findall(found))
        return f'"" {fields}' + "\\\n" * found.count("\n")
    return '""' + "\\\n" * found.count("\n") if "\n" in found else '""'
