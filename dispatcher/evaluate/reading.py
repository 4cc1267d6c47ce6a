"""What a file holds: its functions, written in one way, and the lines that are code. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from dispatcher.graph import indented
from dispatcher.graph.blanking import blanked
from dispatcher.graph.definition import LOCALS
from dispatcher.graph.source import decoded

Lines = tuple[int, int]
_Def = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_IMPORT = re.compile(r"\s*(?:import|from)\b")
_ONLY_A_STRING = re.compile(r'\s*(?:""\\?|\\)?\s*$')


class Function(NamedTuple):
    """All definitions of one name, the first and last line of each (decorators included), and what they do."""

    spans: tuple[Lines, ...]
    code: str


class Reading(NamedTuple):
    """A file by its functions and by the numbers of its lines.

    `code` are those that say what happens: neither blank, comment, docstring nor, outside of functions, import.
    `filled` are all that are not blank. `long` are the statements outside of functions that have several lines.
    """

    functions: dict[str, Function]
    code: frozenset[int]
    filled: list[int]
    long: list[Lines]

    def holder(self, line: int) -> str:
        """Return the innermost function that holds a line, "" for none."""
        return _innermost([(span, name) for name, f in self.functions.items() for span in f.spans], line)


def read(before: bytes, after: bytes) -> tuple[Reading, Reading]:
    """Read a file's two states in the same way: as Python, or by lines and indents where one of them is not of this one's."""
    try:
        return _parsed(before), _parsed(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _by_lines(before), _by_lines(after)


def _innermost(spans: list[tuple[Lines, str]], line: int) -> str:
    return min(((last - first, name) for (first, last), name in spans if first <= line <= last), default=(0, ""))[1]


def _parsed(source: bytes) -> Reading:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    dull = {n for statement in _dull(tree, inside=False) for n in _lines_of(statement)}
    functions: dict[str, Function] = {}  # their docstrings leave the tree
    _collect(tree, "", functions)
    text = decoded(source)
    code = {n for n, line in enumerate(blanked(text).split("\n"), 1) if line.strip()}
    return Reading(functions, frozenset(code - dull), _filled(text), _long(tree))


def _dull(node: ast.AST, *, inside: bool) -> Iterator[ast.stmt]:
    """Yield the docstrings, and what is imported outside of functions, with conditions that are there for nothing else."""
    if isinstance(node, ast.Module | ast.ClassDef | _Def) and ast.get_docstring(node, clean=False) is not None:
        yield node.body[0]
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and not inside and _imports(child):
            yield child
        elif isinstance(child, _BLOCKS):
            yield from _dull(child, inside=inside or isinstance(child, _Def))


def _imports(statement: ast.AST) -> bool:
    """Tell whether a statement only imports, be it under a condition."""
    if isinstance(statement, ast.If | ast.Try | ast.ExceptHandler):
        return all(map(_imports, (each for each in ast.iter_child_nodes(statement) if isinstance(each, _BLOCKS))))
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _long(node: ast.AST) -> list[Lines]:
    found: list[Lines] = []
    for child in ast.iter_child_nodes(node):
        inside = [each for each in ast.iter_child_nodes(child) if isinstance(each, _BLOCKS)]
        if inside and not isinstance(child, _Def):
            found += _long(child)
        elif isinstance(child, ast.stmt) and not isinstance(child, _Def) and child.end_lineno != child.lineno:
            found.append((child.lineno, child.end_lineno or child.lineno))
    return found


def _lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _filled(text: str) -> list[int]:
    return [n for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def _collect(node: ast.AST, prefix: str, functions: dict[str, Function]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Def):
            name = prefix + child.name
            _collect(child, f"{name}{LOCALS}", functions)
            # Overloads, a property and its setter, alternatives under a condition: all of them are the function.
            spans, code = functions.get(name, Function((), ""))
            functions[name] = Function((*spans, _span(child)), code + _code_of(child))
        elif isinstance(child, ast.ClassDef):
            _collect(child, f"{prefix}{child.name}.", functions)
        else:
            _collect(child, prefix, functions)


def _span(node: _Def) -> Lines:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or node.lineno


def _code_of(function: _Def) -> str:
    """Return a function written in one way, without its docstring and the functions inside it."""
    return ast.dump(_Bare().visit(function), annotate_fields=False)


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, and of functions that lie inside others all but that they are there."""

    def __init__(self) -> None:
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self.generic_visit(_undocumented(node))

    def _function(self, node: _Def) -> ast.AST:
        if self._depth:
            return ast.Name(id=f"def {node.name}", ctx=ast.Load())
        self._depth += 1
        return self.generic_visit(_undocumented(node))


def _undocumented(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.ClassDef | _Def) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
    return node


def _by_lines(source: bytes) -> Reading:
    """Read a file that this Python does not: what is indented below a head belongs to it."""
    text = decoded(source)
    lines, blanks = text.split("\n"), blanked(text).split("\n")
    found = indented.spans(blanks)
    spans = [((first, last), name) for name, is_class, first, last, *_ in found if not is_class]
    holders = {n: _innermost(spans, n) for n in range(1, len(lines) + 1)}
    code = [n for n, line in enumerate(blanks, 1) if not _ONLY_A_STRING.match(line)
            and (holders[n] or not _IMPORT.match(line))]  # fmt: skip
    by_name: dict[str, list[str]] = {name: [] for _, name in spans}
    for n in code:
        if holders[n]:
            by_name[holders[n]].append(lines[n - 1].rstrip())
    functions = {
        name: Function(tuple(span for span, other in spans if other == name), "\n".join(written))
        for name, written in by_name.items()
    }
    return Reading(functions, frozenset(code), _filled(text), [])
