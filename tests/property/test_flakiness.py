"""Flaky tests: their record, when they may be taken for mended, and that they keep to themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain import flakiness
from dispatcher.domain.failure import Failure, Findings
from dispatcher.domain.fingerprint import digest
from dispatcher.domain.flakiness import Record
from dispatcher.domain.rescan import Known
from tests.property import test_rescan
from tests.property.test_rescan import ITEMS, Life
from tests.property.world import World, examples

RUNS = st.integers(1, 60).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs)))
HISTORIES = st.lists(RUNS, min_size=1, max_size=12)


def record_of(history: list[tuple[int, int]]) -> Record:
    record: Record | None = None
    for passed, runs in history:
        record = flakiness.add(record, passed, runs)
    assert record is not None
    return record


@examples(50)
@given(HISTORIES)
def test_a_record_counts_all_runs_and_the_last_ones_of_a_kind(history: list[tuple[int, int]]) -> None:
    record = record_of(history)
    assert record["runs"] == sum(runs for _, runs in history)
    assert record["passed"] == sum(passed for passed, _ in history)
    since = 0
    for passed, runs in history:
        if passed == runs:
            since = max(0, since) + runs
        elif passed == 0:
            since = min(0, since) - runs
        else:
            since = 0
    assert record["streak"] == since


@examples(50)
@given(HISTORIES)
def test_adding_changes_no_record_that_was_there_before(history: list[tuple[int, int]]) -> None:
    record = record_of(history)
    before = record.copy()
    flakiness.add(record, 1, 2)
    assert record == before


@examples(100)
@given(HISTORIES, st.integers(1, 100))
def test_a_streak_is_believed_when_such_a_test_would_show_it_less_than_once_in_twenty(
    history: list[tuple[int, int]], streak: int
) -> None:
    failed = record_of([*history, (0, 1)])
    assert not flakiness.is_over(failed)
    needed = flakiness.needed(failed)
    assert 1 <= needed <= 50
    rate = failed["passed"] / failed["runs"]
    if needed < 50:
        assert rate**needed <= 0.05 + 1e-9
    if needed > 1:
        assert rate ** (needed - 1) > 0.05 - 1e-9
    after = flakiness.add(failed, streak, streak)
    assert flakiness.needed(after) == needed, "what is asked for does not change on the way"
    assert flakiness.is_over(after) == (streak >= needed)


@examples(50)
@given(HISTORIES, st.integers(2, 50))
def test_passes_count_alike_in_one_scan_and_in_many(history: list[tuple[int, int]], passes: int) -> None:
    failed = record_of([*history, (0, 1)])
    assert flakiness.add(failed, passes, passes) == record_of([*history, (0, 1), *[(1, 1)] * passes])


@examples(50)
@given(st.integers(1, 200), st.integers(0, 200), st.integers(1, 20))
def test_what_passes_more_often_has_to_pass_longer(runs: int, passed: int, more: int) -> None:
    seldom = record_of([(min(passed, runs - 1), runs), (0, 1)])
    often = record_of([(min(passed + more, runs), runs), (0, 1)])
    assert flakiness.needed(often) >= flakiness.needed(seldom)


def test_one_pass_is_enough_for_what_has_never_passed_and_fifty_for_what_nearly_always_does() -> None:
    assert flakiness.needed(record_of([(0, 9)])) == 1
    assert flakiness.needed(record_of([(999, 1000)])) == 50
    assert flakiness.needed(record_of([(1, 2)])) == 5


@examples(100)
@given(HISTORIES, st.integers(1, 60))
def test_a_streak_of_failures_is_believed_when_such_a_test_would_show_it_less_than_once_in_a_thousand(
    history: list[tuple[int, int]], streak: int
) -> None:
    flaky = record_of([*history, (1, 2)])
    assert not flakiness.is_solid(flaky)
    rate = 1 - flaky["passed"] / flaky["runs"]
    after = flakiness.add(flaky, 0, streak)
    assert flakiness.is_solid(after) == (streak >= 50 or rate**streak <= 0.001)
    assert not flakiness.is_over(after)


# What scans that run failing tests again make of it

TIMES = 2
HOW = st.one_of(st.just("passed"), st.sampled_from(["broken", "wrong"]), st.integers(1, TIMES).map(str))
SEEN = st.fixed_dictionaries(dict.fromkeys(ITEMS, HOW))


def findings(seen: dict[str, str]) -> Findings:
    """What a scan with reruns has shown: an item has passed, has failed each time, or has failed and then passed so often."""
    plain = {test: how if how == "passed" or not how.isdigit() else "broken" for test, how in seen.items()}
    found = test_rescan.findings(plain)
    for test, failure in found.failures.items():
        if seen[test].isdigit():
            make_flaky(failure, int(seen[test]))
    counts = {t: {"passed": 0 if "flaky" not in f else f["flaky"]["passed"], "runs": 1 + TIMES} for t, f in found.failures.items()}  # fmt: skip
    return found._replace(flaky=counts)  # type: ignore[arg-type] # such a TypedDict


def make_flaky(failure: Failure, passed: int) -> None:
    failure["flaky"] = {"passed": passed, "runs": 1 + TIMES}
    failure["cause"] = digest("flaky", failure["cause"])


def open_tasks(life: Life) -> dict[str, Known]:
    return {i: known for i, known in life.known().items() if known.status != "COMPLETED"}


@examples(60)
@given(st.lists(SEEN, min_size=1, max_size=4))
def test_flaky_and_solid_failures_keep_apart_and_no_scan_says_a_thing_twice(
    world: World, scans: list[dict[str, str]]
) -> None:
    keep_apart(world, scans)


def keep_apart(world: World, scans: list[dict[str, str]]) -> None:
    """Scan again and again; a flaky failure is in a flaky task, and what is new and fails each time in none."""
    life = Life(world)
    for how in scans:
        before = {test for known in open_tasks(life).values() for test in known.members}
        found = findings(how)
        life.scan(found)
        life.check_places(found)
        owner = {test: known for known in open_tasks(life).values() for test in known.members}
        for test, failure in found.failures.items():
            if "flaky" in failure:
                assert "flaky" in owner[test].task, (test, how)
                assert "flaky" in owner[test].task["labels"]
            elif test not in before:
                assert "flaky" not in owner[test].task, (test, how)
        flaky = {i for i, known in open_tasks(life).items() if "flaky" in known.task}
        again = life.scan(found)
        solid = flaky - {i for i, known in open_tasks(life).items() if "flaky" in known.task}
        assert (again.added, set(again.changed) - solid, again.reopened) == ([], set(), []), how


@examples(20)
@given(st.lists(SEEN, min_size=1, max_size=3))
def test_a_flaky_task_is_closed_only_after_a_streak_that_is_long_enough(
    world: World, scans: list[dict[str, str]]
) -> None:
    life = Life(world)
    for how in scans:
        life.scan(findings(how))
    for _ in range(60):
        before = open_tasks(life)
        if not before:
            break
        resolved = life.scan(findings(dict.fromkeys(ITEMS, "passed"))).resolved
        for i, known in life.known().items():
            if i in before and "flaky" in known.task:
                assert flakiness.is_over(known.task["flaky"]) == (i in resolved)
    assert not open_tasks(life)


def seen(*hows: str) -> dict[str, str]:
    """How the items ended, those that are not named well."""
    return dict(zip(ITEMS, [*hows, *["passed"] * len(ITEMS)], strict=False))


@pytest.mark.parametrize(
    "scans",
    [
        [seen("broken"), seen("broken", "1")],
        [seen("1"), seen("1", "broken")],
        [seen("broken", "broken"), seen("1", "broken")],
        [seen("broken", "broken"), seen("passed", "1")],
        [seen("passed", "broken"), seen(), seen("broken", "1")],
        [seen("passed", "1"), seen(), seen(), seen(), seen("broken", "1")],
        [seen("passed", "broken"), seen("passed", "1", "passed", "broken")],
        [seen("1"), seen("broken"), seen("broken", "broken")],
        [seen("1"), seen("wrong", "1"), seen("2", "wrong")],
        [seen("1"), seen(), seen("broken", "passed", "passed", "1"), seen("passed", "1", "passed", "broken")],
    ],
    ids=lambda scans: " ".join("".join(how[0] for how in seen.values()) for seen in scans),
)
def test_flaky_and_solid_failures_of_one_function_keep_apart_in_any_order(
    world: World, scans: list[dict[str, str]]
) -> None:
    keep_apart(world, scans)
