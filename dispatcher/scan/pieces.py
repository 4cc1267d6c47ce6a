"""A test file taken apart: each test for itself, and what is left without them. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def parse(text: str | None) -> ast.Module | None:
    """Return the syntax tree of a Python text, None for what is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer Pythons print what they think of a text
            return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parts(tree: ast.Module, text: str) -> dict[str, str]:
    """Return each test, each test class and, as "", the file, by path ("TestCart::test_total").

    Each is without the tests inside it, and without lines that are empty or only a comment. Of two with one
    path Python takes the later; both count here.
    """
    lines = dict(enumerate(lines_of(text), 1))
    counting = {n: line.rstrip() for n, line in lines.items() if _counts(line)}
    counting |= {n: lines[n] for n in _inside_strings(tree) if n in lines}
    found: dict[str, str] = {}
    waiting: list[tuple[str, ast.Module | Definition]] = [("", tree)]
    while waiting:
        path, node = waiting.pop(0)
        numbers = set(lines) if isinstance(node, ast.Module) else _range(node)
        for child in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
            if isinstance(child, Definition) and _is_test(child):
                numbers -= _range(child)
                waiting.append((f"{path}::{child.name}" if path else child.name, child))
        found[path] = found.get(path, "") + "".join(f"{counting[n]}\n" for n in sorted(numbers) if n in counting)
    return found


def whole(tree: ast.Module, text: str) -> str:
    """Return a Python text without the lines that do not count."""
    inside = _inside_strings(tree)
    return "\n".join(line.rstrip() for n, line in enumerate(lines_of(text), 1) if n in inside or _counts(line))


def docstring(tree: ast.Module, name: str) -> str:
    """Return the docstring that a doctest is named after, "package.module.Class.method".

    When nothing is named so (the module itself, or an entry of `__test__`), all strings that hold examples.
    """
    names = name.split(".")
    for first in range(1, len(names)):
        if (node := _defined(tree, names[first:])) is not None:
            return ast.get_docstring(node) or ""
    strings = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return "\n".join(value for value in strings if ">>>" in value)


class Scope(NamedTuple):
    """A function or a class: its first and last line, decorators included, and its qualified name, as Python builds it."""

    first: int
    last: int
    name: str
    is_class: bool


def scopes(tree: ast.Module) -> list[Scope]:
    """Return all functions and classes of a file, outer ones before those in them."""
    return list(_scopes(tree, ""))


def _scopes(holder: ast.AST, prefix: str) -> Iterator[Scope]:
    for node in definitions(holder):
        is_class = isinstance(node, ast.ClassDef)
        name = prefix + node.name
        yield Scope(_first(node), node.end_lineno or node.lineno, name, is_class)
        yield from _scopes(node, name + ("." if is_class else ".<locals>."))


def function_at(tree: ast.Module, line: int) -> str | None:
    """Return the qualified name of the innermost function that holds a line."""
    around = [scope.name for scope in scopes(tree) if scope.first <= line <= scope.last and not scope.is_class]
    return around[-1] if around else None


def definition_line(tree: ast.Module, path: str) -> int | None:
    """Return the line where a test begins ("TestCart::test_total"), or what a doctest is of ("package.module.function")."""
    names = path.split("::") if "::" in path or "." not in path else path.split(".")[1:]
    tries = (_defined(tree, names[first:]) for first in range(len(names)))
    return next((node.lineno for node in tries if node), None)


def _defined(tree: ast.Module, names: list[str]) -> Definition | None:
    """Return the class or function with a dotted name, wherever in its holder's body it is defined."""
    holder: ast.AST = tree
    for name in names:
        holder_body = definitions(holder)
        found = next((node for node in holder_body if node.name == name), None)
        if found is None:
            return None
        holder = found
    return holder if isinstance(holder, Definition) else None


def definitions(holder: ast.AST) -> Iterator[Definition]:
    """Yield the functions and classes that are defined in a body, inside ifs and trys too, but not in one another."""
    for node in ast.iter_child_nodes(holder):
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from definitions(node)


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(_is_test(child) for child in node.body)
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test"):
        return False
    return not any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def _range(node: Definition) -> set[int]:
    return set(range(_first(node), (node.end_lineno or node.lineno) + 1))


def _first(node: Definition) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def _inside_strings(tree: ast.Module) -> set[int]:
    """Return the numbers of the lines that begin inside a string."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            found.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    return found


def lines_of(text: str) -> list[str]:
    """Return a text's lines as Python counts them: a form feed ends none."""
    return re.split(r"\r\n|\r|\n", text)


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
