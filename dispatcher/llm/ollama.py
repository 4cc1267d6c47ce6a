"""Ollama's native API, of servers before 0.30 (runners of its own) and since (one llama-server for each model).

What the versions do was read in their source (server/routes.go, llm/, runner/, api/types.go of each tag).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from dispatcher.llm.address import Address
from dispatcher.llm.client import (
    Answer,
    BadAnswer,
    Chat,
    CloudModel,
    OnText,
    Seconds,
    check_read,
    check_request,
    unheard,
)
from dispatcher.llm.transport import DEFAULT_LIMITS, Limits, Transport
from dispatcher.llm.words import Declined, count, error_in, failure, objects, shown


class Release(NamedTuple):
    """A server's version. `number` is None for one that somebody built (0.0.0): it is taken for a new one."""

    text: str
    number: tuple[int, int, int] | None

    @property
    def can_refuse(self) -> bool:
        """Whether it knows `truncate` and `shift`: since 0.12.6 (0.12.4 was tagged when they had been taken back)."""
        return self.number is None or self.number >= (0, 12, 6)

    @property
    def counts_cached(self) -> bool:
        """Whether `prompt_eval_count` holds the cached part of a prompt too.

        The runners from 0.4.0 on counted all; 0.3 and before, and 0.30.0, told what they had not cached.
        """
        return self.number is None or (self.number >= (0, 4, 0) and self.number != (0, 30, 0))


def release(text: str) -> Release:
    """Return what a version's text says: '0.30.1-rc0' counts as 0.30.1."""
    found = re.match(r"v?(\d{1,5})\.(\d{1,5})\.(\d{1,5})(?!\d)", text)
    number = (int(found[1]), int(found[2]), int(found[3])) if found else None
    return Release(text, number if number and any(number) else None)


def is_cloud(model: str) -> bool:
    """Tell whether a model's name sends prompts on to Ollama's cloud: a tag 'cloud' or one that ends in '-cloud'."""
    tag = model.strip().lower().rpartition("/")[2].partition(":")[2].rpartition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")


