"""The project that a report is about: where its files lie, and what they hold."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.scan import pieces
from dispatcher.scan.reports.texts import MAX_LINE, Redact, head
from dispatcher.text import one_line, well_formed

_LONGEST_PATH = 500
_BIGGEST_FILE = 1_000_000
_LONGEST_STATEMENT = 500
_MOST_LINES = 9  # of a statement, behind its first; as the plugin takes them


class Place(NamedTuple):
    """A frame as a text tells it; what the text does not say is empty."""

    path: str
    line: int
    function: str = ""
    code: str = ""


class _File(NamedTuple):
    lines: list[str]
    scopes: list[pieces.Scope]
    statements: list[tuple[int, int]]
    """First and last line of each, outer ones before those in them."""

    def line(self, number: int) -> str:
        known = self.lines[number - 1] if 0 < number <= len(self.lines) else ""
        return well_formed(known).strip()


_ELSEWHERE = re.compile(r"(?:^|[/\\])(?:site-packages|dist-packages|node_modules|lib/python3\.\d+)[/\\]|^<|^node:")
_ROOTS = (
    "src/main/", "src/test/", "src/it/", "src/integrationTest/", "src/androidTest/", "src/commonMain/", "src/commonTest/",
)  # fmt: skip
_LANGUAGES = ("java", "kotlin", "scala", "groovy")
_MOST_FOLDERS = 500


class Sources:
    """The files of a project: where those lie that a report from another machine names, and what they hold."""

    def __init__(self, project: Path, redact: Redact) -> None:
        self._redact = redact
        self.home = os.path.realpath(project)
        self.find = lru_cache(maxsize=2000)(self._find)
        self._file = lru_cache(maxsize=16)(self._read)
        self._source_roots: list[str] | None = None

    def holds(self, relative: str) -> bool:
        """Tell whether a path is a regular file that really lies in the project."""
        path = os.path.join(self.home, relative)
        return os.path.isfile(path) and os.path.realpath(path).startswith(self.home + os.sep)

    def _find(self, path: str, near: str = "") -> str | None:
        """Return a file's path relative to the project, which may lie in another folder than where the report was made.

        `near` is what the test's package is called, for runners that say no more than a file's name.
        """
        if not path or len(path) > _LONGEST_PATH or _ELSEWHERE.search(path):
            return None
        path = path.removeprefix("file://").replace("\\", "/")
        if path.startswith(self.home + "/"):
            path = path[len(self.home) + 1 :]
        parts = [part for part in os.path.normpath(path).split("/") if part not in ("", ".", "..")]
        packages = near.split("/") if len(parts) == 1 and len(near) < _LONGEST_PATH else []
        tries = [*([*packages[n:], *parts] for n in range(len(packages))), *(parts[n:] for n in range(len(parts)))]
        for some in tries:
            # "__init__.py" alone may be anybody's.
            if (len(some) > 1 or len(parts) == 1 or some[0] != "__init__.py") and self.holds("/".join(some)):
                return "/".join(some)
        return None

    def find_class(self, name: str, file: str) -> str | None:
        """Return the file of a class of Java or one of its relatives."""
        folder = name.rpartition(".")[0].replace(".", "/")
        if self._source_roots is None:
            self._source_roots = list(self._roots())
        paths = (os.path.join(root, folder, file) for root in self._source_roots)
        return next((path for path in paths if self.holds(path)), None)

    def _roots(self) -> Iterable[str]:
        """Return the source folders of the project and of its modules, two levels deep."""
        above = self._folders("")[:_MOST_FOLDERS]
        below = [name for folder in above for name in self._folders(folder)]
        modules = ["", *above, *below[:_MOST_FOLDERS]]
        names = [*(root + language for root in _ROOTS for language in _LANGUAGES), "src", "test", "tests"]
        for module in modules:
            yield from (p for name in names if os.path.isdir(os.path.join(self.home, p := os.path.join(module, name))))

    def _folders(self, folder: str) -> list[str]:
        try:
            with os.scandir(os.path.join(self.home, folder)) as found:
                names = sorted(e.name for e in found if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
        except OSError:
            return []
        return [os.path.join(folder, name) for name in names if name not in ("src", "node_modules", "target", "build")]

    def frame(self, place: Place, near: str = "") -> list[Any]:
        """Return a frame as the plugin writes it, with what the project's file knows: its function, its line."""
        found = self.find(place.path, near)
        if found is None:
            return [place.path, place.line, place.function, head(self._redact(place.code), MAX_LINE)]
        file = self._file(found)
        function = _function(file.scopes, place) if found.endswith(".py") else place.function
        code = place.code or file.line(place.line)
        return [os.path.join(self.home, found), place.line, function, head(self._redact(code), MAX_LINE)]

    def statement(self, place: Place) -> str:
        """Return the statement of the project that a frame is in, as the plugin writes it; empty where there is none."""
        found = self.find(place.path)
        if found is None or not found.endswith(".py"):
            return ""
        file = self._file(found)
        if place.code and place.code != file.line(place.line):  # the file has changed since
            source = [place.code]
        else:
            first, last = next((s for s in reversed(file.statements) if s[0] <= place.line <= s[1]), (1, 0))
            source = file.lines[first - 1 : min(last, first + _MOST_LINES)]
        return self._redact(one_line(well_formed(" ".join(source))))[:_LONGEST_STATEMENT]

    def _read(self, relative: str) -> _File:
        try:
            with open(os.path.join(self.home, relative), "rb") as file:
                data = file.read(_BIGGEST_FILE + 1)
        except OSError:
            data = b""
        if len(data) > _BIGGEST_FILE:
            return _File([], [], [])
        text = data.decode("utf-8-sig", errors="replace")
        tree = pieces.parse(text) if relative.endswith(".py") else None
        return _File(pieces.lines_of(text), *((pieces.scopes(tree), list(_statements(tree))) if tree else ([], [])))


def _statements(holder: ast.AST) -> Iterator[tuple[int, int]]:
    for node in ast.iter_child_nodes(holder):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            if isinstance(node, ast.stmt):
                yield node.lineno, node.end_lineno or node.lineno
            yield from _statements(node)


def _function(scopes: list[pieces.Scope], place: Place) -> str:
    """Return a function's qualified name; the file may have changed since, so that what the text says counts more."""
    around = [scope.name for scope in scopes if scope.first <= place.line <= scope.last]
    said = place.function.rpartition(".")[2]
    if not said:
        return around[-1] if around else "<module>"
    if said.startswith("<") and said != "<module>" and around:
        return f"{around[-1]}.<locals>.{said}"
    return next((name for name in reversed(around) if name.rpartition(".")[2] == said), place.function)
