"""Which other tasks help with one: those solved that were about the same code, and open ones like it. Nothing writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from dispatcher.context.telling import Beside, Solved
from dispatcher.domain.failure import Kind
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.task import OPEN, Row, Task
from dispatcher.domain.testcode import is_test_code
from dispatcher.errors import DispatcherError

MOST_READ = 5
"""Documents of other tasks that are read: rows do not say what was done."""

_SOLVED, _ALIKE = 3, 3
_KINDS = frozenset(get_args(Kind))
_SOURCE, _TEST, _LABEL = 4, 2, 1
"""What one shared path of the source, of the tests, and one shared label count for."""


def beside(ledger: Ledger, task: Task) -> Beside:
    """Return what the ledger knows beside a task. What cannot be read is left out."""
    near = sorted(_near(ledger, task), key=lambda each: (-each[0], -each[1].get("closed_seq", 0), each[1]["seq"]))
    done = [row for _, row in near if row["status"] == "COMPLETED"][:MOST_READ]
    alike = [f"{row['id']}: {row['title']}" for _, row in near if row["status"] in OPEN][:_ALIKE]
    return Beside(_solved(ledger, task, done), alike, _facts(ledger))


def _near(ledger: Ledger, task: Task) -> Iterator[tuple[int, Row]]:
    """Yield the rows that share a path or a label with a task, with how much; what every scan labels says nothing."""
    paths = {path: _TEST if is_test_code(path) else _SOURCE for path in task["paths"]}
    labels = set(task["labels"]) - _KINDS
    if not paths and not labels:
        return
    for row in ledger.rows.values():
        shared = sum(paths.get(path, 0) for path in row.get("paths", ()))
        shared += _LABEL * len(labels.intersection(row["labels"]))
        if shared and row["id"] != task["id"]:
            yield shared, row


def _solved(ledger: Ledger, task: Task, rows: list[Row]) -> list[Solved]:
    """Return how tasks were solved, those that were about the same function first."""
    own, found = _suspects(task), []
    for row in rows:
        try:
            other = ledger.task(row["id"])
        except (DispatcherError, OSError):
            continue
        if result := other["result"]:
            solved = Solved(other["title"], result.get("note", ""), result["verified"])
            found.append((own.isdisjoint(_suspects(other)), solved))
    return [solved for _, solved in sorted(found, key=lambda each: each[0])][:_SOLVED]


def _suspects(task: Task) -> set[tuple[str, str]]:
    failure = task.get("failure") or {}
    listed = [*failure.get("suspects", ()), *filter(None, (failure.get("suspect"),))]
    return {(each["path"], each["function"]) for each in listed}


def _facts(ledger: Ledger) -> str:
    facts = (ledger.last_scan or {}).get("facts", {})
    names = (("Python", facts.get("python")), ("pytest", facts.get("pytest")))
    return ", ".join(f"{name} {version}" for name, version in names if version)
