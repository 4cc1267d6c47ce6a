"""tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer

from dispatcher.cli import composition, render, streams
from dispatcher.cli.options import Json, ModelName
from dispatcher.config import Settings
from dispatcher.dispatch import counting
from dispatcher.dispatch.counting import Checked, Conversation
from dispatcher.errors import DispatcherError, ExitCode, InvalidInput
from dispatcher.llm.tokens import Count, Tokens
from dispatcher.llm.vocabularies import Kept
from dispatcher.text import well_formed

_MAX_BYTES = 64_000_000
_ROLES = ("system", "user", "assistant", "tool")


class Text(NamedTuple):
    """What is counted: a file's name, its text, and the chat that it is or would be sent as."""

    name: str
    text: str
    chat: Conversation


def tokens_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="[FILE]...", help="Texts to count; '-' is standard input.", show_default=False),
    ] = ["-"],
    model: ModelName = None,
    gguf: Annotated[
        Path | None, typer.Option("--gguf", metavar="FILE", help="The model in this file, without a server.")
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="The texts are chats: JSON, a list of messages or {messages, tools}.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Exit with 5 unless each surely fits.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Send it to the model, and compare with the server's count.")
    ] = False,
    json: Json = False,
) -> None:
    """Count tokens as the model will.

    Exact where the model's vocabulary is to be had: from its server, which is asked once, or from its
    file. Else an estimate, and the bound that the true count does not exceed. A chat is counted with the
    model's template around its messages; what --check sends as one is a text as a single message.

    Example: dispatcher tokens prompt.md --model qwen3:8b --limit 2046
    """
    if gguf is not None and (model is not None or check):
        raise InvalidInput(what="--gguf", problem="counts without a server; leave --model and --check out")
    settings = composition.settings_anywhere()
    name, kept = model or settings.text("llm.model"), composition.kept()
    texts = [_text(file, is_chat=chat) for file in files]
    if check:
        asking, at = composition.asking(settings), composition.now().iso
        checked, failed = _checked(texts, lambda text: counting.check(asking, name, text.chat, kept, at))
        texts, counts, parts = texts[: len(checked)], [each.ours for each in checked], []
    else:
        tokens = counting.tokens_in(gguf, kept) if gguf else _of_model(settings, name, kept)
        counts = [_counted(tokens, text, is_chat=chat, limit=limit) for text in texts]
        parts = [_messages(tokens, text) for text in texts] if chat else []
        checked, failed = [], None
        if tokens.basis.why:
            render.note(f"not exact: {tokens.basis.why}")
    if checked or failed is None:
        _print(texts, counts, parts, checked, json=json)
    if failed is not None:
        raise failed
    if limit is not None:
        _refuse_over(limit, texts, counts)


def _of_model(settings: Settings, name: str, kept: Kept) -> Tokens:
    tokens, gone = counting.tokens_of(composition.asking(settings), name, kept)
    if gone is not None and not tokens.basis.why:
        render.note(f"{gone}; counted with what is kept of the model")
    return tokens


def _refuse_over(limit: int, texts: list[Text], counts: list[Count]) -> None:
    over = [(text, count) for text, count in zip(texts, counts, strict=True) if not count.fits(limit)]
    for text, count in over:
        words = "more than" if count.label == "exact" else "not surely within"
        render.note(f"{text.name}: {words} {limit:,} tokens")
    if over:
        raise typer.Exit(ExitCode.REFUSED)


def _counted(tokens: Tokens, text: Text, *, is_chat: bool, limit: int | None) -> Count:
    count = tokens.chat(*text.chat) if is_chat else tokens.count(text.text)
    return count if limit is None else count.against(limit)


def _checked(texts: list[Text], check: Callable[[Text], Checked]) -> tuple[list[Checked], DispatcherError | None]:
    """Check texts up to the first that cannot be; return what came of those before it, and the error."""
    done: list[Checked] = []
    for text in texts:
        try:
            done.append(check(text))
        except DispatcherError as error:
            if len(texts) > 1:
                render.note(f"stopped at {text.name}")
            return done, error
    return done, None


