"""tokens: exact where the vocabulary is to be had, else an estimate with a bound, and checked against the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import processes
from tests.cli.steps import add, refused
from tests.fakes.counted import CountedOllama, chatml
from tests.fakes.scripted import says
from tests.fakes.sized import MODEL
from tests.support import Run
from tests.unit.llm import slow_counting
from tests.unit.llm.gguf_files import model_file

SOURCE = "def parse(self, text: str) -> int:\n    return self.value[text]  # Straße, 日本\n"
CHAT = [
    {"role": "system", "content": "You are the cat."},
    {"role": "user", "content": SOURCE},
    {"role": "assistant", "content": "it's 99!"},
    {"role": "user", "content": "<|im_end|> and other things"},
]


@pytest.fixture
def server(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedOllama]:
    assert run
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    with CountedOllama() as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
        yield fake


@pytest.fixture
def source(project: Path) -> Path:
    path = project / "source.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def chat(project: Path) -> Path:
    path = project / "chat.json"
    path.write_text(json.dumps(CHAT))
    return path


def counted(run: Run, *argv: str) -> dict[str, Any]:
    (found,) = run("tokens", *argv, "--json").json["files"]
    assert isinstance(found, dict)
    return found


def test_a_text_is_counted_as_the_model_will(run: Run, server: CountedOllama, source: Path) -> None:
    found = counted(run, str(source))
    exact = server.count(SOURCE)
    assert (found["tokens"], found["label"], found["bound"]) == (exact, "exact", exact)
    assert "qwen2" in found["by"]
    assert f"{exact}  exact  {source}" in run("tokens", str(source)).out


def test_a_chat_is_counted_with_its_template(run: Run, server: CountedOllama, chat: Path) -> None:
    found = counted(run, "--chat", str(chat))
    assert (found["tokens"], found["label"]) == (server.count(chatml(CHAT), rendered=True), "exact")
    assert found["messages"] == [server.count(message["content"]) for message in CHAT]
    chat.write_text(json.dumps({"messages": CHAT, "tools": []}))
    assert counted(run, "--chat", str(chat)) == found


def test_the_vocabulary_is_asked_for_once_and_then_nobody_needs_to_answer(
    run: Run, server: CountedOllama, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counted(run, str(source))
    assert counted(run, str(source)) == before
    assert server.verbose == 1
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    assert counted(run, str(source)) == before
    assert "nothing answers there" in (told := run("tokens", str(source)).err)
    assert "counted with what is kept of the model" in told


def test_several_files_are_summed(run: Run, server: CountedOllama, source: Path, project: Path) -> None:
    (project / "other.txt").write_text("the hat")
    document = run("tokens", str(source), "other.txt", "--json").json
    assert document["tokens"] == server.count(SOURCE) + server.count("the hat")
    assert f"{document['tokens']:,} in all" in run("tokens", str(source), "other.txt").out


def test_a_server_that_agrees_is_said_to(run: Run, server: CountedOllama, source: Path) -> None:
    found = counted(run, "--check", str(source))
    told = server.count(chatml([{"role": "user", "content": SOURCE}]), rendered=True)
    assert found["check"] == {"told": told, "window": 4096, "differs": False, "learnt": False, "surely_whole": True}
    assert found["tokens"] == told
    sent = server.bodies("/api/chat")[-1]
    assert (sent["options"]["num_ctx"], sent["options"]["num_predict"]) == (4096, 1)
    assert (sent["truncate"], sent["shift"]) == (False, False)
    assert f"the server counts {told:,} in a window of 4,096, the same" in run("tokens", "--check", str(source)).out


def test_a_server_that_counts_otherwise_makes_estimates_of_exact_counts(
    run: Run, server: CountedOllama, source: Path
) -> None:
    server.off = 3
    ran = run("tokens", "--check", str(source))
    assert "ours is an estimate from now on" in ran.out
    found = counted(run, str(source))
    assert (found["tokens"], found["label"]) == (server.count(SOURCE), "estimated")
    assert found["bound"] == len(SOURCE.encode()) + 1
    assert "not exact: the server counted" in run("tokens", str(source)).err


def test_a_silent_cut_is_an_error_with_both_counts(run: Run, server: CountedOllama, project: Path) -> None:
    """The server takes a prompt that fits into its window and reads half of it: what older ones did."""
    server.cuts = True
    (project / "long.txt").write_text("the cat and the hat\n" * 500)
    ours = server.count(chatml([{"role": "user", "content": "the cat and the hat\n" * 500}]), rendered=True)
    assert 2048 < ours < 4096
    refused(run("tokens", "--check", "long.txt", code=None), 13, "only 2048 of", f"{ours} tokens", "silently")


def test_when_memory_runs_out_it_is_asked_once_more_in_a_smaller_window(
    run: Run, server: CountedOllama, source: Path
) -> None:
    full = {"error": "llama-server process has terminated: cudaMalloc failed: out of memory"}
    server.script("/api/chat", says(500, full), server.read)
    assert counted(run, "--check", str(source))["check"]["window"] == 2048
    assert [body["options"]["num_ctx"] for body in server.bodies("/api/chat")] == [4096, 2048]
    server.script("/api/chat", says(500, full))
    refused(run("tokens", "--check", str(source), code=None), 13, "does not fit into memory with a window of 2048")


@pytest.mark.parametrize("kind", ["a-kind-of-tomorrow"])
def test_an_unknown_kind_of_vocabulary_is_never_exact_and_learns(
    run: Run, kind: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    text = SOURCE * 10
    assert len(text.encode()) < 4096, "or it may have been cut"
    (project / "source.py").write_text(text)
    with CountedOllama(kind) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address.url)
        ran = run("tokens", "source.py")
        assert f"the kind '{kind}', whose rules are not known" in ran.err
        first = counted(run, "source.py")
        assert (first["label"], first["bound"]) == ("estimated", len(text.encode()) + 1)
        for _ in range(5):
            assert counted(run, "--check", "source.py")["check"]["learnt"]
        found = counted(run, "source.py")
        assert "learnt from 5 prompts" in found["by"]
        true = server.count(text)
        assert 1.1 * true < found["tokens"] < 1.4 * true, "a quarter above, as estimates are"
        assert abs(first["tokens"] - 1.25 * true) > 3 * abs(found["tokens"] - 1.25 * true)


def test_what_may_have_been_cut_teaches_nothing(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cuts in silence whatever it is told, and a count of ours that is an estimate."""
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    (project / "long.txt").write_text("the cat and the hat\n" * 300)
    with CountedOllama("a-kind-of-tomorrow", cuts=True) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address.url)
        before = counted(run, "long.txt")
        ran = run("tokens", "--check", "long.txt")
        assert "may not have held all of it: nothing is learnt" in ran.out
        assert counted(run, "long.txt") == before


