"""A chat as the text that its model reads, without a server: what Ollama and llama-server make of messages.

Read in Ollama 0.33 (server/routes.go, server/prompt.go, template/template.go, llm/llama_server.go) and in
llama.cpp b11434 (common/chat.cpp). Both cut the returned text into tokens with the special ones in it, and
put a BOS before it where the vocabulary says so, even if a Go template has written one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.llm.engine import LATEST, Engine
from dispatcher.llm.gotemplate import api
from dispatcher.llm.gotemplate.gojson import json as go_json
from dispatcher.llm.gotemplate.template import BETWEEN, Template, Turn
from dispatcher.llm.gotemplate.values import Slice, Value
from dispatcher.llm.jinja_rendering import Message, calls_of, jinja_prompt
from dispatcher.llm.unrenderable import Unrenderable
from dispatcher.llm.words import objects

__all__ = ["jinja_prompt", "ollama_prompt"]

Think = bool | str | None
LEVELS = ("low", "medium", "high", "max")
LLAMA_SERVER = (0, 30, 0)
THINKS_UNASKED = (0, 12, 4)


def ollama_prompt(
    show: Mapping[str, Any],
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] = (),
    think: Think = None,
    engine: Engine = LATEST,
) -> str:
    """Return the prompt that Ollama makes of a request to /api/chat that it does not have to truncate.

    Args:
        show: What /api/show tells of the model.
        messages: Those of the request.
        tools: Those of the request.
        think: That of the request.
        engine: The server.

    Raises:
        Unrenderable: The prompt is not known: the server has a renderer of its own for the model, or would refuse.
    """
    modelfile = _told(show, "modelfile")
    _check(show, modelfile, messages)
    chat = _without_thoughts(show, modelfile, _with_own(show, messages))
    if engine.is_before(LLAMA_SERVER) and (tools or any(message.get("tool_calls") for message in chat)):
        raise Unrenderable(problem="servers before 0.30 write tools in another way")
    thinking = _thinking(show, think, engine)
    template = _told(show, "template")
    if "{%" in template and f"TEMPLATE {_quoted(template)}\n" not in modelfile:
        variables = {} if thinking is None else _kwargs(thinking)
        wire = json.loads(go_json(api.tools(tools, in_order=True))) if tools else ()
        return jinja_prompt(template, [_as_openai(message) for message in chat], wire, engine, variables=variables)
    prompt = _go_prompt(template, chat, _renamed(show, modelfile, tools), thinking, engine)
    cuts = not engine.is_before(LLAMA_SERVER) and engine.ends.adds_bos
    return prompt.removeprefix("<bos>") if cuts else prompt


def _told(show: Mapping[str, Any], key: str) -> str:
    value = show.get(key)
    return value if isinstance(value, str) else ""


def _check(show: Mapping[str, Any], modelfile: str, messages: Sequence[Message]) -> None:
    """Refuse what cannot be told from outside. Ollama names its renderer nowhere but in the Modelfile that it writes."""
    if show.get("remote_host"):
        raise Unrenderable(problem="the model runs elsewhere")
    renderer = re.search(r"^RENDERER (.+)$", modelfile, re.MULTILINE)
    if renderer:
        raise Unrenderable(problem=f"the server has a renderer of its own for this model: {renderer[1]}")
    template = _told(show, "template").strip()
    if not template or template == "{{ .Prompt }}":
        raise Unrenderable(problem="the model has no chat template")
    if not messages:
        raise Unrenderable(problem="there are no messages")


def _with_own(show: Mapping[str, Any], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages after those of the Modelfile, its system prompt first unless they begin with one."""
    system = _told(show, "system")
    first = [{"role": "system", "content": system}] if system and api.role(messages[0]) != "system" else []
    chat = [*first, *objects(show.get("messages")), *messages]
    return [dict(message) | {"role": api.role(message), "content": api.content(message)} for message in chat]


