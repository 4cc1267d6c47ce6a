"""How many tokens a text is for the model that will read it, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from dispatcher.llm import estimate

Label = Literal["exact", "bounded", "estimated"]
Message = Mapping[str, Any]

_PER_MESSAGE = 8
"""Tokens around a message in a chat, where its template cannot be rendered: names of roles, marks, line breaks."""

_MOST_PER_MESSAGE = 64
_AROUND = 16


class Count(NamedTuple):
    """A count, what made it, and a number that the model's own count will not exceed.

    `exact`: as the model's vocabulary has it; `estimated`: a guess on the safe side, and the bound is what to budget with.
    """

    tokens: int
    label: Label
    by: str
    bound: int

    def against(self, limit: int) -> Count:
        """Return the count as it stands against a limit: `bounded` when it is no exact one but surely fits."""
        return self._replace(label="bounded") if self.label == "estimated" and self.bound <= limit else self

    def fits(self, limit: int) -> bool:
        """Tell whether so many tokens surely hold it."""
        return self.bound <= limit


class Exact(Protocol):
    """Counts the tokens of a text exactly."""

    def count(self, text: str, *, rendered: bool = False) -> int:
        """Return how many tokens a text is; `rendered`: with special tokens in it, and those around a prompt."""


Render = Callable[[Sequence[Message], Sequence[Mapping[str, Any]]], str | None]
"""Returns the prompt that a model's chat template makes of messages and tools; None if that is not known."""


class Basis(NamedTuple):
    """What counts for a model rest on.

    `exact` is None where there is no vocabulary, `by` names it where there is; it is `doubted` once a server has counted
    otherwise; `why` says why in both cases. `ratios` are those learnt for the model, by kind of text.
    """

    exact: Exact | None = None
    by: str = ""
    why: str = ""
    doubted: bool = False
    ratios: Mapping[str, Any] = {}


class Tokens:
    """Counts for one model; `render` makes the prompt of a chat."""

    def __init__(self, basis: Basis, render: Render) -> None:
        self.basis = basis
        self._exact, self._by, self._render = basis.exact, basis.by, render

    def count(self, text: str) -> Count:
        """Return the tokens of a text as a part of a prompt: what looks like a special token in it is plain text."""
        return self._estimated(text) if self._exact is None else self._counted(self._exact, text, rendered=False)

    def chat(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> Count:
        """Return the tokens of the prompt that is made of messages: what the server will tell as `prompt_eval_count`."""
        prompt = self._render(messages, tools)
        if prompt is None:
            return self._unrendered(messages, tools)
        return self._estimated(prompt) if self._exact is None else self._counted(self._exact, prompt, rendered=True)

    def learn(self, messages: Sequence[Message], told: int) -> dict[str, Any]:
        """Return the ratios that change now that a server has counted `told` tokens of a chat."""
        prompt = self._render(messages, ())
        text = prompt if prompt is not None else "\n".join(_texts(messages, ()))
        try:
            return estimate.learn(self.basis.ratios, text, told, estimate.reference())
        except (ImportError, OSError):
            return {}

    def _counted(self, exact: Exact, text: str, *, rendered: bool) -> Count:
        tokens = exact.count(text, rendered=rendered)
        if self.basis.doubted:
            return Count(tokens, "estimated", self._by, max(estimate.bound(text), tokens))
        return Count(tokens, "exact", self._by, tokens)

    def _estimated(self, text: str) -> Count:
        guess = estimate.estimate(text, self.basis.ratios, estimate.reference)
        return Count(guess.tokens, "estimated", guess.by, max(estimate.bound(text), guess.tokens))

    def _unrendered(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Count:
        """Count the parts of a chat, and around them what templates usually put there."""
        parts = [self.count(text) for text in _texts(messages, tools)]
        tokens = sum(part.tokens for part in parts) + _PER_MESSAGE * len(messages) + _AROUND
        most = sum(part.bound for part in parts) + _MOST_PER_MESSAGE * (len(messages) + 1)
        by = parts[0].by if parts else self._by
        return Count(tokens, "estimated", f"{by}; the chat template is not known", most)


def _texts(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return all that a template may write out."""
    import orjson

    texts = [str(message.get("content") or "") for message in messages]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return [text for text in (*texts, *(orjson.dumps(each).decode() for each in (*calls, *tools))) if text]
