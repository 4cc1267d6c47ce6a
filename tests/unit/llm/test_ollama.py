"""The client of Ollama, against a server that speaks its protocol, of both generations, well and badly."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import DispatcherError, InvalidInput
from dispatcher.llm import client
from dispatcher.llm.address import Address
from dispatcher.llm.client import Answer, Chat, chat_in_memory
from dispatcher.llm.ollama import Ollama, is_cloud, release
from dispatcher.llm.transport import BUSY_WAITS, NOT_REACHED_WAITS, Limits
from dispatcher.text import clean_line
from tests.fakes.ollama import MODEL, NEW, OLD, SHOWN, TAGS, FakeOllama, last, line
from tests.fakes.scripted import (
    Call,
    Reply,
    Scripted,
    closes,
    drips,
    hangs,
    html,
    redirects,
    says,
    streams,
)

SHORT = Limits(seconds=0.2)
HELLO = ({"role": "user", "content": "how are you"},)


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


class Ticking:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def ask(server: Scripted, limits: Limits = Limits(seconds=20), **more: Any) -> Answer:  # noqa: ANN401, B008
    return Ollama(server.address, limits, sleep=lambda _s: None).chat(Chat(MODEL, HELLO, **more))


def prompt(words: int) -> tuple[dict[str, str]]:
    return ({"role": "user", "content": "word " * words},)


def test_an_answer_comes_in_pieces_and_with_its_counts(fake: FakeOllama) -> None:
    heard: list[str] = []
    answer = Ollama(fake.address).chat(Chat(MODEL, HELLO, num_ctx=4096), heard.append)
    assert heard == ["all ", "is ", "well"]
    assert answer.text == "all is well"
    assert (answer.done_reason, answer.prompt_tokens, answer.prompt_whole) == ("stop", 3, True)
    assert (answer.answer_tokens, answer.num_ctx, answer.tool_calls) == (3, 4096, ())
    assert answer.seconds.total == 3.0


def test_exactly_this_is_sent(fake: FakeOllama) -> None:
    schema = {"type": "object"}
    tools = [{"type": "function", "function": {"name": "read"}}]
    Ollama(fake.address).chat(
        Chat(MODEL, HELLO, num_ctx=2048, num_predict=600, schema=schema, tools=tools, think=False, keep_alive="5m")
    )
    assert fake.bodies("/api/chat") == [
        {
            "model": MODEL,
            "messages": list(HELLO),
            "stream": True,
            "options": {"temperature": 0.1, "seed": client.SEED, "num_ctx": 2048, "num_predict": 600},
            "truncate": False,
            "shift": False,
            "format": schema,
            "think": False,
            "keep_alive": "5m",
            "tools": tools,
        }
    ]


def test_what_is_not_chosen_is_not_sent(fake: FakeOllama) -> None:
    ask(fake)
    [body] = fake.bodies("/api/chat")
    assert set(body) == {"model", "messages", "stream", "options", "truncate", "shift"}
    assert set(body["options"]) == {"temperature", "seed"}


def test_truncate_and_shift_are_constant_and_left_out_where_they_are_unknown() -> None:
    for version, known in (("0.12.5", False), ("0.12.6-rc0", True), (OLD, True), (NEW, True), ("0.0.0", True)):
        with FakeOllama(version) as fake:
            ollama = Ollama(fake.address)
            for num_ctx in (2048, None):
                ollama.chat(Chat(MODEL, HELLO, num_ctx=num_ctx))
            sent = [(body.get("truncate"), body.get("shift")) for body in fake.bodies("/api/chat")]
            assert sent == [(False, False) if known else (None, None)] * 2
            assert len(fake.bodies("/api/version")) == 1, "it is asked for once"


def test_releases_are_told_apart() -> None:
    assert release("0.30.1-rc2").number == (0, 30, 1)
    assert release("0.0.0").number is release("dev").number is None
    cached = [release(v).counts_cached for v in ("0.3.14", "0.4.0", "0.24.0", "0.30.0", "0.30.1", "1.0.0", "dev")]
    assert cached == [False, True, True, False, True, True, True]


def test_facts_come_as_they_are_told(fake: FakeOllama) -> None:
    ollama = Ollama(fake.address)
    assert ollama.version() == NEW
    assert ollama.tags() == TAGS["models"]
    assert ollama.ps()[0]["size_vram"] == 6_500_000_000
    assert ollama.show(MODEL) == SHOWN
    ollama.show(MODEL, verbose=True)
    assert [body["verbose"] for body in fake.bodies("/api/show")] == [False, True]


def test_arrays_of_layers_are_asked_for_once_more_but_not_the_vocabulary(fake: FakeOllama) -> None:
    """Ollama 0.32.15 shows every array as null, also that of a model whose layers differ in their heads."""
    heads = "mistral3.attention.head_count_kv"
    fake.arrays = {heads: [8, 0, 8], "tokenizer.ggml.tokens": ["a", "b"], "general.tags": ["x"]}
    told = Ollama(fake.address).show(MODEL)
    assert told["model_info"] == SHOWN["model_info"] | {heads: [8, 0, 8], "general.tags": None}
    assert [body["verbose"] for body in fake.bodies("/api/show")] == [False, True]
    odd: list[dict[str, Any]] = [{}, {"model_info": None}, {"model_info": {"a": []}}]
    for answer in odd:
        fake.script("/api/show", says(200, answer))
        assert Ollama(fake.address).show(MODEL) == answer


def test_without_messages_a_model_is_loaded_or_unloaded(fake: FakeOllama) -> None:
    ollama = Ollama(fake.address)
    loaded = ollama.chat(Chat(MODEL, (), num_ctx=8192, expected=9000))
    assert (loaded.text, loaded.done_reason, loaded.prompt_tokens) == ("", "load", 0)
    assert ollama.chat(Chat(MODEL, (), keep_alive=0)).done_reason == "unload"


@pytest.mark.parametrize("nothing", [None, []])
def test_null_stands_for_an_empty_list(fake: FakeOllama, nothing: object) -> None:
    fake.script("/api/tags", says(200, {"models": nothing}))
    fake.script("/api/ps", says(200, {"models": nothing}))
    message = {"role": "assistant", "content": None, "thinking": None, "tool_calls": nothing}
    fake.script("/api/chat", streams(line(message=message), {"done": True, "message": None}))
    assert Ollama(fake.address).tags() == Ollama(fake.address).ps() == []
    answer = ask(fake, expected=3)
    assert (answer.text, answer.thinking, answer.tool_calls, answer.done_reason) == ("", "", (), "")
    assert (answer.prompt_tokens, answer.answer_tokens, answer.seconds) == (0, 0, client.Seconds())


def test_thinking_and_tool_calls_are_kept_apart_from_the_text(fake: FakeOllama) -> None:
    calls = [{"function": {"name": "read", "arguments": {"path": "a.py"}}}]
    lines = [line(message={"thinking": "hm"}), line("x"), line(message={"content": "", "tool_calls": calls}), last()]
    fake.script("/api/chat", streams(*lines))
    answer = ask(fake)
    assert (answer.thinking, answer.text, list(answer.tool_calls)) == ("hm", "x", calls)


def test_an_answer_that_was_cut_says_so(fake: FakeOllama) -> None:
    fake.script("/api/chat", streams(line("x"), last(done_reason="length")))
    assert ask(fake).done_reason == "length"


def test_nothing_is_awaited_after_the_last_line(fake: FakeOllama) -> None:
    def stays(call: Call) -> None:
        streams(last("x"), ends=False)(call)
        call.wait()

    fake.script("/api/chat", stays)
    assert ask(fake).text == "x"


@pytest.mark.parametrize(
    ("version", "tokens", "window"), [(NEW, 15_001, 4096), (OLD, None, 2048), ("0.12.6", None, 2048)]
)
def test_a_prompt_that_is_too_long_is_refused_with_both_counts(version: str, tokens: int | None, window: int) -> None:
    """Servers before 0.30 do not tell the counts: then the caller's stand."""
    with (
        FakeOllama(version) as fake,
        pytest.raises(client.TooLong, match=f"15001 tokens, fewer than {window} fit") as caught,
    ):
        Ollama(fake.address).chat(Chat(MODEL, prompt(15_001), num_ctx=window, expected=None if tokens else 15_001))
    assert (caught.value.n_tokens, caught.value.n_ctx) == (15_001, window)


