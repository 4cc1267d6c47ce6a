"""What each command prints when all goes well: for people, and as JSON."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from dispatcher.cli.app import COMMANDS
from tests.cli.steps import add, claim, close, listed, task
from tests.support import FakeClock, Run

TASK_KEYS = {
    "archived_at", "attempt_log", "attempts", "body", "changed_seq", "claim", "closed_seq", "completed_at", "created_at",
    "created_seq", "depends_on", "generation", "id", "kind", "labels", "last_attempt_at", "muted", "not_before", "paths",
    "priority", "progress", "result", "schema_version", "status", "title",
}  # fmt: skip
ROW_KEYS = {
    "attempts", "claimed_by", "completed_at", "created_at", "id", "labels", "last_attempt_at", "lease_expires_at",
    "priority", "seq", "status", "sum", "title",
}  # fmt: skip


def test_init_makes_the_inbox_with_its_own_readme_and_gitignore_and_may_be_said_again(run: Run, project: Path) -> None:
    first, second = run("init"), run("init")
    root = project / "INBOX" / "agents" / "Local Models"
    assert first.out == f"made {root}\n"
    assert second.out == f"already there: {root}\n"
    assert (root / "README.md").read_text().startswith("# ")
    assert "*" in (root / ".gitignore").read_text().splitlines()
    assert run("init", "--json").json == {"root": str(root), "made": False}


def test_init_takes_a_project_and_a_root(run: Run, project: Path) -> None:
    (project / "other").mkdir()
    run("init", "other")
    assert (project / "other" / "INBOX" / "agents" / "Local Models" / "JOURNAL.jsonl").is_file()
    run("--root", str(project / "elsewhere"), "init")
    assert (project / "elsewhere" / "JOURNAL.jsonl").is_file()


def test_the_inbox_is_found_from_a_folder_below(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = add(run, "seen from below")
    below = root.parents[2] / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    from dispatcher.cli.app import main

    assert main(["show", task_id]) == 0


def test_files_and_folders_are_private_to_the_user(run: Run, root: Path) -> None:
    add(run, "private", "--body", "b" * 2000)
    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (root, *root.iterdir()) if path.is_dir()}
    assert modes == {0o600}
    assert folders == {0o700}


def test_add_prints_the_id_alone_so_that_scripts_can_take_it(run: Run, root: Path) -> None:
    said = run("add", "parse() loses the last line")
    assert said.out.count("\n") == 1
    assert said.err == ""
    assert said.out.startswith("parse-loses")
    assert (root / "PENDING_TASKS" / f"{said.out.strip()}.json").is_file()


def test_add_as_json_is_the_task_file(run: Run, root: Path) -> None:
    options = ("--body", "b", "--label", "x", "--label", "y", "--priority", "7", "--path", "src/a.py")
    document = run("add", "one", *options, "--json").json
    assert set(document) == TASK_KEYS
    assert document == orjson.loads((root / "PENDING_TASKS" / f"{document['id']}.json").read_bytes())
    assert (document["labels"], document["priority"], document["paths"]) == (["x", "y"], 7, ["src/a.py"])


@pytest.mark.usefixtures("root")
def test_claim_prints_the_token_and_the_task_as_markdown(run: Run) -> None:
    task_id = add(run, "one", "--body", "first line\nsecond line", "--label", "x")
    shown = run("claim", "--agent", "me").out
    assert shown.startswith(f"# Task {task_id} (ACTIVE, claim {task_id}@1): one\n")
    assert "first line\nsecond line\n" in shown
    assert "claimed by me" in run("show", task_id).out


@pytest.mark.usefixtures("root")
def test_claim_as_json_has_a_token_and_the_whole_task_per_claim(run: Run) -> None:
    ids = [add(run, "one"), add(run, "two")]
    claims = run("claim", "--agent", "me", "--count", "5", "--json").json["claims"]
    assert [c["token"] for c in claims] == [f"{i}@1" for i in ids]
    assert all(set(c["task"]) == TASK_KEYS for c in claims)


@pytest.mark.usefixtures("root")
def test_each_command_of_a_holder_answers_in_one_line_and_with_json_gives_the_task(run: Run) -> None:
    steps = {
        "heartbeat": ("heartbeat",), "progress": ("progress", "half way"), "release": ("release",),
        "complete": ("complete",), "fail": ("fail", "--reason", "no"),
    }  # fmt: skip
    for name, argv in steps.items():
        task_id = add(run, f"for people {name}")
        said = run(*argv, "--claim", claim(run, task_id))
        assert said.out.count("\n") == 1, said
        assert task_id in said.out
        task_id = add(run, f"for scripts {name}")
        document = run(*argv, "--claim", claim(run, task_id), "--json").json
        assert set(document) == TASK_KEYS
        assert document == task(run, task_id)


@pytest.mark.usefixtures("root")
def test_a_task_made_by_hand_is_completed_unverified_and_says_so(run: Run) -> None:
    task_id = add(run, "by hand")
    said = run("complete", claim(run, task_id), "--note", "done it")
    assert "unverified" in said.out
    result = task(run, task_id)["result"]
    assert result["verified"] is False
    assert "made by hand" in result["unverified_because"]
    assert result["note"] == "done it"


@pytest.mark.usefixtures("root")
def test_each_command_on_a_task_answers_in_one_line_and_with_json_gives_the_task(run: Run) -> None:
    task_id = add(run, "one")
    for argv in (
        ("edit", task_id, "--title", "other"), ("mute", task_id, "--reason", "r"), ("mute", task_id, "--off"),
    ):  # fmt: skip
        said = run(*argv)
        assert said.out.count("\n") == 1
        assert task_id in said.out
    assert run("edit", task_id, "--priority", "3", "--json").json == task(run, task_id)
    assert run("mute", task_id, "--reason", "r", "--json").json["muted"]["reason"] == "r"
    closed = close(run, "two")
    assert run("reopen", closed, "--json").json["status"] == "PENDING"


@pytest.mark.usefixtures("root")
def test_edit_changes_each_field_and_an_edit_that_changes_nothing_leaves_no_record(run: Run) -> None:
    first, second = add(run, "first"), add(run, "second", "--label", "a", "--depends-on", "first")
    run(
        "edit",
        second,
        "--title",
        "new title",
        "--body",
        "new body",
        "--priority",
        "1",
        "--label",
        "b",
        "--no-label",
        "a",
    )
    run("edit", second, "--no-depends-on", first)
    changed = task(run, second)
    assert (changed["title"], changed["body"], changed["priority"]) == ("new title", "new body", 1)
    assert (changed["labels"], changed["depends_on"]) == (["b"], [])
    before = run("status", "--json").json["seq"]
    run("edit", second, "--title", "new title", "--no-label", "zzz")
    assert run("status", "--json").json["seq"] == before


@pytest.mark.usefixtures("root")
def test_body_is_read_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "body").write_text("from a pipe\n")
    with (tmp_path / "body").open() as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        task_id = add(run, "piped", "--body", "-")
    assert task(run, task_id)["body"] == "from a pipe"


@pytest.mark.usefixtures("root")
def test_list_shows_active_then_pending_by_urgency_then_failed_then_completed(run: Run) -> None:
    completed = close(run, "completed")
    failed = add(run, "failed")
    run("fail", claim(run, failed), "--reason", "no")
    low, high = add(run, "low", "--priority", "1"), add(run, "high", "--priority", "99")
    active = add(run, "active", "--priority", "0")
    claim(run, active)
    assert listed(run) == [active, high, low, failed, completed]
    lines = run("list").out.splitlines()
    assert [line.split()[0] for line in lines if "-" in line.split()[0]] == [active, high, low, failed, completed]
    assert all(set(row) >= ROW_KEYS for row in run("list", "--json").json["tasks"])


@pytest.mark.usefixtures("root")
def test_list_filters_by_status_label_kind_agent_path_and_muting(run: Run) -> None:
    one = add(run, "one", "--label", "x", "--path", "src/a.py")
    two = add(run, "two", "--label", "x", "--label", "y", "--path", "tests/b.py")
    three = add(run, "three")
    claim(run, three, agent="other")
    run("mute", two, "--reason", "r")
    assert listed(run, "--status", "active") == [three]
    assert listed(run, "--status", "ACTIVE", "--status", "pending", "--label", "x") == [one, two]
    assert listed(run, "--label", "x", "--label", "y") == [two]
    assert listed(run, "--agent", "other") == [three]
    assert (
        listed(run, "--path", "src") == listed(run, "--path", "src/*.py") == listed(run, "--path", "src/a.py") == [one]
    )
    assert listed(run, "--muted") == [two]
    assert listed(run, "--kind", "manual") == [three, one, two]
    assert listed(run, "--kind", "nope") == []


@pytest.mark.usefixtures("root")
def test_an_empty_list_is_no_data_but_a_word_on_standard_error(run: Run) -> None:
    empty, unfit = run("list"), run("list", "--label", "nope")
    assert empty.out == unfit.out == ""
    assert "scan" in empty.err
    assert unfit.err.count("\n") == 1
    assert run("list", "--json").json == {"tasks": []}


@pytest.mark.usefixtures("root")
def test_show_prints_attempts_and_progress(run: Run) -> None:
    task_id = add(run, "one")
    token = claim(run, task_id)
    run("progress", "looked at tokenize()", "--claim", token)
    run("fail", token, "--reason", "needs a license")
    shown = run("show", task_id).out
    assert "looked at tokenize()" in shown
    assert "needs a license" in shown
    assert "FAILED" in shown


@pytest.mark.usefixtures("root")
def test_status_counts_and_names_agents_with_what_is_left_of_their_leases(run: Run, clock: FakeClock) -> None:
    add(run, "waiting")
    clock.pass_time(60)
    token = claim(run, add(run, "held", "--priority", "90"), "--lease", "600")
    close(run, "done")
    clock.pass_time(240)
    data = run("status", "--json").json
    assert data["counts"] == {"pending": 1, "active": 1, "completed": 1, "failed": 0}
    assert data["oldest_pending"]["seconds"] == 300
    (agent,) = data["agents"]
    assert (agent["agent"], f"{agent['task']}@{agent['generation']}") == ("me", token)
    assert agent["lease_seconds_left"] == 360
    assert data["context"]["ledger_tokens"] > 0
    said = run("status").out
    assert token in said
    assert "6 min" in said
    clock.pass_time(400)
    assert "ran out" in run("status").out


@pytest.mark.usefixtures("root")
def test_log_filters_by_task_agent_kind_time_and_number(run: Run, clock: FakeClock) -> None:
    one, _two = add(run, "one"), add(run, "two")
    clock.pass_time(3600)
    run("release", claim(run, one, agent="a1"), "--reason", "lunch")

    def kinds(*options: str) -> list[str]:
        return [e["type"] for r in run("log", "--json", *options).json["records"] for e in r["events"]]

    assert kinds() == ["store_created", "task_added", "task_added", "task_claimed", "task_released"]
    assert kinds("--task", "one") == ["task_added", "task_claimed", "task_released"]
    assert (
        kinds("--agent", "a1") == kinds("--since", "30m") == kinds("--limit", "2") == ["task_claimed", "task_released"]
    )
    assert kinds("--kind", "task_added") == ["task_added", "task_added"]
    lines = run("log").out.splitlines()
    assert len(lines) == 5
    assert "lunch" in lines[-1]


@pytest.mark.usefixtures("root")
def test_config_says_of_each_setting_where_it_comes_from(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "config.yaml").write_text("claim:\n  lease: 60\n")
    monkeypatch.setenv("DISPATCHER_CLAIM_MAX_ATTEMPTS", "5")
    settings = run("config", "--json").json["settings"]
    assert (settings["claim.lease"]["value"], settings["claim.lease"]["source"]) == (60, "config.yaml, line 2")
    assert settings["claim.maxAttempts"]["source"] == settings["claim.maxAttempts"]["variables"][0]
    assert settings["claim.backoff"]["source"] == "default"
    assert run("config", "claim.lease").out.split()[:3] == ["claim.lease", "60", "config.yaml,"]
    assert "config.yaml" in run("config").err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_each_command_is_an_example_and_every_option(run: Run, command: str) -> None:
    long, short = run(*command.split(), "--help"), run(*command.split(), "-h")
    assert long.out == short.out
    assert long.out.startswith("Usage: dispatcher")
    if command:
        assert "\n  Example: " in long.out
        assert "--json" in long.out
    else:
        assert all(f"  {name} " in long.out for name in COMMANDS)
        assert "..." not in long.out.partition("Commands:")[2]


def test_version_is_one_line(run: Run) -> None:
    assert run("--version").out.startswith("dispatcher ")
