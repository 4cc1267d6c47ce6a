"""Whose claim it is, and what its holder may do."""

from __future__ import annotations

import pytest

from dispatcher.domain import lifecycle
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import ClaimPolicy, Holder
from dispatcher.domain.task import Task
from dispatcher.errors import InvalidInput, Refused, StaleClaim, WrongAgent
from tests.unit.domain.ledgers import added, claimed, ended, happen, later, ledger_of

POLICY = ClaimPolicy(lease=60, max_attempts=3, backoff=10)
REOPENED = {"type": "task_reopened", "task": "a", "reason": "x"}


def expire(ledger: Ledger) -> Ledger:
    """End the lease of the last claim."""
    return happen(ledger, *lifecycle.expire(ledger, POLICY, later(60)).values(), at=later(60))


def active() -> Ledger:
    return ledger_of(added("a"), claimed("a"))


def task_of(ledger: Ledger) -> Task:
    return ledger.task("a")


@pytest.mark.parametrize("holder", [Holder("a", 1), Holder("a", 1, "ann"), Holder("a", None, "ann")])
def test_the_token_or_the_agent_says_whose_it_is(holder: Holder) -> None:
    lifecycle.check_holder(task_of(active()), holder)
    lifecycle.check_may_close(task_of(active()), holder)
    assert lifecycle.holder_of(task_of(active())) == ("ann", 1)


@pytest.mark.parametrize(
    ("holder", "error"),
    [
        (Holder("a", 0), StaleClaim),
        (Holder("a", 2), StaleClaim),
        (Holder("a", 1, "bob"), WrongAgent),
        (Holder("a", None, "bob"), WrongAgent),
    ],
)
def test_others_are_refused(holder: Holder, error: type[Exception]) -> None:
    for check in (lifecycle.check_holder, lifecycle.check_may_close):
        with pytest.raises(error):
            check(task_of(active()), holder)
    with pytest.raises(error):
        lifecycle.extend(task_of(active()), holder, None, later(1))


def test_a_claim_that_is_over_holds_nothing() -> None:
    for end in ("completed", "failed", "released"):
        ledger = happen(active(), ended(end, "a"))
        with pytest.raises(StaleClaim):
            lifecycle.check_holder(task_of(ledger), Holder("a", 1))
        with pytest.raises(Refused):
            lifecycle.check_holder(task_of(ledger), Holder("a", None, "ann"))
        with pytest.raises(StaleClaim):
            lifecycle.check_may_close(task_of(ledger), Holder("a", 1))


def test_a_claim_that_ran_out_unnoticed_is_honoured() -> None:
    """Nobody has taken the task meanwhile: the claim is as good as before."""
    lifecycle.check_holder(task_of(active()), Holder("a", 1))
    event = lifecycle.extend(task_of(active()), Holder("a", 1), None, later(1000))
    assert event["lease"]["expires_at"] == later(1060).iso


def test_a_claim_that_ran_out_may_still_close_its_task_but_do_no_more() -> None:
    task = task_of(expire(active()))
    assert task["status"] == "PENDING"
    lifecycle.check_may_close(task, Holder("a", 1))
    lifecycle.check_may_close(task, Holder("a", 1, "ann"))
    assert lifecycle.holder_of(task) == ("ann", 1)
    for holder in (Holder("a", 1, "bob"), Holder("a", None, "ann"), Holder("a", 0)):
        with pytest.raises(Refused):
            lifecycle.check_may_close(task, holder)
    with pytest.raises(StaleClaim, match="its lease ran out and the task is PENDING"):
        lifecycle.check_holder(task, Holder("a", 1))


def test_once_another_has_claimed_the_task_the_old_claim_is_stale() -> None:
    ledger = happen(expire(active()), claimed("a", agent="bob", generation=2))
    with pytest.raises(StaleClaim, match="generation 2 is held by 'bob'"):
        lifecycle.check_may_close(task_of(ledger), Holder("a", 1))
    happen(ledger, ended("released", "a", agent="bob", generation=2))
    with pytest.raises(StaleClaim):
        lifecycle.check_may_close(task_of(ledger), Holder("a", 1))


