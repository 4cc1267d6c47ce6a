"""The tamper guard: what the tests of a task were made of when the task was made, and whether they still are.

Prints are hashes by key, each with its kind before a colon:

- `part`: a test file without its tests, one of its test classes without its tests, or one test;
- `whole`: a conftest, a module that lies in the test folder, or a file that is not Python;
- `doctest`: the docstring that holds an example;
- `config`: pytest's own settings in a configuration file;
- `names`: no hash, but a pattern that all files have prints for: all conftests (each sees the items of all folders)
  and the modules of the test folder (one that is added may hide another).

"-" in place of a hash says that there was none: one that appears later is a change too. Lines that are empty or
only comments do not count, so that code may move, and other tests of the same file may come, change and go.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from dispatcher.domain.failure import file_of, function_of
from dispatcher.domain.fingerprint import digest
from dispatcher.domain.testcode import is_test_code
from dispatcher.scan import pieces

Prints = dict[str, str]

_SECTIONS = {
    "pytest.toml": None,
    ".pytest.toml": None,
    "pytest.ini": None,
    ".pytest.ini": None,
    "pyproject.toml": "tool.pytest",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}
"""pytest's configuration files, and under what heading pytest's settings are in them; None for all."""

_TEST_FOLDERS = ("tests", "test")
_MAX_SUPPORT = 300
_MAX_FOLDERS = 20_000
_CONFTESTS = "**/conftest.py"
_NAMES = "names:-"
_MAX_FILE_BYTES = 5_000_000
_NOT_WALKED = ("INBOX", "node_modules", "site-packages")


class Guard:
    """Takes prints of files below one root folder; each file is read once."""

    def __init__(self, rootdir: Path) -> None:
        self._root = rootdir
        self._texts: dict[str, str | None] = {}
        self._parts: dict[str, dict[str, str] | None] = {}
        self._names: dict[str, list[str]] = {}
        self._prints: dict[tuple[str, str], str] = {}

    def take(self, tests: Iterable[str], *, but: str | None = None) -> Prints:
        """Return the prints of some tests. `but` is a file that has to change: it cannot even be read."""
        prints: Prints = {}
        wanted = {function_of(test) for test in tests}
        for test in sorted(wanted):
            prints |= {key: self._print(kind, key) for kind, key in self._keys_of_test(test)}
        patterns = {_CONFTESTS, *(pattern for test in wanted if (pattern := _support_of(file_of(test))))}
        for pattern in sorted(patterns):
            prints[pattern] = _NAMES
            prints |= {key: self._print("whole", key) for key in self._fitting(pattern) if key not in prints}
        prints |= {key: self._print("config", key) for key in _SECTIONS}
        return {key: value for key, value in prints.items() if file_of(key) != but}

    def file(self, name: str) -> Prints:
        """Return the print of a file as a whole; of one that is not there none."""
        return {name: self._print("whole", name)} if self._text(name) is not None else {}

    def changed(self, before: Prints) -> list[str]:
        """Return the keys of what is not as it was, sorted."""
        found = {key for key, was in before.items() if self._print(was.partition(":")[0], key) != was}
        for pattern in (key for key, was in before.items() if was == _NAMES):
            found.update(name for name in self._fitting(pattern) if name not in before)
        return sorted(found)

    def _keys_of_test(self, test: str) -> Iterator[tuple[str, str]]:
        file, _, path = test.partition("::")
        parts = self._parts_of(file)
        if not path or parts is None:
            yield "whole", file
        elif "." in path.rpartition("::")[2]:
            yield ("doctest", test) if file.endswith(".py") else ("whole", file)
        else:
            yield "part", file
            if path not in parts:  # inherited, or made by code
                yield "whole", file
            names = path.split("::")
            for depth in range(1, len(names) + 1):
                if "::".join(names[:depth]) in parts:
                    yield "part", f"{file}::{'::'.join(names[:depth])}"

    def _print(self, kind: str, key: str) -> str:
        if (kind, key) not in self._prints:  # the tasks of one scan share most of what theirs are made of
            text = None if kind == "names" else self._said(kind, key)
            self._prints[kind, key] = f"{kind}:{'-' if text is None else digest(text)}"
        return self._prints[kind, key]

    def _said(self, kind: str, key: str) -> str | None:
        """Return what is hashed under a key."""
        file, _, path = key.partition("::")
        text = self._text(file)
        if kind == "config":
            return _settings(key, text)
        if kind == "part":
            return (self._parts_of(file) or {}).get(path)
        tree = pieces.parse(text) if file.endswith(".py") else None
        if tree is None or text is None:
            return text
        return pieces.docstring(tree, path) if kind == "doctest" else pieces.whole(tree, text)

    def _text(self, file: str) -> str | None:
        if file not in self._texts:
            try:
                with (self._root / file).open("rb") as opened:
                    self._texts[file] = opened.read(_MAX_FILE_BYTES).decode("utf-8-sig", errors="replace")
            except (OSError, ValueError):
                self._texts[file] = None
        return self._texts[file]

    def _parts_of(self, file: str) -> dict[str, str] | None:
        """Return the parts of a Python file, None when there is no such file or it cannot be parsed."""
        if file not in self._parts:
            text = self._text(file)
            tree = pieces.parse(text) if file.endswith(".py") else None
            self._parts[file] = None if tree is None or text is None else pieces.parts(tree, text)
        return self._parts[file]

    def _fitting(self, pattern: str) -> list[str]:
        """Return the project's files that fit a pattern of `_support_of`, or all conftests."""
        if pattern not in self._names:
            walked = _walk(self._root, self._root / pattern.rpartition("**/")[0])
            found = [path for path in walked if _fits(PurePosixPath(path).name, pattern)]
            self._names[pattern] = sorted(found)[:_MAX_SUPPORT]
        return self._names[pattern]


def _fits(name: str, pattern: str) -> bool:
    return name == "conftest.py" if pattern == _CONFTESTS else name.endswith(".py") and not is_test_code(name)


def _support_of(file: str) -> str | None:
    """Return the pattern of the other modules of the test folder that a file lies in: what its tests may import."""
    folder = next((p for p in reversed(PurePosixPath(file).parents) if p.name in _TEST_FOLDERS), None)
    return f"{folder.as_posix()}/**/*.py" if folder else None


def _walk(root: Path, start: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to the root; not those of environments, tools and our own state."""
    for number, (folder, folders, files) in enumerate(os.walk(start)):
        if number == _MAX_FOLDERS:
            break
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")) and f not in _NOT_WALKED)
        if "pyvenv.cfg" in files:
            folders[:] = []
            continue
        inside = PurePosixPath(os.path.relpath(folder, root))
        yield from ((inside / name).as_posix() for name in files)


def _settings(file: str, text: str | None) -> str | None:
    """Return what is pytest's in a configuration file."""
    heading = _SECTIONS[file]
    if text is None or heading is None:
        return text
    if file == "pyproject.toml":
        return _of_pyproject(text)
    found, inside = [], False
    for line in text.splitlines():
        if match := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
            inside = match[1] == heading
        if inside and line.strip() and not line.lstrip().startswith(("#", ";")):
            found.append(line.rstrip())
    return "\n".join(found) if found else None


def _of_pyproject(text: str) -> str | None:
    import tomllib

    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    tool = data.get("tool")
    settings = tool.get("pytest") if isinstance(tool, dict) else None
    return None if settings is None else json.dumps(settings, sort_keys=True, default=str)
