"""Messages and tools as templates see them: the types of Ollama's api/types.go and template/template.go.

What a server would not take is Unrenderable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.llm.gotemplate.values import (
    NIL,
    NIL_POINTER,
    Map,
    Omitted,
    Ordered,
    Printing,
    Shape,
    Slice,
    Struct,
    Value,
)
from dispatcher.llm.unrenderable import Unrenderable

DEEPEST = 60
_LARGEST = 2**63


def wire_text(text: str) -> str:
    """Return a text as it comes out of JSON in Go: surrogates in pairs are one character, others are replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def message(given: Mapping[str, Any], content: str) -> Struct:
    """Return a message with this content. Raises Unrenderable."""
    calls = tuple(_tool_call(call) for call in _objects(given, "tool_calls"))
    texts = {field: _text(given, key) for field, key in _MESSAGE_TEXTS.items()}
    fields: dict[str, Value] = {"Images": _absent(), "ToolCalls": Slice(calls, is_nil=not calls), **texts}
    return Struct(_MESSAGE, fields | {"Content": content, "Role": role(given)})


def role(given: Mapping[str, Any]) -> str:
    """Return who speaks, in small letters as Ollama makes them. Raises Unrenderable."""
    return _text(given, "role").lower()


def content(given: Mapping[str, Any]) -> str:
    """Return what is said. Raises Unrenderable, for a message with images too: what they take is not known."""
    if given.get("images"):
        raise Unrenderable(problem="a message has images")
    return _text(given, "content")


def tools(given: Sequence[Mapping[str, Any]], *, in_order: bool = False) -> Slice:
    """Return the tools of a request, with their properties in the order of their names or as given. Raises Unrenderable."""
    return Slice(tuple(_tool(each, in_order) for each in given), is_nil=not given, printing=Printing.JSON)


def _tool(given: Mapping[str, Any], in_order: bool) -> Struct:
    function = _object(given, "function")
    parameters = _object(function, "parameters")
    properties = _properties(parameters)
    types: dict[str, Value] = {
        "Type": _text(parameters, "type"), "Defs": _any(parameters.get("$defs")), "Items": _any(parameters.get("items")),
        "Required": _texts(parameters, "required"),
        "Properties": Ordered(properties.entries) if in_order and not properties.is_nil else properties,
    }  # fmt: skip
    inner: dict[str, Value] = {
        "Name": _text(function, "name"),
        "Description": _text(function, "description"),
        "Parameters": Struct(_PARAMETERS, types),
    }
    outer: dict[str, Value] = {
        "Type": _text(given, "type"),
        "Items": _any(given.get("items")),
        "Function": Struct(_FUNCTION, inner),
    }
    return Struct(_TOOL, outer)


def _properties(parameters: Mapping[str, Any]) -> Map:
    given = parameters.get("properties")
    named = {wire_text(name): _property(each) for name, each in _object(parameters, "properties").items()}
    return Map(named, _property({}), is_nil=given is None, printing=Printing.JSON)


def _property(given: object, depth: int = 0) -> Struct:
    if not isinstance(given, Mapping) or depth > DEEPEST:
        raise Unrenderable(problem="a tool has a property that is no object, or lies too deep")
    either = tuple(_property(each, depth + 1) for each in _list(given, "anyOf"))
    values = tuple(_any(each) for each in _list(given, "enum"))
    nested = {wire_text(name): _property(each, depth + 1) for name, each in _object(given, "properties").items()}
    fields: dict[str, Value] = {
        "AnyOf": Slice(either, is_nil=given.get("anyOf") is None), "Type": _types(given),
        "Items": _any(given.get("items")), "Description": _text(given, "description"),
        "Enum": Slice(values, is_nil=given.get("enum") is None),
        "Properties": NIL_POINTER if given.get("properties") is None else Ordered(nested),
        "Required": _texts(given, "required"),
    }  # fmt: skip
    return Struct(_PROPERTY, fields)


def _types(given: Mapping[str, Any]) -> Slice:
    if isinstance(given.get("type"), str):
        return Slice((_text(given, "type"),), printing=Printing.TYPES)
    types = _texts(given, "type")
    return Slice(types.items, types.is_nil, Printing.TYPES)


