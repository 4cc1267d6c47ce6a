"""What a graph is made of: definitions, the ids of nodes, and links."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

from dispatcher.domain.testcode import is_test_code

Kind = Literal["module", "class", "function", "test"]
LinkKind = Literal[
    "contains", "part_of", "depends_on", "used_by", "tests", "tested_by", "calls", "called_by", "raises", "raised_in"
]
INVERSE: dict[LinkKind, LinkKind] = {
    "contains": "part_of", "depends_on": "used_by", "tests": "tested_by", "calls": "called_by", "raises": "raised_in",
    "part_of": "contains", "used_by": "depends_on", "tested_by": "tests", "called_by": "calls", "raised_in": "raises",
}  # fmt: skip
MODULE = "<module>"
LOCALS = ".<locals>."
FREE, METHOD, INNER = range(3)


class Definition(NamedTuple):
    """A module, class, function or test: `path` relative to the project, `name` as CPython's co_qualname has it.

    Lines count from 1; the first is that of the first decorator. A module's name is "<module>".
    """

    path: str
    name: str
    kind: Kind
    first: int
    last: int

    @property
    def node(self) -> str:
        """The id of its node, the same for all definitions of one name in one file."""
        if self.kind == "module":
            return f"module:{self.path}"
        name = self.name.replace(".", "::") if self.kind == "test" else self.name
        return f"{self.kind}:{self.path}::{name}"


class Link(NamedTuple):
    """A link to `node`; `why` says in words what shows it."""

    kind: LinkKind
    node: str
    why: str


@functools.lru_cache(100_000)
def is_test(path: str) -> bool:
    """Tell whether a file belongs to a project's tests."""
    return "test" in path and is_test_code(path)  # the first says no much sooner


def kind_of(path: str, name: str, *, is_class: bool) -> Kind:
    """Return what a definition in a file is: tests are what pytest would take for them by their names."""
    if is_test(path) and last_part(name).startswith("Test" if is_class else "test") and LOCALS not in name:
        return "test"
    return "class" if is_class else "function"


def last_part(name: str) -> str:
    """Return the last part of a qualified name: "A.f" is called "f"."""
    return name.rpartition(".")[2]


def standing(name: str) -> int:
    """Return where a definition stands by its qualified name: FREE in a module, METHOD in a class, or INNER."""
    outer = name.rpartition(".")[0]
    return FREE if not outer else INNER if outer.endswith(LOCALS[:-1]) else METHOD


def module(path: str, lines: int) -> Definition:
    """Return the definition of a module with so many lines."""
    return Definition(path, MODULE, "module", 1, max(1, lines))


def place_of(node: str) -> tuple[str, str] | None:
    """Return the path and the qualified name that the id of a definition's node stands for; None for other ids."""
    kind, colon, rest = node.partition(":")
    if not colon or kind not in ("module", "class", "function", "test"):
        return None
    if kind == "module":
        return rest, MODULE
    path, separator, name = rest.partition("::")
    if not separator:
        return None
    return path, name.replace("::", ".") if kind == "test" else name
