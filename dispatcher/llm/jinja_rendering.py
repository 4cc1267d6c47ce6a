"""A chat as text with the Jinja template of a GGUF file: common/chat.cpp of llama.cpp (b11434 was read)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.llm.engine import LATEST, Engine
from dispatcher.llm.unrenderable import Unrenderable

Message = Mapping[str, Any]
_CHANGED = ("You have access to the following functions in JSONSchema format", "dsml_token")
_GEMMA4, _GEMMA4_LATER = "'<|tool_call>call:'", "{#- OpenAI Chat Completions:"
_KEEPS = "preserve_thinking"
_DROPS = ("clear_thinking", "truncate_history_thinking", "drop_thinking")


def jinja_prompt(  # noqa: PLR0913 - what a request to the engine says
    template: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] = (),
    engine: Engine = LATEST,
    *,
    add_generation_prompt: bool = True,
    variables: Mapping[str, Any] | None = None,
) -> str:
    """Return the prompt that llama-server makes with a file's chat template; its jinja is another, so is its last word.

    Args:
        template: The file's `tokenizer.chat_template`.
        messages: As OpenAI's API has them.
        tools: As OpenAI's API has them.
        engine: The vocabulary's ends and the time.
        add_generation_prompt: Whether the model is to answer.
        variables: Others that the template knows, as `chat_template_kwargs`.

    Raises:
        Unrenderable: The template fails, refuses these messages or goes beyond the bounds.
    """
    from dispatcher.llm.jinja_sandbox import rendered

    _check(template, messages)
    now, ends = engine.moment(), engine.ends
    known: dict[str, Any] = {
        "messages": [_for_jinja(message) for message in messages],
        "bos_token": ends.bos,
        "eos_token": ends.eos,
        "datetime": now.strftime("%b %d %Y"),
        "date_string": now.strftime("%d %b %Y"),
    }
    if tools:
        known["tools"] = [_tool_for_jinja(tool) for tool in tools]
    if add_generation_prompt:
        known["add_generation_prompt"] = True
    known |= variables or {}
    prompts = {rendered(template, choice | known, now) for choice in _choices(template, known)}
    if len(prompts) > 1:
        raise Unrenderable(problem="it depends on what the server thinks of the model's thoughts")
    prompt = prompts.pop()
    prompt = prompt.removeprefix(ends.bos) if ends.adds_bos else prompt
    return prompt.removesuffix(ends.eos) if ends.adds_eos else prompt


def _check(template: str, messages: Sequence[Message]) -> None:
    """Refuse the templates for which llama.cpp changes the messages before they are rendered."""
    old_gemma = _GEMMA4 in template and _GEMMA4_LATER not in template
    special = any(message.get("reasoning_content") or message.get("role") == "developer" for message in messages)
    if any(words in template for words in _CHANGED) or old_gemma or (special and "<|channel|>" in template):
        raise Unrenderable(problem="llama.cpp gives it other messages than those of the request")


def _choices(template: str, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the server may set besides: whether the model is to think, and whether it sees old thoughts."""
    thinks = [{"enable_thinking": True}]
    if "enable_thinking" in template and "enable_thinking" not in known:
        thinks.append({"enable_thinking": False})
    keeps: list[dict[str, Any]] = [{}]
    if any(name in template for name in (_KEEPS, *_DROPS)):
        keeps += [{_KEEPS: kept} | dict.fromkeys(_DROPS, not kept) for kept in (True, False)]
    return [think | keep for think in thinks for keep in keeps]


def _for_jinja(message: Message) -> dict[str, Any]:
    """Return a message as llama-server gives it to a template, arguments of calls as objects."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        raise Unrenderable(problem="a message has parts")
    role = "system" if message.get("role") == "developer" else message.get("role")
    optional = ((key, message.get(key)) for key in ("reasoning_content", "name", "tool_call_id"))
    kept = {key: value for key, value in optional if value}
    calls = [_call_for_jinja(call) for call in calls_of(message)]
    return {"role": role, "content": content, **kept} | ({"tool_calls": calls} if calls else {})


def calls_of(message: Message) -> Sequence[Mapping[str, Any]]:
    """Return the calls in a message. Raises Unrenderable if they are none."""
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple) or not all(
        isinstance(call, Mapping) and isinstance(call.get("function"), Mapping) for call in calls
    ):
        raise Unrenderable(problem="a message has calls without a function")
    return calls


def _call_for_jinja(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["function"].get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise Unrenderable(problem="a tool call has arguments that are no JSON") from None
    function = {"name": call["function"].get("name"), "arguments": _whole(arguments or {})}
    return {"type": "function", "function": function} | ({"id": call["id"]} if call.get("id") else {})


def _tool_for_jinja(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function") or {}
    if not isinstance(function, Mapping):
        raise Unrenderable(problem="a tool has a function that is none")
    named: dict[str, Any] = {
        key: function.get(key) or other for key, other in (("name", ""), ("description", ""), ("parameters", {}))
    }
    return {"type": "function", "function": named}


def _whole(value: object) -> object:
    """Return numbers without a fraction as whole ones: so they come out of Ollama."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value
