"""Whole chats as prompts: what Ollama and llama-server make of messages, without either."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.llm.engine import Ends, Engine
from dispatcher.llm.rendering import jinja_prompt, ollama_prompt
from dispatcher.llm.unrenderable import Unrenderable
from tests.property.world import examples

CHATML = (
    "{{ range $i, $m := .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
    "{{ if and .IsThinkSet (not .Think) }}<think></think>{{ end }}{{ .ThinkLevel }}{{ range .Tools }}{{ . }}{{ end }}"
)
JINJA = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HELLO = ({"role": "user", "content": "hello"},)
READ = {
    "type": "function",
    "function": {"name": "read", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}},
}
OLD = Engine((0, 12, 3))


def show(template: str = CHATML, lines: str = "", **others: object) -> dict[str, Any]:
    quoted = f'"""{template}"""' if '"' in template else f'"{template}"'
    modelfile = f"# FROM some:8b\n\nFROM /blob\nTEMPLATE {quoted}\n{lines}"
    return {"template": template, "modelfile": modelfile} | others


def chatml(messages: Sequence[dict[str, Any]]) -> str:
    """Render slowly and by hand: as CHATML does, without tools or thinking."""
    text, before = "", ""
    for message in messages:
        if message["role"] == before != "tool":
            text = text.removesuffix("<|im_end|>\n") + "\n\n"
        else:
            text += "<|im_start|>" + message["role"] + "\n"
        text += message["content"] + "<|im_end|>\n"
        before = message["role"]
    return text + "<|im_start|>assistant\n"


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        },
    ),
    min_size=1,
    max_size=9,
)


@given(MESSAGES)
@examples(40)
def test_a_chat_is_rendered_as_a_slow_hand_would(messages: list[dict[str, Any]]) -> None:
    assert ollama_prompt(show(), messages) == chatml(messages)


@given(MESSAGES)
@examples(20)
def test_jinja_renders_as_a_slow_hand_would_but_merges_nothing(messages: list[dict[str, Any]]) -> None:
    by_hand = "".join(chatml([message]).removesuffix("<|im_start|>assistant\n") for message in messages)
    assert jinja_prompt(JINJA, messages) == by_hand + "<|im_start|>assistant\n"


def test_the_models_own_system_prompt_and_messages_come_first() -> None:
    own = show(system="Be kind.", messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])
    assert ollama_prompt(own, HELLO) == chatml(
        [{"role": "system", "content": "Be kind."}, *own["messages"], *HELLO],
    )
    system = {"role": "SYSTEM", "content": "Be harsh."}
    assert ollama_prompt(own, [system, *HELLO]) == chatml([*own["messages"], system | {"role": "system"}, *HELLO])


def test_a_model_that_can_think_does_so_unasked_since_0_12_4() -> None:
    can = show(capabilities=["completion", "thinking"])
    plain = chatml(HELLO)
    assert ollama_prompt(can, HELLO) == plain + "medium"
    assert ollama_prompt(can, HELLO, engine=OLD) == plain
    assert ollama_prompt(can, HELLO, think=False) == plain + "<think></think>"
    assert ollama_prompt(can, HELLO, think="high") == plain + "high"
    for think in (True, "low"):
        with pytest.raises(Unrenderable, match="does not think"):
            ollama_prompt(show(), HELLO, think=think)
    with pytest.raises(Unrenderable, match="low, medium, high"):
        ollama_prompt(can, HELLO, think="a lot")


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (" <think>hm\n</think>\n\nyes</think>", "yes</think>"), ("no", "no"), ("<think>never ends", ""),
        ("<thi", ""), ("  ", ""), ("so <think>x</think>", "so <think>x</think>"), ("<think><think>a</think> b", "b"),
    ],
)  # fmt: skip
def test_thoughts_before_the_last_question_are_cut_for_two_families(content: str, left: str) -> None:
    def chat(answer: str) -> list[dict[str, Any]]:
        return [*HELLO, {"role": "assistant", "content": answer}, *HELLO, {"role": "assistant", "content": content}]

    qwen = show(details={"family": "qwen3"})
    deepseek = show() | {"modelfile": show()["modelfile"].replace("some:8b", "me/deepseek-r1:8b")}
    assert ollama_prompt(qwen, chat(content)) == ollama_prompt(deepseek, chat(content)) == chatml(chat(left))
    assert ollama_prompt(show(), chat(content)) == chatml(chat(content))


def test_tools_are_written_as_servers_since_0_30_do() -> None:
    text = ollama_prompt(show(), HELLO, [READ]).removeprefix(chatml(HELLO))
    assert text == (
        '{"type":"function","function":{"name":"read","description":"",'
        '"parameters":{"type":"object","properties":{"a":{},"b":{}}}}}'
    )
    with pytest.raises(Unrenderable, match=r"before 0\.30"):
        ollama_prompt(show(), HELLO, [READ], engine=OLD)


@pytest.mark.parametrize(
    ("model", "messages", "why"),
    [
        (show(lines="RENDERER qwen3-coder\nPARSER qwen3-coder\n"), HELLO, "qwen3-coder"),
        (show(remote_host="https://x"), HELLO, "elsewhere"),
        (show("{{ .Prompt }}"), HELLO, "no chat template"),
        ({}, HELLO, "no chat template"),
        (show(), (), "no messages"),
        (show(), ({"role": "user", "content": "x", "images": ["aGk="]},), "images"),
        (show(), ({"role": "user", "content": ["x"]},), "no text"),
    ],
)
def test_what_only_the_server_knows_is_unrenderable(model: dict[str, Any], messages: Any, why: str) -> None:  # noqa: ANN401 - bad ones
    with pytest.raises(Unrenderable, match=why):
        ollama_prompt(model, messages)


def test_tools_of_the_harmony_family_keep_their_names_only_if_they_are_identifiers() -> None:
    harmony = show(CHATML.replace("im_start", "start").replace("im_end", "end"), details={"family": "gptoss"})
    assert "read" in ollama_prompt(harmony, HELLO, [READ])
    odd = {"type": "function", "function": {"name": "read.file"}}
    for tools in ([READ, READ], [odd]):
        with pytest.raises(Unrenderable, match="renames"):
            ollama_prompt(harmony, HELLO, tools)
    assert "read.file" in ollama_prompt(show(), HELLO, [odd])


def test_a_bos_that_the_template_writes_goes_only_where_the_server_takes_it_off() -> None:
    model = show("<bos>" + CHATML)
    adds = Ends(adds_bos=True)
    assert ollama_prompt(model, HELLO).startswith("<bos>")
    assert ollama_prompt(model, HELLO, engine=Engine(OLD.number, adds)).startswith("<bos>")
    assert ollama_prompt(model, HELLO, engine=Engine(None, adds)) == chatml(HELLO)
    assert ollama_prompt(show("<s>" + CHATML), HELLO, engine=Engine(None, adds)).startswith("<s>")


def test_the_files_own_template_is_used_where_the_server_tells_it() -> None:
    native = show(CHATML) | {"template": JINJA}
    assert ollama_prompt(native, HELLO) == chatml(HELLO)
    call = {"id": "", "function": {"name": "f", "arguments": {"n": 1.0, "x": "<é>"}}}
    calls = "{% for m in messages %}{{ m.tool_calls | tojson }}{{ m.thinking }}{% endfor %}{{ tools | tojson }}"
    message = {"role": "assistant", "content": "", "tool_calls": [call], "thinking": "hm"}
    assert ollama_prompt(native | {"template": calls}, [message], [READ]) == (
        '[{"type": "function", "function": {"name": "f", "arguments": {"n": 1, "x": "<é>"}}}]'
        '[{"type": "function", "function": {"name": "read", "description": "", '
        '"parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}}]'
    )


def test_jinja_has_what_chat_templates_use() -> None:
    engine = Engine(None, Ends("<s>", "</s>", adds_bos=True, adds_eos=True), datetime(2026, 3, 1, tzinfo=UTC))
    template = (
        "{{ bos_token }}{% for m in messages %}\n"
        "  {% if m.role == 'system' %}{% continue %}{% endif %}\n"
        "{{- m.content | trim ~ loop.index0 ~ ' ' ~ m.content.strip() }}\n"
        "{% endfor %}{{ date_string }}{{ strftime_now('%Y') }}{{ eos_token }}"
    )
    messages = [{"role": "developer", "content": "x"}, {"role": "user", "content": "\u2028 hi\n"}]
    assert jinja_prompt(template, messages, engine=engine) == "\u2028 hi1 \u2028 hi\n01 Mar 20262026"
    assert jinja_prompt(JINJA, HELLO, add_generation_prompt=False) == chatml(HELLO).removesuffix(
        "<|im_start|>assistant\n"
    )


def test_a_template_that_asks_whether_to_think_is_rendered_only_when_told() -> None:
    template = "{% if enable_thinking %}a{% else %}b{% endif %}"
    with pytest.raises(Unrenderable, match="thoughts"):
        jinja_prompt(template, HELLO)
    assert jinja_prompt(template, HELLO, variables={"enable_thinking": False}) == "b"
    assert jinja_prompt("{% if enable_thinking and false %}a{% endif %}c", HELLO) == "c"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in [1, 1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(90) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(90) %}{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}{% endfor %}",
        "{{ 'a' * 999999999999 }}", "{{ 9 ** 999999999 }}", "{{ '%999999999d' % 1 }}", "{{ 'a'.center(999999999) }}",
        "{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{% include 'x' %}", "{{ raise_exception('no') }}",
        "{{ nothing.at.all }}", "{% if %}", "{{ 1 / 0 }}", "{{ none }}", "{{ '<' | e }}", "{# dsml_token #}", "{{ 'É'.lower() }}", "{{ 'É' | upper }}",
        "{{ ['a\\\\b'] }}", "{{ 2 ** 70 }}", "{{ [1.23456789] | tojson }}", "{{ 'x' | indent(999999999) }}", "x" * 600_000,
    ],
)  # fmt: skip
def test_a_template_that_fails_or_wants_too_much_is_unrenderable(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unrenderable):
        jinja_prompt(template, HELLO)
    assert time.monotonic() - started < 5


PIECES = st.sampled_from(
    [
        "{{", "}}", "{%", "%}", " for ", " in ", " if ", " else ", " endif ", " endfor ", " set ", "messages", "m", "x", "=",
        "tools", "'a'", "1", "|", "tojson", "trim", "length", "[0]", ".content", "(", ")", "+", "*", "~", "{#", "#}", "-",
        "range(3)", "namespace()", " macro x() ", " endmacro ", "None", "{% endfor %}", "{% for m in messages %}", "\n", "é",
    ],
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join))
@examples(40)
def test_any_jinja_renders_or_is_unrenderable(template: str) -> None:
    with suppress(Unrenderable):
        assert isinstance(jinja_prompt(template, HELLO), str)
