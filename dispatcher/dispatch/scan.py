"""scan: run the tests, and make the tasks say what was seen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.dispatch import failing, reported
from dispatcher.dispatch.desk import Desk
from dispatcher.dispatch.proving import Look
from dispatcher.dispatch.reported import Report
from dispatcher.dispatch.rescanning import Rescan
from dispatcher.domain.failure import Findings
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.task import Row, row_kind
from dispatcher.scan import interpreter, revision, runner
from dispatcher.scan.interpreter import Interpreter
from dispatcher.scan.legs import Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.runner import Progress

_INBOX = "INBOX"


class Asked(NamedTuple):
    """What a user asks of a scan. `python` is None to let us find one; `arguments` go to pytest.

    `reruns`: how often what fails is run again. `evidence`, `seconds` for the whole run and `test_seconds` for one test stand in for the settings, 0 for no limit.
    `paths` are folders that modules are looked for in first.
    """

    project: Path
    python: str | None = None
    arguments: tuple[str, ...] = ()
    group: bool = True
    reruns: int = 0
    evidence: bool | None = None
    seconds: float | None = None
    test_seconds: float | None = None
    paths: tuple[str, ...] = ()


class Scanned(NamedTuple):
    """What a scan came to. Rows are as they are after it; `held` says why a task is not closed, by id.

    `changed` are tasks whose tests or cause have changed. `open_rows` are all tasks that are failing or held
    and not muted.
    """

    facts: dict[str, Any]
    interpreter: Interpreter
    added: list[Row]
    reopened: list[Row]
    resolved: list[Row]
    changed: list[Row]
    held: dict[str, str]
    open_rows: list[Row]
    failing: int
    uncollected: int
    filtered: bool
    interrupted: bool
    crashed: bool
    hint: str | None
    ledger: Ledger

    @property
    def news(self) -> bool:
        """Tell whether anything is different from what the last scan had left."""
        return bool(self.added or self.reopened or self.resolved or self.changed or self.held)


def scan(desk: Desk, asked: Asked, on_progress: Callable[[Progress], None]) -> Scanned:
    """Run the project's tests and bring the tasks up to date with what they show.

    Raises TestsNotRun when there was nothing to learn; the tasks are then as they were.
    """
    python = interpreter.choose(asked.project, asked.python, os.environ)
    order = Order(asked.project, python.path, asked.arguments, asked.paths)
    desk.store.view(lambda ledger: ledger.seq)  # a state that cannot be read is told before the tests run
    commit = revision.current(asked.project)
    part = Part(ignore=[asked.project / _INBOX])
    limits = _limits(desk, asked)
    ran = runner.run(order, redact=desk.redactor.text, part=part, limits=limits, on_progress=on_progress)
    look = Look(desk, order, limits, on_progress)
    if asked.reruns and not ran.interrupted:
        ran = look.repeat(ran, asked.reruns)
    if _wants_evidence(desk, asked) and not ran.interrupted:
        ran = look.prove(ran, group=asked.group)
    return _taken_in(Rescan(desk, order, ran, commit, group=asked.group), desk, asked, python)


def take_in(desk: Desk, asked: Asked, reports: Sequence[Report]) -> Scanned:
    """Bring the tasks up to date with what some reports tell. Raises InvalidInput for what is no report."""
    python = interpreter.choose(asked.project, asked.python, os.environ)
    order = Order(asked.project, python.path)
    commit = revision.current(asked.project)
    ran = reported.read(desk, asked.project, reports)
    return _taken_in(Rescan(desk, order, ran, commit, group=asked.group), desk, asked, python)


def _taken_in(rescan: Rescan, desk: Desk, asked: Asked, python: Interpreter) -> Scanned:
    ran = rescan.ran
    done = desk.store.transact("scan", rescan.decide)
    batch = rescan.batch
    while rescan.batch.more:
        done = desk.store.transact("scan", rescan.decide)
        batch.take_in(rescan.batch)
    rows, now = done.ledger.rows, done.now
    return Scanned(
        facts=ran.findings.facts,
        interpreter=python,
        added=[rows[i] for i in batch.added],
        reopened=[rows[i] for i in batch.reopened],
        resolved=[rows[i] for i in batch.resolved],
        changed=[rows[i] for i in batch.changed],
        held=batch.held,
        open_rows=_open(done.ledger, now),
        failing=len(ran.findings.failures),
        uncollected=sum(f["when"] == "collect" for f in ran.findings.failures.values()),
        filtered=ran.findings.filtered,
        interrupted=ran.interrupted,
        crashed=ran.crashed,
        hint=_hint(asked.project, ran.findings),
        ledger=done.ledger,
    )


def _wants_evidence(desk: Desk, asked: Asked) -> bool:
    return desk.settings.flag("scan.evidence") if asked.evidence is None else asked.evidence


def _limits(desk: Desk, asked: Asked) -> Limits:
    limits = failing.limits(desk)
    if asked.seconds is not None:
        limits = limits._replace(run=asked.seconds)
    return limits if asked.test_seconds is None else limits._replace(item=asked.test_seconds)


def _hint(project: Path, findings: Findings) -> str | None:
    """Say how to make the project's own package importable, if that is what is missing, or what evidence is missing."""
    missing = sorted(
        match[1]
        for failure in findings.failures.values()
        if (match := re.match(r"No module named '(\w+)", failure["message"]))
    )
    for name in dict.fromkeys(missing):
        for folder in (".", "src"):
            if (project / folder / name).is_dir() or (project / folder / f"{name}.py").is_file():
                where = "the project's folder" if folder == "." else f"{folder}/"
                return f"'{name}' lies in {where}: install it, or try 'dispatcher scan -- -o pythonpath={folder}'"
    cut_short = findings.facts.get("evidence", {}).get("cut_short")
    return f"the second look at what fails did not come to its end: {cut_short}" if cut_short else None


def _open(ledger: Ledger, now: Moment) -> list[Row]:
    return [
        row
        for row in ledger.rows.values()
        if row_kind(row) == failing.KIND and row["status"] != "COMPLETED" and row.get("muted_until", "") <= now.iso
    ]
