"""Values as JSON: Go's encoding/json, with the escapes that make it safe in HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dispatcher.llm.gotemplate.floats import decimal
from dispatcher.llm.gotemplate.values import Map, Nil, Omitted, Printing, Slice, Struct, Value, truth

_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_SHORT_IN_GO = _SHORT | {"\b": "\\b", "\f": "\\f"}


def json(value: Value) -> str:  # noqa: PLR0911 - one for each kind
    """Return what json.Marshal makes of a value."""
    match value:
        case Nil():
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value, _SHORT_IN_GO)
        case float():
            return decimal(value, lowest=-6, highest=21, exponent_digits=1)
        case int():
            return str(value)
        case Slice(items, absent, printing):
            if printing is Printing.TYPES and len(items) == 1:
                return json(items[0])
            return "null" if absent else f"[{','.join(map(json, items))}]"
        case Map(entries, _, absent):
            members = ((_quoted(key, _SHORT_IN_GO), entries[key]) for key in sorted(entries))
            return "null" if absent else _object(members)
        case Struct():
            return _object(_kept(value))
    # The package that keeps the order of properties has no short form for two characters.
    return _object((_quoted(key, _SHORT), entry) for key, entry in value.entries.items())


def _kept(struct: Struct) -> Iterator[tuple[str, Value]]:
    for field, name, omitted in struct.shape.fields:
        value = struct.fields[field]
        absent = isinstance(value, Nil) if omitted is Omitted.NIL else not truth(value)
        if omitted is Omitted.NEVER or not absent:
            yield f'"{name}"', value


def _object(members: Iterator[tuple[str, Value]]) -> str:
    return "{" + ",".join(f"{name}:{json(value)}" for name, value in members) + "}"


def _quoted(text: str, short: dict[str, str]) -> str:
    return '"' + _ESCAPED.sub(lambda found: short.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'
