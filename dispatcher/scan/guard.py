"""The tamper guard: what the tests of a task were made of when the task was made, and whether they still are.

Prints are hashes by key, each with its kind before a colon:

- `part`: a test file without its tests, one of its test classes without its tests, or one test;
- `whole`: a conftest, a module that lies in the test folder, or a file that is not Python;
- `doctest`: the docstring that holds an example;
- `config`: pytest's own settings in a configuration file.

"-" in place of a hash says that there was none: one that appears later is a change too. Lines that are empty or
only comments do not count, so that code may move, and other tests of the same file may come, change and go.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from dispatcher.domain.failure import file_of, function_of
from dispatcher.domain.fingerprint import digest
from dispatcher.scan.layout import is_test_code

Prints = dict[str, str]

_SECTIONS = {
    "pytest.toml": None,
    ".pytest.toml": None,
    "pytest.ini": None,
    ".pytest.ini": None,
    "pyproject.toml": r"tool\.pytest[\w.]*",
    "tox.ini": r"pytest",
    "setup.cfg": r"tool:pytest",
}
"""pytest's configuration files, and the headings of what in them is pytest's; None for all."""

_TEST_FOLDERS = ("tests", "test")
_MAX_SUPPORT = 300
_MAX_FILE_BYTES = 5_000_000


class Guard:
    """Takes prints of files below one root folder; each file is read once."""

    def __init__(self, rootdir: Path) -> None:
        self._root = rootdir
        self._texts: dict[str, str | None] = {}
        self._parts: dict[str, dict[str, str] | None] = {}

    def take(self, tests: Iterable[str], *, but: str | None = None) -> Prints:
        """Return the prints of some tests. `but` is a file that has to change: it cannot even be read."""
        prints: Prints = {}
        wanted = {function_of(test) for test in tests}
        for test in sorted(wanted):
            prints |= {key: self._print(kind, key) for kind, key in self._keys_of_test(test)}
        for file in sorted({file_of(test) for test in wanted}):
            others = [*_conftests(file), *self._support(file)]
            prints |= {key: self._print("whole", key) for key in others if key not in prints}
        prints |= {key: self._print("config", key) for key in _SECTIONS}
        return {key: value for key, value in prints.items() if file_of(key) != but}

    def changed(self, before: Prints) -> list[str]:
        """Return the keys of what is not as it was, sorted."""
        return sorted(key for key, was in before.items() if self._print(was.partition(":")[0], key) != was)

    def _keys_of_test(self, test: str) -> Iterator[tuple[str, str]]:
        file, _, path = test.partition("::")
        parts = self._parts_of(file)
        if not path or parts is None:
            yield "whole", file
        elif "." in path.rpartition("::")[2]:
            yield ("doctest", test) if file.endswith(".py") else ("whole", file)
        else:
            names = path.split("::")
            yield "part", file
            for depth in range(1, len(names) + 1):
                if "::".join(names[:depth]) in parts:
                    yield "part", f"{file}::{'::'.join(names[:depth])}"

    def _print(self, kind: str, key: str) -> str:
        file, _, path = key.partition("::")
        if kind == "part":
            text = (self._parts_of(file) or {}).get(path)
        elif kind == "doctest":
            text = self._docstring(file, path)
        elif kind == "config":
            text = _section(self._text(file), _SECTIONS[key])
        else:
            text = self._text(file)
        return f"{kind}:{digest(_essence(text)) if text is not None else '-'}"

    def _text(self, file: str) -> str | None:
        if file not in self._texts:
            try:
                with (self._root / file).open("rb") as opened:
                    self._texts[file] = opened.read(_MAX_FILE_BYTES).decode(errors="replace")
            except (OSError, ValueError):
                self._texts[file] = None
        return self._texts[file]

    def _parts_of(self, file: str) -> dict[str, str] | None:
        """Return the parts of a Python file, None when there is no such file or it cannot be parsed."""
        if file not in self._parts:
            tree = _parse(self._text(file)) if file.endswith(".py") else None
            self._parts[file] = None if tree is None else dict(_split(tree, self._text(file) or ""))
        return self._parts[file]

    def _docstring(self, file: str, name: str) -> str | None:
        """Return the docstring that a doctest is named after: `package.module.Class.method`."""
        tree = _parse(self._text(file))
        names = name.split(".")
        for first in range(len(names)) if tree else ():
            node: ast.AST | None = tree
            for part in names[first:]:
                node = (
                    next((n for n in ast.iter_child_nodes(node) if getattr(n, "name", None) == part), None)
                    if node
                    else None
                )
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                return ast.get_docstring(node)
        return ast.get_docstring(tree) if tree else None

    def _support(self, file: str) -> list[str]:
        """Return the other modules of the test folder that a file lies in: what its tests may import."""
        parents = PurePosixPath(file).parents
        folder = next((p for p in reversed(parents) if p.name in _TEST_FOLDERS), None)
        if folder is None:
            return []
        found = (path.relative_to(self._root).as_posix() for path in sorted((self._root / folder).rglob("*.py")))
        return [name for name in found if not _holds_tests(name)][:_MAX_SUPPORT]


def _holds_tests(name: str) -> bool:
    return is_test_code(PurePosixPath(name).name)


def _conftests(file: str) -> list[str]:
    """Return every conftest that a file's tests would use, there or not."""
    return [(parent / "conftest.py").as_posix() for parent in PurePosixPath(file).parents]


def _parse(text: str | None) -> ast.Module | None:
    try:
        return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _split(tree: ast.Module, text: str) -> Iterator[tuple[str, str]]:
    """Yield each test, test class and the file itself, by path, each without the tests inside it."""
    lines = text.splitlines()
    waiting: list[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = [("", tree)]
    while waiting:
        path, node = waiting.pop()
        first, last = (1, len(lines)) if isinstance(node, ast.Module) else _range(node)
        kept = dict(enumerate(lines[first - 1 : last], first))
        for child in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(child):
                inner_first, inner_last = _range(child)
                for number in range(inner_first, inner_last + 1):
                    kept.pop(number, None)
                waiting.append((f"{path}::{child.name}" if path else child.name, child))
        yield path, "\n".join(kept.values())


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(_is_test(child) for child in node.body)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _range(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def _essence(text: str) -> str:
    """Return a text without indentation in common, empty lines and lines of comment."""
    lines = (line.rstrip() for line in textwrap.dedent(text).splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _section(text: str | None, heading: str | None) -> str | None:
    """Return the part of a configuration file under the headings that fit."""
    if text is None or heading is None:
        return text
    found, inside = [], False
    for line in text.splitlines():
        if match := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            inside = re.fullmatch(heading, match[1].replace('"', "")) is not None
        if inside:
            found.append(line)
    return "\n".join(found) if found else None
