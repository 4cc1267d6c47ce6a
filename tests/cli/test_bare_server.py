"""A bare llama-server in place of Ollama: one model, in the window that it was started with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.llm.vocabulary import of_metadata
from tests.fakes.llama_server import FakeLlamaServer, delta, events
from tests.fakes.scripted import says
from tests.fakes.sized import shown
from tests.support import Run
from tests.unit.llm import slow_counting as slow
from tests.unit.llm.gguf_files import model_file

TEXT = "the cat and the hat\n" * 20


@pytest.fixture
def source(project: Path) -> str:
    (project / "source").write_text(TEXT)
    return "source"


@pytest.fixture
def bare(run: Run, monkeypatch: pytest.MonkeyPatch, project: Path) -> Iterator[FakeLlamaServer]:
    """The same model in a window of 2,048."""
    run("init")
    info = shown()["model_info"] | slow.in_bytes()
    tensors = [(each["name"], each["shape"], each["type"].lower()) for each in shown()["tensors"]]
    props = {
        "model_path": str(model_file(project / "tiny.gguf", info, tensors)), "build_info": "b1",
        "default_generation_settings": {"n_ctx": 2048},
    }  # fmt: skip
    with FakeLlamaServer() as fake:
        fake.script("/api/version", says(404, {"error": "no such path"}))
        fake.script("/props", says(200, props))
        monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
        yield fake


def test_a_bare_server_has_the_one_window_that_it_was_started_with(
    run: Run, bare: FakeLlamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little memory is left beside it: it has its own already."""
    assert bare
    assert run("context", "show", "--json").json["window"]["num_ctx"] == 2048
    monkeypatch.setenv("OLLM_CONTEXT_VRAM_BUFFER", str(1 << 20))
    window = run("context", "show", "--json").json["window"]
    assert (window["num_ctx"], window["impossible"]) == (2048, "")
    assert run("vram", "--json").json["models"][0]["window"]["num_ctx"] == 2048


def test_a_bare_server_that_counts_otherwise_is_told_from_one_that_agrees(
    run: Run, bare: FakeLlamaServer, source: str
) -> None:
    message = {"role": "user", "content": TEXT}
    ours = slow.count(of_metadata(slow.in_bytes()), TEXT, rendered=True)
    for off, words in ((0, "the same"), (3, "ours is an estimate from now on")):
        last = delta("stop") | {"timings": {"cache_n": 0, "prompt_n": ours + off}}
        bare.script("/v1/chat/completions", events(delta(content="x"), last, b"[DONE]"))
        ran = run("tokens", "--check", source)
        assert words in ran.out
    assert [message] == bare.bodies("/v1/chat/completions")[-1]["messages"]
    assert run("tokens", source, "--json").json["files"][0]["label"] == "estimated"