def _tool_call(given: Mapping[str, Any]) -> Struct:
    function = _object(given, "function")
    index = function.get("index") or 0
    if type(index) is not int or not -_LARGEST <= index < _LARGEST:
        raise Unrenderable(problem="a tool call has an index that is no whole number")
    arguments = {wire_text(name): _any(each) for name, each in _object(function, "arguments").items()}
    inner: dict[str, Value] = {
        "Index": index,
        "Name": _text(function, "name"),
        "Arguments": Map(arguments, is_nil=function.get("arguments") is None, printing=Printing.JSON),
    }
    return Struct(_CALL, {"ID": _text(given, "id"), "Function": Struct(_CALLED, inner)})


def _any(given: object, depth: int = 0) -> Value:
    """Return a value of any type; all its numbers are floats, as in Go."""
    if depth > DEEPEST:
        raise Unrenderable(problem="a tool, or a call of one, is nested too deeply")
    match given:
        case None:
            return NIL
        case bool():
            return given
        case str():
            return wire_text(given)
        case int() | float():
            return _float(given)
        case Mapping():
            return Map({wire_text(str(name)): _any(each, depth + 1) for name, each in given.items()})
        case list() | tuple():
            return Slice(tuple(_any(each, depth + 1) for each in given))
    raise Unrenderable(problem="a tool, or a call of one, holds something that JSON does not know")


def _float(given: float) -> float:
    try:
        number = float(given)
    except OverflowError:
        number = float("inf")
    if abs(number) == float("inf") or number != number:  # noqa: PLR0124 - a number that is none
        raise Unrenderable(problem="a tool, or a call of one, holds a number that is too large")
    return number


def _absent() -> Slice:
    return Slice((), is_nil=True)


def _text(given: Mapping[str, Any], key: str) -> str:
    text = given.get(key)
    if text is not None and not isinstance(text, str):
        raise Unrenderable(problem=f"a message or tool has a '{key}' that is no text")
    return wire_text(text or "")


def _object(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise Unrenderable(problem=f"a message or tool has a '{key}' that is no object")
    return value or {}


def _list(given: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = given.get(key)
    if value is not None and not isinstance(value, list | tuple):
        raise Unrenderable(problem=f"a message or tool has a '{key}' that is no list")
    return value or ()


def _objects(given: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    values = _list(given, key)
    if not all(isinstance(value, Mapping) for value in values):
        raise Unrenderable(problem=f"a message has a '{key}' with something that is no object")
    return values


def _texts(given: Mapping[str, Any], key: str) -> Slice:
    values = _list(given, key)
    if not all(isinstance(value, str) for value in values):
        raise Unrenderable(problem=f"a tool has a '{key}' with something that is no text")
    return Slice(tuple(map(wire_text, values)), is_nil=given.get(key) is None)


def _shape(*fields: str, omitted: Mapping[str, Omitted] | None = None) -> tuple[tuple[str, str, Omitted], ...]:
    rules = omitted or {}
    return tuple((field, _tag(field), rules.get(field, Omitted.NEVER)) for field in fields)


def _tag(field: str) -> str:
    return {"Defs": "$defs", "AnyOf": "anyOf"}.get(field, field.lower())


def _untagged(*fields: str) -> tuple[tuple[str, str, Omitted], ...]:
    return tuple((field, field, Omitted.NEVER) for field in fields)


_MESSAGE_TEXTS = {"Thinking": "thinking", "ToolName": "tool_name", "ToolCallID": "tool_call_id"}
_MESSAGE = Shape(
    _untagged("Role", "Content", "Thinking", "Images", "ToolCalls", "ToolName", "ToolCallID"), is_pointer=True
)
_CALL = Shape(_untagged("ID", "Function"))
_CALLED = Shape(_untagged("Index", "Name", "Arguments"))
_TOOL = Shape(_shape("Type", "Items", "Function", omitted={"Items": Omitted.NIL}), prints_json=True)
_FUNCTION = Shape(_shape("Name", "Description", "Parameters"))
_PARAMETERS = Shape(
    _shape(
        "Type", "Defs", "Items", "Required", "Properties",
        omitted={"Defs": Omitted.NIL, "Items": Omitted.NIL, "Required": Omitted.EMPTY},
    )
)  # fmt: skip
_PROPERTY = Shape(
    _shape(
        "AnyOf", "Type", "Items", "Description", "Enum", "Properties", "Required",
        omitted={
            "AnyOf": Omitted.EMPTY, "Type": Omitted.EMPTY, "Items": Omitted.NIL, "Description": Omitted.EMPTY,
            "Enum": Omitted.EMPTY, "Properties": Omitted.NIL, "Required": Omitted.EMPTY,
        },
    ),
    has_typescript=True,
)  # fmt: skip
