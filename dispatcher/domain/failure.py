"""What a scan found: failures as data, and how every item ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
BAD: tuple[Outcome, ...] = ("failed", "error")

Kind = Literal[
    "assertion", "exception", "import", "syntax", "collection", "setup", "teardown", "warning", "doctest", "xpass",
    "timeout", "crash",
]  # fmt: skip


class Place(TypedDict):
    """A line of code: path relative to the project where it lies there, line from 1, qualified function.

    `tests_own`: it is code of the tests, and no project's.
    """

    path: str
    line: int
    function: str
    code: str
    tests_own: NotRequired[bool]


class Suspect(TypedDict):
    """A function that a failure is probably about."""

    path: str
    function: str


class Blamed(TypedDict):
    """A function with how suspicious it is, from 0 to 1: how many failing and passing tests execute it.

    `line` is its first. `changed` tells of the latest commit that touched it: commit, author, date, summary, and
    how many of its lines.
    """

    path: str
    function: str
    line: int
    score: float
    failing: int
    passing: int
    changed: NotRequired[dict[str, Any]]


class Flaky(TypedDict):
    """How often a test that fails now and then has passed."""

    passed: int
    runs: int


class Failure(TypedDict):
    """One failing item, or one collector that failed.

    `fingerprint` names this failure of this test function whatever moves or varies between two runs of the
    same code; `cause` names what it shares with other failures that are one task, and `because` says it.
    `origin` is the warning, made an error, that it began with; `given` the fixture that gave the failing statement
    None. `frames` are the project's own, innermost last. `suspects` come from a second pass, the most suspicious
    first; `flaky` from running it again and again. `source` names the report that a test is known from which we cannot
    run. `joined` are the causes of failures that one function explains together. `detail` is bulk: everything else that is known.
    """

    test: str
    when: str
    kind: Kind
    exception: str
    message: str
    place: Place | None
    suspect: Suspect | None
    statement: str
    frames: list[str]
    fingerprint: str
    cause: str
    because: str
    origin: NotRequired[str]
    given: NotRequired[Suspect]
    suspects: NotRequired[list[Blamed]]
    flaky: NotRequired[Flaky]
    source: NotRequired[str]
    joined: NotRequired[list[str]]
    detail: NotRequired[dict[str, Any]]


class Findings(NamedTuple):
    """All that a run of the tests has shown, by item id.

    `without_items`: files that have nothing to run, "skipped" or "empty".
    `finished`: pytest came to its end and stopped for nothing. `filtered`: the run was asked to leave items
    out, by more than the project's own configuration. `facts` describe the run itself, for its record. `flaky`: how
    often items have passed that were run several times. `reported`: it comes from a report, which says nothing of what
    is not in it.
    """

    outcomes: Mapping[str, str]
    failures: Mapping[str, Failure]
    not_run: frozenset[str]
    deselected: frozenset[str]
    without_items: Mapping[str, str]
    finished: bool
    filtered: bool
    facts: dict[str, Any]
    flaky: Mapping[str, Flaky] = MappingProxyType({})
    reported: bool = False

    def state(self, test: str) -> str:
        """Return how an item ended or why it did not run.

        An Outcome, or "deselected", "not run", "uncollectable", "empty" (a file) or "not collected".
        """
        if test in self.failures:
            return "failed" if self.failures[test]["when"] == "call" else "error"
        if test in self.outcomes:
            return self.outcomes[test]
        return self._why_not_run(test)

    def _why_not_run(self, test: str) -> str:
        file = file_of(test)
        if test == file and self.collected_of(file):
            return "passed"  # a file that could not be imported, and now can
        if file in self.without_items and (test == file or self.without_items[file] == "skipped"):
            return self.without_items[file]  # so does one that has nothing to run, if that is as it was
        above = (file, *map(str, PurePosixPath(file).parents))
        said = {
            "deselected": test in self.deselected,
            "not run": test in self.not_run,
            "uncollectable": any(path in self.failures for path in above),
            "not collected": self.finished,
        }
        return next((words for words, so in said.items() if so), "not run")

    def collected_of(self, path: str) -> bool:
        """Tell whether any item of a file, or of a folder's files, was collected."""
        heads = (f"{path}::", f"{path}/") if path not in ("", ".") else ("",)
        return any(i.startswith(heads) for i in (*self.outcomes, *self.deselected, *self.not_run))


def file_of(test: str) -> str:
    """Return the file of an item's or a collector's id."""
    return test.partition("::")[0]


def function_of(test: str) -> str:
    """Return an item's id without its parameters."""
    file, colons, name = test.partition("::")
    return file + colons + name.partition("[")[0]
