"""SC5: whatever passes, fails and goes in whatever order, every failing item is in one open task, and nothing closes unproved."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.dispatch import claims, completing, failing
from dispatcher.dispatch.completing import Check
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.dispatch.rescanning import Batch, Rescan
from dispatcher.domain import rescan
from dispatcher.domain.failure import Failure, Findings
from dispatcher.domain.ids import Token
from dispatcher.domain.lifecycle import Wanted
from dispatcher.domain.rescan import Known
from dispatcher.errors import NothingToClaim
from dispatcher.scan.layout import Layout
from dispatcher.scan.legs import Order
from dispatcher.scan.runner import Run
from tests.property.world import World, examples

ITEMS = (
    "tests/test_a.py::test_p[1]",
    "tests/test_a.py::test_p[2]",
    "tests/test_a.py::test_q",
    "tests/test_b.py::test_r",
)
FILES = ("tests/test_a.py", "tests/test_b.py")
CAUSES = ("broken", "missing", "wrong")
Seen = dict[str, str]
"""How each item or file ended: "passed", another outcome, one of CAUSES, or "gone"."""


def failure(test: str, cause: str) -> Failure:
    """A failure as a run would show it: its fingerprint knows the test function, its cause does not."""
    function = test.partition("[")[0]
    return {
        "test": test, "when": "call" if "::" in test else "collect", "kind": "exception", "exception": cause,
        "message": f"{cause} of {test}", "place": None, "suspect": None, "statement": "", "frames": [],
        "fingerprint": f"{function} {cause}", "cause": cause, "because": "they fail alike",
    }  # fmt: skip


def findings(
    seen: Seen, *, finished: bool = True, filtered: bool = False, left_out: frozenset[str] = frozenset()
) -> Findings:
    """What a run has shown in which the items ended so; `left_out` were asked to be left out."""
    unreadable = {file for file in FILES if seen.get(file) in CAUSES}
    ran = {
        i: how
        for i, how in seen.items()
        if i.partition("::")[0] not in unreadable and i not in left_out and how != "gone"
    }
    failures = {i: failure(i, how) for i, how in ran.items() if how in CAUSES}
    failures |= {file: failure(file, seen[file]) for file in unreadable}
    outcomes = {i: "failed" if how in CAUSES else how for i, how in ran.items() if "::" in i}
    facts = {"collected": len(outcomes), "seconds": 0.1, "python": "3", "pytest": "9", "stopped": "x"}
    return Findings(
        outcomes=outcomes, failures=failures, not_run=frozenset(), deselected=left_out,
        without_items={}, finished=finished, filtered=filtered, facts=facts,
    )  # fmt: skip


HOW = st.sampled_from(["passed"] * 6 + ["broken"] * 4 + ["missing"] * 3 + ["wrong", "skipped", "xfailed", "gone"])
SEEN = st.fixed_dictionaries(
    dict.fromkeys(ITEMS, HOW) | {f: st.sampled_from(["passed"] * 9 + ["broken"]) for f in FILES}
)


class Step(NamedTuple):
    """What happens: a scan of what is seen ("whole", "filtered", "cut short", "without groups"), or what an agent does."""

    what: str
    seen: Seen
    left_out: frozenset[str] = frozenset()


STEPS = st.one_of(
    st.builds(Step, st.sampled_from(["whole"] * 5 + ["without groups"]), SEEN),
    st.builds(Step, st.just("whole"), SEEN),
    st.builds(Step, st.just("whole"), st.just(dict.fromkeys(ITEMS, "passed"))),
    st.builds(Step, st.sampled_from(["filtered", "cut short"]), SEEN, st.frozensets(st.sampled_from(ITEMS))),
    st.builds(Step, st.sampled_from(["claim", "complete", "fail", "release"]), st.just({})),
)


class Life:
    """A store, the claims that are held, and scans of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk: Desk = world.begin(claim_lease=1e6)
        self.held: list[Token] = []

    def known(self) -> dict[str, Known]:
        """Return every task with its members."""
        return self.desk.store.view(lambda ledger: failing.of_ledger(self.desk, ledger))

    def scan(self, found: Findings, *, group: bool = True) -> Batch:
        """Take in what a run has shown."""
        order = Order(Path("/nowhere"), "/usr/bin/python")
        ran = Run(found, Layout(Path("/nowhere"), Path("/nowhere"), [], "/usr"), interrupted=False, crashed=False)
        scan = Rescan(self.desk, order, ran, None, group=group)
        self.desk.store.transact("scan", scan.decide)
        assert not scan.batch.more
        return scan.batch

    def act(self, what: str) -> None:
        """Let an agent claim a task, or end a claim in some way, taking one for it if need be."""
        if what == "claim" or not self.held:
            try:
                self.held += [c.token for c in claims.claim(self.desk, Wanted("me")).claims]
            except NothingToClaim:
                return
        if what == "claim":
            return
        whose = Whose(claim=str(self.held.pop(0)))
        if what == "complete":
            completing.complete(self.desk, whose, "", Check(verify=False))
        elif what == "fail":
            claims.fail(self.desk, whose, "no idea")
        else:
            claims.release(self.desk, whose, "")

    def step(self, step: Step) -> None:
        """Go on, and check what a scan may and may not do."""
        if step.what in ("claim", "complete", "fail", "release"):
            self.act(step.what)
            return
        before = self.known()
        whole = step.what in ("whole", "without groups")
        found = findings(
            step.seen, finished=step.what != "cut short", filtered=step.what == "filtered", left_out=step.left_out
        )
        group = step.what != "without groups"
        batch = self.scan(found, group=group)
        self.check_closed(before, found, batch, whole=whole)
        self.check_places(found)
        self.check_again(found, group=group)

    def check_closed(self, before: dict[str, Known], found: Findings, batch: Batch, *, whole: bool) -> None:
        """Only a whole run closes tasks, those that nobody holds and all of whose tests passed; no claim is touched."""
        after = self.known()
        closed = {i for i, known in before.items() if known.status != "COMPLETED" and after[i].status == "COMPLETED"}
        assert closed == set(batch.resolved)
        assert whole or not closed
        for i in closed:
            assert before[i].status in ("PENDING", "FAILED")
            assert {found.state(test) for test in after[i].members} <= {"passed"}
        for i, known in before.items():
            if known.status in ("ACTIVE", "FAILED") and i not in closed:
                assert (after[i].status, after[i].members) == (known.status, known.members)
        if whole:  # nothing is left open that could be closed
            for i, known in after.items():
                done = all(found.state(test) == "passed" for test in known.members)
                assert not (done and known.status in ("PENDING", "FAILED")), i

    def check_places(self, found: Findings) -> None:
        """Each failing item is in exactly one open task, and no item is in two."""
        places = Counter(
            test for known in self.known().values() if known.status != "COMPLETED" for test in known.members
        )
        assert set(found.failures) <= set(places)
        assert not [test for test, count in places.items() if count > 1]
        assert all(known.members for known in self.known().values())

    def check_again(self, found: Findings, *, group: bool) -> None:
        """The same once more changes nothing."""
        before = self.world.bytes_of("PENDING_TASKS", "ACTIVE_TASKS", "COMPLETED_TASKS", "FAILED_TASKS")
        assert self.scan(found, group=group) == Batch()
        assert self.world.bytes_of("PENDING_TASKS", "ACTIVE_TASKS", "COMPLETED_TASKS", "FAILED_TASKS") == before


