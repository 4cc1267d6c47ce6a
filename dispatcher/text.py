"""Text that came from elsewhere: made safe to store, to cut and to print."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, the bidirectional marks, embeddings, overrides and isolates, the
# line and paragraph separators, the byte order mark, zero-width spaces and the invisible "tag"
# letters: what can move a terminal's cursor, hide text or reorder it.
_UNSAFE = "\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
_UNSAFE_TEXT = "[\x00-\x08\x0b-\x1f" + _UNSAFE
_UNSAFE_LINE = "[\x00-\x1f" + _UNSAFE


def clean(text: str) -> str:
    """Return `text` with control and bidirectional characters shown as escapes; keeps newline and tab."""
    return _escape_all(_UNSAFE_TEXT, text)


def clean_line(text: str) -> str:
    """Like `clean`, for text that must stay on one line."""
    return _escape_all(_UNSAFE_LINE, text)


def _escape_all(unsafe: str, text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return re.sub(unsafe, _escape, well_formed(text))


def json_line_safe(data: bytes) -> bytes:
    """Escape what `clean` escapes inside a JSON document, so that the parsed value stays the same."""
    if data.isascii() and b"\x7f" not in data:  # JSON holds no other bare control character
        return data
    return re.sub(_UNSAFE_TEXT, _escape_for_json, data.decode()).encode()


def well_formed(text: str) -> str:
    """Return `text` without lone surrogates, which no UTF-8 file can hold.

    Bytes that Python could not decode (it hides them in surrogates) are read as UTF-8 after all where
    they are that; the rest becomes U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def cut(text: str, max_bytes: int) -> str:
    """Return the longest prefix of `text` whose UTF-8 form has at most `max_bytes` bytes."""
    data = text.encode()
    return text if len(data) <= max_bytes else data[:max_bytes].decode(errors="ignore")


def one_line(text: str) -> str:
    """Fold every run of white space into one space."""
    return " ".join(text.split())


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, columns: int) -> str:
    """Return `text` in at most `columns` columns, an ellipsis in place of what was cut."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for c in text:
        used += width(c)
        if used > columns:
            break
        kept.append(c)
    return "".join(kept) + "…"


def count(n: int, noun: str) -> str:
    """Return `n` and the noun in the right number: "1 task", "2 tasks"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def fence(content: str, language: str = "") -> str:
    """Return `content` as a fenced block of Markdown, with a line break at the end, that nothing in it can close.

    The fence is longer than any run of backticks inside. Line ends become newlines, and what else could pass for one,
    or hide or reorder text, is shown as an escape.
    """
    shown = clean(content.replace("\r\n", "\n").replace("\r", "\n"))
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    end = "" if not shown or shown.endswith("\n") else "\n"
    return f"{marks}{re.sub('[^a-z0-9+-]', '', language.lower())}\n{shown}{end}{marks}\n"


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_for_json(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
