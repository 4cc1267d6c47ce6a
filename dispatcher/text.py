"""Text that came from elsewhere: made safe to store, to cut and to print."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, the bidirectional marks, embeddings, overrides and isolates, the
# line and paragraph separators, the byte order mark: what can move a terminal's cursor, hide
# text or reorder it.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_UNSAFE_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Return `text` with control and bidirectional characters shown as escapes; keeps newline and tab."""
    return _UNSAFE.sub(_escape, well_formed(text))


def clean_line(text: str) -> str:
    """Like `clean`, for text that must stay on one line."""
    return _UNSAFE_LINE.sub(_escape, well_formed(text))


def json_line_safe(data: bytes) -> bytes:
    """Escape what `clean` escapes inside a JSON document, so that the parsed value stays the same."""
    return _UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", data.decode()).encode()


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 file can hold, by U+FFFD."""
    try:
        text.encode()
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


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