@examples(150)
@given(st.lists(STEPS, min_size=3, max_size=10))
def test_over_any_history_every_failing_item_is_in_one_open_task(world: World, steps: list[Step]) -> None:
    life = Life(world)
    for step in steps:
        life.step(step)


@examples(60)
@given(SEEN, SEEN)
def test_what_all_passes_in_the_end_leaves_nothing_open(world: World, first: Seen, second: Seen) -> None:
    life = Life(world)
    life.scan(findings(first))
    life.scan(findings(second))
    life.scan(findings(dict.fromkeys(ITEMS, "passed")))
    assert {known.status for known in life.known().values()} <= {"COMPLETED"}


# The plan alone

FAILURES = st.dictionaries(st.sampled_from([*ITEMS, *FILES]), st.sampled_from(CAUSES))
STATUS = st.sampled_from(["PENDING", "PENDING", "ACTIVE", "FAILED", "COMPLETED"])


@st.composite
def ledgers(draw: st.DrawFn) -> dict[str, Known]:
    """Tasks of earlier scans: no item is in two open ones."""
    known: dict[str, Known] = {}
    free = set(ITEMS)
    for number in range(draw(st.integers(0, 4))):
        status, cause = draw(STATUS), draw(st.sampled_from(CAUSES))
        pool = sorted(free) if status != "COMPLETED" else list(ITEMS)
        tests = draw(st.lists(st.sampled_from(pool), min_size=1, unique=True)) if pool else []
        if not tests:
            continue
        free -= set(tests) if status != "COMPLETED" else set()
        shown = failure(tests[0], cause)
        task = {
            "id": f"t{number}",
            "status": status,
            "closed_seq": number if status == "COMPLETED" else None,
            "failure": dict(shown),
        }
        known[f"t{number}"] = Known(task, {t: failure(t, cause)["fingerprint"] for t in tests}, {})  # type: ignore[arg-type] # as much as is looked at
    return known


