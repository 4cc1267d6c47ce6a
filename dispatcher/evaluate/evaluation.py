"""Replaying fixes: each is proved by its tests, scanned as a user would, and the contexts of its task are measured.

What tests have shown is kept, commit by commit, so that what was interrupted goes on where it was. Contexts are always
made anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

from dispatcher.context import builder, clues
from dispatcher.context.builder import Recipe
from dispatcher.dispatch.desk import whole
from dispatcher.domain.task import Task
from dispatcher.evaluate import measures, proof
from dispatcher.evaluate.git import GitFailed
from dispatcher.evaluate.history import Changed
from dispatcher.evaluate.kept import Place
from dispatcher.evaluate.measures import Measured, Total
from dispatcher.evaluate.mining import UNREADABLE, Candidate, Why
from dispatcher.evaluate.proof import Bench, Proving
from dispatcher.evaluate.truth import Truth
from dispatcher.graph import graph as code_graph
from dispatcher.text import well_formed

KINDS = ("crash", "assertion")


class Function(TypedDict):
    """A function as it was called before the fix."""

    path: str
    name: str


class Line(TypedDict):
    """A changed place: to see one of the lines is to see it. `function` is "" outside of all."""

    path: str
    lines: list[int]
    function: str


class Bug(TypedDict):
    """One fix, replayed: what it changed, what its task was about, and what each way to make a context showed of it.

    `others` are files that it changes too, neither Python nor of the tests. `tasks`: how many the scan found.
    """

    commit: str
    date: str
    subject: str
    kind: str
    title: str
    tests: list[str]
    tasks: int
    functions: list[Function]
    places: list[Line]
    others: list[str]
    measured: dict[str, Measured]


class Wish(NamedTuple):
    """What is to be evaluated: how many bugs at most, in how many tokens, who counts them, and what is compared."""

    most: int
    asked: builder.Asked
    cache: str
    variants: Mapping[str, Recipe]


class Step(NamedTuple):
    """What was done last: a commit, and the bug that it is, or why it is none."""

    changed: Changed
    bug: Bug | None
    why: Why | None


class Evaluation:
    """The replaying of a repository's fixes, with what is kept at a place."""

    def __init__(self, bench: Bench, place: Place) -> None:
        self._bench, self._place = bench, place
        self._by = bench.by

    def replay(self, candidates: Iterable[Candidate], wish: Wish) -> Iterator[Step]:
        """Try commits in their order until there are as many bugs as wished for, and yield what became of each."""
        bugs = 0
        for changed, found in candidates:
            if isinstance(found, Why):
                yield Step(changed, None, found)
                continue
            bug = self._replayed(changed, found, wish)
            yield Step(changed, None, bug) if isinstance(bug, Why) else Step(changed, bug, None)
            bugs += not isinstance(bug, Why)
            if bugs >= wish.most:
                return

    def _replayed(self, changed: Changed, truth: Truth, wish: Wish) -> Bug | Why:
        proving = Proving(self._bench, self._by, self._place.of(changed.commit))
        for _ in range(2):
            found = proving.of(changed)
            if found.why:
                return found.why
            task, tasks = self._task(proving, found.tests)
            if task:
                break
            proving.forget()  # somebody has tidied up there: once more
        else:
            return Why("its task cannot be read")
        try:
            self._bench.checkout.before(changed)
        except GitFailed as error:
            return Why(UNREADABLE, str(error))
        code_graph.opened(self._bench.checkout.project, wish.cache).close()
        measured = {name: self._measured(task, truth, wish, recipe) for name, recipe in wish.variants.items()}
        return {
            "commit": changed.commit, "date": changed.date, "subject": changed.subject,
            "kind": KINDS[not clues.of(task).crash], "title": task["title"], "tests": list(found.tests), "tasks": tasks,
            "functions": [{"path": path, "name": name} for path, name in truth.functions],
            "places": [{"path": p.path, "lines": list(p.lines), "function": p.holder} for p in truth.places],
            "others": [well_formed(path) for path in changed.others], "measured": measured,
        }  # fmt: skip

    def _task(self, proving: Proving, tests: Sequence[str]) -> tuple[Task | None, int]:
        """Return the task of the mended tests that would be claimed first, and how many tasks there are."""
        mended = set(tests)
        with self._bench.open_desk(proving.state) as desk:
            tasks = proof.tasks(desk)
            task = next((t for t in tasks if mended.intersection(proof.members(desk, t))), None)
            return (whole(desk, task) if task else None), len(tasks)

    def _measured(self, task: Task, truth: Truth, wish: Wish, recipe: Recipe) -> Measured:
        """Make a context as a claim would: with a graph that is opened for it, and known from before."""
        began = time.process_time()
        with code_graph.opened(self._bench.checkout.project, wish.cache) as graph:
            context = builder.build(task, graph, wish.asked, recipe)
        return measures.measure(truth, context, time.process_time() - began)


def totals(bugs: Sequence[Bug], kind: str | None = None) -> dict[str, Total]:
    """Return the means over all bugs, or those of a kind, by the way in which the contexts were made."""
    chosen = [bug["measured"] for bug in bugs if kind in (None, bug["kind"])]
    return {name: measures.total([each[name] for each in chosen]) for name in chosen[0]} if chosen else {}
