"""A bare llama-server (llama.cpp's own) behind the same port: one model, in the window that it was started with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import orjson

from dispatcher.llm.address import Address
from dispatcher.llm.client import (
    Answer,
    BadAnswer,
    Chat,
    OnText,
    Seconds,
    check_read,
    check_request,
    unheard,
)
from dispatcher.llm.transport import DEFAULT_LIMITS, Limits, Transport
from dispatcher.llm.words import Declined, count, error_in, failure, objects

_DATA, _DONE = b"data:", b"[DONE]"
_REASONS = {"length": "length", "stop": "stop", "tool_calls": "stop"}


class LlamaServer:
    """Client of one server. All methods raise ServerGone, ServerBusy (also while its model loads) and BadAnswer."""

    def __init__(
        self,
        address: Address,
        limits: Limits = DEFAULT_LIMITS,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Transport(address, limits, clock, sleep)
        self._window: int | None = None

    def version(self) -> str:
        """Return the build as the server tells it: "b11434-0123abcd"."""
        return str(self.props().get("build_info") or "unknown")

    def props(self) -> dict[str, Any]:
        """Return /props: the model's path, its chat template, the default settings."""
        return self._ask("GET", "/props")

    def window(self) -> int | None:
        """Return the tokens of context that each request has, asked for once; None if the server does not tell."""
        if self._window is None:
            settings = self.props().get("default_generation_settings")
            self._window = count(settings.get("n_ctx")) if isinstance(settings, dict) else 0
        return self._window or None

    def tokenize(self, text: str, *, special: bool = True, bos: bool = False) -> list[int]:
        """Return the tokens of a text. `special`: read the names of special tokens as these; `bos`: begin with BOS."""
        body = {"content": text, "parse_special": special, "add_special": bos}
        tokens = self._ask("POST", "/tokenize", body).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise BadAnswer(server=self._http.server, problem="it tells no tokens; is it llama-server?")
        return tokens

    def apply_template(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Return the prompt that the model's chat template makes of messages."""
        prompt = self._ask("POST", "/apply-template", {"messages": list(messages)}).get("prompt")
        if not isinstance(prompt, str):
            raise BadAnswer(server=self._http.server, problem="it tells no prompt; is it llama-server?")
        return prompt

    def chat(self, request: Chat, on_text: OnText = unheard) -> Answer:
        """Return the answer to one turn. Raises TooLong, OutOfMemory and Truncated besides.

        The model, its window and how long it is kept were chosen when the server was started: `model`, `num_ctx` and
        `keep_alive` ask for nothing here, and the answer's `num_ctx` is the server's.
        """
        check_request(request)
        request = request._replace(num_ctx=self.window() or request.num_ctx)
        pieces = _Pieces()
        try:
            with closing(self._http.lines("/v1/chat/completions", _body(request))) as lines:
                for line in lines:
                    if (text := self._take(line, pieces)) is None:
                        break
                    if text:
                        on_text(text)
        except Declined as error:
            raise failure(self._http.server, error, request) from error
        if not pieces.reason:
            raise BadAnswer(server=self._http.server, problem="its answer ended before it said why")
        answer = pieces.answer(request.num_ctx)
        check_read(self._http.server, request, answer)
        return answer

    def _take(self, line: bytes, pieces: _Pieces) -> str | None:
        """Take an event in; return the text in it, None after the last. Between events stand comments (":")."""
        if line.startswith(b":"):
            return ""
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            return None
        told = self._http.parsed(data.removeprefix(b"error:").strip())
        if told.get("error"):
            raise Declined(200, *error_in(data))
        return pieces.add(told)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            return self._http.ask(method, path, body)
        except Declined as error:
            raise failure(self._http.server, error, Chat("", ())) from error


class _Pieces:
    """An answer as it comes, event by event."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._timings: Mapping[str, Any] = {}
        self._usage: Mapping[str, Any] = {}
        self.reason = ""

    def add(self, told: Mapping[str, Any]) -> str:
        """Take an event in; return the text in it."""
        self._timings = _object(told.get("timings")) or self._timings
        self._usage = _object(told.get("usage")) or self._usage
        choice = next(iter(objects(told.get("choices"))), {})
        if isinstance(reason := choice.get("finish_reason"), str):
            self.reason = _REASONS.get(reason, reason)
        delta = _object(choice.get("delta"))
        for call in objects(delta.get("tool_calls")):
            self._add_call(call)
        thinking = delta.get("reasoning_content")
        self._thinking.append(thinking if isinstance(thinking, str) else "")
        text = delta.get("content")
        self._text.append(text if isinstance(text, str) else "")
        return self._text[-1]

    def _add_call(self, call: Mapping[str, Any]) -> None:
        """Join the pieces of a call: its arguments are JSON that comes in parts."""
        joined = self._calls.setdefault(count(call.get("index")), {"name": "", "arguments": ""})
        function = _object(call.get("function"))
        for key in joined:
            part = function.get(key)
            joined[key] += part if isinstance(part, str) else ""

    def answer(self, window: int | None) -> Answer:
        """Return all of it. The prompt's count holds what was cached: cache_n + prompt_n."""
        timings, usage = self._timings, self._usage
        prompt = count(timings.get("cache_n")) + count(timings.get("prompt_n")) or count(usage.get("prompt_tokens"))
        written = count(timings.get("predicted_n")) or count(usage.get("completion_tokens"))
        read_s, write_s = (_seconds(timings.get(key)) for key in ("prompt_ms", "predicted_ms"))
        return Answer(
            "".join(self._text), "".join(self._thinking), tuple(_call(c) for _, c in sorted(self._calls.items())),
            self.reason, prompt, True, written, window, Seconds(read_s + write_s, 0.0, read_s, write_s),
        )  # fmt: skip


def _body(request: Chat) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": list(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": request.temperature,
        "seed": request.seed,
    }
    if request.num_predict is not None:
        body["max_tokens"] = request.num_predict
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": dict(request.schema)}}
    if request.tools:
        body["tools"] = list(request.tools)
    if request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think}
    return body


def _call(joined: Mapping[str, str]) -> dict[str, Any]:
    """Return a tool call as Ollama has it: its arguments are an object; what is none stays text."""
    try:
        arguments = orjson.loads(joined["arguments"] or "{}")
    except ValueError:
        arguments = joined["arguments"]
    return {"function": {"name": joined["name"], "arguments": arguments}}


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _seconds(milliseconds: object) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else 0.0
