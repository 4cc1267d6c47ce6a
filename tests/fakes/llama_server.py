"""llama-server's API as its source has it, with a model whose tokens are words."""

from __future__ import annotations

from typing import Any

from tests.fakes.scripted import Call, Reply, Scripted, says, streams, words_of

WINDOW = 64
BUILD = "b11434-0123abcd"
ANSWER = ("all ", "is ", "well")


def events(*told: object, ends: bool = True) -> Reply:
    """Answer with server-sent events."""
    return streams(*told, ends=ends, prefix=b"data: ", between=b"\n\n")


def delta(reason: str | None = None, **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return an event with a piece of the answer."""
    return {"choices": [{"index": 0, "delta": parts, "finish_reason": reason}], "object": "chat.completion.chunk"}


def refusal(tokens: int, window: int) -> dict[str, Any]:
    """Return the error for a prompt that is too long."""
    message = f"request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
    told = {"code": 400, "message": message, "type": "exceed_context_size_error"}
    return {"error": told | {"n_prompt_tokens": tokens, "n_ctx": window}}


class FakeLlamaServer(Scripted):
    """The server, with a window of 64 tokens; what it read of a prompt before, it tells as cached."""

    def __init__(self) -> None:
        self._cached = 0
        props = {"default_generation_settings": {"n_ctx": WINDOW}, "build_info": BUILD, "total_slots": 1}
        usual = {"/props": says(200, props)}
        more = {"/tokenize": self._tokenize, "/apply-template": self._template, "/v1/chat/completions": self._chat}
        super().__init__(usual | more)

    def _tokenize(self, call: Call) -> None:
        says(200, {"tokens": [len(word) for word in call.asked.body["content"].split()]})(call)

    def _template(self, call: Call) -> None:
        says(200, {"prompt": "\n".join(m["content"] for m in call.asked.body["messages"])})(call)

    def _chat(self, call: Call) -> None:
        tokens = len(words_of(call.asked.body["messages"]))
        if tokens >= WINDOW:
            return says(400, refusal(tokens, WINDOW))(call)
        timings = {"cache_n": self._cached, "prompt_n": tokens - self._cached, "prompt_ms": 500.0}
        self._cached = tokens - 1
        last = delta("stop") | {"timings": timings | {"predicted_n": 3, "predicted_ms": 1500.0}}
        return events(delta(role="assistant", content=None), *(delta(content=t) for t in ANSWER), last, b"[DONE]")(call)