def test_a_late_completion_wins_over_the_failure_by_expiry() -> None:
    ledger = active()
    happen(ledger, *lifecycle.expire(ledger, POLICY._replace(max_attempts=1), later(60)).values())
    assert task_of(ledger)["status"] == "FAILED"
    lifecycle.check_may_close(task_of(ledger), Holder("a", 1))
    happen(ledger, ended("completed", "a"))
    task = task_of(ledger)
    assert (task["status"], task["attempts"]) == ("COMPLETED", 1)
    assert [a["outcome"] for a in task["attempt_log"]] == ["expired"]
    with pytest.raises(StaleClaim):
        lifecycle.check_may_close(task, Holder("a", 1))


def test_reopening_ends_every_earlier_claim() -> None:
    """A worker that repeats its 'complete' must not close what was reopened because that was wrong."""
    ledger = expire(active())
    happen(ledger, ended("completed", "a"))
    happen(ledger, REOPENED)
    with pytest.raises(StaleClaim):
        lifecycle.check_may_close(task_of(ledger), Holder("a", 1))


def test_saying_the_same_end_twice_is_no_error() -> None:
    task = task_of(happen(active(), ended("completed", "a")))
    assert lifecycle.closed_already(task, Holder("a", 1), "completed")
    assert lifecycle.closed_already(task, Holder("a", 1, "ann"), "completed")
    for holder, outcome in (
        (Holder("a", 1), "failed"),
        (Holder("a", 2), "completed"),
        (Holder("a", 1, "bob"), "completed"),
        (Holder("a", None, "ann"), "completed"),
    ):
        assert not lifecycle.closed_already(task, holder, outcome)
    assert not lifecycle.closed_already(task_of(active()), Holder("a", 1), "completed")


def test_a_heartbeat_renews_for_as_long_as_was_granted_or_told() -> None:
    for seconds, expected in ((None, 60), (5.0, 5)):
        event = lifecycle.extend(task_of(active()), Holder("a", 1), seconds, later(30))
        assert event["lease"]["expires_at"] == later(30 + expected).iso
        assert event["lease"]["seconds"] == expected


def test_only_what_is_closed_is_reopened_and_attempts_count_anew() -> None:
    for ledger in (ledger_of(added("a")), active()):
        with pytest.raises(Refused, match="not closed"):
            lifecycle.check_may_reopen(task_of(ledger))
    for end in ("completed", "failed"):
        ledger = happen(active(), ended(end, "a"))
        lifecycle.check_may_reopen(task_of(ledger))
        task = task_of(happen(ledger, REOPENED))
        assert (task["status"], task["attempts"], task["generation"], task["result"]) == ("PENDING", 0, 2, None), (
            "a late claim of before is not for this"
        )
        assert len(task["attempt_log"]) == 1, "what was tried before is still told"


def test_the_logs_of_a_task_keep_their_last_ten() -> None:
    ledger = ledger_of(added("a"))
    for number in range(1, 13):
        happen(ledger, claimed("a", generation=number), ended("released", "a", generation=number, note=f"{number}"))
    assert [a["note"] for a in task_of(ledger)["attempt_log"]] == [f"{n}" for n in range(3, 13)]
    happen(ledger, claimed("a", generation=13))
    noted = {"type": "progress_noted", "task": "a", "agent": "ann", "generation": 13, "keep": 10}
    for number in range(12):
        happen(ledger, {**noted, "text": f"{number}"})
    assert [p["text"] for p in task_of(ledger)["progress"]] == [f"{n}" for n in range(2, 12)]


@pytest.mark.parametrize("waits", [["a"], ["b"], ["x", "b"], ["c"]])
def test_no_task_waits_for_itself_over_any_number_of_others(waits: list[str]) -> None:
    ledger = ledger_of(added("x"), added("a"), added("b", depends_on=["a"]), added("c", depends_on=["b", "x"]))
    with pytest.raises(InvalidInput, match="'a' would wait for itself"):
        lifecycle.check_dependencies(ledger, "a", waits)
    lifecycle.check_dependencies(ledger, "a", ["x", "gone"])
    lifecycle.check_dependencies(ledger, "c", ["a", "b"])
    lifecycle.check_dependencies(ledger, None, ["a", "b", "c"])
