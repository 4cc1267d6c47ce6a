"""The front door: which command is which function, and how every call ends."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dispatcher import __version__, clock
from dispatcher.cli import composition, render, streams
from dispatcher.domain.moment import Moment
from dispatcher.errors import DispatcherError, ExitCode, InvalidInput

# Per command: the module that has it. Only the one that is called is imported.
COMMANDS = {
    "init": "upkeep",
    "scan": "testing",
    "add": "tasks",
    "edit": "tasks",
    "mute": "tasks",
    "claim": "claims",
    "complete": "testing",
    "fail": "claims",
    "release": "claims",
    "heartbeat": "claims",
    "progress": "claims",
    "reopen": "tasks",
    "list": "views",
    "show": "views",
    "status": "views",
    "log": "views",
    "prune": "upkeep",
    "rebuild": "upkeep",
    "schedule": "schedule",
    "config": "configure",
    "vram": "vram",
    "tokens": "tokens",
    "context": "context",
    "graph": "graph",
    "eval": "evaluate",
}
# Newer typers carry a click of their own, so its base error is reached through the one that they export.
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class LazyCommands(TyperGroup):
    """Commands that are imported when they are needed: one for a call, all for the list in the help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's context, of either typer's click
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
        """Find the command that the arguments begin with; a wrong name gets the nearest right one."""
        if args and args[0] not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.7)
            meant = f"did you mean '{close[0]}'?" if close else "see 'dispatcher --help'"
            raise InvalidInput(what=f"'{args[0]}'", problem=f"no such command; {meant}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        """Return one command, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = import_module(f"dispatcher.cli.{module}")
        if (group := getattr(found, f"{cmd_name}_group", None)) is not None:
            return typer.main.get_command(group)
        function = getattr(found, f"{cmd_name}_command")
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(cmd_name, context_settings=_CONTEXT)(function)
        return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings=_CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        render.line(f"dispatcher {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="PATH",
            envvar="DISPATCHER_ROOT",
            show_envvar=True,
            help="The state root, instead of the one found.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn failing tests into task files that small local models can fix.

    Start with 'dispatcher init' in your project. Data goes to standard output, talk to standard
    error; docs/exit-codes.md lists the exit codes.
    """
    composition.use_root(root)
    if ctx.invoked_subcommand is None:
        render.line(ctx.get_help())
        raise typer.Exit(ExitCode.USAGE)


def main(argv: Sequence[str] | None = None, *, now: Callable[[], Moment] = clock.now) -> int:
    """Run one command and return its exit code. `argv` is without the program's name; None takes the process's.

    One call at a time: it uses the process's standard streams, environment and working directory.
    """
    # A command lives for milliseconds and leaves no cycles worth collecting, while loading a large
    # ledger would set off one collection after the other.
    gc.disable()
    composition.use_clock(now)
    streams.make_usable()
    try:
        code = _run(argv)
    finally:
        composition.close_stores()
    try:
        streams.finish()
    except DispatcherError as error:
        code = code or _told(error)
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = None if argv is None else list(argv)
        code = typer.main.get_command(app).main(args=args, prog_name="dispatcher", standalone_mode=False)
    except SystemExit as done:  # from typer: shell completion, or help whose reader has gone
        code = ExitCode.OUTPUT_CLOSED if isinstance(done.__context__, BrokenPipeError) else done.code
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets a line, never a traceback
        return _told(error)
    if code == ExitCode.INTERRUPTED:
        render.error("interrupted")
    return code if isinstance(code, int) else ExitCode.OK


def _told(error: Exception) -> int:
    """Say what went wrong in one line and return the exit code for it."""
    if isinstance(error, DispatcherError):
        if error.exit_code != ExitCode.OUTPUT_CLOSED:
            render.error(str(error))
        return error.exit_code
    if isinstance(error, _USAGE_ERROR):
        context = error.ctx
        path = context.command_path if context else "dispatcher"
        words = error.format_message().rstrip(".")
        if "no such option" in words.lower() and path.endswith(" scan"):
            words += "; pytest's own options go after '--'"
        render.error(f"{words[:1].lower()}{words[1:]}; see '{path} --help'")
        return ExitCode.USAGE
    if isinstance(error, OSError):
        # What has no name was written by typer: help.
        render.error(f"{error.filename or 'standard output'}: {(error.strerror or str(error)).lower()}")
        return ExitCode.STORAGE
    if os.environ.get("DISPATCHER_DEBUG"):
        raise error
    render.error(f"a bug: {type(error).__name__}: {error} (DISPATCHER_DEBUG=1 shows where)")
    return ExitCode.INTERNAL
