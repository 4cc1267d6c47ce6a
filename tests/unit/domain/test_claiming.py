"""Which task a claim gets, and what becomes of claims that ran out."""

from __future__ import annotations

import pytest

from dispatcher.domain import lifecycle
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import ClaimPolicy, Wanted
from dispatcher.domain.moment import Moment, from_iso, to_iso
from dispatcher.domain.record import Event
from dispatcher.errors import Refused
from tests.unit.domain.ledgers import NOW, added, claimed, ended, happen, later, ledger_of

POLICY = ClaimPolicy(lease=60, max_attempts=3, backoff=10)
REBOOT = "boot-2"


def chosen(ledger: Ledger, *, limit: int = 9, now: Moment = NOW, **wanted: object) -> list[str]:
    """Return what a claim gets, without taking it."""
    return lifecycle.claim(ledger, Wanted("bob", limit, **wanted), POLICY, now)[1]  # type: ignore[arg-type] # named at the call


def test_the_most_urgent_comes_first_and_of_these_the_oldest() -> None:
    ledger = ledger_of(
        added("a", priority=10), added("b", priority=90), added("c"), added("d", priority=90), added("e")
    )
    assert chosen(ledger) == ["b", "d", "c", "e", "a"]
    assert chosen(ledger, limit=2) == ["b", "d"]


def test_tasks_of_one_record_keep_their_order() -> None:
    ledger = happen(ledger_of(), added("z"), added("m"), added("a"))
    assert chosen(ledger) == ["z", "m", "a"]


def test_age_is_counted_from_the_adding_not_from_the_last_change() -> None:
    ledger = ledger_of(added("a"), added("b"), claimed("a"), ended("released", "a"))
    assert chosen(ledger) == ["a", "b"]


def test_only_tasks_whose_dependencies_are_completed() -> None:
    ledger = ledger_of(added("a"), added("b", depends_on=["a"]), added("c", depends_on=["a", "b"]))
    assert chosen(ledger) == ["a"]
    happen(ledger, claimed("a"))
    assert chosen(ledger) == []
    happen(ledger, ended("failed", "a"))
    assert chosen(ledger) == [], "failed is not completed"
    happen(ledger, {"type": "task_reopened", "task": "a"}, claimed("a", generation=2))
    happen(ledger, ended("completed", "a", generation=2))
    assert chosen(ledger) == ["b"]
    pruned = {"type": "pruned", "archived": ["a"], "dropped": ["a"], "trimmed": [], "keep_progress": 9}
    assert chosen(happen(ledger, pruned)) == ["b"], "what left the ledger was completed"


def test_muted_tasks_are_left_until_their_date() -> None:
    until = later(100)
    ledger = ledger_of(
        added("a"), {"type": "task_muted", "task": "a", "reason": "x", "until": until.iso},
        added("b"), {"type": "task_muted", "task": "b", "reason": "x", "until": None},
    )  # fmt: skip
    assert chosen(ledger) == []
    assert chosen(ledger, now=later(99.9)) == []
    assert chosen(ledger, now=until) == ["a"]
    assert chosen(happen(ledger, {"type": "task_unmuted", "task": "b"})) == ["b"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"labels": ("x",)}, ["a", "b"]),
        ({"labels": ("x", "y")}, ["b"]),
        ({"labels": ("z",)}, []),
        ({"kind": "manual"}, ["a", "c"]),
        ({"kind": "failure"}, ["b"]),
        ({"path": "src"}, ["a", "b"]),
        ({"path": "src/"}, ["a", "b"]),
        ({"path": "src/a.py"}, ["a"]),
        ({"path": "src/*.py"}, ["a", "b"]),
        ({"path": "sr"}, []),
        ({"path": "*/deep/*"}, ["b"]),
        ({"labels": ("x",), "kind": "failure", "path": "src"}, ["b"]),
    ],
)
def test_filters(wanted: dict[str, object], expected: list[str]) -> None:
    ledger = ledger_of(
        added("a", labels=["x"], paths=["src/a.py"]),
        added("b", labels=["x", "y"], kind="failure", paths=["docs/b.md", "src/deep/b.py"]),
        added("c"),
    )
    assert chosen(ledger, **wanted) == expected  # type: ignore[arg-type] # fields of Wanted


