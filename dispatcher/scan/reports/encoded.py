"""The bytes of an XML file, as the parser may have them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any, BinaryIO
from xml.sax.xmlreader import Locator

from dispatcher.scan.reports.refusal import Refused

_CHUNK = 65_536
_BIGGEST_CHUNK = 1024 * 1024
_LONGEST_TOKEN = 8 * 1024 * 1024  # a tag with its attributes, which the parser must hold as a whole

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{1,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip
# Python has codecs that unpack or run escapes.
_ENCODINGS = re.compile(
    r"utf-?8|(?:us-?)?ascii|(?:iso-?)?8859.*|iso-8859.*|latin.*|windows.*|cp\d+|koi8.*|gb\w+|big5.*|shift_?jis|euc.*|mac\w+",
    re.IGNORECASE,
)
# XML can hold no control characters, but reports do.
_PRINTABLE = bytes(byte if byte >= 32 or byte in b"\t\n\r" else ord("?") for byte in range(256))


class Encoded:
    """A report in UTF-8, whatever it was in, without the characters that are not allowed in XML.

    `before` is called before each part; `parser`, which reads this, knows then where the part begins.
    """

    def __init__(self, source: BinaryIO, parser: Locator, before: Callable[[], None]) -> None:
        self._source = source
        self._before = before
        self._parser = parser
        self._last: tuple[int | None, int | None] | None = None
        self._waiting = 0
        self._begin = source.read(1024)
        if not self._begin:
            raise Refused("it is empty, and no JUnit report")
        encoding = _encoding(self._begin)
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def read(self, _size: int = 0, /) -> bytes:
        """Return the next part. It grows while the parser waits for the end of a tag, which it looks for anew each time."""
        self._before()
        position = self._parser.getLineNumber(), self._parser.getColumnNumber()
        self._waiting = self._waiting if position == self._last else 0
        self._last = position
        if self._waiting > _LONGEST_TOKEN:
            raise Refused(f"it has a tag or a comment of more than {_LONGEST_TOKEN >> 20} MB{where(self._parser)}")
        data = b""
        while not data:  # less than one character gives nothing yet
            raw = self._begin or self._source.read(min(max(_CHUNK, self._waiting), _BIGGEST_CHUNK))
            self._begin = b""
            text = self._decoder.decode(raw, final=not raw).encode("utf-8", "replace")
            data = text.replace(b"\x1b", b"#x1B").translate(_PRINTABLE)
            data = data.replace(b"\xef\xbf\xbe", b"?").replace(b"\xef\xbf\xbf", b"?")
            if not raw:
                break
        self._waiting += len(data)
        return data

    def close(self) -> None:
        """Leave the file to who has opened it."""


def _encoding(begin: bytes) -> str:
    for mark, name in _BOMS:
        if begin.startswith(mark):
            return name
    declared = _DECLARED.match(begin)
    # A declaration that reads as ASCII is not in UTF-16, whatever it says: somebody has converted the file.
    name = declared[1].decode() if declared and not declared[1].lower().startswith((b"utf-16", b"utf-32")) else "utf-8"
    try:
        known = codecs.lookup(name).name if _ENCODINGS.fullmatch(name) else ""
    except LookupError:
        known = ""
    if not known:
        raise Refused(f"its encoding is '{name}', which is not known")
    return known


def where(place: Any) -> str:  # noqa: ANN401 - a parser or its error
    """Return in words which line and column a parser is at, or an error of it is about."""
    return f" (line {place.getLineNumber()}, column {(place.getColumnNumber() or 0) + 1})"
