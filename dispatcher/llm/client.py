"""The port to a model server: what is asked, what comes back, and every way in which it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from dispatcher.errors import DispatcherError, ExitCode, InvalidInput
from dispatcher.text import clean_line, one_line

SEED = 42
TEMPERATURE = 0.1

EXACT = 0.02
"""By how much of itself an exact count of a prompt may be too high: a server may render a chat template otherwise."""

_FEW = 16
"""Tokens by which a count may be too high in any case: what opens and closes a message and a prompt (BOS, roles)."""


class ModelError(DispatcherError):
    """{server}: {problem}"""

    exit_code = ExitCode.MODEL


class ServerGone(ModelError):
    """{server}: {problem}"""


class NotReached(ServerGone):
    """{server}: {problem}"""


class ServerBusy(ModelError):
    """{server}: is too busy ({problem}) and stayed so for {tries} tries; try again later"""


class BadAnswer(ModelError):
    """{server}: {problem}"""


class NoSuchModel(ModelError):
    """{server}: has no model '{given}'; 'ollama list' shows those it has, 'ollama pull' gets one"""

    exit_code = ExitCode.NOT_FOUND


class CloudModel(ModelError):
    """'{given}' runs in Ollama's cloud, to which your code would go; choose a model that runs here"""

    exit_code = ExitCode.REFUSED


class OutOfMemory(ModelError):
    """{server}: '{given}' does not fit into memory with {window}: {problem}"""


class TooLong(ModelError):
    """{server}: the prompt does not fit the window of '{given}': {problem}"""

    @property
    def n_tokens(self) -> int | None:
        """Tokens of the prompt; None if the server did not tell and the caller did not know."""
        return _number(self.data.get("n_tokens"))

    @property
    def n_ctx(self) -> int | None:
        """Tokens that the window holds; None if nobody told."""
        return _number(self.data.get("n_ctx"))


class Truncated(ModelError):
    """{server}: '{given}' has read only {counted} of the prompt's {expected} tokens: the server cut it silently, so its answer is thrown away"""

    @property
    def expected(self) -> int:
        """Tokens that the caller counted."""
        return _number(self.data["expected"]) or 0

    @property
    def counted(self) -> int:
        """Tokens that the server evaluated, or at most can have evaluated."""
        return _number(self.data["counted"]) or 0


class Chat(NamedTuple):
    """One turn to ask for. No messages: only load the model (or, with `keep_alive` 0, unload it).

    `num_ctx`, in tokens, is not sent when None: the server then chooses. `num_predict`: the most tokens of the answer.
    `schema`: a JSON schema that the answer must follow. `think`: None for models that cannot think, which refuse the
    flag; those that can think by default. `keep_alive`: seconds or Ollama's "5m"; None leaves it to the server.
    `expected`: the caller's count of the rendered prompt, None if it has only a bound; `slack`: by how much of itself
    that count may be too high.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    num_ctx: int | None = None
    num_predict: int | None = None
    temperature: float = TEMPERATURE
    seed: int = SEED
    schema: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    think: bool | None = None
    keep_alive: str | float | None = None
    expected: int | None = None
    slack: float = EXACT


class Seconds(NamedTuple):
    """How long an answer took: in all, to load the model, to read the prompt, to write. 0 where nothing was told."""

    total: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    answer: float = 0.0


class Answer(NamedTuple):
    """What a model answered. `done_reason`: stop; length, the limit was reached or the window is full; load; unload.

    `prompt_tokens` and `answer_tokens` are the server's counts, 0 where it told none. `prompt_whole` says that the
    former counts the whole prompt, also what was cached from a turn before. `num_ctx`: the window that was asked for.
    """

    text: str
    thinking: str
    tool_calls: tuple[Mapping[str, Any], ...]
    done_reason: str
    prompt_tokens: int
    prompt_whole: bool
    answer_tokens: int
    num_ctx: int | None
    seconds: Seconds


OnText = Callable[[str], None]


def unheard(_text: str) -> None:
    """Take a piece of an answer that nobody waits for."""


class Client(Protocol):
    """A model server. Every method raises ServerGone, ServerBusy or BadAnswer, each one line, within the time limit."""

    def version(self) -> str:
        """Return what the server calls its version."""

    def chat(self, request: Chat, on_text: OnText = unheard) -> Answer:
        """Return the answer to one turn; `on_text` gets its text piece by piece.

        Raises NoSuchModel, TooLong, OutOfMemory, Truncated besides.
        """


def chat_in_memory(
    client: Client, request: Chat, smaller: Callable[[Chat], Chat | None], on_text: OnText = unheard
) -> Answer:
    """Ask; when the model does not fit into memory, ask once more with what `smaller` makes of the request.

    Only the caller can fit its messages to the next smaller window, so it does; None means that there is no smaller
    one. The answer's `num_ctx` tells which of the two was answered. Raises as `chat` does.
    """
    try:
        return client.chat(request, on_text)
    except OutOfMemory:
        if (reduced := smaller(request)) is None:
            raise
        return client.chat(reduced, on_text)


def check_request(request: Chat) -> None:
    """Raise InvalidInput for what servers misread: a window or an answer of no tokens means no limit to them."""
    for name, value in (("num_ctx", request.num_ctx), ("num_predict", request.num_predict)):
        if value is not None and value < 1:
            raise InvalidInput(what=name, problem="must be at least 1")


def check_read(server: str, request: Chat, answer: Answer) -> None:
    """Raise Truncated if the server has clearly read less than the prompt that it was sent.

    Clearly: fewer than the expected tokens by more than 16 and more than `slack` of them. A cut is larger: Ollama
    drops whole messages, then cuts to the window or about half of it (ollama/ollama#17427, #3839). Where the count
    leaves out cached tokens, or there is none, only the window bounds what can have been read. A message smaller than
    that margin which a server drops goes unseen here.
    """
    if request.expected is None or not request.messages:
        return
    told = answer.prompt_whole and answer.prompt_tokens > 0
    seen = answer.prompt_tokens if told else request.num_ctx
    margin = max(_FEW, request.slack * request.expected)
    if seen is not None and seen < request.expected - margin:
        raise Truncated(server=server, given=_name(request.model), counted=seen, expected=request.expected)


def too_long(server: str, request: Chat, n_tokens: int | None, n_ctx: int | None) -> TooLong:
    """Return the error for a prompt that a server refused; what it did not tell is taken from the request."""
    n_tokens, n_ctx = n_tokens or request.expected, n_ctx or request.num_ctx
    # One place is kept for the answer: as many tokens as the window has are refused too.
    counts = f"{n_tokens or 'too many'} tokens, {f'fewer than {n_ctx}' if n_ctx else 'fewer'} fit"
    return TooLong(server=server, given=_name(request.model), problem=counts, n_tokens=n_tokens, n_ctx=n_ctx)


def _name(model: str) -> str:
    return clean_line(one_line(model))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
