"""Values as text: fmt's %v, Sprint, Sprintln and a part of Sprintf."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dispatcher.llm.gotemplate.floats import decimal
from dispatcher.llm.gotemplate.gojson import json
from dispatcher.llm.gotemplate.values import NOTHING, Map, Nil, Ordered, Printing, Slice, Struct, Value
from dispatcher.llm.unrenderable import Unrenderable

_VERB = re.compile(r"%(.?)", re.DOTALL)


def output(value: Value) -> str:
    """Return what an action writes for a value. Raises Unrenderable."""
    if value is NOTHING:
        return "<no value>"
    return _fields(value) if isinstance(value, Struct) and value.shape.is_pointer else _printed(value)


def sprint(values: Sequence[Value]) -> str:
    """Return values with a space between two that are no strings. Raises Unrenderable."""
    made = ""
    for n, value in enumerate(values):
        apart = n and not isinstance(value, str) and not isinstance(values[n - 1], str)
        made += f" {_printed(value)}" if apart else _printed(value)
    return made


def sprintln(values: Sequence[Value]) -> str:
    """Return values with spaces between them and a line's end after them. Raises Unrenderable."""
    return " ".join(map(_printed, values)) + "\n"


def sprintf(form: str, values: Sequence[Value]) -> str:
    """Return a text with values in the places of %s, %d, %t and %v. Raises Unrenderable for anything else."""
    left = list(values)

    def put(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        if not left or not _fits(found[1], left[0]):
            raise Unrenderable(problem="it prints with a format that is not known here")
        return _printed(left.pop(0))

    made = _VERB.sub(put, form)
    if left:
        raise Unrenderable(problem="it prints more values than its format has places for")
    return made


def string_method(value: Value) -> str | None:
    """Return what a value's String method gives; None where it has none."""
    match value:
        case Struct(shape) if shape.prints_json:
            return json(value)
        case Slice(items, _, Printing.TYPES):
            return items[0] if len(items) == 1 and isinstance(items[0], str) else _bracketed(items) if items else ""
        case Slice(_, _, Printing.JSON):
            return json(value)
        case Map(_, _, absent, Printing.JSON):
            return "{}" if absent else json(value)
    return None


def _printed(value: Value) -> str:  # noqa: PLR0911 - one for each kind
    method = string_method(value)
    if method is not None:
        return method
    match value:
        case Nil():
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return decimal(value, lowest=-4, highest=6, exponent_digits=2)
        case Slice(items):
            return _bracketed(items)
        case Map(entries):
            return f"map[{' '.join(f'{key}:{_printed(entries[key])}' for key in sorted(entries))}]"
        case Struct(shape) if not shape.is_pointer:
            return _fields(value)
        case Struct() | Ordered():
            raise Unrenderable(problem="it prints an address in memory")
    return str(value)


def _bracketed(items: Sequence[Value]) -> str:
    return f"[{' '.join(map(_printed, items))}]"


def _fields(struct: Struct) -> str:
    return "{" + " ".join(_printed(struct.fields[name]) for name, _, _ in struct.shape.fields) + "}"


def _fits(verb: str, value: Value) -> bool:
    if verb == "s":
        return isinstance(value, str) or string_method(value) is not None
    kinds = {"d": int, "t": bool}
    return verb == "v" or (verb in kinds and type(value) is kinds[verb])
