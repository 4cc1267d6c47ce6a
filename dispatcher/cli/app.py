"""The front door: which command is which function, and how every call ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dispatcher import __version__, clock
from dispatcher.cli import composition, render
from dispatcher.domain.moment import Moment
from dispatcher.errors import DispatcherError, ExitCode

# Per command: the module that has it. Only the one that is called is imported.
COMMANDS = {
    "init": "upkeep",
    "add": "tasks",
    "edit": "tasks",
    "mute": "tasks",
    "claim": "claims",
    "complete": "claims",
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
    "config": "configure",
}
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class LazyCommands(TyperGroup):
    """Commands that are imported when they are needed: one for a call, all for the list in the help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's context, of either typer's click
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        """Return one command, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        function = getattr(import_module(f"dispatcher.cli.{module}"), f"{cmd_name}_command")
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(cmd_name, context_settings=_CONTEXT)(function)
        return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=_CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        render.line(f"dispatcher {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", envvar="DISPATCHER_ROOT", show_envvar=True, help="The state root, instead of the one found."
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


def main(argv: Sequence[str] | None = None, *, now: Callable[[], Moment] = clock.now) -> int:
    """Run one command and return its exit code. `argv` is without the program's name; None takes the process's."""
    # A command lives for milliseconds and leaves no cycles worth collecting, while loading a large
    # ledger would set off one collection after the other.
    gc.disable()
    composition.use_clock(now)
    try:
        typer.main.get_command(app).main(args=None if argv is None else list(argv), prog_name="dispatcher")
        code = 0
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        render.error("interrupted")
        code = ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets a line, never a traceback
        code = _told(error)
    return _flushed(code)


def _told(error: Exception) -> int:
    """Say what went wrong in one line and return the exit code for it."""
    if isinstance(error, DispatcherError):
        render.error(str(error))
        return error.exit_code
    if isinstance(error, OSError):
        render.error(f"{error.filename or 'input/output'}: {error.strerror or error}")
        return ExitCode.STORAGE
    if os.environ.get("DISPATCHER_DEBUG"):
        raise error
    render.error(f"a bug: {type(error).__name__}: {error} (DISPATCHER_DEBUG=1 shows where)")
    return ExitCode.INTERNAL


def _flushed(code: int) -> int:
    """Return `code` unless what was printed cannot be got out; then nothing more is tried at exit."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            render.error(f"standard output: {error.strerror}")
            return code or ExitCode.STORAGE
    return code