class Ollama:
    """Client of one server. All methods raise ServerGone, ServerBusy, BadAnswer; times are in seconds."""

    def __init__(
        self,
        address: Address,
        limits: Limits = DEFAULT_LIMITS,
        *,
        allow_cloud: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Transport(address, limits, clock, sleep)
        self._allow_cloud = allow_cloud
        self._release: Release | None = None

    def version(self) -> str:
        """Return the version as the server tells it."""
        return self.release().text

    def release(self) -> Release:
        """Return the version, asked for once."""
        if self._release is None:
            told = self._ask("GET", "/api/version").get("version")
            if not isinstance(told, str):
                raise BadAnswer(server=self._http.server, problem="it tells no version; is it Ollama?")
            self._release = release(told)
        return self._release

    def tags(self) -> list[dict[str, Any]]:
        """Return the installed models as /api/tags lists them."""
        return objects(self._ask("GET", "/api/tags").get("models"))

    def ps(self) -> list[dict[str, Any]]:
        """Return the loaded models as /api/ps lists them."""
        return objects(self._ask("GET", "/api/ps").get("models"))

    def show(self, model: str, *, verbose: bool = False) -> dict[str, Any]:
        """Return what /api/show tells of a model; the vocabulary only if `verbose`. Raises NoSuchModel besides.

        Unless it is verbose, a server sends null for every array, also for those of a few numbers that say how layers
        differ (`maxArraySize` in server/routes.go; 0.11.4 to 0.32.15). Only for these it is asked a second time.
        """
        told = self._shown(model, verbose=verbose)
        lacking = [] if verbose else _lacking(told)
        if lacking:
            whole = _info(self._shown(model, verbose=True))
            told["model_info"] = _info(told) | {key: whole.get(key) for key in lacking}
        return told

    def chat(self, request: Chat, on_text: OnText = unheard) -> Answer:
        """Return the answer to one turn. Raises NoSuchModel, CloudModel, TooLong, OutOfMemory, Truncated besides."""
        check_request(request)
        if is_cloud(request.model) and not self._allow_cloud:
            raise CloudModel(given=shown(request.model))
        server = self.release()
        pieces = _Pieces()
        try:
            with closing(self._http.lines("/api/chat", _body(request, server))) as lines:
                for line in lines:
                    self._take(line, request, pieces, on_text)
                    if pieces.last:
                        break
        except Declined as error:
            raise failure(self._http.server, error, request) from error
        if not pieces.last:
            problem = "its answer ended without a last line; servers break off so when a model repeats itself"
            raise BadAnswer(server=self._http.server, problem=problem)
        answer = pieces.answer(server.counts_cached, request.num_ctx)
        check_read(self._http.server, request, answer)
        return answer

    def _shown(self, model: str, *, verbose: bool) -> dict[str, Any]:
        return self._ask("POST", "/api/show", {"model": model, "verbose": verbose}, model)

    def _take(self, line: bytes, request: Chat, pieces: _Pieces, on_text: OnText) -> None:
        told = self._http.parsed(line)
        if told.get("error"):
            raise Declined(200, *error_in(line))
        if told.get("remote_host") and not self._allow_cloud:
            raise CloudModel(given=shown(str(told.get("remote_model") or request.model)))
        if text := pieces.add(told):
            on_text(text)

    def _ask(self, method: str, path: str, body: object = None, model: str = "") -> dict[str, Any]:
        try:
            return self._http.ask(method, path, body)
        except Declined as error:
            raise failure(self._http.server, error, Chat(model, ())) from error


def _info(told: Mapping[str, Any]) -> dict[str, Any]:
    found = told.get("model_info")
    return found if isinstance(found, dict) else {}


def _lacking(told: Mapping[str, Any]) -> list[str]:
    """Return the keys of a model's architecture whose arrays were left out."""
    info = _info(told)
    begin = f"{info.get('general.architecture')}."
    return [key for key, value in info.items() if key.startswith(begin) and value in (None, [])]


class _Pieces:
    """An answer as it comes, line by line."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[Mapping[str, Any]] = []
        self.last: Mapping[str, Any] = {}

    def add(self, told: Mapping[str, Any]) -> str:
        """Take a line in; return the text in it."""
        message = told.get("message")
        message = message if isinstance(message, dict) else {}
        text, thinking = (t if isinstance(t := message.get(key), str) else "" for key in ("content", "thinking"))
        self._text.append(text)
        self._thinking.append(thinking)
        self._calls += objects(message.get("tool_calls"))
        if told.get("done") is True:
            self.last = told
        return text

    def answer(self, counts_cached: bool, num_ctx: int | None) -> Answer:
        """Return all of it."""
        last = self.last
        times = (count(last.get(f"{key}_duration")) / 1e9 for key in ("total", "load", "prompt_eval", "eval"))
        reason = last.get("done_reason")
        return Answer(
            "".join(self._text), "".join(self._thinking), tuple(self._calls),
            reason if isinstance(reason, str) else "",
            count(last.get("prompt_eval_count")), counts_cached, count(last.get("eval_count")),
            num_ctx, Seconds(*times),
        )  # fmt: skip


def _body(request: Chat, server: Release) -> dict[str, Any]:
    """Return /api/chat's request. `truncate` and `shift` are the same in all: to change the latter reloads the model."""
    options = {"temperature": request.temperature, "seed": request.seed}
    body: dict[str, Any] = {"model": request.model, "messages": list(request.messages), "stream": True}
    body["options"] = options
    if request.num_ctx is not None:
        options["num_ctx"] = request.num_ctx
    if request.num_predict is not None:
        options["num_predict"] = request.num_predict
    if server.can_refuse:
        body |= {"truncate": False, "shift": False}
    optional = {"format": request.schema, "think": request.think, "keep_alive": request.keep_alive}
    body |= {key: value for key, value in optional.items() if value is not None}
    if request.tools:
        body["tools"] = list(request.tools)
    return body
