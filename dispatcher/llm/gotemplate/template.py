"""A chat template of Ollama, as template/template.go carries it out: with all messages at once, or turn by turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from dispatcher.llm.gotemplate.evaluation import Setting, executed
from dispatcher.llm.gotemplate.functions import functions
from dispatcher.llm.gotemplate.nodes import Nodes
from dispatcher.llm.gotemplate.parser import ROOT, parsed
from dispatcher.llm.gotemplate.trees import RESPONSE, identifiers, up_to_response
from dispatcher.llm.gotemplate.values import NOTHING, Value

BETWEEN = "\n\n"


class Turn(NamedTuple):
    """What a message says: the part of it that templates without a list of messages know."""

    role: str
    content: str


class Template:
    """A template, read once. Raises Unrenderable where Ollama could not read it either."""

    def __init__(self, text: str) -> None:
        trees = parsed(text)
        names = {name.lower() for nodes in trees.values() for name in identifiers(nodes)}
        self._takes_messages = "messages" in names
        if not names & {"messages", "response"}:
            trees[ROOT] = (*trees[ROOT], RESPONSE)
        self._trees: Mapping[str, Nodes] = trees

    def render(
        self, turns: Sequence[Turn], data: Mapping[str, Value], thinking: Mapping[str, Value], today: date
    ) -> str:
        """Return the prompt for messages, of which those in sequence by one role are one. Raises Unrenderable.

        Args:
            turns: The messages in short, for templates that take them one by one.
            data: `Messages` and `Tools`, for templates that take them all.
            thinking: `Think`, `ThinkLevel` and `IsThinkSet`.
            today: The day that currentDate tells.
        """
        setting = Setting(self._trees, functions(today))
        if self._takes_messages:
            system = BETWEEN.join(turn.content for turn in turns if turn.role == "system")
            return executed(setting, {"System": system, **data, "Response": "", **thinking})
        rounds = list(_rounds(turns))
        last = Setting(
            {ROOT: up_to_response(self._trees[ROOT])},
            {name: known for name, known in setting.functions.items() if not known.is_added},
            NOTHING,
        )
        settings = [*[setting] * (len(rounds) - 1), last]
        return "".join(executed(s, {**said, **thinking}) for s, said in zip(settings, rounds, strict=True))


def _rounds(turns: Sequence[Turn]) -> Iterator[dict[str, Value]]:
    """Yield what is told between one answer and the next; the last is what the model is to answer."""
    said: dict[str, Value] = {"System": "", "Prompt": "", "Response": ""}
    parts = {
        "system": ("System", ("Prompt", "Response")),
        "user": ("Prompt", ("Response",)),
        "assistant": ("Response", ()),
    }
    for turn in turns:
        if turn.role not in parts:
            continue
        part, ends = parts[turn.role]
        if any(said[end] for end in ends):
            yield said
            said = {"System": "", "Prompt": "", "Response": ""}
        said[part] = turn.content
    yield said
