"""Circles among nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


class _Search:
    """A search in progress: when each node was found, how far back it leads, and which have no component yet."""

    def __init__(self, links: Mapping[str, Sequence[str]]) -> None:
        self.links = links
        self.number: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.waiting: dict[str, None] = {}
        self.path: list[tuple[str, Iterator[str]]] = []

    def enter(self, node: str) -> None:
        """Find a node."""
        self.number[node] = self.low[node] = len(self.number)
        self.waiting[node] = None
        self.path.append((node, iter(self.links[node])))

    def next_new(self) -> str | None:
        """Return a node that the last of the path leads to and that is new, noting how far back the others lead."""
        node, following = self.path[-1]
        for each in following:
            if each not in self.number and each in self.links:
                return each
            if each in self.waiting:
                self.low[node] = min(self.low[node], self.number[each])
        return None

    def leave(self) -> list[str]:
        """Take the last node off the path; return the component that is complete with it, if one is."""
        node, _ = self.path.pop()
        if self.path:
            before = self.path[-1][0]
            self.low[before] = min(self.low[before], self.low[node])
        found: list[str] = []
        while self.low[node] == self.number[node] and (not found or found[-1] != node):
            found.append(self.waiting.popitem()[0])
        return sorted(found)


def components(links: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the strongly connected components of a graph, each sorted.

    R. Tarjan, "Depth-first search and linear graph algorithms" (1972), without recursion. Linear in nodes and links;
    links to what is no key are left out.
    """
    search = _Search(links)
    found: list[list[str]] = []
    for start in links:
        if start not in search.number:
            search.enter(start)
        while search.path:
            new = search.next_new()
            if new is not None:
                search.enter(new)
            elif component := search.leave():
                found.append(component)
    return found
