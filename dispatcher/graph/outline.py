"""What is kept of one file: definitions, imports, and the names that each refers to; and the keys they are found by."""

from __future__ import annotations

from typing import NamedTuple

NAMES, VALUES, RAISES, IMPORTS, DEFINED = "=", ".", "!", "%", ":"
"""What the keys begin with that a definition is found by: names that it refers to, attributes of values that are not
known, exceptions that it raises, words of what a module imports, and the last part of its own name. No term does."""

KEYS = (NAMES, VALUES, RAISES, IMPORTS, DEFINED)

PACKAGE = IMPORTS
"""The key of modules that import from a package without naming it: "from . import a"."""

SELF, SUPER = "self", "super"
STAR = "*"


class Import(NamedTuple):
    """One name that an import statement binds.

    `module` is the dotted name after `level` dots; `name` what is taken from it, "" for `import module`, "*" for all
    there is; `bound` the name in this file, "" for "*". `line` counts from 1.
    """

    level: int
    module: str
    name: str
    bound: str
    line: int

    @property
    def words(self) -> str:
        """How the statement reads."""
        if not self.name:
            plain = self.bound in (self.module, self.module.partition(".")[0])
            return f"import {self.module}" if plain else f"import {self.module} as {self.bound}"
        renamed = "" if self.bound in ("", self.name) else f" as {self.bound}"
        return f"from {'.' * self.level}{self.module} import {self.name}{renamed}"


class Part(NamedTuple):
    """A definition of a file with what its own text refers to, the definitions inside left out.

    `refers`: chains of names ("f", "pkg.f", "self.f", ".f" for an attribute of what is not known), by first use.
    `bases`: of a class, chains as well. `raises`: names of exceptions.
    """

    name: str
    is_class: bool
    first: int
    last: int
    refers: list[str]
    bases: list[str]
    raises: list[str]


class Outline(NamedTuple):
    """A file: its parts in order of lines, its imports, how many lines it has, and whether it could be compiled."""

    parts: list[Part]
    imports: list[Import]
    lines: int
    compiles: bool
