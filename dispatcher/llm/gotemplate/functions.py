"""The functions of templates: Go's own (text/template/funcs.go) and Ollama's (template/template.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from dispatcher.llm.gotemplate.gojson import json
from dispatcher.llm.gotemplate.printing import sprint, sprintf, sprintln
from dispatcher.llm.gotemplate.values import (
    NIL,
    NIL_POINTER,
    NOTHING,
    Map,
    Nil,
    Slice,
    Struct,
    Value,
    is_nil,
    shown,
    truth,
)
from dispatcher.llm.unrenderable import Unrenderable

Call = Callable[[Sequence[Value]], Value]
ENDLESS = 1 << 30


class Signature(NamedTuple):
    """A function, the number of its arguments, and how many of them have to be strings; whether Ollama adds it."""

    call: Call
    least: int
    most: int
    strings: int = 0
    is_added: bool = False


def functions(today: date) -> dict[str, Signature]:
    """Return the functions but `and` and `or`, by name, as they are on a day."""
    return _OWN | {
        "json": Signature(lambda values: json(values[0]), 1, 1, is_added=True),
        "currentDate": Signature(lambda _: today.isoformat(), 0, ENDLESS, ENDLESS, is_added=True),
        "yesterdayDate": Signature(
            lambda _: (today - timedelta(days=1)).isoformat(), 0, ENDLESS, ENDLESS, is_added=True
        ),
        "toTypeScriptType": Signature(lambda values: typescript(values[0]), 1, 1, is_added=True),
    }


def typescript(value: Value) -> str:
    """Return the TypeScript type of a tool's property; "any" for whatever else."""
    if not isinstance(value, Struct) or not value.shape.has_typescript:
        return "any"
    either, types = value.fields["AnyOf"], value.fields["Type"]
    if isinstance(either, Slice) and either.items:
        return " | ".join(map(typescript, either.items))
    names = types.items if isinstance(types, Slice) else ()
    return " | ".join(_TYPESCRIPT.get(str(name), "any") for name in names) or "any"


_TYPESCRIPT = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean",
    "array": "any[]", "object": "Record<string, any>", "null": "null",
}  # fmt: skip


def _length(values: Sequence[Value]) -> int:
    match values[0]:
        case str() as text:
            return len(text.encode())
        case Slice(items):
            return len(items)
        case Map(entries):
            return len(entries)
    raise Unrenderable(problem="it asks for the length of something that has none")


def _index(values: Sequence[Value]) -> Value:
    item = values[0]
    if item is NIL or item is NOTHING:
        raise Unrenderable(problem="it looks into nothing by an index")
    for key in values[1:]:
        if isinstance(item, Slice) and type(key) is int and 0 <= key < len(item.items):
            item = item.items[key]
        elif isinstance(item, Map) and isinstance(key, str):
            item = item.entries.get(key, item.missing)
        else:
            raise Unrenderable(problem="it looks into something by an index that does not fit")
    return item


def _slice(values: Sequence[Value]) -> Value:
    item, bounds = values[0], values[1:]
    length = _length([item]) if isinstance(item, str | Slice) else -1
    start, end = (*bounds, length)[:2] if bounds else (0, length)
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= length or len(bounds) > 2:
        raise Unrenderable(problem="it takes a slice of something with bounds that do not fit")
    if isinstance(item, Slice):
        return Slice(item.items[start:end], item.is_nil, item.printing)
    try:
        return str(item).encode()[start:end].decode()
    except UnicodeDecodeError:
        raise Unrenderable(problem="it cuts a character of several bytes in two") from None


def _equal(values: Sequence[Value]) -> bool:
    if len(values) < 2:
        raise Unrenderable(problem="it compares one value with nothing")
    return any(_same(values[0], value) for value in values[1:])


def _same(one: Value, other: Value) -> bool:
    if NIL_POINTER in (one, other):
        raise _incomparable()
    if isinstance(one, Nil) or isinstance(other, Nil):
        basic = isinstance(one, str | bool | int | float) or isinstance(other, str | bool | int | float)
        return not basic and is_nil(one) == is_nil(other)
    if type(one) is not type(other):
        raise _incomparable()
    if isinstance(one, str | bool | int | float):
        return one == other
    if is_nil(one) or is_nil(other):
        return is_nil(one) == is_nil(other)
    if isinstance(one, Struct) and isinstance(other, Struct) and one.shape == other.shape and one.shape.is_pointer:
        return one is other
    raise _incomparable()


def _less(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    if isinstance(one, bool) or type(one) is not type(other):
        raise _incomparable()
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one < other
    raise _incomparable()


def _incomparable() -> Unrenderable:
    return Unrenderable(problem="it compares two values that Go does not compare")


def _at_most(values: Sequence[Value]) -> bool:
    return _less(values[0], values[1]) or _same(values[0], values[1])


def _printf(values: Sequence[Value]) -> str:
    return sprintf(str(values[0]), [_given(value) for value in values[1:]])


def _given(value: Value) -> Value:
    return NIL if shown(value) is NOTHING else value


_OWN = {
    "not": Signature(lambda values: not truth(values[0]), 1, 1),
    "eq": Signature(_equal, 1, ENDLESS),
    "ne": Signature(lambda values: not _same(*values), 2, 2),
    "lt": Signature(lambda values: _less(*values), 2, 2),
    "le": Signature(_at_most, 2, 2),
    "gt": Signature(lambda values: not _at_most(values), 2, 2),
    "ge": Signature(lambda values: not _less(*values), 2, 2),
    "len": Signature(_length, 1, 1),
    "index": Signature(_index, 1, ENDLESS),
    "slice": Signature(_slice, 1, 4),
    "print": Signature(lambda values: sprint([_given(value) for value in values]), 0, ENDLESS),
    "println": Signature(lambda values: sprintln([_given(value) for value in values]), 0, ENDLESS),
    "printf": Signature(_printf, 1, ENDLESS, 1),
}
NAMES = frozenset({"and", "or", *functions(date.min)})
