"""vram: what the machine has, what the server's models would take, and a server that does not answer as it should."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.llm.footprint import KV_TYPES, footprint, largest_window
from tests.cli import processes
from tests.cli.steps import refused
from tests.fakes import scripted
from tests.fakes.sized import FACTS, MODEL, OTHER, SizedOllama
from tests.support import Run
from tests.unit.hardware import machines


@pytest.fixture
def server(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[SizedOllama]:
    assert run
    with SizedOllama() as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.address.url)
        yield fake


def model(run: Run, name: str = MODEL) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in run("vram", "--json").json["models"] if each["name"] == name)
    return found


def test_it_shows_each_model_s_windows_and_what_cannot_be_said(run: Run, server: SizedOllama) -> None:
    server.window = 4096
    ran = run("vram")
    assert "Ollama 0.33.1 at http://127.0.0.1" in ran.out
    assert f"in memory: {MODEL}, window 4,096" in ran.out
    (row,) = [line for line in ran.out.splitlines() if line.startswith(MODEL)]
    assert f"{OTHER}: key llama.block_count" in ran.out, "named once"
    assert row.split()[1:3] == ["4,096", "4,096"]
    assert f"{OTHER}" in ran.out
    assert "llama.block_count" in ran.out, "a model whose facts are absurd is named with the key"
    assert "cloud, not on this machine" in ran.out


def test_windows_are_the_largest_that_fit_into_what_is_free(
    run: Run, server: SizedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a buffer that leaves little more than the weights."""
    free = run("vram", "--json").json["host"]["free"]
    buffer = (free - footprint(FACTS, 2048, server.how).total - (1 << 30)) >> 20
    monkeypatch.setenv("DISPATCHER_CONTEXT_VRAM_BUFFER", str(buffer))
    document = run("vram", "--json").json
    room = document["host"]["free"] - (buffer << 20)
    windows = next(each["windows"] for each in document["models"] if each["name"] == MODEL)
    for kv_type in KV_TYPES:
        most = min(largest_window(FACTS, room, server.how._replace(kv_type=kv_type)), 117_760)
        assert windows[kv_type] == {"window": most, "where": "cpu"}
    sizes = [windows[kv_type]["window"] for kv_type in KV_TYPES]
    assert sizes[0] < sizes[1] <= sizes[2]


def test_facts_are_asked_for_once(run: Run, server: SizedOllama) -> None:
    run("vram")
    asked = len(server.bodies("/api/show"))
    run("vram")
    assert [body["model"] for body in server.bodies("/api/show")[asked:]] == [OTHER], "only what could not be read"


@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
def test_the_type_of_the_cache_is_seen_in_the_memory_of_a_loaded_model(
    run: Run, kv_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SizedOllama(kv_type) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address.url)
        server.window = 32_768
        assert run("vram", "--json").json["cache_type"] == {"type": kv_type, "why": f"as {MODEL} in memory shows"}


def test_the_type_of_the_cache_may_be_told(run: Run, server: SizedOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    server.window = 32_768
    monkeypatch.setenv("OLLAMA_KV_CACHE_TYPE", "q4_0")
    assert run("vram", "--json").json["cache_type"] == {"type": "q4_0", "why": "as OLLAMA_KV_CACHE_TYPE says"}
    monkeypatch.setenv("OLLM_KV_CACHE_TYPE", "q8_0")
    assert run("vram", "--json").json["cache_type"] == {"type": "q8_0", "why": "as OLLM_KV_CACHE_TYPE says"}


@pytest.mark.parametrize(
    ("settings", "window", "reason"),
    [
        ({}, 4096, "initial_setup"),
        ({"DISPATCHER_CONTEXT_PROFILE": "dynamic"}, 8192, "initial_setup"),
        ({"DISPATCHER_CONTEXT_PROFILE": "manual"}, 16_384, "initial_setup"),
        ({"DISPATCHER_CONTEXT_PROFILE": "manual", "OLLM_CONTEXT_SIZE": "10000"}, 10_240, "initial_setup"),
        ({"DISPATCHER_CONTEXT_PROFILE": "dynamic", "DISPATCHER_CONTEXT_MAX_SIZE": "6000"}, 5888, "initial_setup"),
        ({"OLLM_CONTEXT_AUTO": "false"}, None, "initial_setup"),
        ({"OLLM_CONTEXT_VRAM_BUFFER": "1000000"}, 0, "initial_setup"),
    ],
)  # fmt: skip
def test_settings_decide_the_window(
    run: Run,
    server: SizedOllama,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    window: int | None,
    reason: str,
) -> None:
    assert server
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    decided = model(run)["window"]
    assert (decided["num_ctx"], decided["reason"]) == (window, reason)
    assert bool(decided["impossible"]) == (window == 0)


def test_calibration_replaces_the_formulas_for_this_model_server_and_machine(run: Run, server: SizedOllama) -> None:
    assert not model(run)["calibrated"]
    server.window = 8192
    done = run("vram", "--calibrate", MODEL, "--json").json
    assert [body["options"]["num_ctx"] for body in server.bodies("/api/chat")] == [2048, 4096, 8192]
    assert server.window == 8192, "as it was before"
    assert done["kept"]
    assert done["per_token"] == pytest.approx(32 * 1024 + 1024, rel=0.01)
    assert done["size"] == footprint(FACTS, 4096, server.how).total
    after = model(run)
    assert after["calibrated"]
    assert after["takes"]["total"] == pytest.approx(footprint(FACTS, 4096, server.how).total, rel=0.01)


def test_calibration_unloads_what_was_not_there(run: Run, server: SizedOllama) -> None:
    ran = run("vram", "--calibrate", MODEL)
    assert server.window == 0
    assert "KiB for each token" in ran.out


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (scripted.closes, "the connection"),
        (scripted.redirects("http://203.0.113.5/"), "redirects to 'http://203.0.113.5/'"),
        (scripted.html, "is it a model server?"),
        (scripted.says(500, {"error": "boom"}), "boom"),
        (scripted.says(200, {"models": "none"}), ""),
    ],
)
def test_a_server_that_is_none_leaves_the_machine_to_be_shown(
    run: Run, server: SizedOllama, reply: scripted.Reply, words: str
) -> None:
    server.script("/api/tags", reply)
    ran = run("vram")
    assert "free of" in ran.out
    assert words in ran.err
    assert MODEL not in ran.out


