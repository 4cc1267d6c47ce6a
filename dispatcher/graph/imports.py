"""What a file imports, read from its blanked text."""

from __future__ import annotations

import re
from typing import NamedTuple

_IMPORT = re.compile(r"\bimport\b")
_BEFORE = re.compile(r"(?:.*[;:])?[ \t\f]*(?:from[ \t]*(\.[. \t]*[\w.]*|[ \t][\w.]+)[ \t]*)?\Z")
_AFTER = re.compile(r"[ \t]*(\([^()]*\)?|[^\n;]*)")
_NAMED = re.compile(r"([^\W\d][\w.]*|\*)(?:[ \t\n]+as[ \t\n]+([^\W\d]\w*))?")
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


def imports_of(blank: str) -> list[Import]:
    """Return what a file imports anywhere, in order; `blank` is its blanked text."""
    if "import" not in blank:
        return []
    text = blank.replace("\\\n", "\0")  # a continued line is one, and still counts as two
    found: list[Import] = []
    line, counted = 1, 0
    for match in _IMPORT.finditer(text):
        start = text.rfind("\n", 0, match.start()) + 1
        before = _BEFORE.match(text[start : match.start()].replace("\0", " "))
        after = _AFTER.match(text, match.end())
        if before is None or after is None:
            continue
        line += text.count("\n", counted, start) + text.count("\0", counted, start)
        counted = start
        names = after[1].replace("\0", " ")
        found.extend(_whole(names, line) if before[1] is None else _taken(before[1], names, line))
    return found


def _taken(source: str, names: str, line: int) -> list[Import]:
    source = source.replace(" ", "").replace("\t", "")
    module = source.lstrip(".")
    level = len(source) - len(module)
    module = module.strip(".")
    return [
        Import(level, module, name, "" if name == STAR else bound or name, line)
        for name, bound in _NAMED.findall(names)
        if "." not in name
    ]


def _whole(modules: str, line: int) -> list[Import]:
    return [
        Import(0, name.strip("."), "", bound or name.partition(".")[0], line)
        for name, bound in _NAMED.findall(modules)
        if name != STAR
    ]
