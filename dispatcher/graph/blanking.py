"""Source without what is in its strings and comments, line for line, so that patterns find code only."""

from __future__ import annotations

import re

# A string ends with its quotes; a broken one with the line, or the file for three quotes.
_STRING = re.compile(
    r"""\#[^\n]*
    | (?P<prefix>\b[rbuftRBUFT]{1,2})?
      (?: \"\"\" [^"\\]* (?: (?: \\(?s:.) | "(?!"") ) [^"\\]* )* (?: \"\"\" | \\?\Z )
        | ''' [^'\\]* (?: (?: \\(?s:.) | '(?!'') ) [^'\\]* )* (?: ''' | \\?\Z )
        | " [^"\\\n]* (?: \\(?s:.) [^"\\\n]* )* "?
        | ' [^'\\\n]* (?: \\(?s:.) [^'\\\n]* )* '?
      )""",
    re.VERBOSE,
)
_FIELD = re.compile(r"\{([^{}]*)\}")


def blanked(text: str) -> str:
    """Return source with its strings and comments emptied; of f-strings what stands in braces remains.

    It has as many lines: the line breaks inside a string become continued lines.
    """
    return _STRING.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "#":
        return ""
    prefix = match["prefix"]
    if prefix and ("f" in prefix.lower() or "t" in prefix.lower()):
        fields = " ".join(field.replace("\n", " ") for field in _FIELD.findall(found))
        return f'"" {fields}' + "\\\n" * found.count("\n")
    return '""' + "\\\n" * found.count("\n") if "\n" in found else '""'
