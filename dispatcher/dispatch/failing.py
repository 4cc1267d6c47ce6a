"""Tasks made from failures: their documents, and reading them back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatcher.dispatch.desk import Desk
from dispatcher.domain.failure import Failure, Findings, file_of, function_of
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.record import Event
from dispatcher.domain.rescan import Known
from dispatcher.domain.task import DEFAULT_PRIORITY, Task, row_kind
from dispatcher.scan.guard import Guard
from dispatcher.scan.legs import Order
from dispatcher.scan.patience import Limits
from dispatcher.text import one_line

KIND = "test"
_SHOWN_TESTS = 10
_MAX_TITLE = 120
_MAX_PATHS = 10
_MAX_MEMBER_MESSAGE = 200
# What keeps other tests from even running comes first.
_FLAKY_BEHIND = 40
_FIRST: dict[str, int] = {"import": 20, "syntax": 20, "collection": 20, "setup": 10}


def of_ledger(desk: Desk, ledger: Ledger) -> dict[str, Known]:
    """Return every task in the ledger that a scan has made, by id."""
    rows = (row for row in ledger.rows.values() if row_kind(row) == KIND)
    return {row["id"]: known_of(desk, ledger.task(row["id"])) for row in rows}


def known_of(desk: Desk, task: Task) -> Known:
    """Return one task that a scan has made, with its members. One whose bulk is gone keeps the tests it shows."""
    detail = desk.store.bulk(task["detail_blob"]) or {}
    failure = task["failure"]
    members = {test: member["fingerprint"] for test, member in detail.get("members", {}).items()}
    return Known(task, members or dict.fromkeys(task["tests"], failure["fingerprint"]), detail.get("prints", {}))


def title(failures: Sequence[Failure]) -> str:
    """Return a task's title: what fails, and how."""
    first = failures[0]
    kind = first["exception"].rpartition(".")[2]
    said = one_line(first["message"])
    if "<function" in said:  # pytest tells the way from a function's name to its value, at length
        said = one_line(first["message"].partition("\n")[0])
    if first["kind"] in ("assertion", "doctest", "xpass"):
        words = f"{name_of(first['test'])}: {said.removeprefix('AssertionError: ') or kind}"
    else:
        place = first["place"]
        where = f" in {place['function']}()" if place and not place["function"].startswith("<") else ""
        words = f"{kind}{where}: {said}" if said else f"{kind}{where}"
    return words if len(words) <= _MAX_TITLE else f"{words[: _MAX_TITLE - 1]}…"


def name_of(test: str) -> str:
    """Return the short name of a test: its function, or the name of a file that cannot be collected."""
    function = function_of(test)
    return function.rpartition("::")[2] if "::" in function else Path(function).stem or "collection"


def priority(failures: Sequence[Failure]) -> int:
    """Return how urgent a task is: what blocks others first, then what many tests wait for, flaky ones last."""
    urgent = DEFAULT_PRIORITY + _FIRST.get(failures[0]["kind"], 0) + min(9, len(failures).bit_length() - 1)
    return urgent - _FLAKY_BEHIND if "flaky" in failures[0] else urgent


def document(
    failures: Sequence[Failure],
    members: Mapping[str, str],
    prints: Mapping[str, str],
    bulk: Mapping[str, Any],
    *,
    flaky: bool = False,
) -> Event:
    """Return the fields of an event that say what a task is about. The first failure stands for all.

    `members` maps each item to its fingerprint; `bulk` holds what the detail is to hold besides. `flaky`: that it is
    was known before.
    """
    first = failures[0]
    said = {f["test"]: one_line(f["message"])[:_MAX_MEMBER_MESSAGE] for f in failures}
    tests = sorted(members)
    places = [f["place"]["path"] for f in failures if f["place"]]
    suspects = [f["suspect"]["path"] for f in failures if f["suspect"]]
    held = [test for test in tests if "source" not in first or test == file_of(test)]
    paths = dict.fromkeys([*suspects, *places, *map(file_of, held)])
    return {
        "title": title(failures),
        "labels": [first["kind"], *(["flaky"] if flaky or "flaky" in first else [])],
        "paths": list(paths)[:_MAX_PATHS],
        "failure": {k: v for k, v in first.items() if k != "detail"},
        "tests": tests[:_SHOWN_TESTS],
        "test_count": len(tests),
        "detail": {
            "members": {t: {"fingerprint": members[t], "message": said.get(t, "")} for t in tests},
            "prints": dict(prints),
            "failure": first.get("detail", {}),
            **bulk,
        },
    }


def still_joint(before: Mapping[str, Any], failures: list[Failure]) -> list[Failure]:
    """Return failures of which the first says what their task is about: what explained several causes, as long as it does."""
    if "joined" not in before or len({f["cause"] for f in failures}) == 1:
        return failures
    first = failures[0].copy()
    first["cause"], first["because"], first["suspect"] = before["cause"], before["because"], before["suspect"]
    first["joined"] = sorted({*before["joined"], *(f["cause"] for f in failures)} - {before["cause"]})
    return [first, *failures[1:]]


def prints_of(guard: Guard, failures: Sequence[Failure]) -> dict[str, str]:
    """Return the prints of some failing tests. A test file that cannot even be read has to change."""
    prints: dict[str, str] = {}
    for name in sorted({file_of(f["test"]) for f in failures if "source" in f}):
        prints |= guard.file(name)
    failures = [f for f in failures if "source" not in f]
    for broken in {_unreadable(f) for f in failures}:
        prints |= guard.take([f["test"] for f in failures if _unreadable(f) == broken], but=broken)
    return prints


def _unreadable(failure: Failure) -> str | None:
    place = failure["place"]
    return place["path"] if failure["kind"] == "syntax" and place else None


def passed_by_file(findings: Findings) -> dict[str, list[str]]:
    """Return the tests that passed, by file, without their file's name."""
    passed: dict[str, list[str]] = {}
    for test, outcome in findings.outcomes.items():
        if outcome == "passed":
            file = file_of(test)
            passed.setdefault(file, []).append(test[len(file) + 2 :])
    return passed


def limits(desk: Desk) -> Limits:
    """Return how long a run of the tests is waited for, as the settings say."""
    s = desk.settings
    return Limits(s.seconds("scan.testTimeout"), s.seconds("scan.fileTimeout"), s.seconds("scan.timeout"))


def how(order: Order) -> dict[str, Any]:
    """Return how the tests were run, so that they can be run the same way again, in another folder too."""
    python = order.python
    inside = os.path.commonpath([python, order.project]) == str(order.project)
    return {"python": os.path.relpath(python, order.project) if inside else python, "arguments": list(order.arguments)}


def order_of(project: Path, tree: Path, run: Mapping[str, Any]) -> Order:
    """Return the order that `how` described, for the tests of a checkout with the Python of the project."""
    return Order(tree, str(project / run["python"]), tuple(run["arguments"]))
