"""A prompt that is too long for the window, through our client, in front of a real engine."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dispatcher.llm import facts, lexicons, vocabulary
from dispatcher.llm.client import Chat, TooLong, Truncated
from dispatcher.llm.counting import Counter
from dispatcher.llm.footprint import Setup, footprint
from dispatcher.llm.ollama import Ollama
from dispatcher.llm.transport import Transport
from tests.engine.place import Place
from tests.engine.server import Engine
from tests.fakes.backed import MODEL, Backed
from tests.integration.chats import Message, chats, source

WINDOW = 256


def _asks(lines: int) -> list[Message]:
    """Return a chat with so many lines of source in its one question, which no server can leave out."""
    asked = f"{source(random.Random(1), lines)}\nWhat is this?"  # noqa: S311 - not for secrets
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked}]


def _expected(engine: Engine, counter: Counter, messages: list[Message]) -> int:
    return counter.count(engine.client.apply_template(messages), rendered=True)


def _chat(messages: list[Message], expected: int | None = None) -> Chat:
    return Chat(MODEL, messages, num_ctx=WINDOW, num_predict=1, expected=expected)


@pytest.fixture(params=[pytest.param("old", marks=pytest.mark.campaign), "new"])
def either(request: pytest.FixtureRequest) -> Backed:
    """A server of each generation."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, Backed)
    return server


@pytest.mark.campaign
def test_another_window_loads_the_model_anew(new: Backed, place: Place) -> None:
    client, messages = Ollama(new.address), [{"role": "user", "content": "Hi"}]
    client.chat(Chat(MODEL, (), keep_alive=0))
    assert client.ps() == []
    before, sizes = new.loads, []
    for window in (1024, 1024, WINDOW):
        client.chat(Chat(MODEL, messages, num_ctx=window, num_predict=1))
        [loaded] = client.ps()
        assert loaded["context_length"] == window
        sizes.append(loaded["size"])
    assert new.loads == before + 2
    found, setup = facts.from_gguf(place.model), Setup(gpus=0, version=None)
    ours = [footprint(found, window, setup).total for window in (1024, WINDOW)]
    assert sizes[0] - sizes[2] == pytest.approx(ours[0] - ours[1], rel=0.05)


def test_what_fits_is_read_whole(either: Backed, engine: Engine, counter: Counter) -> None:
    messages = _asks(3)
    expected = _expected(engine, counter, messages)
    for _ in range(2):  # the second time it is cached, and counted all the same
        answer = Ollama(either.address).chat(_chat(messages, expected))
        assert (answer.prompt_tokens, answer.answer_tokens, answer.done_reason) == (expected, 1, "length")


def test_an_older_server_cuts_silently_and_is_found_out(old: Backed, engine: Engine, counter: Counter) -> None:
    messages = _asks(60)
    expected = _expected(engine, counter, messages)
    with pytest.raises(Truncated) as found:
        Ollama(old.address).chat(_chat(messages, expected))
    assert (found.value.expected, found.value.counted) == (expected, WINDOW - 1)
    assert f"{WINDOW - 1} of the prompt's {expected} tokens" in str(found.value)
    assert _read(old, messages, truncate=False) == WINDOW - 1  # it does not know that


@pytest.mark.campaign
def test_a_server_in_between_refuses_without_a_count(place: Place) -> None:
    with Backed(place, "0.24.0") as server, pytest.raises(TooLong) as found:
        Ollama(server.address).chat(_chat(_asks(60), 999))
    assert (found.value.n_tokens, found.value.n_ctx) == (999, WINDOW)


def test_a_newer_server_refuses_with_the_exact_count(new: Backed, engine: Engine, counter: Counter) -> None:
    messages = _asks(60)
    with pytest.raises(TooLong) as found:
        Ollama(new.address).chat(_chat(messages))
    assert (found.value.n_tokens, found.value.n_ctx) == (_expected(engine, counter, messages), WINDOW)


def _read(server: Backed, messages: list[Message], **more: object) -> int:
    """Return how many tokens the server reads when it is asked as other clients ask: it may cut."""
    body = {"model": MODEL, "messages": messages, "options": {"num_ctx": WINDOW, "num_predict": 1}, **more}
    *_, last = Transport(server.address).lines("/api/chat", body)
    count = Transport(server.address).parsed(last)["prompt_eval_count"]
    assert isinstance(count, int)
    return count


@pytest.mark.campaign
def test_a_newer_server_that_may_cut_keeps_half_the_window(new: Backed) -> None:
    assert _read(new, _asks(60)) == WINDOW - (WINDOW - 5) // 2


def test_a_server_that_may_cut_leaves_out_the_oldest_messages(new: Backed, engine: Engine, counter: Counter) -> None:
    system, question = _asks(1)
    early = {"role": "user", "content": "one " * WINDOW}
    answer = {"role": "assistant", "content": "two"}
    assert _read(new, [system, early, answer, question]) == _expected(engine, counter, [system, answer, question])


def test_the_facts_of_a_model_come_through_the_api(new: Backed, place: Place) -> None:
    client = Ollama(new.address)
    [listed] = client.tags()
    found, ours = facts.from_show(MODEL, client.show(MODEL), listed["digest"]), facts.from_gguf(place.model)
    assert (found.layers, found.weights, found.digest) == (ours.layers, ours.weights, ours.digest)
    assert (found.parameters, found.exact) == (268_098_176, True)


@pytest.mark.campaign
def test_the_vocabulary_comes_through_the_api(new: Backed, tmp_path: Path, counter: Counter) -> None:
    info = Ollama(new.address).show(MODEL, verbose=True)["model_info"]
    shown = Counter(lexicons.opened("shown", lambda: vocabulary.of_metadata(info), str(tmp_path)))
    texts = [message["content"] for messages in chats(50, 7) for message in messages]
    assert [shown.count(text) for text in texts] == [counter.count(text) for text in texts]
