"""Replaying fixes: each is proved by its tests, scanned as a user would, and the contexts of its task are measured.

All of it is kept in a folder per repository and Python, commit by commit, so that what was interrupted goes on where it
was. Contexts are always made anew; tests are run again only when what runs them has changed.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import orjson

from dispatcher.context import builder, clues, ranking
from dispatcher.context.builder import Recipe
from dispatcher.dispatch.desk import Desk, whole
from dispatcher.domain.task import Task
from dispatcher.errors import InvalidInput
from dispatcher.evaluate import baselines, measures, mining
from dispatcher.evaluate.cases import Case
from dispatcher.evaluate.measures import Measured, Total
from dispatcher.evaluate.mining import Bench, Verdict
from dispatcher.evaluate.repository import Changed, Checkout, Repository
from dispatcher.evaluate.truth import Truth
from dispatcher.graph import graph as code_graph

OURS = "dispatcher"

VARIANTS: Mapping[str, Recipe] = {
    OURS: Recipe(),
    "traceback only": Recipe(order=baselines.traceback),
    "BM25": Recipe(order=baselines.bm25),
    "traceback, then BM25": Recipe(order=baselines.traceback_then_bm25),
    **{f"without {name}": Recipe(without=frozenset((name,))) for name in ranking.SIGNALS},
}
"""How contexts are made that are compared: ours, simple ways, and ours with its signals switched off one at a time."""


class Bug(TypedDict):
    """One fix, replayed: what its task was about, and what each way to make a context showed of it."""

    commit: str
    date: str
    subject: str
    kind: str
    title: str
    tests: list[str]
    tasks: int
    functions: list[list[str]]
    measured: dict[str, Measured]


class Wish(NamedTuple):
    """What is to be evaluated: how many bugs at most, in how many tokens, and who counts them."""

    most: int
    asked: builder.Asked
    cache: str | None
    variants: Mapping[str, Recipe] = VARIANTS


class Step(NamedTuple):
    """What was done last: a commit, what became of it, and how far all is."""

    changed: Changed
    bug: Bug | None
    why: str
    tried: int
    of: int


class Evaluation:
    """The replaying of a repository's fixes in a folder of our own."""

    def __init__(self, repository: Repository, python: str, open_desk: Callable[[Path], Desk], folder: Path) -> None:
        self._folder = folder
        self._bench = Bench(repository, Checkout(repository, folder / "tree"), python, open_desk)
        self._ran_by = fingerprint(python)

    def replay(self, commits: Sequence[str], wish: Wish) -> Iterator[Step]:
        """Try commits in their order until there are as many bugs as wished for, and yield what became of each."""
        candidates = mining.promising(self._bench, commits)
        bugs = 0
        for tried, (changed, found) in enumerate(candidates, 1):
            if bugs >= wish.most:
                return
            bug, why = self._replayed(changed, found, wish)
            bugs += bug is not None
            yield Step(changed, bug, why, tried, len(candidates))

    def _replayed(self, changed: Changed, found: Truth | str, wish: Wish) -> tuple[Bug | None, str]:
        if isinstance(found, str):
            return None, found
        home = self._folder / "commits" / changed.commit
        case, why = self._proved(home, changed, found)
        if case is None:
            return None, why
        self._bench.checkout.before(changed)
        desk = self._bench.open_desk(home / "state")
        tasks = mining.tasks(desk)
        mended = set(case["tests"])
        task = next((t for t in tasks if mended.intersection(mining.members(desk, t))), None)
        if task is None:
            return None, "its task is gone"
        return self._bug(case, whole(desk, task), len(tasks), wish), ""

    def _proved(self, home: Path, changed: Changed, found: Truth) -> Verdict:
        """Return the verdict on a commit: the one that is kept, if it was come to by what would come to it now."""
        file = home / "verdict.json"
        if (kept := _read(file)) and kept.get("by") == self._ran_by:
            return Verdict(kept["case"], kept["why"])
        shutil.rmtree(home, ignore_errors=True)
        verdict = mining.prove(self._bench, changed, found, home / "state")
        home.mkdir(0o700, parents=True, exist_ok=True)
        file.write_bytes(orjson.dumps({**verdict._asdict(), "by": self._ran_by}))
        return verdict

    def _bug(self, case: Case, task: Task, tasks: int, wish: Wish) -> Bug:
        measured = {}
        with code_graph.opened(self._bench.checkout.path, wish.cache) as graph:
            for name, recipe in wish.variants.items():
                began = time.process_time()
                context = builder.build(task, graph, wish.asked, recipe)
                measured[name] = measures.measure(case, context, time.process_time() - began)
        return {
            "commit": case["commit"], "date": case["date"], "subject": case["subject"],
            "kind": "crash" if clues.of(task).crash else "assertion", "title": task["title"], "tests": case["tests"],
            "tasks": tasks, "functions": case["functions"], "measured": measured,
        }  # fmt: skip


def totals(bugs: Sequence[Bug]) -> dict[str, Total]:
    """Return the shares over all bugs, by the way in which the contexts were made."""
    names = list(bugs[0]["measured"]) if bugs else []
    return {name: measures.total([(bug["kind"], bug["measured"][name]) for bug in bugs]) for name in names}


def fingerprint(python: str) -> str:
    """Return what tells whether tests would be run and looked at in another way than before."""
    found = hashlib.sha256(python.encode())
    for room in ("scan", "domain", "evaluate"):
        for file in sorted(Path(str(files("dispatcher"))).joinpath(room).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()


def folder_of(cache: str, repository: Repository, python: str) -> Path:
    """Return where the replays of a repository with a Python are kept."""
    digest = hashlib.sha256(f"{repository.folder}\0{python}".encode()).hexdigest()[:16]
    return Path(cache, "eval", digest)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        told = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def chosen(repository: Repository, since: str | None, given: Sequence[str] | None) -> list[str]:
    """Return the commits to try: those given, else those of the history. Raises InvalidInput."""
    if given is not None:
        return [repository.resolve(commit) for commit in given]
    found = repository.commits(since)
    if not found:
        raise InvalidInput(what="eval", problem="there is no commit to try" + (f" since {since}" if since else ""))
    return found
