"""Foreign text: kept as it is, shown harmless; secrets never kept."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import orjson
import pytest

from tests.cli.steps import add, claim, task
from tests.support import Ran, Run

HOSTILE = "a \x1b[31mred\x1b[0m \x07 \u202egnp.exe\u2066 \x9b1m \u2028 b"
DANGEROUS = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b", "\u2028", "\r")
KEYS = {
    "github-token": "ghp_abcdefghijklmnopqrstuvwxyz0123456789AB",
    "aws-key": "AKIAABCDEFGHIJKLMNOP",
    "url-password": "https://bob:hunter2pw@example.org/",
}


def harmless(ran: Ran) -> None:
    for streams in (ran.out, ran.err):
        assert not [c for c in DANGEROUS if c in streams], ran


def everything_kept(root: Path) -> str:
    """Return all that is in the files under the root, unpacked."""
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            data = zlib.decompress(data) if path.suffix == ".z" else data
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            found.append(f"{path.name} {data.decode()}")
    return "\n".join(found)


def say_everywhere(run: Run, words: str) -> str:
    """Put `words` into every text that a command takes, and return the id of the last task."""
    add(run, f"title {words}", "--body", words, "--path", "src/" + ("a.py" if "\n" in words else words))
    task_id = add(run, "plain")
    token = claim(run, task_id)
    run("progress", words, "--claim", token)
    run("release", token, "--reason", words)
    run("mute", task_id, "--reason", words)
    run("mute", task_id, "--off")
    run("edit", task_id, "--title", f"new {words}", "--body", f"{words} {'long ' * 300} {words}")
    run("fail", claim(run, task_id), "--reason", words)
    run("reopen", task_id, "--reason", words)
    run("complete", claim(run, task_id), "--note", words)
    return task_id


@pytest.mark.usefixtures("root")
def test_escapes_and_bidirectional_marks_are_shown_and_not_obeyed(run: Run) -> None:
    task_id = say_everywhere(run, HOSTILE)
    for argv in (("list",), ("show", task_id), ("log",), ("status",), ("show", "title"), ("log", "--task", task_id)):
        ran = run(*argv)
        harmless(ran)
    assert "\\x1b[31mred" in run("show", task_id).out


@pytest.mark.usefixtures("root")
def test_json_keeps_hostile_text_but_escapes_it(run: Run) -> None:
    task_id = add(run, "plain", "--body", HOSTILE)
    ran = run("show", task_id, "--json")
    harmless(ran)
    assert ran.json["body"] == HOSTILE


def test_task_files_are_read_back_to_the_same_text(run: Run, root: Path) -> None:
    task_id = add(run, "日本語 🎉 é", "--body", HOSTILE)
    document = orjson.loads((root / "PENDING_TASKS" / f"{task_id}.json").read_bytes())
    assert (document["title"], document["body"]) == ("日本語 🎉 é", HOSTILE)


@pytest.mark.usefixtures("root")
def test_markup_in_a_title_is_text(run: Run) -> None:
    add(run, "[bold]not bold[/bold] [link=x]")
    assert "[bold]not bold[/bold] [link=x]" in run("list").out


@pytest.mark.usefixtures("root")
def test_a_title_of_several_lines_becomes_one(run: Run) -> None:
    task_id = add(run, "one\n two\tthree")
    assert task(run, task_id)["title"] == "one two three"


@pytest.mark.usefixtures("root")
def test_a_body_of_a_megabyte_is_kept_whole_and_out_of_the_journal(run: Run, root: Path) -> None:
    body = "é" * 500_000
    task_id = add(run, "large", "--body", body)
    assert task(run, task_id)["body"] == body
    assert run("show", task_id).out.count("é") == 500_000
    assert (root / "JOURNAL.jsonl").stat().st_size < 4000
    assert (root / "PENDING_TASKS" / f"{task_id}.json").stat().st_size < 4000


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_well_known_key_reaches_no_file_whatever_it_is_said_in(run: Run, root: Path, key: str) -> None:
    secret = "hunter2pw" if "hunter2pw" in key else key
    say_everywhere(run, key)
    kept = everything_kept(root)
    assert secret not in kept
    assert "[redacted:" in kept


@pytest.mark.parametrize(
    "value", ["s3cr3t-value", "with  two spaces", "over\ntwo lines", '"quoted\\back', "ends in newline\n"]
)
def test_the_value_of_a_secret_variable_reaches_no_file(
    run: Run, root: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MY_API_KEY", "DB_PASSWORD", "x_token", "Secret_Thing"):
        monkeypatch.setenv(name, value)
        say_everywhere(run, value)
    kept = everything_kept(root)
    for form in (value, value.strip(), " ".join(value.split()), orjson.dumps(value.strip()).decode()[1:-1]):
        assert form not in kept


def test_a_secret_is_no_agent_and_no_label(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_TOKEN", "hunter2hunter2")
    task_id = add(run, "one", "--label", "hunter2hunter2")
    ran = run("claim", task_id, "--agent", "hunter2hunter2", code=None)
    assert ran.code == 2
    assert "hunter2hunter2" not in ran.err + everything_kept(root)