def test_a_claim_takes_the_next_generation_and_one_lease_for_all() -> None:
    ledger = ledger_of(added("a"), added("b"), claimed("b"), ended("released", "b"))
    events, ids = lifecycle.claim(ledger, Wanted("bob", 2), POLICY, NOW)
    assert ids == ["a", "b"]
    assert [(e["type"], e["task"], e["agent"], e["generation"]) for e in events] == [
        ("task_claimed", "a", "bob", 1),
        ("task_claimed", "b", "bob", 2),
    ]
    assert events[0]["lease"] == events[1]["lease"]
    assert events[0]["lease"]["expires_at"] == later(60).iso


def test_a_live_lease_is_left_alone_and_one_that_ran_out_is_ended_by_the_claim() -> None:
    ledger = ledger_of(added("a"), claimed("a", seconds=60))
    assert chosen(ledger, now=later(59.9)) == []
    events, ids = lifecycle.claim(ledger, Wanted("bob"), POLICY, later(60))
    assert ids == ["a"]
    assert [(e["type"], e["generation"]) for e in events] == [("lease_expired", 1), ("task_claimed", 2)]
    assert events[0]["expired_at"] == later(60).iso


def test_the_wall_clock_ends_no_lease_within_a_boot() -> None:
    ledger = ledger_of(added("a"), claimed("a", seconds=60))
    for wall in (0, NOW.wall + 10**12):
        assert chosen(ledger, now=Moment(wall, NOW.boot_id, NOW.boot + 59)) == []
        assert chosen(ledger, now=Moment(wall, NOW.boot_id, NOW.boot + 60)) == ["a"]


def test_after_a_reboot_the_wall_clock_decides() -> None:
    ledger = ledger_of(added("a"), claimed("a", seconds=60))
    assert chosen(ledger, now=Moment(NOW.wall + 59_000, REBOOT, 5.0)) == []
    assert chosen(ledger, now=Moment(NOW.wall + 60_000, REBOOT, 5.0)) == ["a"]
    assert chosen(ledger, now=Moment(NOW.wall - 60_000, REBOOT, 5.0)) == []
    assert chosen(ledger, now=Moment(NOW.wall - 60_001, REBOOT, 5.0)) == ["a"], "that clock cannot be right"


def expired(ledger: Ledger, policy: ClaimPolicy, now: Moment) -> Event:
    """End the one lease that ran out, and return the event."""
    (event,) = lifecycle.expire(ledger, policy, now).values()
    happen(ledger, event, at=now)
    return event