def _without_thoughts(show: Mapping[str, Any], modelfile: str, chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take thoughts out of answers before the last question, which Ollama does for two families."""
    name = re.search(r"^# FROM (.+)$", modelfile, re.MULTILINE)
    model = name[1].rpartition("/")[2].partition(":")[0] if name else ""
    if _family(show) == "qwen3" or model == "deepseek-r1":
        last = max((n for n, message in enumerate(chat) if message["role"] == "user"), default=-1)
        for message in chat[: max(last, 0)]:
            if message["role"] == "assistant":
                message["content"] = _said(message["content"])
    return chat


def _said(content: str) -> str:
    """Return an answer without the thoughts at its start: thinking/parser.go, given all of it at once."""
    start = content.lstrip()
    if not start.startswith("<think>"):
        return "" if "<think>".startswith(start) else content
    return start.removeprefix("<think>").partition("</think>")[2].lstrip()


def _family(show: Mapping[str, Any]) -> str:
    details = show.get("details")
    return _told(details, "family") if isinstance(details, Mapping) else ""


def _thinking(show: Mapping[str, Any], think: Think, engine: Engine) -> Think:
    """Return what Ollama makes of `think`: models that can do so when nothing is said, since 0.12.4."""
    capabilities = show.get("capabilities")
    can = isinstance(capabilities, list) and "thinking" in capabilities
    if think and not can:
        raise Unrenderable(problem="the model does not think")
    if isinstance(think, str) and think not in LEVELS:
        raise Unrenderable(problem="'think' is true, false, low, medium, high or max")
    return True if think is None and can and not engine.is_before(THINKS_UNASKED) else think


def _kwargs(think: Think) -> dict[str, Any]:
    return {"enable_thinking": bool(think)} | ({"reasoning_effort": think} if isinstance(think, str) else {})


def _quoted(text: str) -> str:
    """Return a value as Ollama writes it into a Modelfile."""
    if "\n" not in text and text == text.strip(" "):
        return text
    return f'"""{text}"""' if '"' in text else f'"{text}"'


def _is_harmony(show: Mapping[str, Any], modelfile: str) -> bool:
    template = _told(show, "template")
    by_template = _family(show) in ("gptoss", "gpt-oss") and "<|start|>" in template and "<|end|>" in template
    return by_template or re.search(r"^PARSER harmony$", modelfile, re.MULTILINE) is not None


def _renamed(
    show: Mapping[str, Any], modelfile: str, tools: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Refuse tools that Ollama renames for one family: those whose names are no identifiers, or come twice."""
    names = [function.get("name") for tool in tools if isinstance(function := tool.get("function"), Mapping)]
    plain = all(isinstance(name, str) and re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name) for name in names)
    if _is_harmony(show, modelfile) and not (plain and len(set(names)) == len(names)):
        raise Unrenderable(problem="the server renames a tool")
    return tools


def _go_prompt(
    template: str,
    chat: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    think: Think,
    engine: Engine,
) -> str:
    merged = _merged(chat)
    thinking: dict[str, Value] = {
        "Think": bool(think),
        "ThinkLevel": think if isinstance(think, str) else "medium" if think else "",
        "IsThinkSet": think is not None,
    }
    data: dict[str, Value] = {
        "Messages": Slice(tuple(api.message(m, m["content"]) for m in merged)),
        "Tools": api.tools(tools),
    }
    turns = [Turn(message["role"], message["content"]) for message in merged]
    return Template(api.wire_text(template)).render(turns, data, thinking, engine.moment().date())


def _merged(chat: Sequence[Message]) -> list[dict[str, Any]]:
    """Make messages of one role in sequence one, but for those of tools; only the first keeps what else it has."""
    merged: list[dict[str, Any]] = []
    for message in chat:
        if merged and merged[-1]["role"] == message["role"] != "tool":
            merged[-1]["content"] += BETWEEN + message["content"]
        else:
            merged.append(dict(message))
    return merged


def _as_openai(message: Message) -> dict[str, Any]:
    """Return a message as Ollama gives it to llama-server: without thoughts."""
    calls = [{"id": call.get("id") or "", "function": call["function"]} for call in calls_of(message)]
    named = {"name": message.get("tool_name"), "tool_call_id": message.get("tool_call_id"), "tool_calls": calls}
    kept = {key: value for key, value in named.items() if value}
    return {"role": message["role"], "content": message["content"], **kept}
