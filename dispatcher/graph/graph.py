"""A project's graph: what its source holds, who uses whom, and which text is where."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from dispatcher.graph import cache_file, source
from dispatcher.graph.definition import MODULE, Definition, Link, is_test, last_part, place_of
from dispatcher.graph.index import Gone, Index, Part
from dispatcher.graph.outline import IMPORTS, RAISES
from dispatcher.graph.relation import ERROR, LIBRARY, Relation
from dispatcher.graph.searching import Search

if TYPE_CHECKING:
    from dispatcher.graph.commits import Commit

_P = ParamSpec("_P")
_R = TypeVar("_R")


def opened(project: Path, cache: str | None) -> Graph:
    """Return the graph of the project in a folder, brought up to date; `cache` is the user's cache folder, or None.

    Never raises for what is in the project or in the cache; see cache_file.
    """
    return Graph(str(project), cache)


def forget(project: Path, cache: str) -> None:
    """Remove what is kept of a project's graph: it is made anew when it is next opened."""
    from dispatcher.graph import commits

    commits.forget(project, cache)
    cache_file.forget(str(project), cache)


def _sound(method: Callable[Concatenate[Graph, _P], _R]) -> Callable[Concatenate[Graph, _P], _R]:
    """Answer from the index as it is now where another process has swept it, from a new one where it is damaged."""

    @functools.wraps(method)
    def answer(graph: Graph, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        import sqlite3

        damage = (sqlite3.Error, ValueError, TypeError, IndexError, MemoryError, OverflowError)
        try:
            return method(graph, *args, **kwargs)
        except Gone:
            graph.reopen()
        except damage:
            if not graph.remade():
                raise
        try:
            return method(graph, *args, **kwargs)
        except (Gone, *damage):
            if not graph.remade():
                raise
            return method(graph, *args, **kwargs)

    return answer


class Graph:
    """The graph of a project as its files were when it was opened. Close it, or use it in a `with` statement.

    Definitions that it gave may be asked about as long as it is open; of others it says that it knows nothing.
    """

    def __init__(self, project: str, cache: str | None) -> None:
        self._project = os.path.realpath(project)
        self._cache = cache
        self._commits: list[Commit] | None = None
        self._use(self._ready())

    def _ready(self) -> Index:
        return Index(cache_file.ready(self._project, self._cache, source.walk(self._project)))

    def _use(self, index: Index) -> None:
        self._index = index
        self._relation = Relation(index)
        self._search: Search | None = None
        self._lines: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the graph holds."""
        self._index.close()

    def reopen(self) -> None:
        """Bring the index up to date once more."""
        self._index.close()
        self._use(self._ready())

    def remade(self) -> bool:
        """Make the index anew in memory, and forget the one that is kept; False if it was in memory."""
        if self._cache is None:
            return False
        self._index.close()
        cache_file.forget(self._project, self._cache)
        self._cache = None
        self._use(Index(cache_file.in_memory(self._project, source.walk(self._project))))
        return True

    # Files and definitions

    def files(self) -> list[str]:
        """Return the project's Python files, sorted."""
        return list(self._index.contents)

    @_sound
    def definitions(self, path: str) -> list[Definition]:
        """Return the definitions in a file in order of lines; none for a file that is not known."""
        return list(self._index.definitions(path))

    @_sound
    def find(self, path: str, name: str) -> Definition | None:
        """Return the definition with a qualified name, "<module>" for the module; of several the one with most lines."""
        if name == MODULE:
            return self._index.definition(Part(path, 0)) if path in self._index.contents else None
        found = [each for _, each in self._index.called(path, name)]
        return max(found, key=lambda each: each.last - each.first, default=None)

    @_sound
    def named(self, name: str) -> list[Definition]:
        """Return all definitions whose last part is `name`, by path and line."""
        return [self._index.definition(part) for part in self._index.named(name)]

    @_sound
    def at(self, path: str, line: int) -> Definition | None:
        """Return the innermost definition that holds a line; None outside of all."""
        holding = [each for each in self._index.definitions(path) if each.first <= line <= each.last]
        return holding[-1] if holding else None

    @_sound
    def lines(self, path: str) -> list[str]:
        """Return a file's lines as they were indexed, without their ends; none for one not known or changed since."""
        found = self._lines.get(path)
        if found is None:
            known = self._index.digest(path)
            data = None if known is None else source.read(os.path.join(self._project, path))
            if data is None or source.digest(data) != known:
                return []
            found = self._lines[path] = source.lines_of(source.decoded(data))
        return list(found)

    # Who uses whom

    @_sound
    def callees(self, definition: Definition) -> list[Definition]:
        """Return the functions and classes of the project that a definition refers to, in order of first use."""
        found = [self._index.definition(each.part) for part in self._parts(definition)
                 for each in self._relation.references(part)]  # fmt: skip
        own = definition.node
        return [each for each in dict.fromkeys(found) if each.node != own]

    @_sound
    def callers(self, definition: Definition) -> list[Definition]:
        """Return the functions and classes that refer to a definition, by path and line."""
        if definition.kind == "module":
            return []
        found = set()
        names, users = self._relation.may_use(definition)
        for part in dict.fromkeys(users):
            using = self._index.definition(part)
            refers = (self._index.definition(each.part).node for each in self._relation.references(part, names))
            if using.node != definition.node and definition.node in refers:
                found.add(using)
        return sorted(found, key=_order)

    @_sound
    def imports(self, path: str) -> list[str]:
        """Return the files of the project that a module imports, in order of first use."""
        links = self._relation.outward(Part(path, 0)) if path in self._index.contents else []
        return [each.part.path for each in links if each.kind == "depends_on" and each.part]

    @_sound
    def importers(self, path: str) -> list[str]:
        """Return the files that import a module, sorted."""
        if path not in self._index.contents:
            return []
        inward = self._relation.inward(Part(path, 0))
        return sorted({part.path for part, link in inward if link.kind == "used_by"})

    @_sound
    def cycles(self) -> list[list[str]]:
        """Return the groups of files that import each other in circles, each sorted, the largest first."""
        from dispatcher.graph.cycles import components

        links = {path: self.imports(path) for path in self._index.contents}
        return sorted((each for each in components(links) if len(each) > 1), key=lambda each: (-len(each), each))

    @_sound
    def links(self, node: str) -> list[Link]:
        """Return the links of a node to others, outward ones first; none for a node that is not known.

        Nodes are named as in Definition.node, or "library:NAME", "error:NAME".
        """
        found: dict[tuple[str, str], Link] = {}
        for link in self._links(node):
            found.setdefault((link.kind, link.node), link)
        return list(found.values())

    def _links(self, node: str) -> Iterator[Link]:
        if node.startswith((LIBRARY, ERROR)):
            name = node.partition(":")[2]
            users = self._index.parts_with(f"{IMPORTS if node.startswith(LIBRARY) else RAISES}{name}")
            yield from (link for _, link in self._relation.inward_to(node, users))
            return
        parts = self._parts_of_node(node)
        for part in parts:
            yield from (Link(each.kind, each.node, each.why) for each in self._relation.outward(part))
        for part in parts:
            yield from (link for _, link in self._relation.inward(part) if link.node != node)

    def walk(self, seeds: Iterable[str], kinds: Collection[str], most: int) -> Iterator[tuple[str, int]]:
        """Yield nodes with their distance from the nearest seed, breadth first over these kinds of links.

        The seeds come first, at 0. Each node comes once, whatever circles there are, and `most` in all.
        """
        queue = deque((seed, 0) for seed in dict.fromkeys(seeds))
        seen = {seed for seed, _ in queue}
        while queue and most > 0:
            node, distance = queue.popleft()
            yield node, distance
            most -= 1
            if len(queue) >= most:
                continue  # these are reached no later than what this one leads to
            for link in self.links(node):
                if link.kind in kinds and link.node not in seen:
                    seen.add(link.node)
                    queue.append((link.node, distance + 1))

    def commits(self) -> list[Commit]:
        """Return what the latest commits changed, newest first; none where git cannot tell."""
        if self._commits is None:
            from dispatcher.graph import commits

            self._commits = commits.latest(Path(self._project), self._cache)
        return self._commits

    # Text

    @_sound
    def search(self, terms: Mapping[str, float], most: int, *, tests: bool = True) -> list[tuple[Definition, float]]:
        """Return the functions, classes and tests whose own text fits terms best, with their scores above 0.

        `terms` are as `terms_of` cuts them, with a weight each. Equal scores go by path and line. `tests`: those in
        the tests' files too.
        """
        best = self._searching().best(terms, most, lambda path: tests or not is_test(path))
        found = [(self._index.definition(part), score) for part, score in best if score > 0]
        return sorted(found, key=lambda each: (-each[1], _order(each[0])))[: max(0, most)]

    @_sound
    def score(self, terms: Mapping[str, float], among: Collection[Definition]) -> dict[Definition, float]:
        """Return the same scores for given definitions; 0 where nothing fits."""
        parts = {each: part for each in among for part in self._parts(each)[:1]}
        scores = self._searching().of(terms, parts.values())
        return dict.fromkeys(among, 0.0) | dict(zip(parts, scores, strict=True))

    def _searching(self) -> Search:
        if self._search is None:
            self._search = Search(self._index)
        return self._search

    def _parts(self, definition: Definition) -> list[Part]:
        """Return where a definition is in its file's outline: nowhere if it is not of this graph."""
        if definition.path not in self._index.contents:
            return []
        if definition.name == MODULE:
            return [Part(definition.path, 0)]
        called = self._index.called(definition.path, definition.name)
        return [Part(definition.path, number) for number, each in called if each == definition]

    def _parts_of_node(self, node: str) -> list[Part]:
        place = place_of(node)
        if place is None or place[0] not in self._index.contents:
            return []
        if node.startswith("module:"):
            return [Part(place[0], 0)]
        return [Part(place[0], number) for number, each in self._index.called(*place) if each.node == node]


def _order(definition: Definition) -> tuple[str, int, str]:
    return definition.path, definition.first, last_part(definition.name)
