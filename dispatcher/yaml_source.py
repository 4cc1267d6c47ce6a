"""YAML from people: read without aliases, duplicate keys or depth, every value with its place."""

from __future__ import annotations

from typing import Any, NamedTuple

from dispatcher.errors import BadConfig

MAX_DEPTH = 30
_NULL = "tag:yaml.org,2002:null"
_PLAIN_TAGS = (_NULL, *(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "str", "timestamp")))


class Place(NamedTuple):
    """Where a value stands, counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def flatten(data: bytes, source: str) -> dict[str, tuple[Any, Place]]:
    """Return the leaves of a YAML mapping by their dotted keys, each with its place.

    Raises BadConfig, naming `source` and the place, for anything that is not plain nested mappings
    of scalars and lists of scalars.
    """
    # Most users never write a setting; parsing would cost them more than all else that a command does.
    if all(not line.strip() or line.lstrip().startswith(b"#") for line in data.splitlines()):
        return {}
    import yaml

    try:
        _check_shape(data, source)
        root = yaml.compose(data, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f", {_place(error.problem_mark)}" if error.problem_mark else ""
        raise BadConfig(source=source + where, problem=error.problem or "is not YAML") from error
    except yaml.YAMLError as error:
        raise BadConfig(source=source, problem=f"is not YAML: {str(error).splitlines()[0]}") from error
    if root is None or root.tag == _NULL:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise BadConfig(source=f"{source}, {_place(root.start_mark)}", problem="expected settings as 'key: value'")
    leaves: dict[str, tuple[Any, Place]] = {}
    _collect(root, "", leaves, set(), source)
    return leaves


def _check_shape(data: bytes, source: str) -> None:
    """Refuse aliases and depth on the stream of events, before anything recursive sees the text."""
    import yaml

    depth = 0
    for event in yaml.parse(data, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise BadConfig(source=f"{source}, {_place(event.start_mark)}", problem="aliases are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise BadConfig(source=f"{source}, {_place(event.start_mark)}", problem="is nested too deeply")


def _collect(node: Any, prefix: str, leaves: dict[str, tuple[Any, Place]], seen: set[str], source: str) -> None:  # noqa: ANN401 - PyYAML has no types
    import yaml

    for key_node, value_node in node.value:
        place = _place(key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode):
            raise BadConfig(source=f"{source}, {place}", problem="a key must be a word")
        key = f"{prefix}{key_node.value}"
        if key in seen:
            raise BadConfig(source=f"{source}, {place}", problem=f"'{key}' is given twice")
        seen.add(key)
        if isinstance(value_node, yaml.MappingNode):
            _collect(value_node, f"{key}.", leaves, seen, source)
        else:
            leaves[key] = (_plain(value_node, source), place)


def _plain(node: Any, source: str) -> Any:  # noqa: ANN401 - any scalar or list
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, source) for item in node.value]
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
        raise BadConfig(source=f"{source}, {_place(node.start_mark)}", problem="expected a plain value")
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # a tag may lie about its text
        problem = f"'{node.value[:60]}' cannot be read as a value"
        raise BadConfig(source=f"{source}, {_place(node.start_mark)}", problem=problem) from error


def _place(mark: Any) -> Place:  # noqa: ANN401 - PyYAML has no types
    return Place(mark.line + 1, mark.column + 1)
