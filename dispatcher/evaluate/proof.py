"""Whether a commit is a fix that tests show: they fail before it, and pass with it. What was run once is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.dispatch import scan
from dispatcher.dispatch.desk import Desk
from dispatcher.dispatch.scan import Asked
from dispatcher.domain.task import Task
from dispatcher.errors import TestsNotRun
from dispatcher.evaluate import kept
from dispatcher.evaluate.checkout import Checkout
from dispatcher.evaluate.git import GitFailed
from dispatcher.evaluate.history import Changed
from dispatcher.evaluate.mining import UNREADABLE, Why
from dispatcher.evaluate.tested import Python, Source
from dispatcher.scan import runner
from dispatcher.scan.legs import Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.runner import Progress, Run

_MODULES = (
    "scan", "domain", "dispatch/scan.py", "dispatch/proving.py", "dispatch/rescanning.py", "evaluate/proof.py",
    "evaluate/checkout.py",
)  # fmt: skip
TEST_SECONDS = 60.0
TOO_LONG = "its tests take too long"
FOREIGN = "the code that would be tested is not the checkout's"
Told = Callable[[Progress], None]


class Bench(NamedTuple):
    """What commits are tried with: our checkout, the user's own copy, the Python, and the seconds that a run may take.

    `open_desk` opens a state at a folder for as long as it is needed, `watch` shows how far a run is.
    """

    checkout: Checkout
    worktree: Path | None
    python: Python
    seconds: float
    open_desk: Callable[[Path], AbstractContextManager[Desk]]
    watch: Callable[[], AbstractContextManager[Told]]

    @property
    def by(self) -> str:
        """What tells whether tests would be run and looked at in another way than before."""
        found = hashlib.sha256("\0".join((self.python.path, *self.python.installed)).encode())
        for room in _MODULES:
            place = Path(str(files("dispatcher"))) / room
            for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                found.update(file.read_bytes())
        return found.hexdigest()


class Proof(NamedTuple):
    """The tests that a commit mends, or why it is none."""

    tests: tuple[str, ...]
    why: Why | None


class Proving:
    """The proof for one commit, kept in a folder: a verdict, and what a scan of the code before it has left at `state`."""

    def __init__(self, bench: Bench, by: str, home: Path) -> None:
        self._bench, self._by, self._home = bench, by, home
        self._verdict, self._first = home / "verdict.json", home / "passing.json"
        self.state = home / "state"

    def of(self, changed: Changed) -> Proof:
        """Return the verdict that is kept, else come to one."""
        told = kept.read(self._verdict, self._by)
        if told and not (told["why"] and told["why"][0] == TOO_LONG and told["seconds"] < self._bench.seconds):
            return Proof(tuple(told["tests"]), Why(*told["why"]) if told["why"] else None)
        self._verdict.unlink(missing_ok=True)
        try:
            proof = self._found(changed)
        except GitFailed as error:
            return Proof((), Why(UNREADABLE, str(error)))  # that may be otherwise next time
        except TestsNotRun as error:
            proof = Proof((), Why("its tests do not run", str(error.data["problem"])))
        if proof.why:
            kept.forget(self.state)
        if proof.why and proof.why.reason == FOREIGN:
            return proof  # another environment may be made of the same packages, and no test was run
        kept.write(
            self._verdict,
            self._by,
            {"tests": proof.tests, "why": proof.why and list(proof.why), "seconds": self._bench.seconds},
        )
        return proof

    def forget(self) -> None:
        """Forget it all."""
        kept.forget(self._home)

    def _found(self, changed: Changed) -> Proof:
        first = self._with_it(changed)
        passing, paths = set(first["passing"]), tuple(first["paths"])
        if first["why"] or not passing:
            return Proof((), Why(*first["why"]) if first["why"] else Why("no test passes with it"))
        self._bench.checkout.before(changed)
        kept.forget(self.state)
        failing, stopped = self._scanned(self._order(changed, paths))
        mended = tuple(sorted(failing & passing))
        none = Why(TOO_LONG, stopped) if stopped else Why("no test fails before it and passes with it")
        return Proof(mended, None if mended else none)

    def _with_it(self, changed: Changed) -> dict[str, Any]:
        """Return which tests pass with the commit, why that cannot be told, and the path that they need."""
        if known := kept.read(self._first, self._by):
            return known
        bench = self._bench
        bench.checkout.at(changed.commit)
        source = Source(bench.checkout.project, bench.python.path, bench.worktree)
        paths, other = source.paths([file.path for file in changed.source])
        passing: list[str] = []
        why = Why(FOREIGN, other) if other else None
        if not other:
            ran = self._run(self._order(changed, paths))
            passing = sorted(test for test, outcome in ran.findings.outcomes.items() if outcome == "passed")
            stopped = _out_of_time(ran.findings.facts)
            why = Why(TOO_LONG, stopped) if stopped else None
        told = {"passing": passing, "why": why, "paths": list(paths)}
        if not why:
            kept.write(self._first, self._by, told)
        return told

    def _order(self, changed: Changed, paths: Sequence[str]) -> Order:
        project = self._bench.checkout.project
        there = [path for path in changed.test_files if (project / path).is_file()]
        return Order(project, self._bench.python.path, (f"--rootdir={project}", *there), tuple(paths))

    def _run(self, order: Order) -> Run:
        limits = Limits(min(TEST_SECONDS, self._bench.seconds), TEST_SECONDS, self._bench.seconds)
        with self._bench.watch() as told:
            ran = runner.run(order, redact=lambda text: text, part=Part(), limits=limits, on_progress=told)
        if ran.interrupted:
            raise KeyboardInterrupt
        return ran

    def _scanned(self, order: Order) -> tuple[set[str], str]:
        """Scan as a user would; return the tests of all tasks, and what it was stopped by, if time was up."""
        asked = Asked(
            order.project, order.python, order.arguments, paths=order.paths,
            seconds=self._bench.seconds, test_seconds=min(TEST_SECONDS, self._bench.seconds),
        )  # fmt: skip
        with self._bench.open_desk(self.state) as desk, self._bench.watch() as told:
            done = scan.scan(desk, asked, told)
            if done.interrupted:
                raise KeyboardInterrupt
            return {test for task in tasks(desk) for test in members(desk, task)}, _out_of_time(done.facts)


def _out_of_time(facts: Mapping[str, Any]) -> str:
    stopped = str(facts.get("stopped", ""))
    return stopped if stopped.startswith("the time was up") else ""


def tasks(desk: Desk) -> list[Task]:
    """Return the tasks of a state, in the order in which they would be claimed."""
    rows = desk.store.view(lambda ledger: sorted(ledger.rows.values(), key=lambda r: (-r["priority"], r["seq"])))
    ids = [row["id"] for row in rows]
    return desk.store.view(lambda ledger: [ledger.task(i) for i in ids])


def members(desk: Desk, task: Task) -> list[str]:
    """Return all tests of a task."""
    detail: Mapping[str, Any] = desk.store.bulk(task["detail_blob"]) or {}
    return list(detail.get("members", task["tests"]))
