"""Literals of Go: strconv.Unquote, and the numbers of text/template/parse/node.go."""

from __future__ import annotations

import re

from dispatcher.llm.unrenderable import Unrenderable

_ESCAPE = re.compile(
    rb"""\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([^\\]+)""",
)
_PLAIN = dict(zip(b"abfnrtv\\'\"", b"\a\b\f\n\r\t\v\\'\"", strict=True))
_INTEGER = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*|0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?")
_LARGEST = 2**63


def unquoted(text: str) -> str:
    """Return the string that a literal in double quotes, backquotes or single quotes stands for. Raises Unrenderable."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    made, at, inner = bytearray(), 0, text[1:-1].encode("utf-8", "surrogatepass")
    while at < len(inner):
        found = _ESCAPE.match(inner, at)
        if not found or (found[1] in (b"'", b'"') and found[1] != text[0].encode()):
            raise Unrenderable(problem="it has a string with an escape that Go does not know")
        made += _unescaped(found)
        at = found.end()
    try:
        return made.decode()
    except UnicodeDecodeError:
        raise Unrenderable(problem="it has a string that is not UTF-8") from None


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[6] is not None:
        return found[6]
    if found[1] is not None:
        return bytes([_PLAIN[found[1][0]]])
    if found[2] is not None or found[3] is not None:
        code = int(found[2], 16) if found[2] is not None else int(found[3], 8)
        if code > 0xFF:
            raise Unrenderable(problem="it has a string with an escape that is too large")
        return bytes([code])
    code = int(found[4] or found[5], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise Unrenderable(problem="it has a string with an escape that is no character")
    return chr(code).encode()


def number(text: str) -> float:
    """Return an int or a float, as Go takes the literal. Raises Unrenderable."""
    if _INTEGER.fullmatch(text):
        value = int(text, 0)
        if -_LARGEST <= value < _LARGEST:
            return value
    elif _FLOAT.fullmatch(text) and float(text) not in (float("inf"), float("-inf")):
        return float(text)
    raise Unrenderable(problem="it has a number that is none, or of a kind that no chat template uses")


def character(text: str) -> int:
    """Return the code point of a literal in single quotes. Raises Unrenderable."""
    value = unquoted(text)
    if len(value) != 1:
        raise Unrenderable(problem="it has a character literal that is not one character")
    return ord(value)
