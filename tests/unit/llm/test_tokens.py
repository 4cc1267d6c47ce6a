"""What a chat surely does not exceed where its template is not known, held against templates that are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.llm.counting import Counter
from dispatcher.llm.lexicon import Lexicon
from dispatcher.llm.lexicon_file import data
from dispatcher.llm.tokens import Basis, Message, Tokens
from dispatcher.llm.unrenderable import Unrenderable
from dispatcher.llm.vocabulary import of_metadata
from tests.property.world import examples
from tests.unit.llm import slow_counting as slow

COUNTER = Counter(Lexicon(data(of_metadata(slow.in_bytes()), 0)))
LONG = "a very long name of something " * 30
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"properties": {"path": {"type": "string"}}}}}


def nowhere(_messages: Sequence[Message], _tools: Sequence[Mapping[str, Any]]) -> str:
    raise Unrenderable(problem="it is not known")


def unknown(basis: Basis) -> Tokens:
    return Tokens(basis, nowhere)


EXACT = unknown(Basis(COUNTER, "a vocabulary"))
GUESSED = unknown(Basis(why="nobody knows"))


def written(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], **how: Any) -> str:  # noqa: ANN401 - of json
    """A chat as templates write it that put all but plain contents as JSON, with the words of the longest about tools."""
    about = "# Tools\nReply with calls in the form that follows, and with nothing else: <tool_call>...</tool_call> " * 4
    turns = [about + "\n".join(json.dumps(tool, **how) for tool in tools)] if tools else []
    for message in messages:
        rest = {key: value for key, value in message.items() if key not in ("role", "content")}
        content = message["content"]
        if message["role"] == "tool":
            content = json.dumps({"output": content}, **how)
        turns.append(f"<|im_start|>{message['role']}\n{content}{json.dumps(rest, **how) if rest else ''}<|im_end|>\n")
    return "".join(turns) + "<|im_start|>assistant\n"


texts = st.text('ab\n"\\<>&é日\U0001f600 {', max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
calls = st.lists(
    st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": texts, "arguments": values})}), max_size=2
)
chats = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": texts},
        optional={"thinking": texts, "tool_name": texts, "tool_calls": calls},
    ),
    min_size=1, max_size=4,
)  # fmt: skip
STYLES: list[dict[str, Any]] = [{}, {"indent": 4}, {"ensure_ascii": False}, {"indent": 2, "ensure_ascii": False}]


@settings(examples(150), deadline=None)  # to load tiktoken takes a third of a second once
@given(chats, st.lists(st.dictionaries(texts, values, max_size=3), max_size=2), st.sampled_from(STYLES))
def test_no_way_of_writing_a_chat_exceeds_its_bound(
    chat: list[dict[str, Any]], tools: list[dict[str, Any]], style: dict[str, Any]
) -> None:
    true = COUNTER.count(written(chat, tools, **style), rendered=True)
    for tokens in (EXACT, GUESSED):
        found = tokens.chat(chat, tools)
        assert found.label == "estimated"
        assert true <= found.bound


@pytest.mark.parametrize("tokens", [EXACT, GUESSED])
@pytest.mark.parametrize(
    "more", [{"tool_name": LONG}, {"thinking": LONG}, {"tool_calls": [{"function": {"name": "f", "arguments": {"a": LONG}}}]}]
)  # fmt: skip
def test_what_a_message_has_besides_its_content_is_counted(tokens: Tokens, more: dict[str, Any]) -> None:
    plain = {"role": "tool", "content": "x"}
    least = COUNTER.count(LONG)
    assert tokens.chat([plain | more]).bound - tokens.chat([plain]).bound >= least
    assert tokens.chat([plain | more]).tokens > tokens.chat([plain]).tokens


def test_an_image_is_given_room_and_never_exact() -> None:
    known = Tokens(Basis(COUNTER, "a vocabulary"), lambda _messages, _tools: "the cat")
    plain = {"role": "user", "content": "look"}
    assert known.chat([plain]).label == "exact"
    found = known.chat([plain | {"images": ["AAAA", "BBBB"]}])
    assert found.label == "estimated"
    assert found.bound > 2 * 16_384
    assert "what an image takes is a guess" in found.by
    assert known.learn([plain | {"images": ["AAAA"]}], (), 5000) == {}


def test_what_the_server_puts_before_messages_counts() -> None:
    own = unknown(Basis(COUNTER, "a vocabulary", system=LONG, own=[{"role": "user", "content": LONG}]))
    user, system = {"role": "user", "content": "x"}, {"role": "system", "content": "y"}
    each = COUNTER.count(LONG)
    assert own.chat([user]).bound - EXACT.chat([user]).bound >= 2 * each
    besides = own.chat([system, user]).bound - EXACT.chat([system, user]).bound
    assert each <= besides < 2 * each, "its system prompt stays away where there is another"


def test_tools_are_a_part_of_what_a_ratio_is_learnt_from() -> None:
    chat, tools = [{"role": "user", "content": "the cat and the hat " * 20}], [TOOL] * 10
    (with_tools,) = GUESSED.learn(chat, tools, 500).values()
    (without,) = GUESSED.learn(chat, (), 500).values()
    assert with_tools["ratio"] < without["ratio"]


def test_a_ratio_that_somebody_has_spoilt_is_learnt_anew() -> None:
    text = {"role": "user", "content": "the cat and the hat " * 20}
    for prompts in (-1, 0):
        spoilt = unknown(Basis(ratios={"prose": {"ratio": 1.0, "prompts": prompts}}))
        assert spoilt.learn([text], (), 150)["prose"]["prompts"] == 1


def test_what_stands_around_a_prompt_is_in_its_bound() -> None:
    """A vocabulary of single bytes, a space before the text, and both ends."""
    spm = of_metadata(slow.by_score(add_bos_token=True, add_eos_token=True, add_space_prefix=True))
    true = Counter(Lexicon(data(spm, 0))).count("z", rendered=True)
    assert true == 4
    assert Tokens(Basis(), lambda _messages, _tools: "z").chat([{"role": "user", "content": "z"}]).bound >= true
