"""How many tokens a text is for the model that will read it, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from dispatcher.llm import estimate
from dispatcher.llm.unrenderable import Unrenderable

Label = Literal["exact", "bounded", "estimated"]
Message = Mapping[str, Any]

_PER_MESSAGE = 8
"""Tokens around a message in a chat, where its template cannot be rendered: names of roles, marks, line breaks."""

_MOST_PER_MESSAGE = 64
_AROUND = 16

_ENDS = 2
"""Tokens that may stand around a prompt, BOS and EOS, for which a text's bound has no room."""

_MOST_FOR_TOOLS = 512
"""What templates say about tools in general; the longest that is known (qwen3-coder's) takes some 300."""

_PER_IMAGE, _MOST_PER_IMAGE = 1024, 16_384
"""The most is what the largest image comes to for the models with the finest view (Qwen2.5-VL)."""


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


Render = Callable[[Sequence[Message], Sequence[Mapping[str, Any]]], str]
"""Returns the prompt that a model's chat template makes of messages and tools. Raises Unrenderable, which says why not."""


class Basis(NamedTuple):
    """What counts for a model rest on.

    `exact` is None where there is no vocabulary, `by` names it where there is; it is `doubted` once a server has counted
    otherwise; `why` says why in both cases. `ratios` are those learnt for the model, by kind of text. `system` is the
    Modelfile's, which goes before messages that do not begin with one, `own` are its messages, before all others.
    """

    exact: Exact | None = None
    by: str = ""
    why: str = ""
    doubted: bool = False
    ratios: Mapping[str, Any] = {}
    system: str = ""
    own: Sequence[Message] = ()


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
        try:
            prompt = self._rendered(messages, tools)
        except Unrenderable as error:
            return self._unrendered(messages, tools, str(error))
        found = self._estimated(prompt) if self._exact is None else self._counted(self._exact, prompt, rendered=True)
        return found if found.label == "exact" else found._replace(bound=found.bound + _ENDS)

    def learn(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], told: int) -> dict[str, Any]:
        """Return the ratios that change now that a server has counted `told` tokens of a chat; images teach nothing."""
        if any(message.get("images") for message in messages):
            return {}
        try:
            text = self._rendered(messages, tools)
        except Unrenderable:
            shown = self._with_own(messages)
            text = "\n".join((*_spoken(shown), *map(_compact, _written(shown, tools))))
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

    def _rendered(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
        if any(message.get("images") for message in messages):
            raise Unrenderable(problem="what an image takes is a guess")
        try:
            return self._render(messages, tools)
        except RecursionError:
            raise Unrenderable(problem="the chat is nested too deeply") from None

    def _unrendered(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], why: str) -> Count:
        """Count the parts of a chat, and around them what templates usually put there."""
        shown = self._with_own(messages)
        spoken = [self.count(text) for text in _spoken(shown)]
        written = _written(shown, tools)
        parts = [*spoken, *(self.count(_compact(each)) for each in written)]
        images = sum(map(_images, shown))
        tokens = sum(part.tokens for part in parts) + _PER_MESSAGE * len(shown) + _AROUND + _PER_IMAGE * images
        most = sum(part.bound for part in spoken) + sum(map(_longest, written))
        most += _MOST_PER_MESSAGE * (len(shown) + 1) + _MOST_FOR_TOOLS * bool(tools) + _MOST_PER_IMAGE * images
        by = parts[0].by if parts else self._by
        return Count(tokens, "estimated", f"{by}; {why}", most)

    def _with_own(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages with those that the server puts before them."""
        begins = bool(messages) and str(messages[0].get("role")).lower() == "system"
        system = [{"role": "system", "content": self.basis.system}] if self.basis.system and not begins else []
        return [*system, *self.basis.own, *messages]


def _spoken(messages: Sequence[Message]) -> list[str]:
    """Return the contents that a template writes out as they are."""
    texts = [str(message.get("content") or "") for message in messages if message.get("role") != "tool"]
    return [text for text in texts if text]


def _written(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what a template may write as JSON or in another form of its own: calls, names, results, tools."""
    rest = [
        {
            key: value
            for key, value in message.items()
            if value and key not in ("role", "images") and (key != "content" or message.get("role") == "tool")
        }
        for message in messages
    ]
    return [each for each in (*rest, *tools) if each]


def _images(message: Message) -> int:
    images = message.get("images")
    return len(images) if isinstance(images, list | tuple) else int(bool(images))


def _compact(given: Mapping[str, Any]) -> str:
    import json

    return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def _longest(given: Mapping[str, Any]) -> int:
    """Return the bytes of the longest usual form: indented, escaped beyond ASCII, and where HTML would be disturbed."""
    import json

    text = json.dumps(given, indent=4)
    return len(text) + 5 * sum(map(text.count, "<>&"))
