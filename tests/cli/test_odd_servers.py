"""What servers tell is not trusted: odd facts, chats and sizes are a line of words, and never a wrong number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.steps import refused
from tests.fakes.counted import TEMPLATE, CountedOllama
from tests.fakes.scripted import Call, hangs, says
from tests.fakes.sized import GIB, HEADS, MODEL, SizedOllama, shown
from tests.support import Run
from tests.unit.llm import slow_counting as slow
from tests.unit.llm.gguf_files import model_file

TEXT = "the cat and the hat\n" * 20


@pytest.fixture
def server(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedOllama]:
    assert run
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    with CountedOllama() as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
        yield fake


@pytest.fixture
def source(project: Path) -> str:
    (project / "source").write_text(TEXT)
    return "source"


def model(run: Run, name: str = MODEL) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in run("vram", "--json").json["models"] if each["name"] == name)
    return found


# Sizes and facts


def test_a_model_that_claims_all_memory_there_is_gives_no_more_than_that(run: Run, server: CountedOllama) -> None:
    host = run("vram", "--json").json["host"]
    most = model(run)["windows"]
    told = {"name": "other", "digest": "dd" * 32, "size": 1 << 62, "size_vram": 0, "context_length": 1 << 62}
    server.script("/api/ps", says(200, {"models": [told]}))
    found = model(run)
    assert found["takes"]["total"] <= host["total"]
    assert found["windows"]["f16"]["window"] <= most["q4_0"]["window"]
    run("vram")


def test_absurd_tensors_are_a_line_beside_the_model(run: Run, server: CountedOllama) -> None:
    absurd = shown()
    absurd["tensors"].append({"name": "x", "type": "F32", "shape": [1 << 47, 1 << 47]})
    server.script("/api/show", says(200, absurd))
    assert "more parameters than can be" in model(run)["problem"]
    assert "more parameters than can be" in run("vram").out


def test_a_server_that_is_gone_is_not_asked_for_each_model_in_turn(
    run: Run, server: CountedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [{"name": f"m{n}:1b", "digest": f"{n:064x}", "size": 1} for n in range(5)]
    server.script("/api/tags", says(200, {"models": models}))
    server.script("/api/show", hangs)
    monkeypatch.setenv("DISPATCHER_LLM_TIMEOUT", "1")
    problems = [each["problem"] for each in run("vram", "--json").json["models"]]
    assert len(problems) == 5
    assert all("within 1 s" in problem for problem in problems)
    assert len(server.bodies("/api/show")) == 1


@pytest.mark.parametrize(
    ("sizes", "words"),
    [((GIB, GIB), "leaves out what the window takes"), ((GIB // 64, GIB), "tell nothing"), ((GIB, 1), "leaves out")],
)
def test_sizes_that_cannot_be_are_no_measurement(
    run: Run, server: CountedOllama, sizes: tuple[int, int], words: str
) -> None:
    def told(call: Call) -> None:
        size = sizes[server.window > 2048]
        held = {"name": MODEL, "digest": "aa" * 32, "size": size, "size_vram": 0, "context_length": server.window}
        says(200, {"models": [held] if server.window else []})(call)

    server.script("/api/chat", server._load)  # noqa: SLF001 - the reply of the fake it is made of
    server.script("/api/ps", told)
    refused(run("vram", "--calibrate", MODEL, code=None), 2, words)
    assert not model(run)["calibrated"]


def test_an_old_server_is_given_the_room_of_attention_without_shortcuts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 0.30 flash attention is on for some models only; a quantized cache needs it."""
    monkeypatch.setenv("DISPATCHER_CONTEXT_PROFILE", "manual")
    takes = {}
    for version in ("0.24.0", "0.33.1"):
        for kv_type in ("f16", "q8_0"):
            with SizedOllama(version=version) as fake:
                monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
                monkeypatch.setenv("OLLM_KV_CACHE_TYPE", kv_type)
                takes[version, kv_type] = model(run)["takes"]["compute"]
    weights_of_attention = 4 * 512 * 16_384 * (1 + HEADS)
    assert takes["0.24.0", "f16"] > weights_of_attention > takes["0.33.1", "f16"]
    assert takes["0.24.0", "q8_0"] < weights_of_attention