def test_without_a_server_calibration_is_one_line_of_error(run: Run) -> None:
    refused(run("vram", "--calibrate", MODEL, code=None), 13, "127.0.0.1:1", "nothing answers there")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("user@127.0.0.1:11434@evil.com", "user name or password"),
        ("2852039166", "has a number for a host"),
        ("https://ollama.com", "Ollama's cloud"),
        ("8.8.8.8", "llm.allowRemote allows it"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused_before_anything_is_sent(
    run: Run, monkeypatch: pytest.MonkeyPatch, host: str, words: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    refused(run("vram", code=None), 10, "OLLAMA_HOST", words)


def test_wrong_arguments(run: Run, server: SizedOllama) -> None:
    refused(run("vram", "--watch", "--calibrate", MODEL, code=None), 2, "leave one out")
    refused(run("vram", "--calibrate", "nowhere", code=None), 4, "has no model 'nowhere'", "ollama list")
    assert server.bodies("/api/chat") == []


def test_watching_tells_low_memory_at_once(run: Run, project: Path) -> None:
    """With a buffer that no machine has: it is low from the start, and nothing else moves until Ctrl-C."""
    assert run
    watch = processes.start(
        "vram", "--watch", cwd=project, env=processes.environment(OLLM_CONTEXT_VRAM_BUFFER=str(1 << 20))
    )
    with watch:
        assert watch.stdout
        assert b"cpu:0  CPU" in watch.stdout.readline(), "what there is comes first"
        assert b"LOW: only" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=30)
    assert watch.returncode == 130
    assert err.splitlines()[1:] == [b"error: interrupted"]


@pytest.fixture
def gpus(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPUs of a recorded machine, as its amd-smi prints them."""
    outputs = {each: f"amd-smi-7.2-{each}" for each in ("metric", "static", "process")}
    folder = machines.tool(project.parent / f"{project.name}-tools", "amd-smi", machines.printing(outputs))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("gpus")
def test_a_model_goes_onto_the_gpus_that_there_are(run: Run, server: SizedOllama) -> None:
    document = run("vram", "--json").json
    devices = [device for device in document["devices"] if device["kind"] == "amd"]
    assert devices
    shown = next(each for each in document["models"] if each["name"] == MODEL)
    room = sum(device["free"] for device in devices) - (512 << 20)
    how = server.how._replace(gpus=len(devices))
    for kv_type in KV_TYPES:
        most = min(largest_window(FACTS, room, how._replace(kv_type=kv_type)), 117_760)
        assert shown["windows"][kv_type] == {"window": most, "where": "gpu"}
    ran = run("vram")
    for device in devices:
        assert device["key"] in ran.out
        assert device["name"] in ran.out
    assert "main memory: " in ran.out


@pytest.mark.usefixtures("gpus", "server")
def test_a_model_too_large_for_the_gpus_is_split(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    free = sum(device["free"] for device in run("vram", "--json").json["devices"])
    monkeypatch.setenv("DISPATCHER_CONTEXT_VRAM_BUFFER", str((free - (600 << 20)) >> 20))
    windows = model(run)["windows"]
    assert {windows[kv_type]["where"] for kv_type in KV_TYPES} == {"split"}
    assert "(split)" in run("vram").out
