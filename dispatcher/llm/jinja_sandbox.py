"""Jinja as chat templates of GGUF files expect it, within bounds: they come from anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from jinja2 import TemplateError, nodes
from jinja2.ext import loopcontrols
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from dispatcher.llm.unrenderable import Unrenderable

STEPS = 200_000
LETTERS_A_STEP = 32
LONGEST_TEMPLATE = 500_000
_LARGEST = 2**63
_SPACES = " \t\n\r\f\v"
_STRIPPED = ("strip", "lstrip", "rstrip")
_CASED = ("upper", "lower", "title", "capitalize")
_READ_OTHERWISE = (*_CASED, "splitlines")
_WIDE = ("center", "format", "wordwrap", "xmlattr", "urlize", "pprint", "escape", "e", "forceescape")
_WIDE_METHODS = (
    "center",
    "ljust",
    "rjust",
    "zfill",
    "expandtabs",
    "format",
    "format_map",
    "replace",
    "join",
    "translate",
)


def rendered(template: str, variables: Mapping[str, Any], now: datetime) -> str:
    """Return what a template makes of variables. Raises Unrenderable."""
    if len(template) > LONGEST_TEMPLATE:
        raise Unrenderable(problem="it is too long")
    environment = _Bounded(now)
    try:
        tree = _Charging().visit(environment.parse(template))
        code = environment.compile(tree)
        made = environment.template_class.from_code(environment, code, environment.make_globals(None))
        return made.render(dict(variables))
    except Unrenderable:
        raise
    except (TemplateError, RecursionError, MemoryError) as error:
        raise Unrenderable(problem=f"Jinja says: {_line(error)}") from error
    except Exception as error:  # a template may do anything with values of any type
        raise Unrenderable(problem=f"Jinja stumbles: {_line(error)}") from error


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__} {words[:200]}".strip()


class _Charging(NodeTransformer):
    """Puts what counts the steps around loops, joined texts and outputs."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's name for it
        if node.recursive:
            raise Unrenderable(problem="it has a loop that calls itself")
        self.generic_visit(node)
        node.iter = _through(node.iter, "charged_items")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the visitor's name for it
        self.generic_visit(node)
        return _through(nodes.List(node.nodes, lineno=node.lineno), "charged_concat")

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 - the visitor's name for it
        self.generic_visit(node)
        node.nodes = [
            each if isinstance(each, nodes.TemplateData) else _through(each, "charged") for each in node.nodes
        ]
        return node


def _through(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", node), name, [], [], None, None, lineno=node.lineno)


class _Bounded(ImmutableSandboxedEnvironment):
    """The environment of one rendering."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, now: datetime) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        self._steps = 0
        for name in _WIDE:
            self.filters.pop(name, None)
        self.filters |= {
            "tojson": _json,
            "trim": lambda value, letters=None: str(value).strip(letters or _SPACES),
            "safe": str,
            "indent": _indented,
            "string": lambda value: str(self._charged(value)),
            **{name: _in_ascii(self.filters[name]) for name in _CASED},
            "charged": self._charged,
            "charged_items": self._charged_items,
            "charged_concat": self._charged_concat,
        }
        self.globals |= {"raise_exception": _refuse, "strftime_now": now.strftime}

    def call(self, context: Context, called: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - a template's values
        """Call something for a template."""
        owner = getattr(called, "__self__", None)
        if isinstance(owner, str) and getattr(called, "__name__", "") in _WIDE_METHODS:
            sizes = (len(each) if isinstance(each, str) else each for each in args if isinstance(each, str | int))
            self._charge(len(owner or " ") * max([1, *sizes]))
        if isinstance(owner, str) and called.__name__ in _STRIPPED and not args:
            args = (_SPACES,)
        if isinstance(owner, str) and called.__name__ in _READ_OTHERWISE:
            called = _in_ascii(called, owner)
        self._charge(0)
        return super().call(context, called, *args, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - as above
        """Reckon for a template."""
        sizes = [len(each) if isinstance(each, str | list | tuple) else each for each in (left, right)]
        if operator in ("*", "**") and all(isinstance(size, int) for size in sizes):
            self._charge(sizes[0] * sizes[1] if operator == "*" and sizes != [left, right] else abs(sizes[1]) * 1000)
        if operator == "%" and isinstance(left, str):
            raise Unrenderable(problem="it prints with a format")
        return self._charged(super().call_binop(context, operator, left, right))

    def _charge(self, letters: int) -> None:
        self._steps += 1 + max(0, letters) // LETTERS_A_STEP
        if self._steps > STEPS:
            raise Unrenderable(problem="it takes too many steps")

    def _charged(self, value: Any) -> Any:  # noqa: ANN401 - a template's values
        self._charge(len(value) if isinstance(value, str | list) else 0)
        if value is None:
            raise Unrenderable(problem="it writes a None, which llama.cpp does in another way")
        if isinstance(value, int | float | list | tuple | dict):
            _plain_in(value)
            if "\\" in repr(value):
                raise Unrenderable(problem="it writes a list or object as Python would")
        return value

    def _charged_items(self, items: Iterable[Any]) -> Iterable[Any]:
        if isinstance(items, Undefined):
            return items
        return list(self._counted(items))

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._charge(0)
            yield item

    def _charged_concat(self, values: list[Any]) -> str:
        text = "".join(str(self._charged(value)) for value in values)
        self._charge(len(text))
        return text


def _json(value: object, indent: int | None = None, *, ensure_ascii: bool = False, sort_keys: bool = False) -> str:
    _plain_in(value)
    if ensure_ascii and "\x7f" in json.dumps(value, ensure_ascii=False):
        raise Unrenderable(problem="it writes a control character, which llama.cpp does in another way")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, sort_keys=sort_keys)


def _plain_in(value: object) -> None:
    if isinstance(value, int | float):
        _plain(value)
    for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _plain_in(each)


def _indented(text: object, width: object = 4, first: object = False) -> str:
    if not isinstance(width, int) or width > 16:
        raise Unrenderable(problem="it indents by much")
    lines = str(text).split("\n")
    moved = [" " * width + line if line and (n or first) else line for n, line in enumerate(lines)]
    return "\n".join(moved)


def _plain(value: float) -> None:
    """Refuse numbers that llama.cpp writes in another way: it has six digits for those with a fraction."""
    if abs(value) >= _LARGEST if isinstance(value, int) else f"{value:g}" != repr(value):
        raise Unrenderable(problem="it writes a number with many digits")


def _in_ascii(cased: Callable[..., Any], owner: str | None = None) -> Callable[..., Any]:
    """Refuse to change the case of letters that llama.cpp leaves as they are."""

    def change(*args: Any) -> Any:  # noqa: ANN401 - a template's values
        if not str(args[0] if owner is None else owner).isascii():
            raise Unrenderable(problem="it changes a text that is not ASCII")
        return cased(*args)

    return change


def _refuse(message: object = "") -> Callable[[], None]:
    raise Unrenderable(problem=f"it refuses these messages: {_line(ValueError(message))[11:]}")
