"""context: the window of a session."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dispatcher.cli import composition, render
from dispatcher.cli.options import Json, ModelName, Session
from dispatcher.cli.vram_view import fits_json
from dispatcher.config import SPECS, Settings
from dispatcher.context.guard import Guard, Thresholds, answer_reserve
from dispatcher.context.window_state import Window
from dispatcher.dispatch import windows
from dispatcher.dispatch.machine import Situation, look_at
from dispatcher.errors import ExitCode, InvalidInput

DEFAULT_SESSION = "main"
_MOST_TOKENS = 1 << 31

context_group = typer.Typer(
    name="context",
    help="Show or set the window of a session.\n\nExample: dispatcher context show --session parser --json",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Tokens = Annotated[
    int, typer.Option("--tokens", metavar="N", min=0, max=_MOST_TOKENS, help="The tokens that its prompt takes now.")
]


@context_group.callback()
def _no_subcommand(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        render.line(ctx.get_help())
        raise typer.Exit(ExitCode.USAGE)


@context_group.command("show")
def show_command(
    session: Session = DEFAULT_SESSION, model: ModelName = None, tokens: Tokens = 0, json: Json = False
) -> None:
    """Show the window that the next request would have, and why.

    Nothing is changed: it is the request that keeps what was decided.

    Example: dispatcher context show --session parser --tokens 3000
    """
    settings = composition.settings_anywhere()
    before = windows.kept(composition.session_log(session, settings).events())
    here = _here(settings, model)
    _tell_what_is_not_known(here)
    window = windows.next_window(before, here, tokens, composition.now().iso)
    render.json(_json(session, window, before, here, tokens)) if json else _print(session, window, before, here, tokens)


@context_group.command("size")
def size_command(
    size: Annotated[int, typer.Argument(metavar="TOKENS", help="The window to ask for.")],
    session: Session = DEFAULT_SESSION, model: ModelName = None, json: Json = False,
) -> None:  # fmt: skip
    """Give a session a window of its own, whatever the settings say.

    What the model and the memory do not allow is not asked for all the same.

    Example: dispatcher context size 8192 --session parser
    """
    try:
        SPECS["context.targetSize"].read(size)
    except ValueError as error:
        raise InvalidInput(what=f"size {size}", problem=str(error)) from error
    _set(size, session, model, json=json)


@context_group.command("auto")
def auto_command(session: Session = DEFAULT_SESSION, model: ModelName = None, json: Json = False) -> None:
    """Let the settings decide the window of a session again.

    Example: dispatcher context auto --session parser
    """
    _set(None, session, model, json=json)


def _set(target: int | None, session: str, model: str | None, *, json: bool) -> None:
    """Keep what a person wants, then decide with it; where nothing can be decided now, it is kept all the same."""
    settings = composition.settings_anywhere()
    log = composition.session_log(session, settings)
    here = _here(settings, model)  # a name that is none, or an address that must not be used, changes nothing
    if not windows.set_by_hand(log, "context", target):
        render.note("it was so already")
    if here.model.facts is None:
        render.note(here.model.problem)
        said = (
            "left to the settings"
            if target is None
            else f"set by hand to {target:,} tokens, as far as the model allows"
        )
        render.json({"session": session, "target": target}) if json else render.line(f"{session}: window {said}")
        return
    _tell_what_is_not_known(here)
    before = windows.kept(log.events())
    window = windows.next_window(before, here, 0, composition.now().iso)
    windows.remember(log, "context", window)
    before = windows.kept(log.events())
    render.json(_json(session, window, before, here, 0)) if json else _print(session, window, before, here, 0)


def _tell_what_is_not_known(here: Situation) -> None:
    if here.model.facts is None:
        return
    if here.machine.problem is not None:
        render.note(f"{here.machine.problem}; this is from what was known before")
    if here.memory is None:
        why = here.model.problem or "nobody says how large it is there"
        render.note(f"whether the window fits into memory is not known: {why}")


def _here(settings: Settings, model: str | None) -> Situation:
    return look_at(composition.asking(settings), model or settings.text("llm.model"))


def _guard(window: Window, here: Situation, tokens: int) -> Guard:
    soft = here.settings.share("context.compression.threshold")
    return Guard(window.num_ctx or 0, answer_reserve(window.num_ctx or 0), tokens, Thresholds(soft=soft))


def _print(session: str, window: Window, before: windows.Kept, here: Situation, tokens: int) -> None:
    size = "left to the server" if window.num_ctx is None else f"{window.num_ctx:,} tokens"
    by = f"profile {window.profile}" if before.target is None else f"set by hand to {before.target:,}"
    render.line(f"{session}, {here.model.model.name}: window {size} ({by}; {window.reason})")
    if window.impossible:
        render.line(f"too small: {window.impossible}")
    elif window.limited_by:
        render.line(f"limited by {_LIMITS[window.limited_by]}")
    if window.num_ctx:
        guard = _guard(window, here, tokens)
        rest = f"{guard.reserve:,} are kept for the answer; above {guard.safe_limit():,} it is time to compress"
        render.line(f"room for a prompt of {guard.capacity:,} tokens: {rest}")
        if tokens > guard.capacity:
            render.line(f"{tokens:,} tokens do not fit")
        elif tokens:
            render.line(f"{tokens:,} tokens fill {100 * guard.use:.0f} % of that room")
    if here.memory is not None:
        cache = here.machine.cache
        render.line(f"memory holds {here.memory:,} tokens (KV cache {cache.type}, {cache.why})")
    kept = before.before(window.model)
    for entry in kept.history if kept else ():
        sizes = f"{_size(entry.before)} to {_size(entry.after)}"
        render.line(f"  {entry.at[:19]}Z  {entry.reason}  {sizes}  {entry.model}  at {entry.use:,} tokens")


_LIMITS = {
    "profile": "the profile", "maxSize": "context.maxSize", "model": "90 % of the model's window",
    "memory": "the memory that is free",
}  # fmt: skip


def _size(size: int | None) -> str:
    return "none" if size is None else f"{size:,}"


def _json(session: str, window: Window, before: windows.Kept, here: Situation, tokens: int) -> dict[str, Any]:
    model = here.model
    return {
        "session": session,
        "model": model.model.name,
        "loaded": model.loaded.window if model.loaded else None,
        "model_max_context": model.facts.context_length if model.facts else None,
        "target": before.target,
        "window": window.to_dict(),
        "prompt": None if window.num_ctx is None else _prompt_json(_guard(window, here, tokens)),
        "windows": fits_json(model),
    }


def _prompt_json(guard: Guard) -> dict[str, Any]:
    return {
        "tokens": guard.used, "capacity": guard.capacity, "safe_limit": guard.safe_limit(),
        "fits": guard.can_allocate(0), "level": guard.level().name.lower(), "answer": guard.reserve,
    }  # fmt: skip
