"""What a scan means for the tasks: which failures are known, which are new, what is resolved. Pure.

Every failing item ends up in exactly one task that is not completed:

1. A member of an open task stays in it. Only a PENDING task lets members go, to where they fit better, when
   they now fail for another cause than the rest; if none fails as before, the task follows the largest cause.
2. Otherwise a PENDING task that knows the fingerprint, or has the same cause, takes the item in.
3. Otherwise a COMPLETED task that knows the fingerprint is reopened: a regression.
4. The rest is grouped by cause into new tasks.

A task is completed as resolved only when all its tests ran and passed, in a run that was whole, with nothing
about them changed. ACTIVE tasks belong to their agents: a scan only notes what it saw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dispatcher.domain import flakiness
from dispatcher.domain.failure import BAD, Failure, Findings, Flaky
from dispatcher.domain.task import Task

FROZEN = ("ACTIVE", "FAILED")


@dataclass
class Known:
    """A task of an earlier scan: its document, its members (fingerprint by item), its prints (see scan/guard)."""

    task: Task
    members: dict[str, str]
    prints: dict[str, str]

    @property
    def status(self) -> str:
        """The task's status."""
        return self.task["status"]

    @property
    def cause(self) -> str:
        """The cause that its members share."""
        return str(self.task["failure"]["cause"])

    @property
    def causes(self) -> frozenset[str]:
        """That cause, and those of its members that it explains together."""
        return frozenset([self.cause, *self.task["failure"].get("joined", ())])


@dataclass
class Plan:
    """What is to happen.

    `changed` and `reopened` hold all failures that the task now stands for; `flakes` how often the tests of tasks that
    are known to be flaky have passed; `solid` are those of them that have failed for so long that they are no longer.
    """

    added: list[list[Failure]] = field(default_factory=list)
    reopened: dict[str, list[Failure]] = field(default_factory=dict)
    changed: dict[str, list[Failure]] = field(default_factory=dict)
    left: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    resolved: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    flakes: dict[str, Flaky] = field(default_factory=dict)
    solid: set[str] = field(default_factory=set)


class Seen(NamedTuple):
    """What a scan saw of an open task's tests. `held_open` says why it is not closed though nothing of it fails."""

    failing: int
    passing: int
    held_open: str | None


def plan(
    known: Mapping[str, Known], findings: Findings, changed: Callable[[Known], list[str]], *, group: bool = True
) -> Plan:
    """Decide. `changed` names what is no longer as it was when a task was made. `group`: by cause, or one item each."""
    made = Plan()
    rest = _place_known(made, known, findings)
    joining: dict[str, list[Failure]] = defaultdict(list)
    by_cause: dict[str, list[Failure]] = defaultdict(list)
    finder = _Finder(known, findings, made.changed, group=group)
    for failure in rest:
        if task_id := finder.pending(failure):
            joining[task_id].append(failure)
        elif task_id := finder.completed(failure):
            made.reopened.setdefault(task_id, []).append(failure)
        else:
            by_cause[failure["cause"] if group else failure["test"]].append(failure)
    for task_id, failures in joining.items():
        made.changed[task_id] = [*made.changed.get(task_id, _present(known[task_id], findings)), *failures]
    for task_id, failures in made.reopened.items():
        if "flaky" in known[task_id].task:
            again = [findings.flaky.get(f["test"], {"passed": 0, "runs": 1}) for f in failures]
            made.flakes[task_id] = min(again, key=lambda flaky: flaky["passed"])
    made.added = sorted((sorted(f, key=_order) for f in by_cause.values()), key=lambda group: _order(group[0]))
    _settle(made, known, findings, changed)
    return made


def _place_known(made: Plan, known: Mapping[str, Known], findings: Findings) -> list[Failure]:
    """Deal with the members of open tasks; return the failures that are nobody's, in a fixed order."""
    owner = {test: i for i, k in known.items() if k.status != "COMPLETED" for test in k.members}
    by_task: dict[str, list[Failure]] = defaultdict(list)
    rest: list[Failure] = []
    for failure in sorted(findings.failures.values(), key=_order):
        task_id = owner.get(failure["test"])
        by_task[task_id].append(failure) if task_id else rest.append(failure)
    for task_id, failures in by_task.items():
        task = known[task_id]
        if task.status in FROZEN or (findings.reported and "source" not in task.task["failure"]):
            continue  # a report knows less of a failure than a run of ours
        stay, away = _split(task, failures)
        if _has_become_solid(task, failures, findings):
            made.solid.add(task_id)
        if (
            away
            or task_id in made.solid
            or any(f["fingerprint"] != task.members[f["test"]] or _is_news(task, f) for f in stay)
        ):
            made.changed[task_id] = stay
            made.left[task_id] = {f["test"] for f in away}
            rest += away
    return sorted(rest, key=_order)


def _has_become_solid(task: Known, failures: Iterable[Failure], findings: Findings) -> bool:
    """Tell whether a flaky task's tests have failed again and again, up to this run, and none of them now and then."""
    if findings.filtered or not findings.finished or any("flaky" in failure for failure in failures):
        return False
    flake = _flake(task, {test: findings.state(test) for test in task.members}, findings)
    return flake is not None and flakiness.is_solid(flakiness.add(task.task.get("flaky"), **flake))


def _split(task: Known, failures: list[Failure]) -> tuple[list[Failure], list[Failure]]:
    """Return the failures of a task's members that it is still about, and the others."""
    prints = set(task.members.values())
    groups: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        same = (failure["fingerprint"] in prints or failure["cause"] in task.causes) and not _is_news(task, failure)
        groups[task.cause if same else failure["cause"]].append(failure)
    kept = task.cause if task.cause in groups else max(groups, key=lambda cause: len(groups[cause]))
    return groups.pop(kept), [f for others in groups.values() for f in others]


