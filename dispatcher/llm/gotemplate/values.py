"""The values of a template: Python's str, bool, int and float for Go's, and these for the others.

Go's distinctions that show in a rendering are kept: no value at all, a nil of an interface, a nil of a
slice or map, and an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Nil(Enum):
    """The kinds of nothing."""

    NOTHING = "no value"
    INTERFACE = "nil of type any"
    POINTER = "nil pointer"


NOTHING, NIL, NIL_POINTER = Nil


class Omitted(Enum):
    """When a field is left out of JSON: omitempty looks into a string or slice, but not into an interface."""

    NEVER = 0
    EMPTY = 1
    NIL = 2


class Shape(NamedTuple):
    """A struct's type: its fields, with their names in JSON and when JSON leaves them out; how it is printed."""

    fields: tuple[tuple[str, str, Omitted], ...]
    prints_json: bool = False
    is_pointer: bool = False
    has_typescript: bool = False


@dataclass(frozen=True, eq=False)
class Struct:
    """A struct, or a pointer to one."""

    shape: Shape
    fields: Mapping[str, Value]


class Printing(Enum):
    """How a slice or map is printed: as Go does, as JSON, or as a PropertyType of Ollama's API."""

    PLAIN = 0
    JSON = 1
    TYPES = 2


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice."""

    items: tuple[Value, ...]
    is_nil: bool = False
    printing: Printing = Printing.PLAIN


@dataclass(frozen=True, eq=False)
class Map:
    """A map with strings as keys; `missing` is what it gives for a key that it has not."""

    entries: Mapping[str, Value]
    missing: Value = NIL
    is_nil: bool = False
    printing: Printing = Printing.PLAIN


@dataclass(frozen=True, eq=False)
class Ordered:
    """A pointer to Ollama's ToolPropertiesMap: only its JSON can be had."""

    entries: Mapping[str, Value]


Value = str | bool | int | float | Nil | Struct | Slice | Map | Ordered


def truth(value: Value) -> bool:
    """Return what `if` makes of a value: Go's isTrue."""
    match value:
        case Nil():
            return False
        case Struct() | Ordered():
            return True
        case Slice(items):
            return bool(items)
        case Map(entries):
            return bool(entries)
    return bool(value)


def is_nil(value: Value) -> bool:
    """Return whether a value equals nil."""
    return isinstance(value, Nil) or (isinstance(value, Slice | Map) and value.is_nil)


def shown(value: Value) -> Value:
    """Return what a pipeline makes of a value: what is in an interface."""
    return NOTHING if value is NIL else value
