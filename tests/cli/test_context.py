"""context: the window of a session, decided with its reasons, set by hand, kept in the session's own log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.steps import refused
from tests.fakes.sized import MODEL, SizedOllama
from tests.support import Run


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SizedOllama]:
    assert root
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    with SizedOllama() as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
        yield fake


def shown(run: Run, *options: str) -> dict[str, Any]:
    document: dict[str, Any] = run("context", "show", "--json", *options).json
    return document


def reasons(window: dict[str, Any]) -> list[tuple[str, int | None, int | None]]:
    return [(entry["reason"], entry["before"], entry["after"]) for entry in window["history"]]


def test_a_window_set_by_hand_is_kept_with_its_session_and_given_up_again(run: Run, server: SizedOllama) -> None:
    assert server
    assert shown(run)["window"]["num_ctx"] == 4096
    run("context", "size", "20000", "--session", "a")
    there = shown(run, "--session", "a")
    assert (there["target"], there["window"]["num_ctx"], there["window"]["reason"]) == (20_000, 20_224, "no_adjustment")
    assert shown(run)["target"] is None, "another session has its own"
    run("context", "auto", "--session", "a")
    there = shown(run, "--session", "a")
    assert (there["target"], there["window"]["num_ctx"]) == (None, 4096)
    assert reasons(there["window"]) == [("initial_setup", None, 20_224), ("manual_override", 20_224, 4096)]


def test_show_changes_nothing(run: Run, server: SizedOllama, root: Path) -> None:
    assert server
    run("context", "size", "8192")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    shown(run, "--tokens", "3000")
    run("context", "show")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_show_says_what_a_prompt_may_have(run: Run, server: SizedOllama) -> None:
    assert server
    prompt = shown(run, "--tokens", "2292")["prompt"]
    assert prompt == {
        "tokens": 2292,
        "capacity": 2866,
        "safe_limit": 2292,
        "fits": True,
        "level": "none",
        "answer": 1230,
    }
    assert [shown(run, "--tokens", str(n))["prompt"]["level"] for n in (2293, 2580, 2723)] == [
        "soft",
        "hard",
        "critical",
    ]
    text = run("context", "show", "--tokens", "1433").out
    assert "window 4,096 tokens (profile hard-4096; initial_setup)" in text
    assert (
        "room for a prompt of 2,866 tokens: 1,230 are kept for the answer; above 2,292 it is time to compress" in text
    )
    assert "1,433 tokens fill 50 % of that room" in text
    assert "2,867 tokens do not fit" in run("context", "show", "--tokens", "2867").out
    assert "memory holds" in text


def test_when_it_is_time_to_compress_is_a_setting(
    run: Run, server: SizedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server
    monkeypatch.setenv("DISPATCHER_CONTEXT_COMPRESSION_THRESHOLD", "0.5")
    prompt = shown(run, "--tokens", "1433")["prompt"]
    assert (prompt["safe_limit"], prompt["level"], prompt["fits"]) == (1432, "soft", False)


def test_the_dynamic_profile_grows_with_the_prompt(
    run: Run, server: SizedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server
    monkeypatch.setenv("DISPATCHER_CONTEXT_PROFILE", "dynamic")
    sizes = [shown(run, "--tokens", str(tokens))["window"]["num_ctx"] for tokens in (0, 4096, 4097, 30_000)]
    assert sizes == [8192, 8192, 16_384, 65_536]


def test_what_the_model_does_not_allow_is_not_asked_for(run: Run, server: SizedOllama) -> None:
    assert server
    ran = run("context", "size", "1000000")
    assert "window 117,760 tokens (set by hand to 1,000,000" in ran.out
    assert "limited by 90 % of the model's window" in ran.out


def test_without_a_server_a_size_is_kept_and_what_was_known_serves(
    run: Run, server: SizedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = shown(run)["window"]["num_ctx"]
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    ran = run("context", "size", "8192", "--session", "b", "--model", "never-met")
    assert ran.out == "b: window set by hand to 8,192 tokens, as far as the model allows\n"
    assert "nothing answers there" in ran.err
    refused(run("context", "show", "--model", "never-met", code=None), 13, "nothing answers there")
    assert server
    ran = run("context", "show", "--json")
    assert ran.json["window"]["num_ctx"] == known
    assert "from what was known before" in ran.err


def test_a_damaged_log_is_named_with_its_line(run: Run, server: SizedOllama, root: Path) -> None:
    assert server
    for size in ("5120", "6144", "7168"):
        run("context", "size", size)
    log = root / "SESSIONS" / "main.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"5120", b"5121", 1))
    refused(run("context", "show", code=None), 7, "main.jsonl", "line 1", "move the file away")
    refused(run("context", "size", "9216", code=None), 7, "main.jsonl")
    log.write_bytes(whole[:-20])
    assert shown(run)["target"] == 7168, "of a record that was not finished nothing is taken, but those before it"
    run("context", "size", "9216")
    assert shown(run)["target"] == 9216
    assert log.read_bytes().startswith(whole[: whole.rindex(b"\n", 0, -1)])


def test_wrong_arguments(run: Run, server: SizedOllama) -> None:
    assert server
    refused(run("context", "size", "10", code=None), 2, "must be a number from 256")
    refused(run("context", "show", "--session", "../x", code=None), 2, "session '../x'")
    refused(run("context", "show", "--model", "nowhere", code=None), 4, "has no model 'nowhere'")
    refused(run("context", "shw", code=None), 2, "shw")
    refused(run("context", "show", "--tokens", "-1", code=None), 2, "--tokens")
    assert run("context", code=2).out.startswith("Usage: dispatcher context")
