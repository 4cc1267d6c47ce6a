"""Which file an import means, from the files of a project alone: nothing is imported or run.

A module goes by its stem: its path without ".py", a package by its folder, whether or not it has an `__init__.py`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection

_SOURCE_FOLDERS = frozenset({"src", "lib", "python", "source", "test", "tests"})
_INIT = "/__init__"


def stem_of(path: str) -> str:
    """Return the stem of a file: "pkg/a.py" is "pkg/a", "pkg/__init__.py" is "pkg", "__init__.py" is ""."""
    stem = path.removesuffix(".py")
    return "" if stem == "__init__" else stem.removesuffix(_INIT)


def word_of(stem: str) -> str:
    """Return the last word of a stem: what an absolute import of it has in its text."""
    return stem.rpartition("/")[2]


class Modules:
    """The modules of a project, by what imports call them."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = files
        self._answers: dict[tuple[str, str], str | None] = {}

    @functools.cached_property
    def _stems(self) -> set[str]:
        """The stems of all files and folders."""
        found = set(map(stem_of, self._files))
        new = found
        while new:
            new = {stem.rpartition("/")[0] for stem in new} - found
            found = found | new
        return found - {""}

    @functools.cached_property
    def _by_word(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stem in self._stems:
            found.setdefault(word_of(stem), []).append(stem)
        return found

    def file_of(self, stem: str) -> str | None:
        """Return the file of a module: a package goes before a module of its name. None for a bare folder."""
        package = f"{stem}/__init__.py" if stem else "__init__.py"
        if package in self._files:
            return package
        return f"{stem}.py" if f"{stem}.py" in self._files else None

    def child(self, stem: str, name: str) -> str | None:
        """Return the stem of the module or package called `name` inside a package, if there is one."""
        inside = f"{stem}/{name}" if stem else name
        return inside if inside in self._stems else None

    def relative(self, path: str, level: int, module: str) -> str | None:
        """Return the stem that a relative import in a file means."""
        steps = path.split("/")[:-1]
        if level - 1 > len(steps):
            return None
        stem = "/".join([*steps[: len(steps) - level + 1], *(module.split(".") if module else ())])
        return stem if stem in self._stems or not stem else None

    def absolute(self, path: str, module: str) -> str | None:
        """Return the stem that an absolute import in a file means; None for one that is no part of the project.

        It is looked for from the folders above the file, the nearest first, then from the project's other folders
        that hold source; one inside a package counts last. A name of the standard library is only looked for above.
        """
        folder = path.rpartition("/")[0]
        key = (folder, module)
        if key not in self._answers:
            tail = module.replace(".", "/")
            found = [stem for stem in self._by_word.get(word_of(tail), ()) if _ends_with(stem, tail)]
            ranked = [(rank, stem) for stem in found if (rank := self._rank(stem, tail, folder, module))]
            self._answers[key] = min(ranked)[1] if ranked else None
        return self._answers[key]

    def _rank(self, stem: str, tail: str, folder: str, module: str) -> tuple[int, int, str] | None:
        """Return how near the root of a module is to a folder, the smaller the better; None for one too far."""
        root = stem[: len(stem) - len(tail)].rstrip("/")
        is_bare = 0 if self.file_of(stem) else 1
        is_standard = module.partition(".")[0] in sys.stdlib_module_names
        if root and f"{root}/__init__.py" in self._files:
            return (4 + is_bare, 0, stem) if root == folder and not is_standard else None
        if not root or folder == root or folder.startswith(f"{root}/"):
            return (is_bare, -len(root), stem)
        is_source = word_of(root) in _SOURCE_FOLDERS or "/" not in root
        return (2 + is_bare, len(root), stem) if is_source and not is_standard else None


def _ends_with(stem: str, tail: str) -> bool:
    return stem == tail or stem.endswith(f"/{tail}")
