"""prune: what goes, what stays, and that everything gone is still found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.steps import add, bytes_of, claim, close, folder_of, listed, refused, task
from tests.support import FakeClock, Run

DAY = 86_400.0


@pytest.fixture
def small(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that keeps two closed tasks."""
    assert project
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "2")


@pytest.fixture
def rotating(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that every prune rotates."""
    assert project
    monkeypatch.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "1")
    monkeypatch.setenv("DISPATCHER_PRUNE_AUTO", "no")


@pytest.mark.usefixtures("small")
def test_of_the_closed_the_latest_stay_and_open_and_failed_ones_all_stay(run: Run, root: Path) -> None:
    pending, active = add(run, "pending"), add(run, "active")
    claim(run, active)
    failed = add(run, "failed")
    run("fail", claim(run, failed), "--reason", "no")
    closed = [close(run, f"closed {n}") for n in range(5)]
    run("prune")
    assert set(listed(run)) == {pending, active, failed, *closed[3:]}
    assert {p.stem for p in (root / "COMPLETED_TASKS").iterdir()} == set(closed[3:])
    status = run("status", "--json").json
    assert (status["archived"], status["pruned_count"], status["added"]) == (3, 3, 8)
    assert status["pruned_at"]


def test_completed_tasks_are_archived_after_seven_days_and_keep_their_row(
    run: Run, root: Path, clock: FakeClock
) -> None:
    old = close(run, "old")
    clock.pass_time(6 * DAY)
    young = close(run, "young")
    clock.pass_time(1.5 * DAY)
    run("prune")
    assert not (root / "COMPLETED_TASKS" / f"{old}.json").exists()
    assert folder_of(root, young) == "COMPLETED_TASKS"
    assert set(listed(run)) == {old, young}
    assert task(run, old)["archived_at"]


@pytest.mark.usefixtures("root")
def test_a_whole_id_and_a_whole_token_mean_that_task_even_when_it_is_archived_and_another_begins_alike(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "0")
    first = close(run, "fix")
    run("prune")
    second = add(run, f"{first} again")
    assert second.startswith(first)
    claim(run, second, agent="other")
    assert task(run, first)["title"] == "fix"
    assert run("complete", f"{first}@1", code=None).code in (0, 4, 5)
    assert task(run, second)["status"] == "ACTIVE"
    assert all("again" not in line for line in run("log", "--task", first).out.splitlines())
    run("reopen", first)
    assert set(listed(run)) == {first, second}


@pytest.mark.usefixtures("small")
def test_an_archived_task_is_found_by_show_and_log_and_comes_back_by_reopen(run: Run, root: Path) -> None:
    closed = [close(run, f"closed {n}") for n in range(3)]
    before = task(run, closed[0])
    run("prune")
    after = task(run, closed[0])
    assert {k: v for k, v in after.items() if before[k] != v}.keys() == {"archived_at", "changed_seq"}
    assert task(run, closed[0][:8]) == after
    kinds = [e["type"] for r in run("log", "--task", closed[0], "--json").json["records"] for e in r["events"]]
    assert kinds == ["task_added", "task_claimed", "task_completed", "pruned"]
    run("reopen", closed[0])
    assert folder_of(root, closed[0]) == "PENDING_TASKS"
    assert claim(run, closed[0]) == f"{closed[0]}@3", "reopening outdates what was claimed before"
    assert run("status", "--json").json["archived"] == 0


@pytest.mark.usefixtures("small", "root")
def test_a_task_may_depend_on_an_archived_one_which_counts_as_done(run: Run) -> None:
    closed = [close(run, f"closed {n}") for n in range(3)]
    waiting = add(run, "waiting", "--depends-on", closed[0])
    run("prune")
    run("release", claim(run, waiting))
    later = add(run, "later", "--depends-on", closed[0])
    assert claim(run, later) == f"{later}@1"


@pytest.mark.usefixtures("small", "rotating")
def test_a_dry_run_says_what_a_prune_then_does_and_changes_nothing(run: Run, root: Path, clock: FakeClock) -> None:
    for n in range(4):
        close(run, f"closed {n}")
    add(run, "held")
    claim(run, "--lease", "10")
    clock.pass_time(11)
    before = bytes_of(root)
    would = run("prune", "--dry-run", "--json").json
    assert "2 tasks" in run("prune", "--dry-run").out
    assert bytes_of(root) == before
    did = run("prune", "--json").json
    assert would.pop("dry_run") is True
    assert did.pop("dry_run") is False
    assert {k: v for k, v in would.items() if k != "journal_bytes"} == {
        k: v for k, v in did.items() if k != "journal_bytes"
    }
    assert len(did["archived"]) == len(did["dropped"]) == 2
    assert (len(did["expired"]), did["rotated"]) == (1, True)
    assert did["journal_bytes"] < would["journal_bytes"]
    assert not any(run("prune", "--json").json[k] for k in ("archived", "dropped", "trimmed", "expired"))


def test_progress_is_trimmed_to_the_limit(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert root
    task_id = add(run, "one")
    token = claim(run)
    for n in range(5):
        run("progress", f"step {n}", "--claim", token)
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_PROGRESS", "2")
    assert "1 task" in run("prune").out
    assert [p["text"] for p in task(run, task_id)["progress"]] == ["step 3", "step 4"]


@pytest.mark.usefixtures("small", "root")
def test_completing_many_prunes_by_itself_well_past_the_limit_and_says_so(run: Run) -> None:
    notes = []
    for n in range(26):
        token = claim(run, add(run, f"task {n}"))
        notes.append(run("complete", token).err)
    pruned = [n for n, note in enumerate(notes) if note]
    assert len(pruned) == 1
    assert "archived" in notes[pruned[0]]
    assert run("status", "--json").json["added"] == 26
    assert 2 <= len(listed(run)) <= 22


@pytest.mark.usefixtures("small", "root")
def test_auto_prune_can_be_switched_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_PRUNE_AUTO", "off")
    for n in range(26):
        assert run("complete", claim(run, add(run, f"task {n}"))).err == ""
    assert len(listed(run)) == 26


@pytest.mark.usefixtures("root")
def test_a_journal_past_its_limit_is_rotated_by_itself_and_says_nothing_of_tasks(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_PRUNE_JOURNAL_MAX_BYTES", "2000")
    add(run, "one")
    for _ in range(15):
        said = run("claim", "--agent", "me")
        assert "0 tasks" not in said.err
        run("release", "one", "--agent", "me")
    assert list((root / "ARCHIVE").glob("journal-*.gz"))
    assert (root / "JOURNAL.jsonl").stat().st_size < 4000


@pytest.mark.usefixtures("small", "rotating")
def test_show_and_log_are_the_same_across_rotations(run: Run, root: Path) -> None:
    ids = [close(run, f"closed {n}") for n in range(3)]
    open_one = add(run, "open", "--body", "b" * 3000)
    shown = {i: run("show", i).out for i in (*ids[1:], open_one)}
    logged = run("log", "--json").json["records"]
    for _ in range(3):
        run("prune")
        add(run, "between")
    assert len(list((root / "ARCHIVE").glob("journal-*.gz"))) == 3
    assert len(run("log", "--json").json["records"]) == len(logged) + 7
    assert run("log", "--json").json["records"][: len(logged)] == logged
    assert {i: run("show", i).out for i in shown} == shown
    seqs = [r["seq"] for r in run("log", "--json").json["records"]]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(run("log", "--limit", "2", "--json").json["records"]) == 2


@pytest.mark.usefixtures("small", "rotating", "root")
def test_a_claim_lives_on_through_a_rotation(run: Run) -> None:
    task_id = add(run, "one")
    token = claim(run)
    run("prune")
    run("progress", "still here", "--claim", token)
    refused(run("claim", task_id, "--agent", "other", code=None), 5)
    run("complete", token)
    run("prune")
    assert "before" in run("complete", token).out
