"""Whose code a file is: the tests', the project's, or somebody else's."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from dispatcher.domain.testcode import is_test_code

Owner = Literal["test", "source", "library"]

_NOT_OURS = re.compile(r"(?:^|/)(?:site-packages|dist-packages|node_modules|\.tox|\.nox|\.venv|venv)/")
_SOURCE_FOLDERS = ("", "src", "lib")


class Layout:
    """Tells files apart. `project` is where pytest was started, `rootdir` what ids are relative to.

    `tests` are files that hold tests, whatever their names. `libraries` are the folders of the interpreter's own and installed packages, `environment` its prefix, None where
    no interpreter of ours has run the tests.
    """

    def __init__(
        self,
        project: Path,
        rootdir: Path,
        libraries: list[str],
        environment: str | None = None,
        tests: frozenset[str] = frozenset(),
    ) -> None:
        self.project = project
        self._tests = tests
        self.rootdir = rootdir
        self._home = os.path.realpath(rootdir)
        others = [*libraries, *([environment] if environment else [])]
        inside = [p for p in others if not self._home.startswith(os.path.realpath(p) + os.sep)]
        self._foreign = tuple(os.path.realpath(p) + os.sep for p in inside)
        self._packages = tuple(os.path.realpath(p) + os.sep for p in libraries if "-packages" in p)
        self.locate = lru_cache(maxsize=10_000)(self._locate)

    def _locate(self, path: str) -> Located:
        """Return whose a file is and how it is called: relative to the root folder where it is the project's.

        A file of an installed package that the project holds the source of counts as that source.
        """
        if path.startswith("<"):  # code without a file
            return Located("library", path)
        real = os.path.realpath(os.path.join(self._home, path))
        for packages in self._packages:
            if real.startswith(packages) and (source := self._source_of(real[len(packages) :])):
                return Located("source", source)
        relative = os.path.relpath(real, self._home) if real.startswith(self._home + os.sep) else None
        if relative is None or real.startswith(self._foreign) or _NOT_OURS.search(relative):
            return Located("library", _short(real))
        return Located("test" if relative in self._tests or is_test_code(relative) else "source", relative)

    def shorten(self, words: str) -> str:
        """Return a text with the project's own paths relative to its root folder, and without objects' addresses."""
        return re.sub(r" at 0x[0-9A-Fa-f]+", "", words.replace(f"{self.rootdir}{os.sep}", ""))

    def prefixes(self) -> dict[str, list[str]]:
        """Return how the paths of the project's own files begin, of what lies among them and is not its own, and of copies.

        Copies are packages of the project that are installed beside those of others.
        """
        homes = {self._home + os.sep, str(self.rootdir) + os.sep}
        copies = []
        for packages in self._packages:
            for name in os.listdir(packages) if os.path.isdir(packages) else ():
                entry = name if name.endswith(".py") else os.path.join(name, "__init__.py")
                if self._source_of(entry):
                    copies.append(packages + name + ("" if name.endswith(".py") else os.sep))
        return {"own": sorted(homes), "foreign": list(self._foreign), "copies": copies}

    def _source_of(self, relative: str) -> str | None:
        for folder in _SOURCE_FOLDERS:
            name = os.path.join(folder, relative)
            if os.path.isfile(os.path.join(self._home, name)):
                return name if not is_test_code(name) else None
        return None


class Located(NamedTuple):
    """A file: whose it is, and its name."""

    owner: Owner
    path: str


def _short(path: str) -> str:
    """Return a library's file without the folders that differ from machine to machine."""
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return re.sub(r"^.*/lib/python3\.\d+/", "", path)
