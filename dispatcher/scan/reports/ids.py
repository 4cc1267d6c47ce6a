"""The ids of tests that a report names in its own way."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import NamedTuple

from dispatcher.scan.reports.sources import Sources


class Name(NamedTuple):
    """What a report says of which test it is; what it does not say is empty."""

    classname: str
    name: str
    file: str


_ESCAPED = re.compile(r"#x([01][0-9A-F]|7F|8[0-9A-F]|9[0-9A-F]|D[89A-F][0-9A-F]{2}|FFF[EF])")
_SUBTEST = re.compile(r"(\w+) [\[(]")
_HOLDERS = ("", "unittest.suite._ErrorHolder")
_HOLDER = re.compile(r"(setUp|tearDown)(?:Class|Module) \(([\w.]+)\)")
_MOST_PARTS = 32
_FOLDERS = ("", "src", "lib", "tests", "test")


class Tests:
    """Finds the ids of tests: pytest's own where the test is one of Python's in the project."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._by_name = lru_cache(maxsize=1000)(self._look_up)

    def id_of(self, said: Name, *, collecting: bool) -> tuple[str, str]:
        """Return an id, which may be empty, and the phase that unittest tells by the name of the test."""
        if said.classname == "unittest.loader._FailedTest":
            return self._collector(said.name), "collect"
        holder = _HOLDER.fullmatch(said.name) if said.classname in _HOLDERS else None
        if holder:
            return self._collector(holder[2]), "setup" if holder[1] == "setUp" else "teardown"
        if collecting:
            return self._collector(".".join(filter(None, (said.classname, said.name)))), ""
        found = self._python(said) if said.classname else None
        if found is None:
            return self._foreign(said), ""
        path, classes = found
        subtest = _SUBTEST.match(said.name)  # no name of pytest's has white space before its parameters
        name = subtest[1] if subtest else _ESCAPED.sub(lambda m: chr(int(m[1], 16)), said.name)
        return "::".join(filter(None, (path, *classes, name))), ""

    def _foreign(self, said: Name) -> str:
        file = self._sources.find(said.file) if said.file else None
        return "::".join(filter(None, (file, said.classname, said.name)))

    def _collector(self, dotted: str) -> str:
        """Return the id of what could not be collected: a file, a class, a folder."""
        found = self._by_name(dotted)
        if found:
            return "::".join((found[0], *found[1]))
        folder = dotted.replace(".", "/")
        return folder if os.path.isdir(os.path.join(self._sources.home, folder)) else dotted

    def _python(self, said: Name) -> tuple[str, tuple[str, ...]] | None:
        """Return the file and the classes that a classname stands for."""
        file = self._sources.find(said.file) if said.file.endswith(".py") else None
        parts = file[:-3].split("/") if file else []
        for n in range(len(parts)):
            before, found, after = f".{said.classname}.".partition(f".{'.'.join(parts[n:])}.")
            del before
            if found and file:
                return file, tuple(filter(None, after.split(".")))
        return self._by_name(said.classname)

    def _look_up(self, dotted: str) -> tuple[str, tuple[str, ...]] | None:
        parts = tuple(dotted.split("."))
        if len(parts) > _MOST_PARTS or "" in parts or "/" in dotted or "\0" in dotted:
            return None
        # Behind up to two parts that are --junitprefix or folders above the project.
        tries = [*((folder, parts) for folder in _FOLDERS), ("", parts[1:]), ("", parts[2:])]
        return next((found for folder, rest in tries if (found := self._walk(folder, rest))), None)

    def _walk(self, folder: str, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
        """Return the first file that the parts name; the names of folders and of text files may hold dots."""
        for n in range(1, len(parts) + 1):
            path = os.path.join(folder, ".".join(parts[:n]))
            if self._sources.holds(path + ".py"):
                return path + ".py", parts[n:]
            if n > 1 and n == len(parts) and self._sources.holds(path):
                return path, ()
            if os.path.isdir(os.path.join(self._sources.home, path)) and (found := self._walk(path, parts[n:])):
                return found
        return None
