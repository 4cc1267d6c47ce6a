"""Counting the tokens of texts and chats for a model, and asking its server whether the count is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.context.window import next_smaller
from dispatcher.context.window_state import Window
from dispatcher.dispatch import windows
from dispatcher.dispatch.machine import Asking, Situation, look_at
from dispatcher.errors import DispatcherError
from dispatcher.llm import inventory, vocabularies
from dispatcher.llm.client import Answer, Chat, NoSuchModel, OutOfMemory, chat_in_memory
from dispatcher.llm.tokens import Count, Message, Tokens
from dispatcher.llm.vocabularies import RATIOS, Kept

_NEVER_SHOWN = 1
"""Tokens of the answer that is asked for to have a prompt counted: with none, servers do not stop."""


class Conversation(NamedTuple):
    """Messages, and the tools that the model may call."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()


class Checked(NamedTuple):
    """A server's own count of a chat beside ours, and the window that it was asked in.

    `differs`: ours was taken for exact, and was not; from now on it is an estimate. `learnt`: the ratio of a kind of text
    was corrected. `surely_whole` is False for an estimated prompt that the window may not have held.
    """

    ours: Count
    told: int
    window: int | None
    differs: bool = False
    learnt: bool = False
    surely_whole: bool = True


def tokens_of(asking: Asking, name: str, kept: Kept) -> tuple[Tokens, DispatcherError | None]:
    """Return what counts for a model: as its server has it, else as it was when it was last met, else an estimate.

    With it comes what kept the server from being asked, if anything. Raises NoSuchModel.
    """
    try:
        server = inventory.connect(asking.address, asking.limits)
        model = inventory.find(inventory.installed(server), name, server)
        kept.catalogue.keep_digest(name, model.digest)
        return vocabularies.of_server(server, model, kept), None
    except NoSuchModel:
        raise
    except DispatcherError as error:
        return vocabularies.at_hand(name, kept) or vocabularies.nothing(str(error)), error


def tokens_in(path: Path, kept: Kept) -> Tokens:
    """Return what counts for the model in a `.gguf` file. Raises InvalidInput."""
    return vocabularies.of_file(path, kept)


def check(asking: Asking, name: str, chat: Conversation, kept: Kept, at: str) -> Checked:
    """Have a server read a chat and compare its count with ours; learn from it.

    Raises what the server's client raises: TooLong and Truncated with both counts.
    """
    here = look_at(asking, name)
    if here.machine.server is None:
        raise here.machine.problem or NoSuchModel(server=asking.address.url, given=name)
    tokens = vocabularies.of_server(here.machine.server, here.model.model, kept)
    ours = tokens.chat(chat.messages, chat.tools)
    before = windows.Kept({}, None)
    window = windows.next_window(before, here, ours.tokens, at)
    answer = _asked(here, chat, ours, window)
    told = answer.prompt_tokens if answer.prompt_whole else 0
    return _compared(here, chat, kept, tokens, Checked(ours, told, answer.num_ctx))


def _asked(here: Situation, chat: Conversation, ours: Count, window: Window) -> Answer:
    """Send a chat; when memory runs out, once more in the next smaller window if that holds it.

    Raises OutOfMemory, without asking, where no window is possible.
    """
    assert here.machine.server is not None  # noqa: S101 - the caller has seen to it
    if window.num_ctx == 0:
        raise OutOfMemory(
            server=here.machine.server.address.url,
            given=here.model.model.name,
            window="any window",
            problem=window.impossible,
        )
    request = Chat(
        here.model.model.name, chat.messages, window.num_ctx, _NEVER_SHOWN, tools=chat.tools,
        expected=ours.tokens if ours.label == "exact" else None,
    )  # fmt: skip

    def smaller(refused: Chat) -> Chat | None:
        size = next_smaller(refused.num_ctx or 0)
        return refused._replace(num_ctx=size) if size > ours.tokens else None

    return chat_in_memory(here.machine.server.client, request, smaller)


def _compared(here: Situation, chat: Conversation, kept: Kept, tokens: Tokens, checked: Checked) -> Checked:
    """Draw the conclusions from a server's count; one that it did not tell, or that was cut, teaches nothing."""
    digest, told = here.model.facts.digest if here.model.facts else "", checked.told
    if not told or here.machine.server is None:
        return checked
    if checked.ours.label == "exact" and told != checked.ours.tokens:
        vocabularies.contradict(kept, digest, here.machine.server.version, checked.ours.tokens, told)
        return checked._replace(differs=True)
    if tokens.basis.exact or checked.ours.label == "exact":
        return checked
    if checked.ours.bound >= (checked.window or 0):
        return checked._replace(surely_whole=False)  # a server that cuts and tells nobody would teach nonsense
    if changed := tokens.learn(chat.messages, chat.tools, told):
        kept.catalogue.keep(digest, RATIOS, changed)
    return checked._replace(learnt=bool(changed))