@pytest.mark.parametrize(
    ("version", "read"), [("0.11.4", 4096), ("0.12.5", 4096), ("0.3.14", 4096), (OLD, 4096), (NEW, 2048)]
)
def test_a_silent_truncation_is_an_error_with_both_counts(version: str, read: int) -> None:
    with FakeOllama(version, deaf=True) as fake, pytest.raises(client.Truncated) as caught:
        Ollama(fake.address).chat(Chat(MODEL, prompt(9000), num_ctx=4096, expected=9000))
    assert (caught.value.counted, caught.value.expected) == (read, 9000)
    assert f"has read only {read} of the prompt's 9000 tokens" in str(caught.value)


@pytest.mark.parametrize(
    ("read", "expected", "slack", "cut"),
    [
        (1000, 1000, 0.02, False),
        (1100, 1000, 0.02, False),
        (980, 1000, 0.02, False),
        (979, 1000, 0.02, True),
        (984, 1000, 0.0, False),
        (983, 1000, 0.0, True),
        (24, 40, 0.02, False),
        (23, 40, 0.02, True),
        (700, 1000, 0.3, False),
        (699, 1000, 0.3, True),
        (1, None, 0.02, False),
    ],
)
def test_a_few_tokens_less_are_no_truncation(
    fake: FakeOllama, read: int, expected: int | None, slack: float, cut: bool
) -> None:
    fake.script("/api/chat", streams(last("x", prompt_eval_count=read)))
    if cut:
        with pytest.raises(client.Truncated):
            ask(fake, expected=expected, slack=slack, num_ctx=4096)
    else:
        assert ask(fake, expected=expected, slack=slack, num_ctx=4096).prompt_tokens == read


