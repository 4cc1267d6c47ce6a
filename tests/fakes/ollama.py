"""Ollama's native API as its source has it, of any version, with a model whose tokens are words.

A prompt that is too long is refused or silently cut as that version does it.
"""

from __future__ import annotations

from typing import Any

import orjson

from tests.fakes.scripted import Call, Scripted, says, streams, words_of

MODEL = "ministral-3:8b"
OLD, NEW = "0.24.0", "0.33.1"
"""The two generations: runners of its own, and one llama-server for each model."""

DEFAULT_WINDOW = 4096
ANSWER = ("all ", "is ", "well")
SHOWN: dict[str, Any] = {
    "modelfile": "FROM ministral-3:8b",
    "parameters": "num_ctx                        4096",
    "details": {"family": "mistral3", "quantization_level": "Q4_K_M"},
    "model_info": {
        "general.architecture": "mistral3",
        "mistral3.context_length": 262_144,
        "tokenizer.ggml.tokens": None,
    },
    "capabilities": ["completion", "tools"],
}
TAGS = {"models": [{"name": MODEL, "model": MODEL, "digest": "ab" * 32, "size": 6_000_000_000}]}
PS = {
    "models": [
        {"name": MODEL, "digest": "ab" * 32, "size": 7_000_000_000, "size_vram": 6_500_000_000, "context_length": 4096}
    ]
}


def line(text: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a line of a streamed answer."""
    return {
        "model": MODEL,
        "created_at": "2026-11-21T10:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": False,
    } | more


def last(text: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the last line of a streamed answer, which tells how it went."""
    return line(text, done=True, **{"done_reason": "stop", "total_duration": 3_000_000_000, "eval_count": 3} | more)


class FakeOllama(Scripted):
    """The server. `deaf`: it overlooks `truncate`, as a proxy or a bug may have it; `counts_cached`: as since 0.30.1.

    `arrays`: what its model's metadata has besides, told only to who wants it `verbose`.
    """

    def __init__(self, version: str = NEW, *, deaf: bool = False, counts_cached: bool = True) -> None:
        self._number = tuple(int(part) for part in version.split("-", maxsplit=1)[0].split("."))
        self._deaf, self._counts_cached = deaf, counts_cached
        self._cached: list[str] = []
        self.arrays: dict[str, list[Any]] = {}
        usual = {
            "/api/version": says(200, {"version": version}),
            "/api/tags": says(200, TAGS),
            "/api/ps": says(200, PS),
        }
        super().__init__({**usual, "/api/show": self._show, "/api/chat": self._chat})

    def _show(self, call: Call) -> None:
        if call.asked.body["model"] != MODEL:
            return says(404, {"error": f"model '{call.asked.body['model']}' not found"})(call)
        info = SHOWN["model_info"] | self.arrays
        if not call.asked.body["verbose"]:
            info = {key: None if isinstance(value, list) else value for key, value in info.items()}
        return says(200, SHOWN | {"model_info": info})(call)

    def _chat(self, call: Call) -> None:
        body = call.asked.body
        if body["model"] != MODEL:
            says(404, {"error": f"model '{body['model']}' not found"})(call)
        elif not body["messages"]:
            reason = "unload" if body.get("keep_alive") == 0 else "load"
            says(200, last(done_reason=reason) | {"eval_count": 0})(call)
        else:
            self._evaluate(call, words_of(body["messages"]), body["options"].get("num_ctx", DEFAULT_WINDOW))

    def _evaluate(self, call: Call, words: list[str], window: int) -> None:
        if len(words) >= window:
            knows = self._number >= (0, 12, 6) and not self._deaf
            if knows and call.asked.body.get("truncate") is False:
                return self._refuse(call, len(words), window)
            # Runners cut to the window; llama-server, and what calls it since 0.30, to about half of it.
            words = words[-(window // 2 if self._number >= (0, 30, 0) else window) :]
        common = 0
        while common < min(len(words), len(self._cached)) and words[common] == self._cached[common]:
            common += 1
        self._cached = words
        read = len(words) if self._counts_cached else max(1, len(words) - common)
        streams(*map(line, ANSWER), last(prompt_eval_count=read))(call)
        return None

    def _refuse(self, call: Call, tokens: int, window: int) -> None:
        if self._number < (0, 30, 0):
            return says(400, {"error": "the input length exceeds the context length"})(call)
        told = f"request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
        counts = {"n_prompt_tokens": tokens, "n_ctx": window}
        inner = {"error": {"code": 400, "message": told, "type": "exceed_context_size_error"} | counts}
        return says(400, {"error": orjson.dumps(inner).decode()})(call)