def _is_news(task: Known, failure: Failure) -> bool:
    """Tell whether a failure has turned out to be flaky."""
    return "flaky" in failure and "flaky" not in task.task


class _Finder:
    """Finds the task that a failure which is nobody's belongs to.

    What is known to be flaky goes only to a task that is, and what has failed again and again only to one that is not.
    """

    def __init__(
        self, known: Mapping[str, Known], findings: Findings, changed: Mapping[str, list[Failure]], *, group: bool
    ) -> None:
        self._pending: dict[bool, dict[str, str]] = {True: {}, False: {}}
        self._completed: dict[bool, dict[str, str]] = {True: {}, False: {}}
        self._flaky = findings.flaky
        for task_id, task in sorted(known.items(), key=lambda item: item[1].task["closed_seq"] or 0):
            flaky = "flaky" in task.task or any("flaky" in failure for failure in changed.get(task_id, ()))
            if task.status == "PENDING" and group:
                for key in (*task.members.values(), *sorted(task.causes)):
                    self._pending[flaky].setdefault(key, task_id)
            elif task.status == "COMPLETED":  # the one closed last counts
                self._completed[flaky] |= dict.fromkeys((k if group else t for t, k in task.members.items()), task_id)
        self._group = group

    def pending(self, failure: Failure) -> str | None:
        keys = failure["fingerprint"], failure["cause"]
        found = (self._pending[flaky].get(key) for key in keys for flaky in self._fitting(failure))
        return next(filter(None, found), None)

    def completed(self, failure: Failure) -> str | None:
        key = failure["fingerprint"] if self._group else failure["test"]
        found = (self._completed[flaky].get(key) for flaky in self._fitting(failure))
        return next(filter(None, found), None)

    def _fitting(self, failure: Failure) -> tuple[bool, ...]:
        if "flaky" in failure:
            return (True,)
        return (False,) if failure["test"] in self._flaky else (False, True)


def _present(task: Known, findings: Findings) -> list[Failure]:
    """Return the failures of a task's members in this run."""
    return sorted((findings.failures[t] for t in task.members if t in findings.failures), key=_order)


def _settle(made: Plan, known: Mapping[str, Known], findings: Findings, changed: Callable[[Known], list[str]]) -> None:
    """Close what is resolved, and note what was seen of the others; a run of a part says too little for that."""
    if findings.filtered or not findings.finished:
        return
    for task_id, task in known.items():
        if task.status == "COMPLETED" or not _is_covered(task, findings):
            continue
        states = {t: findings.state(t) for t in task.members if t not in made.left.get(task_id, ())}
        flake = _flake(task, states, findings)
        if flake and task_id not in made.solid:
            made.flakes[task_id] = flake
        failing = sum(s in BAD for s in states.values()) + len(_joined(made, task))
        passing = sum(_is_fine(task, s) for s in states.values())
        if failing:
            made.seen[task_id] = Seen(failing, passing, None)
            continue
        why = why_not(task, states, changed(task))
        if why is None and flake and not flakiness.is_over(flakiness.add(task.task.get("flaky"), **flake)):
            made.seen[task_id] = Seen(0, passing, None)
        elif why is None and task.status != "ACTIVE":
            made.resolved.append(task_id)
        else:
            made.seen[task_id] = Seen(0, passing, why)


def _is_covered(task: Known, findings: Findings) -> bool:
    """Tell whether what was seen says anything about a task."""
    if findings.reported:
        told = ("passed", "empty", *BAD)
        return all(test in findings.outcomes or findings.state(test) in told for test in task.members)
    return "source" not in task.task["failure"]


def _flake(task: Known, states: Mapping[str, str], findings: Findings) -> Flaky | None:
    """Return in how many runs of this scan all tests of a flaky task have passed; None for other tasks."""
    if "flaky" not in task.task or not all(s in BAD or _is_fine(task, s) for s in states.values()):
        return None
    again = [findings.flaky[test] for test in states if test in findings.flaky]
    bad = any(state in BAD for state in states.values())
    passed = min((flaky["passed"] for flaky in again), default=0 if bad else 1)
    return {"passed": passed, "runs": max((flaky["runs"] for flaky in again), default=1)}


def _joined(made: Plan, task: Known) -> list[Failure]:
    return [f for f in made.changed.get(task.task["id"], []) if f["test"] not in task.members]


def why_not(task: Known, states: Mapping[str, str], changed: Iterable[str]) -> str | None:
    """Return why a task none of whose tests fails cannot be believed to be done, None if it can."""
    odd = sorted((state, test) for test, state in states.items() if not _is_fine(task, state))
    if odd:
        state, test = odd[0]
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        return f"{test}{more} {_SPOKEN.get(state, f'was {state}')}"
    touched = list(changed)
    if touched:
        more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
        return f"{touched[0]}{more} changed since the task was made"
    return None


_SPOKEN = {
    "xfailed": "is expected to fail now",
    "xpassed": "is expected to fail now",
    "deselected": "is left out by the configuration now",
    "not collected": "was not found any more",
    "empty": "holds no tests any more",
    "uncollectable": "is in a file that cannot be collected",
}


def _is_fine(task: Known, state: str) -> bool:
    if task.task["failure"]["kind"] == "xpass":  # it failed because it passed
        return state in ("xfailed", "passed")
    # A file that can be imported now may hold no tests; one that could not even be read has to hold some.
    return state == "passed" or (state == "empty" and task.task["failure"]["kind"] != "syntax")


def _order(failure: Failure) -> tuple[str, str]:
    return failure["test"], failure["when"]