@pytest.mark.parametrize("version", ["0.3.14", "0.30.0"])
def test_what_was_cached_is_not_taken_for_cut_off(version: str) -> None:
    """These versions count only what they evaluated anew."""
    with FakeOllama(version, counts_cached=False) as fake:
        ollama = Ollama(fake.address)
        asked = Chat(MODEL, prompt(500), num_ctx=4096, expected=500)
        assert ollama.chat(asked).prompt_tokens == 500
        again = ollama.chat(asked)
        assert (again.prompt_tokens, again.prompt_whole) == (1, False)


def test_a_prompt_refused_in_other_words_is_too_long_as_well(fake: FakeOllama) -> None:
    """Since 0.31, should `truncate` not arrive while `shift` does."""
    told = "the prompt is longer than the context length currently available to the model; shorten the prompt"
    fake.script("/api/chat", says(400, {"error": told}))
    with pytest.raises(client.TooLong, match="3010 tokens, fewer than 2048 fit") as caught:
        ask(fake, num_ctx=2048, expected=3010)
    assert (caught.value.n_tokens, caught.value.n_ctx) == (3010, 2048)
    with pytest.raises(client.TooLong, match="too many tokens, fewer fit"):
        ask(fake)


OUT_OF_MEMORY = [
    says(
        500, {"error": "llama-server process has terminated: exit status 1: ggml_aligned_malloc: insufficient memory"}
    ),
    says(500, {"error": "llama runner process has terminated: cudaMalloc failed: out of memory"}),
    says(500, {"error": "model requires more system memory (9.1 GiB) than is available (7.2 GiB)"}),
    streams(line("al"), {"error": "CUDA error: out of memory"}),
]