def test_a_model_in_the_cloud_is_not_measured(run: Run, server: CountedOllama) -> None:
    refused(run("vram", "--calibrate", "big:671b-cloud", code=None), 5, "runs in Ollama's cloud")
    assert server.bodies("/api/chat") == []


def test_two_names_of_one_model_are_each_shown_under_their_own(run: Run, server: CountedOllama) -> None:
    tags = [{"name": name, "digest": "aa" * 32, "size": 1} for name in (MODEL, "alias:latest")]
    server.script("/api/tags", says(200, {"models": tags}))
    server.script("/api/show", says(200, {"model_info": shown()["model_info"]} | {"tensors": []}))
    server.window = 4096
    run("vram")
    assert model(run, "alias:latest")["loaded"] == 4096, "in memory under its other name"


# Windows


def test_no_request_is_made_where_no_window_is_possible(
    run: Run, server: CountedOllama, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLM_CONTEXT_VRAM_BUFFER", str(1 << 20))
    refused(
        run("tokens", "--check", source, code=None), 13, "does not fit into memory with any window", "minSize 2,048"
    )
    assert server.bodies("/api/chat") == []


def test_that_the_memory_of_a_model_is_not_known_is_said(run: Run, server: CountedOllama) -> None:
    """Neither tensors nor parameters: nothing bounds its window but itself."""
    info = {key: value for key, value in shown()["model_info"].items() if key != "general.parameter_count"}
    server.script("/api/show", says(200, {"model_info": info}))
    run("init")
    ran = run("context", "show")
    assert "whether the window fits into memory is not known" in ran.err
    assert "number of its parameters" in ran.err
    assert "memory holds" not in ran.out
    assert "is not known: " in run("context", "size", "8192").err


def test_another_machine_s_models_are_not_measured_against_this_one_s_memory(
    run: Run, server: CountedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reached through a proxy, as this test has no other machine."""
    there, tags = "http://10.255.255.1:11434", {"models": [{"name": MODEL, "digest": "aa" * 32, "size": 1}]}
    answers = {"version": {"version": "0.33.1"}, "tags": tags, "ps": {"models": []}, "show": shown()}
    for name, answer in answers.items():
        server.script(f"{there}/api/{name}", says(200, answer))
    monkeypatch.setenv("OLLAMA_HOST", there)
    monkeypatch.setenv("http_proxy", server.address.url)
    found = model(run)
    assert (found["windows"], found["context_length"]) == ({}, 131_072)
    assert "on another machine" in found["problem"]
    assert "on another machine" in run("vram").out
    run("init")
    monkeypatch.setenv("OLLM_CONTEXT_VRAM_BUFFER", str(1 << 20))
    ran = run("context", "show")
    assert "window 4,096 tokens" in ran.out
    assert "whether the window fits into memory is not known: its server is on another machine" in ran.err
    refused(run("vram", "--calibrate", MODEL, code=None), 2, "is on another machine")


def test_a_window_left_to_the_server_has_no_level(
    run: Run, server: CountedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server
    run("init")
    monkeypatch.setenv("OLLM_CONTEXT_AUTO", "false")
    assert run("context", "show", "--tokens", "5000", "--json").json["prompt"] is None


def test_a_name_that_is_none_changes_no_session(run: Run, server: CountedOllama, project: Path) -> None:
    assert server
    run("init")
    refused(run("context", "size", "8192", "--model", "nowhere", code=None), 4, "has no model 'nowhere'")
    assert not list(project.rglob("main.jsonl"))
    refused(run("context", "show", "--tokens", "9" * 30, code=None), 2, "--tokens")


# Chats


@pytest.mark.parametrize("template", [TEMPLATE, "{% for m in messages %}{{ m.content }}{% endfor %}"])
@pytest.mark.parametrize(
    "more",
    [
        {"tool_calls": 5}, {"tool_calls": ["x"]}, {"tool_calls": [{}]}, {"tool_calls": [{"function": 3}]},
        {"tool_calls": {"a": 1}}, {"tool_calls": [{"function": {"arguments": "["}}]}, {"images": 5}, {"images": ["A"]},
        {"tool_name": 5}, {"thinking": []},
    ],
)  # fmt: skip
def test_odd_messages_are_counted_all_the_same(
    run: Run, server: CountedOllama, project: Path, template: str, more: dict[str, Any]
) -> None:
    says_it = shown(**slow.in_bytes()) | {"template": template, "modelfile": "FROM tiny"}
    server.script("/api/show", says(200, says_it))
    (project / "chat.json").write_text(json.dumps([{"role": "user", "content": "the cat"} | more]))
    (found,) = run("tokens", "--chat", "chat.json", "--json").json["files"]
    assert found["bound"] >= found["tokens"] >= server.count("the cat")


def test_a_chat_that_cannot_be_sent_on_is_refused(run: Run, server: CountedOllama, project: Path) -> None:
    assert server
    deep = "[" * 500 + "]" * 500
    (project / "chat.json").write_text(f'[{{"role": "user", "content": "x", "tool_calls": {deep}}}]')
    refused(run("tokens", "--chat", "chat.json", code=None), 2, "nested too deeply")


def test_what_a_modelfile_adds_counts_even_if_it_is_odd(run: Run, server: CountedOllama, project: Path) -> None:
    own = {"template": TEMPLATE, "modelfile": "FROM tiny\nRENDERER its-own", "system": TEXT}
    server.script("/api/show", says(200, shown(**slow.in_bytes()) | own | {"messages": ["x", 3]}))
    (project / "chat.json").write_text('[{"role": "user", "content": "x"}]')
    (found,) = run("tokens", "--chat", "chat.json", "--json").json["files"]
    assert found["label"] == "estimated"
    assert found["bound"] > server.count(TEXT)


def test_a_newer_server_is_asked_anew_what_it_makes_of_a_chat(run: Run, server: CountedOllama, project: Path) -> None:
    """It may have a renderer of its own, of which the older one has told nothing."""
    (project / "chat.json").write_text('[{"role": "user", "content": "x"}]')
    assert run("tokens", "--chat", "chat.json", "--json").json["files"][0]["label"] == "exact"
    server.script("/api/version", says(200, {"version": "0.40.0"}))
    own = {"template": TEMPLATE, "modelfile": "FROM tiny\nRENDERER its-own"}
    server.script("/api/show", says(200, shown(**slow.in_bytes()) | own))
    assert run("tokens", "--chat", "chat.json", "--json").json["files"][0]["label"] == "estimated"


def test_what_an_old_server_may_have_cut_teaches_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("DISPATCHER_LLM_MODEL", MODEL)
    (project / "long").write_text("the cat and the hat\n" * 600)
    with CountedOllama("a-kind-of-tomorrow", cuts=True) as old:
        old.script("/api/version", says(200, {"version": "0.11.4"}))
        monkeypatch.setenv("OLLAMA_HOST", old.address.url)
        (found,) = run("tokens", "--check", "long", "--json").json["files"]
    assert found["check"]["told"] == 2048
    assert not found["check"]["learnt"]


# What is kept


def test_the_ledger_s_count_is_not_exact_once_a_server_has_counted_otherwise(
    run: Run, server: CountedOllama, source: str
) -> None:
    run("init")
    run("tokens", source)
    assert run("status", "--json").json["context"]["count"].startswith("exact")
    server.off = 3
    run("tokens", "--check", source)
    assert "counts otherwise" in run("status", "--json").json["context"]["count"]


def test_a_file_s_broken_texts_are_no_bug(run: Run, project: Path, source: str) -> None:
    broken = b"{% for m in messages %}{{ m.content }}\xff{% endfor %}"
    file = model_file(project / "broken.gguf", slow.in_bytes() | {"tokenizer.chat_template": broken})
    assert run("tokens", "--gguf", str(file), source, "--json").json["files"][0]["label"] == "exact"
    (project / "chat.json").write_text('[{"role": "user", "content": "x"}]')
    run("tokens", "--gguf", str(file), "--chat", "chat.json")


def test_a_file_name_that_is_no_text_can_be_told_in_json(run: Run, server: CountedOllama, project: Path) -> None:
    name = project / "\udcff"
    name.write_text("the cat")
    assert run("tokens", str(name), "--json").json["tokens"] == server.count("the cat")


def test_a_file_without_an_end_is_refused(run: Run, server: CountedOllama) -> None:
    assert server
    refused(run("tokens", "/dev/zero", code=None), 2, "is larger than 64,000,000 bytes")