def _messages(tokens: Tokens, text: Text) -> list[int]:
    """Return the tokens of each message's content, without what the template puts around it."""
    return [tokens.count(str(message.get("content") or "")).tokens for message in text.chat.messages]


def _text(file: str, *, is_chat: bool) -> Text:
    data = streams.read_bytes(_MAX_BYTES) if file == "-" else _read(file)
    text = data.decode(errors="replace")
    name = "standard input" if file == "-" else well_formed(file)
    return Text(name, text, _chat(name, data) if is_chat else Conversation([{"role": "user", "content": text}]))


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(what=f"file '{file}'", problem=(error.strerror or "cannot be read").lower()) from error
    if len(data) > _MAX_BYTES:
        raise InvalidInput(what=f"file '{file}'", problem=f"is larger than {_MAX_BYTES:,} bytes")
    return data


def _chat(name: str, data: bytes) -> Conversation:
    try:
        given = orjson.loads(data)
    except ValueError as error:
        raise InvalidInput(what=f"chat '{name}'", problem=f"is no JSON: {error}") from error
    document = given if isinstance(given, dict) else {"messages": given}
    messages, tools = document.get("messages"), document.get("tools", [])
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        problem = f"must be a list of messages, each with a role ({', '.join(_ROLES)}) and a text as its content"
        raise InvalidInput(what=f"chat '{name}'", problem=problem)
    if _is_too_deep(document):
        raise InvalidInput(what=f"chat '{name}'", problem="is nested too deeply")
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise InvalidInput(what=f"chat '{name}'", problem="tools must be a list of objects")
    return Conversation(messages, tools)


def _is_too_deep(document: object) -> bool:
    """Tell whether a document is nested more deeply than can be sent on."""
    try:
        orjson.dumps(document)
    except TypeError:
        return True
    return False


def _is_message(given: object) -> bool:
    return isinstance(given, dict) and given.get("role") in _ROLES and isinstance(given.get("content", ""), str)


def _print(
    texts: list[Text], counts: list[Count], parts: list[list[int]], checked: list[Checked], *, json: bool
) -> None:
    rows = list(zip(texts, counts, strict=True))
    if json:
        files: list[dict[str, Any]] = [{"file": text.name, **count._asdict()} for text, count in rows]
        for row, messages in zip(files, parts, strict=False):
            row["messages"] = messages
        for row, each in zip(files, checked, strict=False):
            row["check"] = _check_json(each)
        render.json({"files": files, "tokens": sum(count.tokens for count in counts)})
        return
    render.table([
        [(f"{count.tokens:,}", "bold"), (_label(count), "dim"), (text.name, ""), (count.by, "dim")] for text, count in rows
    ])  # fmt: skip
    if len(rows) > 1:
        render.line(f"{sum(count.tokens for count in counts):,} in all")
    for text, each in zip(texts, checked, strict=False):
        render.line(f"{text.name}: {_said(each)}")


def _label(count: Count) -> str:
    return count.label if count.label == "exact" else f"{count.label}, at most {count.bound:,}"


def _said(checked: Checked) -> str:
    where = "" if checked.window is None else f" in a window of {checked.window:,}"
    if not checked.told:
        return f"the server has read it{where} and told no count"
    if checked.differs:
        return f"the server counts {checked.told:,}{where}: ours is an estimate from now on"
    if checked.ours.label == "exact":
        return f"the server counts {checked.told:,}{where}, the same"
    if not checked.surely_whole:
        return (
            f"the server counts {checked.told:,}{where}, which may not have held all of it: nothing is learnt from that"
        )
    learnt = "; the ratio for such texts was corrected" if checked.learnt else ""
    return f"the server counts {checked.told:,}{where}{learnt}"


def _check_json(checked: Checked) -> Mapping[str, Any]:
    told = checked.told or None
    return {
        "told": told,
        "window": checked.window,
        "differs": checked.differs,
        "learnt": checked.learnt,
        "surely_whole": checked.surely_whole,
    }