@pytest.mark.parametrize("reply", OUT_OF_MEMORY)
def test_out_of_memory_asks_once_more_with_what_the_caller_makes_smaller(fake: FakeOllama, reply: Reply) -> None:
    fake.script("/api/chat", reply, streams(last("x")))
    big = Chat(MODEL, HELLO, num_ctx=8192)
    answer = chat_in_memory(Ollama(fake.address), big, lambda r: r._replace(num_ctx=4096))
    assert (answer.text, answer.num_ctx) == ("x", 4096)
    assert [body["options"]["num_ctx"] for body in fake.bodies("/api/chat")] == [8192, 4096]


def test_out_of_memory_twice_or_with_nothing_smaller_is_an_error(fake: FakeOllama) -> None:
    fake.script("/api/chat", OUT_OF_MEMORY[0])
    big = Chat(MODEL, HELLO, num_ctx=8192)
    with pytest.raises(client.OutOfMemory, match="window of 4096 tokens"):
        chat_in_memory(Ollama(fake.address), big, lambda r: r._replace(num_ctx=4096))
    assert len(fake.bodies("/api/chat")) == 2
    with pytest.raises(client.OutOfMemory, match="window of 8192 tokens"):
        chat_in_memory(Ollama(fake.address), big, lambda _r: None)
    assert len(fake.bodies("/api/chat")) == 3


