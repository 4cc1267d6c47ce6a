"""Our count of a prompt is the engine's own."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.llm.client import Chat
from dispatcher.llm.counting import Counter
from dispatcher.llm.transport import Transport
from tests.engine.server import Engine
from tests.integration.chats import Message, chats

SEED = 20261121


def _completed(engine: Engine, prompt: str) -> dict[str, Any]:
    body = {"prompt": prompt, "n_predict": 1, "cache_prompt": False}
    return Transport(engine.address).ask("POST", "/completion", body)


def _agree(engine: Engine, counter: Counter, talks: list[list[Message]]) -> None:
    for messages in talks:
        prompt = engine.client.apply_template(messages)
        assert counter.count(prompt, rendered=True) == len(engine.client.tokenize(prompt, bos=True)), prompt


def test_of_rendered_chats(engine: Engine, counter: Counter) -> None:
    _agree(engine, counter, chats(30, SEED))


@pytest.mark.campaign
def test_of_200_rendered_chats(engine: Engine, counter: Counter) -> None:
    _agree(engine, counter, chats(200, SEED + 1))


@pytest.mark.parametrize("number", [2, pytest.param(20, marks=pytest.mark.campaign)])
def test_of_what_the_engine_has_read(engine: Engine, counter: Counter, number: int) -> None:
    """Evaluating takes 5 to 10 ms for each token, so the shortest of some chats are taken."""
    prompts = [engine.client.apply_template(messages) for messages in chats(20 * number, SEED + 2)]
    for prompt in sorted(prompts, key=len)[:number]:
        told = _completed(engine, prompt)
        assert told["tokens_evaluated"] == counter.count(prompt, rendered=True), prompt
        assert told["timings"]["prompt_n"] == told["tokens_evaluated"]


def test_of_a_chat_through_our_client(engine: Engine, counter: Counter) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a colour."}]
    expected = counter.count(engine.client.apply_template(messages), rendered=True)
    answer = engine.client.chat(Chat("small", messages, num_predict=2, expected=expected))
    assert answer.prompt_tokens == expected
