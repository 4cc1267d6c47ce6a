"""Ollama's native API in front of a real llama-server with a real model: counts, sizes and cuts are the engine's own.

What it does with prompts is what the servers' source has (server/prompt.go, llm/llama_server.go of 0.33, the runners of
0.11). Requests are answered one after the other. A model with a sliding window cannot forget the oldest part of its
context, so `shift` changes only whether a prompt is cut: a full window always ends the answer.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import orjson

from dispatcher.llm.transport import Transport
from dispatcher.llm.words import Declined
from tests.engine.place import Place
from tests.engine.server import Engine
from tests.fakes.installed import Installed
from tests.fakes.scripted import Call, Scripted, says

MODEL = "gemma3:270m"
NEW, OLD = "0.33.1", "0.11.4"
"""A server that runs llama-server and knows `truncate`, and one with runners of its own that does not know it."""

DEFAULT_WINDOW = 4096
_KEPT = 5
"""Tokens at the start of a prompt that a cut leaves: num_keep, 4 unless the request says otherwise, and BOS."""

_BUFFERS = re.compile(r"(?:model|KV|output|compute) buffer size = +([\d.]+) MiB")


class _Loaded(NamedTuple):
    """What a request needs of the engine; another one makes the server start it anew."""

    num_ctx: int
    shift: bool


class Backed(Scripted):
    """The server; `loads` counts how often it has started its engine, `evaluated` what that has read of each prompt."""

    def __init__(self, place: Place, version: str = NEW) -> None:
        number = tuple(map(int, version.split(".")))
        self._upstream, self._refuses = number >= (0, 30, 0), number >= (0, 12, 6)
        self._version, self._place, self._model = version, place, Installed(MODEL, place.model)
        self._one = threading.Lock()
        self._engine: Engine | None = None
        self._loaded: _Loaded | None = None
        self.loads = 0
        fixed = {
            "/api/version": says(200, {"version": version}),
            "/api/tags": says(200, {"models": [self._model.listed()]}),
        }
        super().__init__({**fixed, "/api/ps": self._ps, "/api/show": self._show, "/api/chat": self._chat})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            super().__exit__(kind, error, at)
        finally:
            self._unload()

    def _ps(self, call: Call) -> None:
        models = []
        if self._engine and self._loaded:
            size = round(sum(map(float, _BUFFERS.findall(self._engine.log()))) * 1024**2)
            told = {"size": size, "size_vram": 0, "context_length": self._loaded.num_ctx}
            models.append(self._model.listed() | told | {"expires_at": "2026-11-21T10:05:00Z"})
        says(200, {"models": models})(call)

    def _show(self, call: Call) -> None:
        if self._is_here(call):
            says(200, self._model.shown(verbose=bool(call.asked.body.get("verbose"))))(call)

    def _is_here(self, call: Call) -> bool:
        asked = call.asked.body["model"]
        if asked != MODEL:
            says(404, {"error": f"model '{asked}' not found"})(call)
        return bool(asked == MODEL)

    def _chat(self, call: Call) -> None:
        if not self._is_here(call):
            return None
        with self._one:
            body = call.asked.body
            if not body["messages"] and body.get("keep_alive") == 0:
                self._unload()
                return says(200, _line(done=True, done_reason="unload"))(call)
            began = time.monotonic_ns()
            window = body.get("options", {}).get("num_ctx", DEFAULT_WINDOW)
            engine = self._engine_for(_Loaded(window, body.get("shift") is not False))
            if not body["messages"]:
                return says(200, _line(done=True, done_reason="load"))(call)
            self._evaluate(call, engine, window, time.monotonic_ns() - began)
        return None

    def _engine_for(self, need: _Loaded) -> Engine:
        if self._engine is None or self._loaded != need:
            self._unload()
            shift = ("--context-shift",) if need.shift else ()
            self._engine = Engine(self._place, "-c", str(need.num_ctx), "--no-warmup", *shift).__enter__()
            self._loaded = need
            self.loads += 1
        return self._engine

    def _unload(self) -> None:
        if self._engine:
            self._engine.__exit__(None, None, None)
        self._engine = self._loaded = None

    def _evaluate(self, call: Call, engine: Engine, window: int, load_ns: int) -> None:
        body = call.asked.body
        cuts = not (self._refuses and body.get("truncate") is False)
        prompt = (
            self._prompt(engine, body["messages"], window) if cuts else engine.client.apply_template(body["messages"])
        )
        if body.get("_debug_render_only"):
            return says(200, _line() | {"_debug_info": {"rendered_template": prompt}})(call)
        tokens = engine.client.tokenize(prompt, bos=True)
        if len(tokens) >= window and not self._upstream and not cuts:
            return says(400, {"error": "the input length exceeds the context length"})(call)
        if len(tokens) >= window and cuts:
            if self._upstream and body.get("shift") is False:
                return says(400, {"error": "the prompt is longer than the context length currently available"})(call)
            tokens = self._cut(tokens, window)
        try:
            return self._stream(call, engine, _completion(body, tokens), load_ns)
        except Declined as error:
            return says(error.status, {"error": orjson.dumps({"error": dict(error.detail)}).decode()})(call)

    def _prompt(self, engine: Engine, messages: Sequence[Mapping[str, Any]], window: int) -> str:
        """Return the prompt of the latest messages that fit, of the last one at least, and of all system messages."""
        prompt = ""
        for first in range(len(messages)):
            kept = [*(m for m in messages[:first] if m["role"] == "system"), *messages[first:]]
            prompt = engine.client.apply_template(kept)
            if len(engine.client.tokenize(prompt, bos=True)) <= window:
                break
        return prompt

    def _cut(self, tokens: list[int], window: int) -> list[int]:
        """Cut a prompt that is too long: to about half the window since 0.30, before to the window."""
        limit = window - (window - _KEPT) // 2 if self._upstream else window - 1
        return tokens[:_KEPT] + tokens[len(tokens) - (limit - _KEPT) :]

    def _stream(self, call: Call, engine: Engine, completion: Mapping[str, Any], load_ns: int) -> None:
        began, begun = time.monotonic_ns(), False
        for event in Transport(engine.address).lines("/completion", completion):
            told = orjson.loads(event.removeprefix(b"data: "))
            if not begun:  # not earlier: a refusal is a status
                call.begin()
                begun = True
            line = _line(told["content"])
            if told["stop"]:
                times = {"load_duration": load_ns, "total_duration": load_ns + time.monotonic_ns() - began}
                line |= _counters(told) | times
            call.chunk(orjson.dumps(line) + b"\n")
        call.chunk(b"")


def _line(text: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    message = {"role": "assistant", "content": text}
    return {"model": MODEL, "created_at": "2026-11-21T10:00:00Z", "message": message, "done": False} | more


def _counters(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the last line tells; counters that are 0 are left out, as Go leaves them out."""
    timings = told["timings"]
    counters = {
        "prompt_eval_count": timings["cache_n"] + timings["prompt_n"],
        "prompt_eval_duration": round(timings["prompt_ms"] * 1e6),
        "eval_count": timings["predicted_n"],
        "eval_duration": round(timings["predicted_ms"] * 1e6),
    }
    reason = "length" if told["stop_type"] == "limit" else "stop"
    return {"done": True, "done_reason": reason} | {key: value for key, value in counters.items() if value}


def _completion(body: Mapping[str, Any], tokens: list[int]) -> dict[str, Any]:
    """Return the request to llama-server."""
    options = body.get("options", {})
    asked = {"prompt": tokens, "stream": True, "cache_prompt": True, "n_predict": options.get("num_predict", -1)}
    asked |= {key: options[key] for key in ("temperature", "seed") if key in options}
    if isinstance(body.get("format"), dict):
        asked["json_schema"] = body["format"]
    return asked
