"""What is linked to what: the project's graph together with the tasks of its ledger. Nothing here writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from dispatcher.dispatch import finding
from dispatcher.dispatch.desk import Desk
from dispatcher.domain.failure import function_of
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.task import Task
from dispatcher.errors import AmbiguousTask, InvalidInput, UnknownTask
from dispatcher.graph.definition import INVERSE, Definition, Link, LinkKind, last_part
from dispatcher.graph.graph import Graph

KINDS: tuple[LinkKind, ...] = tuple(INVERSE)
MOST_NODES = 10_000
"""No traversal goes on beyond so many nodes."""

_MOST_NAMED = 8
_NODE_KINDS = ("module", "class", "function", "test", "library", "error", "task", "attempt")


class Near(NamedTuple):
    """A node that others lead to, with its distance in links."""

    node: str
    distance: int


class View:
    """The graph of a project and its tasks as one; `desk` is None where there is no INBOX."""

    def __init__(self, graph: Graph, desk: Desk | None) -> None:
        self._graph = graph
        self._desk = desk
        self._outward: dict[str, list[Link]] = {}
        self._inward: dict[str, list[Link]] = {}
        for task in _tasks(desk) if desk else ():
            for source, link in self._of_task(task):
                self._outward.setdefault(source, []).append(link)
                self._inward.setdefault(link.node, []).append(Link(INVERSE[link.kind], source, link.why))

    def links(self, node: str, kinds: Collection[str] = ()) -> list[Link]:
        """Return a node's links, only of these kinds if any are given."""
        found = [*self._graph.links(node), *self._outward.get(node, ()), *self._inward.get(node, ())]
        return [link for link in dict.fromkeys(found) if not kinds or link.kind in kinds]

    def near(self, node: str, depth: int, kinds: Collection[str] = ()) -> list[Near]:
        """Return the nodes that are at most `depth` links away, the nearest first, each once."""
        seen, queue = {node}, deque([Near(node, 0)])
        found: list[Near] = []
        while queue and len(found) < MOST_NODES:
            at = queue.popleft()
            if at.distance:
                found.append(at)
            if at.distance < depth:
                for link in self.links(at.node, kinds):
                    if link.node not in seen:
                        seen.add(link.node)
                        queue.append(Near(link.node, at.distance + 1))
        return found

    # Which node is meant

    def node(self, given: str) -> str:
        """Return the node that a user means: an id, a path, path::name, a name, a library, an exception or a task.

        Raises InvalidInput when nothing is called so, or several are.
        """
        text = given.strip().removeprefix("./")
        for find in (self._by_id, self._by_path, self._by_name, self._outside, self._by_task):
            node = find(text)
            if node is not None:
                return node
        raise InvalidInput(what=f"node '{given}'", problem="nothing in the project and no task is called so")

    def _by_id(self, text: str) -> str | None:
        kind, colon, _ = text.partition(":")
        if not colon or kind not in _NODE_KINDS or text.startswith(f"{kind}::"):
            return None
        return text if self.links(text) or text in self._own_nodes(text) else None

    def _own_nodes(self, text: str) -> set[str]:
        path = text.partition(":")[2].partition("::")[0]
        module = self._graph.find(path, "<module>")
        return {each.node for each in (*self._graph.definitions(path), *([module] if module else []))}

    def _by_path(self, text: str) -> str | None:
        path, _, name = function_of(text).partition("::")
        found = self._graph.find(path, name.replace("::", ".") or "<module>")
        return found.node if found else None

    def _by_name(self, text: str) -> str | None:
        name = text.replace("::", ".")
        found = {each.node: each for each in self._graph.named(last_part(name)) if _ends_with(each, name)}
        exact = [node for node, each in found.items() if each.name == name]
        nodes = exact if len(exact) == 1 else list(found)
        if len(nodes) > 1:
            more = f" and {len(nodes) - _MOST_NAMED:,} more" if len(nodes) > _MOST_NAMED else ""
            raise InvalidInput(
                what=f"node '{text}'",
                problem=f"may be any of {', '.join(nodes[:_MOST_NAMED])}{more}; give one of these",
            )
        return nodes[0] if nodes else None

    def _outside(self, text: str) -> str | None:
        return next((node for kind in ("library", "error") if self.links(node := f"{kind}:{text}")), None)

    def _by_task(self, text: str) -> str | None:
        if self._desk is None or not text:
            return None
        desk = self._desk
        name = text.removeprefix("task:")
        try:
            task_id, _ = desk.store.view(lambda ledger: finding.find(desk, ledger, name))
        except UnknownTask:
            return None
        except AmbiguousTask as error:
            raise InvalidInput(what=f"node '{text}'", problem=str(error)) from error
        return f"task:{task_id}"

    # Tasks

    def _of_task(self, task: Task) -> Iterator[tuple[str, Link]]:
        """Yield the links of a task and of its attempts outwards, each with where it begins."""
        node = f"task:{task['id']}"
        for other in task["depends_on"]:
            yield node, Link("depends_on", f"task:{other}", "it waits for that task")
        for attempt in task["attempt_log"]:
            why = f"{attempt['outcome']} by {attempt['agent']}"
            yield node, Link("contains", f"attempt:{task['id']}@{attempt['generation']}", why)
        for test in dict.fromkeys(map(function_of, task.get("tests", ()))):
            yield node, Link("contains", self._test(test), "one of its tests")
        failure = task.get("failure")
        if failure:
            if failure.get("exception"):
                yield node, Link("raises", f"error:{last_part(failure['exception'])}", "its tests end with it")
            yield from ((node, link) for link in self._suspects(failure))

    def _suspects(self, failure: dict[str, object]) -> Iterator[Link]:
        listed = failure.get("suspects") or ([failure["suspect"]] if failure.get("suspect") else [])
        if not isinstance(listed, list):
            return
        for each in listed:
            found = self._graph.find(each["path"], each["function"])
            node = found.node if found else f"function:{each['path']}::{each['function']}"
            score = f", {each['score']:.2f} of 1" if "score" in each else ""
            yield Link("depends_on", node, f"suspected{score}")

    def _test(self, test: str) -> str:
        path, _, name = test.partition("::")
        found = self._graph.find(path, name.replace("::", ".")) if name else self._graph.find(path, "<module>")
        return found.node if found else f"test:{test}"


def _tasks(desk: Desk) -> Iterable[Task]:
    def look(ledger: Ledger) -> list[Task]:
        return [ledger.task(task_id) for task_id in ledger.rows]

    return desk.store.view(look)


def _ends_with(each: Definition, name: str) -> bool:
    return each.name == name or each.name.endswith(f".{name}")
