"""What a fix has changed, told from the source before and after it: functions, and places among the lines. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

Unit = tuple[str, str]
"""A path and the qualified name of a function."""


class Hunk(NamedTuple):
    """Lines of the old file that are replaced by lines of the new one; `old` is empty where lines are only added.

    Then `after` is the old line behind which they stand.
    """

    old: range
    after: int
    new: range


class Place(NamedTuple):
    """A changed line of the old file; where lines are only added, the ones on both sides of them."""

    path: str
    lines: tuple[int, ...]


class Truth(NamedTuple):
    """The functions that a fix changes, and the changed places, each with the function that it lies in ("" for none)."""

    functions: tuple[Unit, ...]
    places: tuple[tuple[Place, str], ...]


class _Function(NamedTuple):
    first: int
    last: int
    code: str


def hunks_of(diff: bytes) -> dict[str, list[Hunk]]:
    """Return the hunks of a diff without context lines, by the path of the old file."""
    found: dict[str, list[Hunk]] = {}
    path: str | None = None
    for line in diff.decode(errors="replace").split("\n"):
        if line.startswith("--- "):
            path = line[6:].rstrip("\t") if line.startswith("--- a/") else None
        elif path is not None and (match := _HUNK.match(line)):
            start, count, new, more = (int(n) if n is not None else 1 for n in match.groups())
            old = range(start, start + count)
            found.setdefault(path, []).append(Hunk(old, start if not count else start - 1, range(new, new + more)))
    return found


def of(before: Mapping[str, bytes], after: Mapping[str, bytes], hunks: Mapping[str, list[Hunk]]) -> Truth:
    """Return what was changed in some files; comments, docstrings and blank lines are no change.

    A function counts as changed if what it does is written differently, the functions inside it left out. One that is
    not in the old file cannot be found there, so it does not count.
    """
    functions: list[Unit] = []
    places: list[tuple[Place, str]] = []
    for path, changes in sorted(hunks.items()):
        old, new = _functions(before[path]), _functions(after.get(path, b""))
        changed = {name for name, function in old.items() if name not in new or new[name].code != function.code}
        functions += [(path, name) for name in old if name in changed]
        lines = before[path].decode(errors="replace").splitlines()
        for hunk in changes:
            for place in _places(path, hunk, lines):
                holder = _holder(old, place.lines[0]) if hunk.old else _inserted_in(old, new, hunk)
                if holder in changed or (not holder and _is_code(hunk, after.get(path, b""))):
                    places.append((place, holder))
    return Truth(tuple(functions), tuple(places))


def _places(path: str, hunk: Hunk, lines: list[str]) -> Iterator[Place]:
    if not hunk.old:
        beside = [n for n in (hunk.after, hunk.after + 1) if 1 <= n <= len(lines)]
        if beside:
            yield Place(path, tuple(beside))
        return
    for n in hunk.old:
        words = lines[n - 1].strip() if n <= len(lines) else ""
        if words and not words.startswith("#"):
            yield Place(path, (n,))


def _is_code(hunk: Hunk, after: bytes) -> bool:
    """Tell whether a change outside of functions may be one of code: lines are replaced, or statements added."""
    if hunk.old:
        return True
    lines = after.decode(errors="replace").splitlines()
    added = [lines[n - 1] for n in hunk.new if n <= len(lines)]
    # A definition or an import that is new stands anywhere in its file: no old line has to be seen for it.
    return any(words.strip() for words in added) and not any(
        re.match(r"\s*(def|class|async|import|from|@)\b|\s*@", words) for words in added
    )


def _holder(functions: Mapping[str, _Function], line: int) -> str:
    """Return the innermost function that holds a line, "" for none."""
    held = [(f.last - f.first, name) for name, f in functions.items() if f.first <= line <= f.last]
    return min(held)[1] if held else ""


def _inserted_in(old: Mapping[str, _Function], new: Mapping[str, _Function], hunk: Hunk) -> str:
    """Return the function of the old file that lines were added to; a function that is new does not count."""
    for line in hunk.new:
        if holder := _holder(new, line):
            return holder if holder in old else holder.rpartition(".<locals>.")[0]
    return ""


def _functions(source: bytes) -> dict[str, _Function]:
    """Return the functions of a file by qualified name, with what they do; none for a file that cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, _Function] = {}
    _collect(tree, "", found)
    return found


def _collect(node: ast.AST, prefix: str, found: dict[str, _Function]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = prefix + child.name
            first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
            _collect(child, f"{name}.<locals>.", found)
            last = child.end_lineno or child.lineno
            code = _code_of(child)
            if (
                name in found
            ):  # overloads, properties with setters, alternatives under a condition: all are the function
                code, first, last = found[name].code + code, min(first, found[name].first), max(last, found[name].last)
            found[name] = _Function(first, last, code)
        else:
            _collect(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix, found)


def _code_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return a function written in one way, without its docstring and the bodies of functions inside it."""
    return ast.dump(_Bare().visit(function), annotate_fields=False)


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, and of functions that lie inside others all but that they are there."""

    def __init__(self) -> None:
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if self._depth:
            return ast.Name(id=f"def {node.name}", ctx=ast.Load())
        self._depth += 1
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        self.generic_visit(node)
        self._depth -= 1
        return node
