"""Whether a task's tests pass, by running them: what `complete` believes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from dispatcher.dispatch import failing
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import flakiness, rescan
from dispatcher.domain.failure import BAD, Findings, file_of
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.rescan import Known
from dispatcher.domain.task import Task
from dispatcher.errors import Locked, TestsNotRun
from dispatcher.scan import revision, runner
from dispatcher.scan.guard import Guard
from dispatcher.scan.legs import Part
from dispatcher.scan.rerun import Reruns
from dispatcher.scan.runner import Progress
from dispatcher.text import count, one_line

_NAMED = 3
_MOST_AGAIN = 20
"""Runs of a flaky task's tests that a completion waits for, at most."""

_MESSAGE = 120


class Where(NamedTuple):
    """The project's folder, and the folder whose tests are run: the same, or another checkout of it."""

    project: Path
    tree: Path


class Verdict(NamedTuple):
    """What running a task's tests has shown. `why` is None when the task may be closed.

    `allowed` is what stood against it and was allowed; `ran` counts the tests that were run.
    """

    why: str | None
    allowed: str | None
    ran: int
    commit: str | None


def verify(
    desk: Desk, task: Task, where: Where, *, allow_changed: bool, on_progress: Callable[[Progress], None]
) -> Verdict:
    """Run all tests of a task's files, the way the scan did, and judge. Changes nothing but what the tests change.

    `on_progress` is called again and again while they run. Raises TestsNotRun when they cannot be run.
    """
    detail = desk.store.bulk(task["detail_blob"])
    if detail is None:
        raise TestsNotRun(problem=f"what is known of {task['id']} is gone (BLOBS); scan again")
    members = {test: m["fingerprint"] for test, m in detail["members"].items()}
    known = Known(task, members, detail["prints"])
    commit = revision.current(where.tree)

    files = sorted({file_of(test) for test in members})
    order = failing.order_of(where.project, where.tree, detail["run"])
    redact, limits = desk.redactor.text, failing.limits(desk)
    ran = runner.run(order, redact=redact, part=Part(files), limits=limits, on_progress=on_progress)
    if ran.interrupted:
        raise KeyboardInterrupt
    findings = ran.findings
    changed = Guard(ran.layout.rootdir).changed(known.prints)
    others = desk.store.view(lambda ledger: _known_to_fail(desk, ledger, task["id"]))
    broken = [t for t in _passed_before(detail["baseline"]) if findings.state(t) in BAD and t not in others]
    why, allowed = _judge(known, findings, changed, broken, allow_changed=allow_changed)
    if why is None and "flaky" in task:
        again = Reruns(order, limits, redact, on_progress)
        again.run(members.keys() & findings.outcomes.keys(), min(flakiness.needed(task["flaky"]), _MOST_AGAIN) - 1)
        why = _still_flaky(again)
    return Verdict(why, allowed, len(findings.outcomes), commit)


def _still_flaky(again: Reruns) -> str | None:
    """Return what runs again and again say against a test that has passed once."""
    bad = sorted(test for test, runs in again.runs.items() if again.passed[test] < runs)
    if again.interrupted:
        raise KeyboardInterrupt
    if not bad:
        return None
    passed, runs = again.passed[bad[0]] + 1, again.runs[bad[0]] + 1
    return f"it is still flaky: {bad[0]} passed in {passed} of {count(runs, 'run')}"


def _judge(
    known: Known, findings: Findings, changed: list[str], broken: list[str], *, allow_changed: bool
) -> tuple[str | None, str | None]:
    """Return why a task may not be closed, and what was allowed."""
    states = {test: findings.state(test) for test in known.members}
    failing_now = sorted(test for test, state in states.items() if state in BAD)
    if failing_now:
        return f"{_how_many(len(failing_now), len(states))}: {_named(failing_now, findings)}", None
    if not findings.finished:
        return f"the run did not finish: {findings.facts['stopped']}", None
    if broken:
        fail = "fails" if len(broken) == 1 else "fail"
        words = f"{count(len(broken), 'test')} of the same files passed before and now {fail}"
        return f"{words}: {_named(broken, findings)}", None
    odd = rescan.why_not(known, states, changed)
    if odd and not allow_changed:
        return f"{odd}; if that is meant, say --allow-changed-tests", None
    return None, odd


def _how_many(failing: int, of: int) -> str:
    if of == 1:
        return "its test still fails"
    if failing == of:
        return f"all its {of} tests still fail"
    return f"{failing} of its {of} tests still fail{'s' if failing == 1 else ''}"


def _named(tests: list[str], findings: Findings) -> str:
    """Return the first few of some failing tests in words, the first with its message."""
    failure = findings.failures[tests[0]]
    said = one_line(failure["message"])
    kind = failure["exception"].rpartition(".")[2]
    words = said if failure["kind"] == "assertion" and said else f"{kind}: {said}"
    words = words if len(words) <= _MESSAGE else f"{words[:_MESSAGE]}…"
    shown = ", ".join([f"{tests[0]} ({words})", *tests[1:_NAMED]])
    return f"{shown} and {len(tests) - _NAMED} more" if len(tests) > _NAMED else shown


def _passed_before(baseline: Mapping[str, list[str]]) -> list[str]:
    return sorted(f"{file}::{name}" for file, names in baseline.items() for name in names)


def _known_to_fail(desk: Desk, ledger: Ledger, task_id: str) -> set[str]:
    """Return the tests of all other open tasks: that they fail is not this one's doing."""
    tasks = failing.of_ledger(desk, ledger)
    return {t for i, known in tasks.items() if i != task_id and known.status != "COMPLETED" for t in known.members}


class LeaseKeeper:
    """Renews a claim's lease while something slow is done for it: once a third of it has gone by."""

    def __init__(self, renew: Callable[[], object], seconds: float, *, at_once: bool) -> None:
        self._renew = renew
        self._every = seconds / 3
        self._due = time.monotonic() + (0 if at_once else self._every)

    def __call__(self) -> None:
        """Renew if it is time. A claim that was lost ends the work; a busy lock does not."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._every
        try:
            self._renew()
        except Locked:
            self._due = time.monotonic() + min(1.0, self._every)
