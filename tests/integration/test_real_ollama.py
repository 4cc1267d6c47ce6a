"""Against whatever Ollama runs at OLLAMA_HOST: only where DISPATCHER_REAL_OLLAMA=1 asks for it, as it loads a model.

DISPATCHER_REAL_MODEL names the model; without it the smallest one is taken that completes texts and runs there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.llm import facts, inventory, vocabularies
from dispatcher.llm.address import Address, parse
from dispatcher.llm.catalogue import Catalogue
from dispatcher.llm.client import Chat, TooLong, Truncated
from dispatcher.llm.inventory import connect
from dispatcher.llm.ollama import Ollama, is_cloud
from dispatcher.llm.transport import DEFAULT_LIMITS
from dispatcher.llm.vocabularies import Kept
from tests.integration.chats import Message, chats

pytestmark = pytest.mark.skipif(
    os.environ.get("DISPATCHER_REAL_OLLAMA") != "1", reason="loads a model on your server: DISPATCHER_REAL_OLLAMA=1"
)

WINDOW = 2048
TALK: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "def add(a, b):\n    return a - b\n\nWhat is wrong? 🙂 <eos>"},
]


@pytest.fixture(scope="module")
def client() -> Ollama:
    return Ollama(_address())


@pytest.fixture(scope="module")
def model(client: Ollama) -> str:
    if named := os.environ.get("DISPATCHER_REAL_MODEL"):
        return named
    installed = [m for m in client.tags() if not is_cloud(str(m["name"])) and m.get("size")]
    able = [m for m in installed if "completion" in client.show(m["name"]).get("capabilities", ["completion"])]
    if not able:
        pytest.skip("no model is installed there")
    return str(min(able, key=lambda m: int(m["size"]))["name"])


def test_tells_its_version_and_the_facts_of_a_model(client: Ollama, model: str) -> None:
    found = facts.from_show(model, client.show(model))
    print(client.release(), found)
    assert client.release().number
    assert found.layers
    assert found.context_length >= WINDOW


@pytest.mark.parametrize("number", [20, pytest.param(200, marks=pytest.mark.campaign)])
def test_reads_what_we_count(client: Ollama, model: str, tmp_path: Path, number: int) -> None:
    """Random chats, rendered and counted by us alone; those that fit into the window."""
    server = connect(_address(), DEFAULT_LIMITS)
    found = inventory.find(inventory.installed(server), model, server)
    tokens = vocabularies.of_server(server, found, Kept(Catalogue(str(tmp_path)), str(tmp_path)))
    counts = [(talk, tokens.chat(talk)) for talk in chats(2 * number, 7)]
    fitting = [(talk, count) for talk, count in counts if count.tokens < WINDOW][:number]
    assert len(fitting) == number
    for talk, count in fitting:
        told = client.chat(Chat(model, talk, num_ctx=WINDOW, num_predict=1)).prompt_tokens
        assert (count.label, count.tokens) == ("exact", told), talk
    print(client.version(), model, number, "chats, prompt_eval_count = ours, tokens", sum(c.tokens for _, c in fitting))
    assert any(m.get("name") == model and m.get("context_length", WINDOW) == WINDOW for m in client.ps())


def test_does_not_cut_in_silence(client: Ollama, model: str) -> None:
    talk = [*TALK[:1], {"role": "user", "content": "one two three four " * WINDOW}]
    with pytest.raises((TooLong, Truncated)) as found:
        client.chat(Chat(model, talk, num_ctx=WINDOW, num_predict=1, expected=3 * WINDOW))
    print(found.value)


def _address() -> Address:
    return parse(os.environ.get("OLLAMA_HOST"))
