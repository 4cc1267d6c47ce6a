"""Which commits of a repository are fixes that tests show: they fail before it, and pass with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.dispatch import scan
from dispatcher.dispatch.desk import Desk
from dispatcher.dispatch.scan import Asked
from dispatcher.domain.task import Task
from dispatcher.errors import TestsNotRun
from dispatcher.evaluate import truth
from dispatcher.evaluate.cases import Case
from dispatcher.evaluate.repository import Changed, Checkout, GitFailed, Repository
from dispatcher.evaluate.truth import Truth
from dispatcher.scan import runner
from dispatcher.scan.legs import Order, Part
from dispatcher.scan.patience import Limits

MOST_FUNCTIONS = 10
"""A commit that changes more than that is a rebuilding, not a fix."""

MOST_FILES = 10
_TEST_SECONDS, _RUN_SECONDS = 60.0, 600.0


class Verdict(NamedTuple):
    """What a commit is: a case, or why it is none."""

    case: Case | None
    why: str


class Bench(NamedTuple):
    """What commits are tried with: the repository, our checkout of it, the Python, and who opens a state at a folder."""

    repository: Repository
    checkout: Checkout
    python: str
    open_desk: Callable[[Path], Desk]


def promising(bench: Bench, commits: Sequence[str]) -> list[tuple[Changed, Truth | str]]:
    """Return the commits that change source and tests, each with what it changed, or why that is no fix."""
    found: list[tuple[Changed, Truth | str]] = []
    for changed in bench.repository.changed(commits):
        if not changed.source or not any(path.endswith(".py") for path in changed.tests):
            continue
        found.append((changed, _truth(bench.repository, changed)))
    return found


def _truth(repository: Repository, changed: Changed) -> Truth | str:
    if len(changed.source) > MOST_FILES:
        return f"changes {len(changed.source)} files"
    before = {path: text for path in changed.source if (text := repository.text(changed.parent, path)) is not None}
    after = {path: text for path in changed.source if (text := repository.text(changed.commit, path)) is not None}
    hunks = truth.hunks_of(repository.hunks(changed))
    found = truth.of(before, after, {path: h for path, h in hunks.items() if path in before})
    if len(found.functions) > MOST_FUNCTIONS:
        return f"changes {len(found.functions)} functions"
    if not found.functions and not found.places:
        return "only adds"
    return found


def prove(bench: Bench, changed: Changed, found: Truth, state: Path) -> Verdict:
    """Run the tests of a commit with it and without it, the latter as a scan that leaves its tasks at `state`."""
    files = [path for path in changed.tests if path.endswith(".py")]
    try:
        bench.checkout.at(changed.commit)
        passing = _passing(bench, files)
        if not passing:
            return Verdict(None, "no test passes with it")
        bench.checkout.before(changed)
        failing = _scan(bench, files, state)
    except GitFailed as error:
        return Verdict(None, str(error))
    except TestsNotRun as error:
        return Verdict(None, f"the tests do not run: {error}")
    mended = sorted(failing & passing)
    if not mended:
        return Verdict(None, "no test fails before it and passes with it")
    places = [[place.path, list(place.lines), holder] for place, holder in found.places]
    case: Case = {
        "commit": changed.commit, "parent": changed.parent, "subject": changed.subject, "date": changed.date,
        "functions": [list(unit) for unit in found.functions], "places": places, "tests": mended,
    }  # fmt: skip
    return Verdict(case, "")


def _there(bench: Bench, files: Sequence[str]) -> list[str]:
    return [path for path in files if (bench.checkout.path / path).is_file()]


def _order(bench: Bench, arguments: Sequence[str] = ()) -> Order:
    tree = str(bench.checkout.path)
    return Order(bench.checkout.path, bench.python, tuple(arguments), (os.path.join(tree, "src"), tree))


def _passing(bench: Bench, files: Sequence[str]) -> set[str]:
    there = _there(bench, files)
    if not there:
        return set()
    ran = runner.run(
        _order(bench, there), redact=lambda text: text, part=Part(), limits=Limits(_TEST_SECONDS, 0, _RUN_SECONDS)
    )
    if ran.interrupted:
        raise KeyboardInterrupt
    return {test for test, outcome in ran.findings.outcomes.items() if outcome == "passed"}


def _scan(bench: Bench, files: Sequence[str], state: Path) -> set[str]:
    order = _order(bench, _there(bench, files))
    desk = bench.open_desk(state)
    asked = Asked(
        order.project,
        order.python,
        order.arguments,
        seconds=_RUN_SECONDS,
        test_seconds=_TEST_SECONDS,
        paths=order.paths,
    )
    done = scan.scan(desk, asked, lambda _progress: None)
    if done.interrupted:
        raise KeyboardInterrupt
    return {test for task in tasks(desk) for test in members(desk, task)}


def tasks(desk: Desk) -> list[Task]:
    """Return the tasks of a state, in the order in which they would be claimed."""
    rows = desk.store.view(lambda ledger: sorted(ledger.rows.values(), key=lambda r: (-r["priority"], r["seq"])))
    ids = [row["id"] for row in rows]
    return desk.store.view(lambda ledger: [ledger.task(i) for i in ids])


def members(desk: Desk, task: Task) -> list[str]:
    """Return all tests of a task."""
    detail: Mapping[str, Any] = desk.store.bulk(task["detail_blob"]) or {}
    return list(detail.get("members", task["tests"]))
