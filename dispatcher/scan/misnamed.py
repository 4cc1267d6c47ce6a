"""Definitions whose names are nearly what an exception did not find, and those that were called in a wrong way.

They are not executed, so that what tests execute cannot point to them: a function that was renamed, or whose
parameters have changed.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dispatcher.domain.failure import Failure
from dispatcher.scan import pieces

_MISSING = re.compile(r"(?:name|attribute|import name|argument) '([A-Za-z_]\w*)'(?: is not defined|$|[ ;,(.])")
_CALLED = re.compile(r"^([A-Za-z_][\w.<>]*)\(\) (?:got|missing|takes)")
_NEAR = 0.75
_MOST_FILES = 20
_MOST = 3


class Definition(NamedTuple):
    """A function or class: its file, qualified name, first and last line."""

    path: str
    name: str
    line: int
    last: int


def candidates(failure: Failure, rootdir: Path, paths: Iterable[str]) -> list[Definition]:
    """Return the definitions in some files that a failure's words seem to be about, the likeliest first."""
    if failure["kind"] not in ("exception", "import", "setup", "teardown", "collection"):
        return []
    called, missing = _CALLED.match(failure["message"]), _MISSING.search(failure["message"])
    if called:
        name = called[1].rpartition(".")[2]
        return [d for d in _in_files(rootdir, paths) if d.name.rpartition(".")[2] == name][:_MOST]
    if not missing or "'NoneType' object" in failure["message"]:
        return []
    found = {d: _likeness(d, missing[1]) for d in _in_files(rootdir, paths)}
    return sorted((d for d, likeness in found.items() if likeness >= _NEAR), key=lambda d: (-found[d], d))[:_MOST]


def _likeness(definition: Definition, name: str) -> float:
    own = definition.name.rpartition(".")[2]
    return 0.0 if own == name else difflib.SequenceMatcher(None, own, name).ratio()


def _in_files(rootdir: Path, paths: Iterable[str]) -> Iterator[Definition]:
    for path in list(dict.fromkeys(paths))[:_MOST_FILES]:
        try:
            tree = pieces.parse((rootdir / path).read_text(errors="replace"))
        except (OSError, ValueError):
            continue
        if tree is not None:
            yield from _definitions(tree, path, "")


def _definitions(holder: ast.AST, path: str, prefix: str) -> Iterator[Definition]:
    for node in pieces.definitions(holder):
        yield Definition(path, prefix + node.name, node.lineno, node.end_lineno or node.lineno)
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node, path, f"{prefix}{node.name}.")
