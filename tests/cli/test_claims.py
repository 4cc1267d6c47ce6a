"""Who gets which task, for how long, and what becomes of a claim."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.steps import add, claim, close, folder_of, refused, task
from tests.support import FakeClock, Run

pytestmark = pytest.mark.usefixtures("root")


def test_the_most_urgent_is_claimed_first_then_the_oldest(run: Run) -> None:
    old, new, urgent = add(run, "old"), add(run, "new"), add(run, "urgent", "--priority", "90")
    assert [claim(run) for _ in range(3)] == [f"{urgent}@1", f"{old}@1", f"{new}@1"]


def test_filters_choose_among_the_claimable(run: Run) -> None:
    add(run, "neither", "--priority", "100")
    by_label = add(run, "by label", "--label", "x", "--label", "y")
    by_path = add(run, "by path", "--path", "src/parse.py")
    assert claim(run, "--label", "x", "--label", "y") == f"{by_label}@1"
    assert claim(run, "--path", "src") == f"{by_path}@1"
    refused(run("claim", "--agent", "me", "--label", "x", code=None), 3, "filters")
    refused(run("claim", "--agent", "me", "--kind", "test", code=None), 3, "filters")


def test_count_claims_as_many_as_there_are_and_no_more(run: Run) -> None:
    ids = [add(run, f"task {n}") for n in range(5)]
    first = run("claim", "--agent", "me", "--count", "3", "--json").json["claims"]
    rest = run("claim", "--agent", "me", "--count", "3", "--json").json["claims"]
    assert [c["task"]["id"] for c in (*first, *rest)] == ids


def test_nothing_to_claim_has_its_own_code_and_says_why(run: Run) -> None:
    refused(run("claim", "--agent", "me", code=None), 3, "no task is pending")
    run("mute", add(run, "muted"), "--reason", "r")
    refused(run("claim", "--agent", "me", code=None), 3, "1 pending", "muted")


def test_the_agent_comes_from_the_environment_and_so_does_the_claim(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = add(run, "one")
    monkeypatch.setenv("DISPATCHER_AGENT", "me")
    token = run("claim", "--json").json["claims"][0]["token"]
    monkeypatch.setenv("DISPATCHER_CLAIM", token)
    run("progress", "half way")
    run("complete")
    assert task(run, task_id)["status"] == "COMPLETED"


def test_a_holder_may_name_the_claim_by_token_in_place_of_the_task_or_by_task_and_agent(run: Run, root: Path) -> None:
    ids = [add(run, f"task {n}") for n in range(3)]
    tokens = [claim(run, i) for i in ids]
    run("complete", tokens[0])
    run("complete", "--claim", tokens[1])
    run("complete", ids[2], "--agent", "me")
    assert {folder_of(root, i) for i in ids} == {"COMPLETED_TASKS"}


def test_completing_or_failing_twice_by_one_claim_is_no_error_and_leaves_one_record(run: Run) -> None:
    for argv in (("complete",), ("fail", "--reason", "no")):
        token = claim(run, add(run, f"to {argv[0]}"))
        run(*argv, token)
        before = run("status", "--json").json["seq"]
        assert "before" in run(*argv, token).out
        assert run("status", "--json").json["seq"] == before


def test_a_closed_task_is_not_closed_another_way(run: Run) -> None:
    token = claim(run, add(run, "one"))
    run("complete", token)
    refused(run("fail", token, "--reason", "no", code=None), 5, "COMPLETED")


def test_a_superseded_claim_is_refused_in_every_command_that_takes_one(run: Run) -> None:
    stale = claim(run, add(run, "one"))
    run("release", stale)
    claim(run, agent="other")
    for argv in (
        ("complete",), ("fail", "--reason", "r"), ("release",), ("heartbeat",), ("progress", "text"),
    ):  # fmt: skip
        refused(run(*argv, "--claim", stale, code=None), 5, stale, "generation 2 is held by 'other'")


def test_another_agent_is_refused_in_every_command_that_takes_one(run: Run) -> None:
    token = claim(run, add(run, "one"))
    for argv in (
        ("complete",), ("fail", "--reason", "r"), ("release",), ("heartbeat",), ("progress", "text"),
    ):  # fmt: skip
        refused(run(*argv, "--claim", token, "--agent", "other", code=None), 5, "'me'", "'other'")


def test_release_counts_no_attempt_and_the_next_claim_is_a_new_generation(run: Run, root: Path) -> None:
    task_id = add(run, "one")
    run("release", claim(run), "--reason", "lunch")
    assert folder_of(root, task_id) == "PENDING_TASKS"
    assert task(run, task_id)["attempts"] == 0
    assert claim(run) == f"{task_id}@2"


def test_a_lease_holds_to_its_last_moment_and_then_the_task_comes_back(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    claim(run, "--lease", "600")
    clock.pass_time(599.9)
    refused(run("claim", task_id, "--agent", "other", code=None), 5, "claimed by 'me'")
    clock.pass_time(0.2)
    assert claim(run, agent="other") == f"{task_id}@2"
    (attempt,) = task(run, task_id)["attempt_log"]
    assert (attempt["agent"], attempt["outcome"]) == ("me", "expired")


def test_a_heartbeat_renews_the_lease_from_now(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    token = claim(run, "--lease", "600")
    clock.pass_time(500)
    run("heartbeat", token)
    clock.pass_time(500)
    refused(run("claim", task_id, "--agent", "other", code=None), 5)
    run("heartbeat", token, "--lease", "50")
    clock.pass_time(51)
    assert claim(run, agent="other") == f"{task_id}@2"


def test_a_late_holder_is_still_heard_as_long_as_nobody_took_over(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    token = claim(run, "--lease", "60")
    clock.pass_time(3600)
    run("progress", "late", "--claim", token)
    run("prune")
    run("complete", token)
    assert task(run, task_id)["status"] == "COMPLETED"


@pytest.mark.parametrize("step", [-86_400.0, -30.0, 30.0, 86_400.0])
def test_setting_the_wall_clock_neither_ends_nor_prolongs_a_lease(run: Run, clock: FakeClock, step: float) -> None:
    task_id = add(run, "one")
    claim(run, "--lease", "60")
    clock.set_wall(step)
    clock.pass_time(59)
    refused(run("claim", task_id, "--agent", "other", code=None), 5)
    clock.pass_time(2)
    assert claim(run, agent="other") == f"{task_id}@2"


def test_after_a_reboot_the_wall_clock_measures_the_lease(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    claim(run, "--lease", "600")
    clock.reboot(seconds=30)
    refused(run("claim", task_id, "--agent", "other", code=None), 5, "10 min left")
    clock.pass_time(571)
    assert claim(run, agent="other") == f"{task_id}@2"


def test_after_a_reboot_with_a_clock_far_in_the_past_a_lease_is_not_endless(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    claim(run, "--lease", "600")
    clock.reboot()
    clock.set_wall(-10 * 365 * 86_400)
    assert claim(run, agent="other") == f"{task_id}@2"


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_a_lease_is_the_same_in_every_time_zone(
    run: Run, clock: FakeClock, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = add(run, "one")
    claim(run, "--lease", "60")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    clock.pass_time(59)
    refused(run("claim", task_id, "--agent", "other", code=None), 5)
    clock.pass_time(2)
    assert claim(run, agent="other") == f"{task_id}@2"
    monkeypatch.undo()
    time.tzset()


def test_retries_back_off_the_first_at_once_then_doubling(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    run("claim", "--agent", "me", "--lease", "10")
    clock.pass_time(11)
    run("claim", "--agent", "me", "--lease", "10")
    clock.pass_time(11)
    refused(run("claim", "--agent", "me", code=None), 3)
    refused(run("claim", task_id, "--agent", "me", code=None), 5, "held back")
    clock.pass_time(61)
    assert claim(run) == f"{task_id}@3"


def test_a_pause_ends_soon_even_when_the_clock_was_set_back_by_years(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    for _ in range(2):
        run("claim", "--agent", "me", "--lease", "10")
        clock.pass_time(11)
    refused(run("claim", "--agent", "me", code=None), 3)
    clock.set_wall(-3 * 365 * 86_400)
    assert claim(run) == f"{task_id}@3"


def test_after_the_last_attempt_the_task_is_failed_and_reopen_gives_new_ones(
    run: Run, root: Path, clock: FakeClock
) -> None:
    task_id = add(run, "one")
    for _ in range(3):
        claim(run, "--lease", "10")
        clock.pass_time(11)
        run("prune")
        clock.pass_time(3600)
    refused(run("claim", "--agent", "me", code=None), 3)
    assert folder_of(root, task_id) == "FAILED_TASKS"
    assert "3 times" in task(run, task_id)["result"]["note"]
    run("reopen", task_id, "--reason", "now it may work")
    assert task(run, task_id)["attempts"] == 0
    assert claim(run) == f"{task_id}@5"


def test_a_task_waits_until_all_that_it_depends_on_is_completed(run: Run) -> None:
    first, second = add(run, "first"), add(run, "second")
    third = add(run, "third", "--depends-on", first, "--depends-on", second, "--priority", "99")
    refused(run("claim", third, "--agent", "me", code=None), 5, first, second)
    run("complete", claim(run, first))
    run("fail", claim(run, second), "--reason", "no")
    refused(run("claim", "--agent", "me", code=None), 3, "waiting")
    run("reopen", second)
    run("complete", claim(run, second))
    assert claim(run) == f"{third}@1"


def test_a_circle_of_dependencies_is_refused(run: Run) -> None:
    first = add(run, "first")
    second = add(run, "second", "--depends-on", first)
    third = add(run, "third", "--depends-on", second)
    refused(run("edit", first, "--depends-on", third, code=None), 2, first)
    refused(run("edit", first, "--depends-on", first, code=None), 2, first)


def test_a_muted_task_is_not_claimed_until_its_date_or_until_it_is_unmuted(run: Run, clock: FakeClock) -> None:
    task_id = add(run, "one")
    run("mute", task_id, "--reason", "server is down", "--until", "7d")
    refused(run("claim", task_id, "--agent", "me", code=None), 5, "muted")
    clock.pass_time(7 * 86_400 + 1)
    run("release", claim(run))
    assert "muted" not in run("list").out
    run("mute", task_id, "--reason", "for ever")
    clock.pass_time(100 * 365 * 86_400)
    refused(run("claim", "--agent", "me", code=None), 3)
    run("mute", task_id, "--off")
    claim(run)


def test_reopen_brings_back_a_completed_and_a_failed_task_and_nothing_else(run: Run, root: Path) -> None:
    completed, failed, pending = close(run, "completed"), add(run, "failed"), add(run, "pending", "--priority", "1")
    run("fail", claim(run, failed), "--reason", "no")
    for task_id in (completed, failed):
        run("reopen", task_id)
        assert folder_of(root, task_id) == "PENDING_TASKS"
        assert task(run, task_id)["result"] is None
    refused(run("reopen", pending, code=None), 5, "PENDING")


def test_the_last_ten_lines_of_progress_stay_in_the_task_and_all_in_the_log(run: Run) -> None:
    task_id = add(run, "one")
    token = claim(run)
    for n in range(12):
        run("progress", f"step {n}", "--claim", token)
    assert [p["text"] for p in task(run, task_id)["progress"]] == [f"step {n}" for n in range(2, 12)]
    assert len(run("log", "--task", task_id, "--kind", "progress_noted", "--json").json["records"]) == 12