def test_retries_back_off_and_end_in_failed() -> None:
    """The first retry is immediate; then 10, 20, 40 s from the end of the lease on; the sixth attempt was the last."""
    policy = ClaimPolicy(lease=60, max_attempts=6, backoff=10)
    ledger, now, pauses = ledger_of(added("a")), NOW, list[int]()
    for attempt in range(1, 7):
        happen(ledger, claimed("a", generation=attempt, at=now), at=now)
        now = later(60, now)
        event = expired(ledger, policy, now)
        until = event.get("not_before")
        assert ledger.rows["a"].get("not_before") == until
        pauses.append((from_iso(until) - now.wall) // 1000 if until else 0)
        if until:
            assert chosen(ledger, now=now) == []
            now = later(pauses[-1], now)
        assert ledger.rows["a"]["attempts"] == attempt
    assert pauses == [0, 10, 20, 40, 80, 0]
    assert (event["to"], event["note"]) == ("FAILED", "the lease ran out 6 times")
    task = ledger.task("a")
    assert (task["status"], task["result"] and task["result"]["outcome"]) == ("FAILED", "failed")


def test_a_pause_is_an_hour_at_most() -> None:
    policy = ClaimPolicy(lease=1, max_attempts=1000, backoff=3600)
    ledger = ledger_of(added("a"))
    for attempt in range(1, 4):
        happen(ledger, claimed("a", generation=attempt, seconds=1))
        event = expired(ledger, policy, later(1))
    assert event["not_before"] == later(3601).iso


def test_a_pause_counts_from_the_end_of_the_lease() -> None:
    """However late that is noticed: a task that nobody asked for is not held back for that."""
    ledger = ledger_of(added("a"))
    happen(ledger, claimed("a"))
    expired(ledger, POLICY, later(60))
    happen(ledger, claimed("a", generation=2, at=later(60)))
    assert lifecycle.expire(ledger, POLICY, later(125))["a"]["not_before"] == later(130).iso
    assert "not_before" not in lifecycle.expire(ledger, POLICY, later(131))["a"]


def test_a_pause_that_the_clock_made_endless_is_none() -> None:
    ledger = ledger_of(added("a"))
    happen(ledger, claimed("a"))
    expired(ledger, POLICY, later(60))
    happen(ledger, claimed("a", generation=2, at=later(60)))
    expired(ledger, POLICY, later(120))
    assert chosen(ledger, now=later(129)) == []
    assert chosen(ledger, now=later(130)) == ["a"]
    assert chosen(ledger, now=later(130 - 3600 - 1)) == ["a"], "set back by an hour: no pause is that long"


def test_a_release_counts_as_no_attempt() -> None:
    ledger = ledger_of(added("a"), claimed("a"), ended("released", "a"))
    assert ledger.rows["a"]["attempts"] == 0
    assert chosen(ledger) == ["a"]


REFUSALS = {
    "claimed": ([claimed("a")], NOW, "already claimed by 'ann', whose lease has 1 min left"),
    "completed": ([claimed("a"), ended("completed", "a")], NOW, "it is COMPLETED"),
    "failed": ([claimed("a"), ended("failed", "a", note="x")], NOW, "it is FAILED"),
    "muted": ([{"type": "task_muted", "task": "a", "reason": "x", "until": None}], NOW, "it is muted"),
    "waiting": ([{"type": "task_edited", "task": "a", "depends_on": ["b"]}], NOW, "it waits for b"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_task_asked_for_by_its_id_is_refused_with_the_reason(why: str) -> None:
    events, now, words = REFUSALS[why]
    ledger = ledger_of(added("a"), added("b"), *events)
    with pytest.raises(Refused, match=words):
        chosen(ledger, task="a", now=now)
    assert chosen(ledger, task="b") == ["b"]


def test_a_task_held_back_is_refused_until_its_time() -> None:
    ledger = ledger_of(added("a"))
    for attempt in (1, 2):
        happen(ledger, claimed("a", generation=attempt))
        expired(ledger, POLICY, later(60))
    with pytest.raises(Refused, match=f"held back until {later(70).iso}"):
        chosen(ledger, task="a", now=later(65))
    assert chosen(ledger, task="a", now=later(70)) == ["a"]


def test_a_task_that_this_claim_would_fail_is_refused() -> None:
    policy = POLICY._replace(max_attempts=1)
    ledger = ledger_of(added("a"), claimed("a"))
    with pytest.raises(Refused, match="used up its attempts"):
        lifecycle.claim(ledger, Wanted("bob", task="a"), policy, later(60))


@pytest.mark.parametrize(
    ("events", "labels", "why"),
    [
        ([], (), "no task is pending"),
        ([added("a"), claimed("a")], (), "no task is pending"),
        ([added("a"), added("b")], ("x",), "none of 2 pending tasks fits the filters"),
        ([added("a"), added("b", depends_on=["a"]), claimed("a")], (), "1 pending, all muted, held back or waiting"),
    ],
)
def test_the_reason_why_nothing_can_be_claimed(
    events: list[dict[str, object]], labels: tuple[str, ...], why: str
) -> None:
    assert why in str(lifecycle.nothing_to_claim(ledger_of(*events), Wanted("bob", labels=labels)))


def test_no_pause_is_written_as_no_time() -> None:
    """`to_iso` is what rows are compared with: the same moment is the same string."""
    assert to_iso(NOW.wall) == NOW.iso
