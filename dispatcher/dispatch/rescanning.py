"""From what a run of the tests has shown to the events that make the tasks say it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.dispatch import failing
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import ids, rescan
from dispatcher.domain.failure import Failure, file_of
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.rescan import Known, Plan
from dispatcher.scan.guard import Guard
from dispatcher.scan.legs import Order
from dispatcher.scan.runner import Run
from dispatcher.store.base import Change

AGENT = "scan"
MOST_AT_ONCE = 1000


@dataclass
class Batch:
    """What one record of a scan does to the tasks, by id. `held`: why a task whose tests do not fail stays open."""

    added: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    more: bool = False

    def take_in(self, other: Batch) -> None:
        """Add what a later record does."""
        for mine, theirs in ((self.added, other.added), (self.reopened, other.reopened),
                             (self.resolved, other.resolved), (self.changed, other.changed)):  # fmt: skip
            mine += [task_id for task_id in theirs if task_id not in mine]
        self.held |= other.held


class Rescan:
    """Decides, on the state under the lock, what a run's findings change.

    `decide` may be called any number of times; `batch` is what the last call came to. A record has room for about
    MOST_AT_ONCE new tasks: as long as `batch.more` says so, there is more to decide.
    """

    def __init__(self, desk: Desk, order: Order, ran: Run, commit: str | None, *, group: bool) -> None:
        self.ran = ran
        self._desk, self._order, self._findings = desk, order, ran.findings
        self._guard = Guard(ran.layout.rootdir)
        self._guard.take(
            [t for t, f in ran.findings.failures.items() if "source" not in f]
        )  # files are read now, and not while others wait for the lock
        self._passed = failing.passed_by_file(ran.findings)
        self._commit, self._group = commit, group
        self.batch = Batch()

    def decide(self, ledger: Ledger, _now: Moment) -> Change:
        """Return the next events of this scan."""
        known = failing.of_ledger(self._desk, ledger)
        changed = self._guard.changed
        plan = rescan.plan(known, self._findings, lambda task: changed(task.prints), group=self._group)
        now, later = plan.added[:MOST_AT_ONCE], plan.added[MOST_AT_ONCE:]
        self.batch = Batch(reopened=[*plan.reopened], changed=[*plan.changed], more=bool(later))
        events: list[Event] = [] if later else [self._finished()]
        taken = set(ledger.rows)
        for group in now:
            events += self._add(ledger, group, taken)
        elsewhere = {test for task in known.values() if task.status != "COMPLETED" for test in task.members}
        for task_id, failures in plan.reopened.items():
            events += self._reopen(known[task_id], failures, elsewhere)
        for task_id, failures in plan.changed.items():
            events.append(self._change(known[task_id], failures, plan.left.get(task_id, set()), task_id in plan.solid))
        if not later:
            self.batch.resolved = plan.resolved
            events += [self._resolve(known[i]) for i in plan.resolved]
            events += [event for i, seen in plan.seen.items() for event in self._note(known[i], seen, plan)]
            events += [{"type": "flake_noted", "task": i, **flake} for i, flake in plan.flakes.items()]
        return Change(events, AGENT)

    def _finished(self) -> Event:
        event: Event = {
            "type": "scan_finished",
            "facts": self._findings.facts,
            "finished": self._findings.finished,
            "filtered": self._findings.filtered,
            "arguments": list(self._order.arguments),
        }
        return {**event, "commit": self._commit} if self._commit else event

    def _add(self, ledger: Ledger, group: list[Failure], taken: set[str]) -> list[Event]:
        seed = group[0]["cause"] if self._group else group[0]["fingerprint"] + group[0]["test"]
        task_id = ids.mint(failing.name_of(group[0]["test"]), seed, taken)
        taken.add(task_id)
        back = self._from_archive(ledger, task_id)
        members = {f["test"]: f["fingerprint"] for f in group}
        prints = failing.prints_of(self._guard, group)
        fields = failing.document(group, members, prints, self._bulk(members))
        if back:
            self.batch.reopened.append(task_id)
            return [
                {"type": "task_restored", "task": task_id, "document": back},
                {"type": "task_reopened", "task": task_id, "reason": "its tests fail again", "regression": True},
                {"type": "failure_changed", "task": task_id, **fields},
            ]
        self.batch.added.append(task_id)
        priority = failing.priority(group)
        return [{"type": "task_added", "task": task_id, "kind": failing.KIND, "priority": priority, **fields}]

    def _from_archive(self, ledger: Ledger, task_id: str) -> object:
        """Return a task that has left the ledger and bears the id that this failure would get: it is the same one."""
        found = self._desk.store.archived(task_id) if ledger.dropped else []
        return next((t for t in found if t["id"] == task_id and t["kind"] == failing.KIND), None)

    def _reopen(self, known: Known, failures: list[Failure], elsewhere: set[str]) -> list[Event]:
        away = {*elsewhere, *self._findings.failures}
        left = [t for t in known.members if t not in away and self._findings.state(t) != "not collected"]
        members = {**{t: known.members[t] for t in left}, **{f["test"]: f["fingerprint"] for f in failures}}
        old = {} if "source" in known.task["failure"] else self._guard.take(members)
        prints = {**old, **failing.prints_of(self._guard, failures)}
        failures = failing.still_joint(known.task["failure"], failures)
        fields = failing.document(failures, members, prints, self._bulk(members), flaky="flaky" in known.task)
        task_id = known.task["id"]
        events: list[Event] = [
            {"type": "task_reopened", "task": task_id, "reason": "its tests fail again", "regression": True},
            {"type": "failure_changed", "task": task_id, **fields},
        ]
        passing = sum(self._findings.state(t) == "passed" for t in left)
        if left and self._findings.finished and not self._findings.filtered:
            seen = rescan.Seen(len(failures), passing, None)
            events.append({"type": "scan_noted", "task": task_id, **seen._asdict()})
        return events

    def _change(self, known: Known, failures: list[Failure], gone: set[str], solid: bool) -> Event:
        kept = {t: p for t, p in known.members.items() if t not in gone}
        members = {**kept, **{f["test"]: f["fingerprint"] for f in failures}}
        # What was taken when a test became a member stays: no scan forgives a change.
        prints = {**failing.prints_of(self._guard, failures), **known.prints}
        flaky = "flaky" in known.task
        failures = failing.still_joint(known.task["failure"], failures)
        fields = failing.document(failures, members, prints, self._bulk(members), flaky=flaky and not solid)
        if solid:
            fields["solid"] = True
        if solid or ("flaky" in failures[0] and not flaky):
            fields["priority"] = failing.priority(failures)
        return {"type": "failure_changed", "task": known.task["id"], **fields}

    def _bulk(self, members: dict[str, str]) -> dict[str, object]:
        """Return what a later completion compares with: the tests of the same files that passed, and how they were run."""
        files = sorted({file_of(test) for test in members})
        baseline = {file: self._passed[file] for file in files if file in self._passed}
        return {"baseline": baseline, "run": failing.how(self._order)}

    def _resolve(self, known: Known) -> Event:
        event: Event = {
            "type": "task_completed",
            "task": known.task["id"],
            "agent": AGENT,
            "generation": known.task["generation"],
            "verified": True,
            "resolved": True,
            "tests_run": len(known.members),
        }
        return {**event, "commit": self._commit} if self._commit else event

    def _note(self, known: Known, seen: rescan.Seen, plan: Plan) -> list[Event]:
        """Record what was seen of a task, if the task does not say so already."""
        task, said = known.task, known.task.get("scan")
        joined = plan.changed.get(task["id"], [])
        total = len({*known.members, *(f["test"] for f in joined)} - plan.left.get(task["id"], set()))
        before = (said["failing"], said["passing"], said["held_open"]) if said else (total, 0, None)
        if before == tuple(seen):
            return []
        if seen.held_open and (not said or said["held_open"] != seen.held_open):
            self.batch.held[task["id"]] = seen.held_open
        return [{"type": "scan_noted", "task": task["id"], **seen._asdict()}]