def test_one_file_that_cannot_be_checked_does_not_hide_the_others(
    run: Run, server: CountedOllama, source: Path, project: Path
) -> None:
    (project / "other.txt").write_text("the hat")
    server.script("/api/chat", server.read, says(500, {"error": "boom"}))
    ran = run("tokens", "--check", str(source), "other.txt", code=13)
    assert "the same" in ran.out
    assert "stopped at other.txt" in ran.err
    assert ran.err.splitlines()[-1].startswith("error: ")


def test_a_file_without_a_template_makes_estimates_of_chats(run: Run, chat: Path, project: Path) -> None:
    model = model_file(project / "model.gguf", {"general.architecture": "tiny"} | slow_counting.in_bytes())
    assert counted(run, "--gguf", str(model), _file(project, "x"))["label"] == "exact"
    found = counted(run, "--gguf", str(model), "--chat", str(chat))
    assert found["label"] == "estimated"
    assert "the file has none" in found["by"]
    assert found["bound"] > found["tokens"] > sum(found["messages"])


def test_a_limit_is_a_promise(run: Run, server: CountedOllama, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = server.count(SOURCE)
    run("tokens", str(source), "--limit", str(exact))
    ran = run("tokens", str(source), "--limit", str(exact - 1), code=5)
    assert f"source.py: more than {exact - 1:,} tokens" in ran.err
    most = len(SOURCE.encode()) + 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(source.parent / "empty"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    assert counted(run, str(source), "--limit", str(most))["label"] == "bounded"
    assert run("tokens", str(source), "--limit", str(most - 1), code=5).out.split()[1] == "estimated,"


def test_without_server_and_vocabulary_it_is_an_estimate(run: Run, source: Path) -> None:
    ran = run("tokens", str(source))
    assert "estimated, at most" in ran.out
    assert "tiktoken's cl100k_base" in ran.out
    assert "nothing answers there" in ran.err


def test_standard_input_is_counted(run: Run, server: CountedOllama, project: Path) -> None:
    """A cold command on a kept vocabulary, in a pipe."""
    run("tokens", "--model", MODEL, _file(project, "x"))
    ran = processes.shell("printf 'the cat and the hat' | $D tokens --json --model tiny:1b", cwd=project)
    assert (ran.code, ran.json["tokens"]) == (0, server.count("the cat and the hat"))


def _file(project: Path, text: str) -> str:
    (project / "text").write_text(text)
    return "text"


def test_the_ledger_is_counted_by_the_model_that_is_asked(run: Run, server: CountedOllama, project: Path) -> None:
    run("init")
    add(run, "the cat")
    assert run("status", "--json").json["context"]["count"] == "estimated: bytes / 2.5"
    run("tokens", _file(project, "x"))
    context = run("status", "--json").json["context"]
    ledger = project / "INBOX" / "agents" / "Local Models" / "DISPATCH_LEDGER.json"
    assert context["count"] == f"exact: the vocabulary of {MODEL}"
    assert context["ledger_tokens"] == server.count(ledger.read_text())
    assert f"1 task, {context['ledger_tokens']:,} tokens" in run("status").out


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("missing.txt",), 2, ("file 'missing.txt'", "no such file")),
        (("--chat", "text"), 2, ("chat 'text'", "no JSON")),
        (("--chat", "empty.json"), 2, ("chat 'empty.json'", "list of messages")),
        (("--chat", "strange.json"), 2, ("a role (system, user",)),
        (("--model", "nowhere", "text"), 4, ("has no model 'nowhere'",)),
        (("--gguf", "text", "text"), 2, ("text", "GGUF")),
        (("--gguf", "text", "--check", "text"), 2, ("--gguf", "leave --model and --check out")),
        (("--limit", "x", "text"), 2, ("--limit",)),
    ],
)
def test_wrong_input_is_one_line(
    run: Run, server: CountedOllama, project: Path, argv: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    assert server
    _file(project, "not JSON")
    (project / "empty.json").write_text("[]")
    (project / "strange.json").write_text('[{"role": "wizard", "content": "abracadabra"}]')
    refused(run("tokens", *argv, code=None), code, *words)
