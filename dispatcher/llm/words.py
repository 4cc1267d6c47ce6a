"""What model servers say, read without trust: refusals and their reasons, counters, lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from dispatcher.llm.client import BadAnswer, Chat, ModelError, NoSuchModel, OutOfMemory, too_long
from dispatcher.text import clean_line, one_line

_TOO_LONG = re.compile(r"\((\d{1,12}) tokens\)[^()]{0,80}\((\d{1,12}) tokens\)")
"""request (15001 tokens) exceeds the available context size (4096 tokens): llama-server's words, and Ollama's since 0.30."""

_TOO_LONG_UNCOUNTED = (
    "input length exceeds the context length", "exceeds maximum context length",
    "prompt is longer than the context length",
)  # fmt: skip
"""Before 0.30; and since 0.31, where `truncate` did not arrive and `shift` is false."""
_TOO_LONG_TYPE = "exceed_context_size_error"

_OUT_OF_MEMORY = (
    "out of memory", "out of device memory", "cudamalloc failed", "hipmalloc failed", "failed to allocate",
    "allocation failed", "not enough memory", "insufficient memory", "vk_error_out_of_device_memory",
    "erroroutofmemory", "requires more system memory",
)  # fmt: skip
"""Ollama's own list (llm/status.go), and what its servers before 0.30 said of the CPU's memory (llm/server.go)."""

_LONGEST_SHOWN = 300
_DEEPEST = 4


class Declined(Exception):
    """An HTTP status other than success: what the server says in `words`, and its error as an object if it is one."""

    def __init__(self, status: int, words: str, detail: Mapping[str, Any]) -> None:
        super().__init__(status, words)
        self.status, self.words, self.detail = status, words, detail


def error_in(data: bytes) -> tuple[str, Mapping[str, Any]]:
    r"""Return what an error's body says, safe to print on one line, and its innermost object.

    Ollama passes on what its runner says, so that a message may itself be JSON: {"error": "{"error": {…}}"}.
    """
    words: object = data.decode(errors="replace")
    detail: Mapping[str, Any] = {}
    for _ in range(_DEEPEST):
        found = _object(words)
        if found is None:
            break
        detail = found
        words = found.get("error", found.get("message", words))
    return shown(words if isinstance(words, str) else str(words)), detail


def shown(words: str) -> str:
    """Return what a server says, cut and safe to print on one line."""
    words = clean_line(one_line(words[: 4 * _LONGEST_SHOWN]))
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}…"


def _object(given: object) -> Mapping[str, Any] | None:
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except ValueError:
            return None
    return given if isinstance(given, dict) else None


def objects(given: object) -> list[dict[str, Any]]:
    """Return the objects of a list, which a server in Go sends as null when it is empty."""
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def count(given: object) -> int:
    """Return a counter; Ollama leaves those out that are 0."""
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else 0


def failure(server: str, declined: Declined, request: Chat) -> ModelError:
    """Return the error for what a server said, as a status or in the middle of an answer (status 200)."""
    words, lower, model = declined.words, declined.words.lower(), shown(request.model)
    if (counts := _too_long(declined)) is not None:
        return too_long(server, request, *counts)
    if any(sign in lower for sign in _OUT_OF_MEMORY):
        window = f"a window of {request.num_ctx} tokens" if request.num_ctx else "the window that the server chose"
        return OutOfMemory(server=server, given=model, window=window, problem=words)
    if declined.status == 404 and model and "model" in lower:  # not "404 page not found"
        return NoSuchModel(server=server, given=model)
    said = f": {words}" if words else " and says no more"
    if declined.status == 200:
        return BadAnswer(server=server, problem=f"it failed in the middle of its answer{said}")
    if declined.status == 401:
        return BadAnswer(server=server, problem=f"it wants somebody to sign in{said}")
    return BadAnswer(server=server, problem=f"it answers {declined.status}{said}")


def _too_long(declined: Declined) -> tuple[int | None, int | None] | None:
    """Return the tokens of the prompt and of the window if it was refused for these, as far as they are told."""
    told = declined.detail
    if told.get("type") == _TOO_LONG_TYPE and "n_prompt_tokens" in told:
        return count(told["n_prompt_tokens"]), count(told.get("n_ctx"))
    if found := _TOO_LONG.search(declined.words):
        return int(found[1]), int(found[2])
    return (None, None) if any(sign in declined.words.lower() for sign in _TOO_LONG_UNCOUNTED) else None