def shown(plan: rescan.Plan) -> object:
    """A plan as plain data."""
    groups = {
        kind: {i: [f["test"] for f in failures] for i, failures in getattr(plan, kind).items()}
        for kind in ("reopened", "changed")
    }
    added = [[f["test"] for f in group] for group in plan.added]
    return added, groups, {i: left for i, left in plan.left.items() if left}, sorted(plan.resolved), plan.seen


def nothing(_known: Known) -> list[str]:
    return []


@examples(300)
@given(ledgers(), SEEN, st.randoms(use_true_random=False), st.booleans())
def test_a_plan_does_not_depend_on_the_order_in_which_a_run_shows_things(
    known: dict[str, Known], seen: Seen, random: Random, group: bool
) -> None:
    found = findings(seen)
    order = sorted(found.failures)
    random.shuffle(order)
    mixed = found._replace(
        failures={i: found.failures[i] for i in order}, outcomes=dict(reversed([*found.outcomes.items()]))
    )
    assert shown(rescan.plan(known, found, nothing, group=group)) == shown(
        rescan.plan(known, mixed, nothing, group=group)
    )


@examples(300)
@given(ledgers(), SEEN, st.booleans())
def test_every_failure_is_planned_for_once(known: dict[str, Known], seen: Seen, group: bool) -> None:
    """It stays where it is, or it is in one of the lists of the plan."""
    found = findings(seen)
    plan = rescan.plan(known, found, nothing, group=group)
    lists = [*plan.added, *plan.reopened.values(), *plan.changed.values()]
    planned = Counter(f["test"] for failures in lists for f in failures)
    assert all(count == 1 for count in planned.values())
    owner = {test: i for i, k in known.items() if k.status != "COMPLETED" for test in k.members}
    for test in found.failures:
        assert test in planned or (test in owner and test not in plan.left.get(owner[test], set()))


@examples(200)
@given(ledgers(), SEEN, st.sampled_from(["filtered", "unfinished"]))
def test_a_run_of_a_part_closes_and_notes_nothing(known: dict[str, Known], seen: Seen, how: str) -> None:
    found = findings(seen, finished=how != "unfinished", filtered=how == "filtered")
    plan = rescan.plan(known, found, nothing)
    assert (plan.resolved, plan.seen) == ([], {})


@examples(200)
@given(ledgers(), SEEN, st.sets(st.sampled_from(["t0", "t1", "t2", "t3"])))
def test_what_has_changed_is_not_closed(known: dict[str, Known], seen: Seen, touched: set[str]) -> None:
    """And the plan says so, of the tasks none of whose tests fails."""
    found = findings(seen)
    plan = rescan.plan(known, found, lambda k: ["conftest.py"] if k.task["id"] in touched else [])
    assert not touched & set(plan.resolved)
    for i in touched & plan.seen.keys():
        assert plan.seen[i].failing or plan.seen[i].held_open


@examples(300)
@given(ledgers(), SEEN)
def test_what_is_closed_had_all_its_tests_pass(known: dict[str, Known], seen: Seen) -> None:
    found = findings(seen)
    plan = rescan.plan(known, found, nothing)
    for i in plan.resolved:
        assert known[i].status in ("PENDING", "FAILED")
        assert {found.state(test) for test in known[i].members} == {"passed"}