def test_a_busy_server_is_asked_again_with_longer_and_longer_waits(fake: FakeOllama) -> None:
    busy = says(503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
    fake.script("/api/chat", busy, busy, streams(last("x")))
    clock = Ticking()
    ollama = Ollama(fake.address, clock=clock, sleep=clock.sleep)
    assert ollama.chat(Chat(MODEL, HELLO)).text == "x"
    assert clock.waits == list(BUSY_WAITS[:2])
    fake.script("/api/chat", busy)
    with pytest.raises(client.ServerBusy, match=r"maximum pending requests exceeded\) and stayed so for 5 tries"):
        ollama.chat(Chat(MODEL, HELLO))
    assert clock.waits[2:] == list(BUSY_WAITS)


def test_waits_end_with_the_time_limit(fake: FakeOllama) -> None:
    fake.script("/api/version", says(503, {}))
    clock = Ticking()
    with pytest.raises(client.ServerBusy, match="for 2 tries"):
        Ollama(fake.address, Limits(seconds=1.2), clock=clock, sleep=clock.sleep).version()
    assert clock.now < 1.2


def test_a_connection_that_closes_before_an_answer_is_tried_again(fake: FakeOllama) -> None:
    fake.script("/api/chat", closes, streams(last("x")))
    assert ask(fake).text == "x"


def test_no_server_is_told_after_a_few_tries() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        clock = Ticking()
        address = Address("http", "127.0.0.1", unused.getsockname()[1], "", loopback=True)
        with pytest.raises(
            client.ServerGone, match=r"nothing answers there \(connection refused\); is the model server"
        ):
            Ollama(address, clock=clock, sleep=clock.sleep).version()
    assert clock.waits == list(NOT_REACHED_WAITS)


@pytest.mark.parametrize("reply", [says(500, {"error": "x"}), says(400, {"error": "x"}), streams({"error": "x"})])
def test_other_failures_are_not_tried_again(fake: FakeOllama, reply: Reply) -> None:
    fake.script("/api/chat", reply)
    with pytest.raises(client.BadAnswer):
        ask(fake)
    assert len(fake.bodies("/api/chat")) == 1


def test_a_connection_that_closes_within_an_answer_is_not_tried_again(fake: FakeOllama) -> None:
    fake.script("/api/chat", streams(line("al"), ends=False))
    with pytest.raises(client.ServerGone, match="in the middle of its answer"):
        ask(fake)
    assert len(fake.bodies("/api/chat")) == 1


def slow_lines(call: Call) -> None:
    call.begin()
    while not call.wait(0.01):
        call.chunk(b'{"message":{"content":"x"}}\n')


def half(call: Call) -> None:
    call.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    call.close()


def one_byte_of_a_body(call: Call) -> None:
    call.raw(b"HTTP/1.0 200 OK\r\n\r\n")
    drips(b'{"version": "0.33.1"')(call)


def huge(call: Call) -> None:
    call.begin()
    while not call.wait(0):
        call.chunk(b'{"message":{"content":"x"}}\n' * 1000)


def one_line(call: Call) -> None:
    call.begin()
    while not call.wait(0):
        call.chunk(b"x" * 10_000)


NASTY = "no\x1b]0;owned\x07\u202e\nline " + "y" * 1000
BAD: dict[str, tuple[Reply, type[client.ModelError], str]] = {
    "closes": (closes, client.ServerGone, "closed the connection before it answered"),
    "closes in the middle": (half, client.ServerGone, "in the middle of its answer"),
    "redirects": (redirects("http://evil.example/api"), client.BadAnswer, "redirects to 'http://evil.example/api'"),
    "is a web site": (html, client.BadAnswer, "no JSON object .it begins with '<!DOCTYPE html>"),
    "is a list": (says(200, []), client.BadAnswer, "no JSON object"),
    "is nothing": (lambda c: c.whole(200, b""), client.BadAnswer, "begins with 'nothing'|ended without a last line"),
    "is nested deep": (lambda c: c.whole(200, b'{"a":' + b"[" * 5000), client.BadAnswer, "no JSON object"),
    "is not HTTP": (lambda c: c.raw(b"SSH-2.0-OpenSSH_9.9\r\n"), client.BadAnswer, "does not speak HTTP"),
    "has no end": (huge, client.BadAnswer, "larger than 1,000,000 bytes"),
    "is one line": (one_line, client.BadAnswer, "larger than 1"),
    "has no such path": (says(404, {"error": "404 page not found"}), client.BadAnswer, "it answers 404: 404 page not"),
    "is the cloud": (says(401, {"error": "unauthorized", "signin_url": "https://ollama.com/c"}), client.BadAnswer, "sign in"),
    "says nasty things": (says(500, {"error": NASTY}), client.BadAnswer, "it answers 500: no"),
    "sends no content": (lambda c: c.whole(204, b""), client.BadAnswer, "it answers 204"),
}  # fmt: skip
SLOW = {
    "hangs": (hangs, "gave no answer"),
    "drips a head": (drips(b"HTTP/1.1 200 OK\r\nX: "), "gave no answer"),
    "drips a body": (one_byte_of_a_body, "did not come to the end of its answer"),
    "goes on for ever": (slow_lines, "did not come to the end of its answer"),
}


def told_by(fake: FakeOllama, limits: Limits, kind: type[client.ModelError], words: str) -> None:
    """Ask, and look at the one line that comes of it."""
    started = time.monotonic()
    with pytest.raises(kind, match=words) as caught:
        ask(fake, limits)
    assert time.monotonic() - started < limits.seconds + 5
    told = str(caught.value)
    assert told.startswith(fake.address.url + ": ")
    assert told == clean_line(told)
    assert len(told) < 450


@pytest.mark.parametrize("path", ["/api/version", "/api/chat"])
@pytest.mark.parametrize("case", BAD)
def test_every_bad_server_is_one_clear_line(fake: FakeOllama, case: str, path: str) -> None:
    reply, kind, words = BAD[case]
    fake.script(path, reply)
    told_by(fake, Limits(seconds=20, document=1_000_000, stream=1_000_000, line=100_000), kind, words)


@pytest.mark.parametrize("path", ["/api/version", "/api/chat"])
@pytest.mark.parametrize("case", SLOW)
def test_every_slow_server_is_one_clear_line_at_the_time_limit(fake: FakeOllama, case: str, path: str) -> None:
    """On a busy machine the limit may pass before the first byte of what is to be slow."""
    reply, words = SLOW[case]
    fake.script(path, reply)
    told_by(fake, Limits(seconds=0.2), client.ServerGone, f"({words}|gave no answer) within 0.2 s")


def test_an_error_in_the_middle_of_an_answer_is_one(fake: FakeOllama) -> None:
    fake.script("/api/chat", streams(line("al"), {"error": "an error was encountered while running the model"}))
    with pytest.raises(client.BadAnswer, match="failed in the middle of its answer: an error was encountered"):
        ask(fake)
    told = {"error": "request (9001 tokens) exceeds the available context size (4096 tokens), try increasing it"}
    fake.script("/api/chat", streams(line("al"), told))
    with pytest.raises(client.TooLong) as caught:
        ask(fake)
    assert (caught.value.n_tokens, caught.value.n_ctx) == (9001, 4096)


def test_an_answer_without_a_last_line_is_none(fake: FakeOllama) -> None:
    fake.script("/api/chat", streams(line("al"), line("al")))
    with pytest.raises(client.BadAnswer, match="ended without a last line"):
        ask(fake)


@pytest.mark.parametrize("name", ["no-such:1b", "x" * 5000, "a\nb"])
def test_a_wrong_model_name_is_told(fake: FakeOllama, name: str) -> None:
    ollama = Ollama(fake.address)
    with pytest.raises(client.NoSuchModel, match="has no model '") as shown:
        ollama.show(name)
    with pytest.raises(client.NoSuchModel) as asked:
        ollama.chat(Chat(name, HELLO))
    assert str(shown.value) == str(asked.value)
    assert len(str(shown.value)) < 300
    assert "\n" not in str(shown.value)


def test_a_model_in_the_cloud_is_refused_before_anything_is_sent(fake: FakeOllama) -> None:
    assert [n for n in ("gpt-oss:120b-cloud", "x/glm:cloud", "a:20b:cloud", "cloud", "cloudy:8b", "a-cloud:8b") if is_cloud(n)] == [
        "gpt-oss:120b-cloud", "x/glm:cloud", "a:20b:cloud",
    ]  # fmt: skip
    with pytest.raises(client.CloudModel, match="'gpt-oss:120b-cloud' runs in Ollama's cloud"):
        Ollama(fake.address).chat(Chat("gpt-oss:120b-cloud", HELLO))
    assert not fake.asked
    fake.script("/api/chat", streams(last("x", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b")))
    with pytest.raises(client.CloudModel):
        ask(fake)
    allowed = Ollama(fake.address, allow_cloud=True).chat(Chat("gpt-oss:120b-cloud", HELLO))
    assert allowed.text == "x"


@pytest.mark.parametrize(
    "wrong", [Chat(MODEL, HELLO, num_ctx=0), *(Chat(MODEL, HELLO, num_predict=n) for n in (0, -1))]
)
def test_no_tokens_means_no_limit_to_servers_and_is_refused(fake: FakeOllama, wrong: Chat) -> None:
    with pytest.raises(InvalidInput, match="must be at least 1"):
        Ollama(fake.address).chat(wrong)
    assert not fake.asked


def test_a_proxy_of_the_environment_does_not_come_before_this_machine(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert Ollama(fake.address).version() == NEW
    far = Ollama(fake.address._replace(loopback=False), sleep=lambda _s: None)
    with pytest.raises(client.ServerGone, match="nothing answers there"):
        far.version()


def test_no_password_is_looked_up_and_sent(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "*")
    assert Ollama(fake.address._replace(loopback=False)).version() == NEW
    assert "Authorization" not in fake.asked[0].headers


def test_a_path_in_the_address_comes_before_that_of_the_api(fake: FakeOllama) -> None:
    fake.script("/behind/ollama/api/version", says(200, {"version": OLD}))
    assert Ollama(fake.address._replace(path="/behind/ollama")).version() == OLD


def test_requests_is_imported_only_when_something_is_asked() -> None:
    program = (
        "import sys; from dispatcher.llm.ollama import Ollama; from dispatcher.llm.address import parse;"
        "Ollama(parse(None)); print(sorted({'requests', 'urllib3', 'http', 'ssl', 'socket'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_errors_are_errors_of_ours() -> None:
    assert issubclass(client.ModelError, DispatcherError)
