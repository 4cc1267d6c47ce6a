"""The client of a bare llama-server, behind the same port as Ollama's."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dispatcher.llm import client
from dispatcher.llm.client import Chat, Client
from dispatcher.llm.llama_server import LlamaServer
from dispatcher.llm.ollama import Ollama
from dispatcher.llm.transport import BUSY_WAITS, Limits
from tests.fakes.llama_server import BUILD, WINDOW, FakeLlamaServer, delta, events, refusal
from tests.fakes.ollama import MODEL, FakeOllama
from tests.fakes.scripted import Reply, hangs, html, says

HELLO = ({"role": "user", "content": "how are you"},)
CHAT = "/v1/chat/completions"


@pytest.fixture
def fake() -> Iterator[FakeLlamaServer]:
    with FakeLlamaServer() as server:
        yield server


def test_an_answer_comes_in_pieces_and_with_its_counts(fake: FakeLlamaServer) -> None:
    """What was cached is counted too."""
    server = LlamaServer(fake.address)
    heard: list[str] = []
    for _ in range(2):
        heard.clear()
        answer = server.chat(Chat("any", HELLO, num_ctx=4096, expected=3), heard.append)
        assert heard == ["all ", "is ", "well"]
        assert (answer.text, answer.done_reason) == ("all is well", "stop")
        assert (answer.prompt_tokens, answer.prompt_whole, answer.answer_tokens, answer.num_ctx) == (3, True, 3, WINDOW)
        assert answer.seconds == client.Seconds(2.0, 0.0, 0.5, 1.5)


def test_exactly_this_is_sent(fake: FakeLlamaServer) -> None:
    schema, tools = {"type": "object"}, [{"type": "function", "function": {"name": "read"}}]
    LlamaServer(fake.address).chat(Chat("any", HELLO, num_predict=600, schema=schema, tools=tools, think=False))
    assert fake.bodies(CHAT) == [
        {
            "messages": list(HELLO),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.1,
            "seed": client.SEED,
            "max_tokens": 600,
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
            "tools": tools,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]


def test_a_prompt_that_is_too_long_is_refused_with_both_counts(fake: FakeLlamaServer) -> None:
    long = ({"role": "user", "content": "word " * 100},)
    for reply in (None, events(refusal(100, WINDOW))):
        if reply:
            fake.script(CHAT, reply)
        with pytest.raises(client.TooLong, match="100 tokens, fewer than 64 fit") as caught:
            LlamaServer(fake.address).chat(Chat("any", long))
        assert (caught.value.n_tokens, caught.value.n_ctx) == (100, WINDOW)


def test_a_prompt_that_was_cut_is_an_error_with_both_counts(fake: FakeLlamaServer) -> None:
    with pytest.raises(client.Truncated) as caught:
        LlamaServer(fake.address).chat(Chat("any", HELLO, expected=60))
    assert (caught.value.counted, caught.value.expected) == (3, 60)


def test_tool_calls_are_joined_from_their_pieces(fake: FakeLlamaServer) -> None:
    def call(index: int, **function: str) -> dict[str, object]:
        return delta(tool_calls=[{"index": index, "function": function}])

    pieces = [
        call(0, name="read", arguments='{"pa'),
        call(1, name="run", arguments="not {"),
        call(0, arguments='th": 1}'),
    ]
    told = [delta(reasoning_content="hm"), *pieces, delta("tool_calls"), {"choices": [], "usage": {"prompt_tokens": 7}}]
    fake.script(CHAT, events(*told, b"[DONE]"))
    answer = LlamaServer(fake.address).chat(Chat("any", HELLO))
    assert [call["function"] for call in answer.tool_calls] == [
        {"name": "read", "arguments": {"path": 1}},
        {"name": "run", "arguments": "not {"},
    ]
    assert (answer.thinking, answer.done_reason, answer.prompt_tokens) == ("hm", "stop", 7)


def test_it_is_asked_again_while_its_model_loads(fake: FakeLlamaServer) -> None:
    loading = says(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    waits: list[float] = []
    fake.script("/props", loading, says(200, {"build_info": BUILD}))
    assert LlamaServer(fake.address, sleep=waits.append).version() == BUILD
    assert waits == [BUSY_WAITS[0]]
    fake.script("/props", loading)
    with pytest.raises(client.ServerBusy, match=r"busy \(Loading model\)"):
        LlamaServer(fake.address, sleep=waits.append).version()


def test_its_own_counts_and_prompts_can_be_asked_for(fake: FakeLlamaServer) -> None:
    server = LlamaServer(fake.address)
    assert server.version() == BUILD
    assert server.window() == WINDOW
    assert server.tokenize("one three", bos=True) == [3, 5]
    assert fake.bodies("/tokenize") == [{"content": "one three", "parse_special": True, "add_special": True}]
    assert server.apply_template(HELLO) == "how are you"


BAD: dict[str, tuple[Reply, str]] = {
    "is a web site": (html, "no JSON object"),
    "ends early": (events(delta(content="x")), "ended before it said why"),
    "fails in the middle": (events(delta(content="x"), {"error": {"message": "boom"}}), "middle of its answer: boom"),
    "hangs up": (events(delta(content="x"), ends=False), "in the middle of its answer"),
    "fails": (says(500, {"error": {"message": "boom", "code": 500}}), "it answers 500: boom"),
}


@pytest.mark.parametrize("case", BAD)
def test_every_bad_server_is_one_clear_line(fake: FakeLlamaServer, case: str) -> None:
    reply, words = BAD[case]
    fake.script(CHAT, reply)
    with pytest.raises(client.ModelError, match=words):
        LlamaServer(fake.address, Limits(seconds=20)).chat(Chat("any", HELLO))


def test_a_server_that_hangs_is_one_clear_line_at_the_time_limit(fake: FakeLlamaServer) -> None:
    fake.script(CHAT, hangs)
    started = time.monotonic()
    with pytest.raises(client.ServerGone, match=r"gave no answer within 0\.2 s"):
        LlamaServer(fake.address, Limits(seconds=0.2)).chat(Chat("any", HELLO))
    assert time.monotonic() - started < 5


def test_answers_of_another_kind_are_told(fake: FakeLlamaServer) -> None:
    fake.script("/tokenize", says(200, {"tokens": ["a"]}))
    fake.script("/apply-template", says(200, {}))
    fake.script("/props", says(200, {}))
    server = LlamaServer(fake.address)
    with pytest.raises(client.BadAnswer, match="tells no tokens"):
        server.tokenize("x")
    with pytest.raises(client.BadAnswer, match="tells no prompt"):
        server.apply_template(HELLO)
    assert (server.window(), server.version()) == (None, "unknown")
    assert server.chat(Chat("any", HELLO, num_ctx=4096)).num_ctx == 4096


def test_both_servers_are_asked_through_one_port(fake: FakeLlamaServer) -> None:
    with FakeOllama() as other:
        clients: list[Client] = [LlamaServer(fake.address), Ollama(other.address)]
        answers = [c.chat(Chat(MODEL, HELLO, num_ctx=WINDOW, expected=3)) for c in clients]
    assert answers[0]._replace(seconds=client.Seconds()) == answers[1]._replace(seconds=client.Seconds())
