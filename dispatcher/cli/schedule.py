"""schedule: what runs the scan regularly."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli import render
from dispatcher.cli.composition import ROOT, find_root
from dispatcher.cli.options import Json
from dispatcher.errors import InvalidInput, NoInbox
from dispatcher.scan import interpreter
from dispatcher.schedule import cron, job, timer
from dispatcher.text import clean_line


def schedule_command(
    args: Annotated[
        list[str], typer.Argument(metavar="[-- PYTEST_ARGS]", help="What scan hands on to pytest.", show_default=False)
    ] = [],
    every: Annotated[
        str | None, typer.Option("--every", metavar="SPAN", help="How often: 5m to 30m, 1h to 12h, 1d; 1h if not said.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="HH:MM", help="Once a day at this local time.")] = None,
    systemd: Annotated[bool, typer.Option("--systemd", help="A timer of systemd instead of a crontab line.")] = False,
    install: Annotated[bool, typer.Option("--install", help="Put it where it works, not only print it.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what --install has put there.")] = False,
    python: Annotated[
        str | None, typer.Option("--python", metavar="PATH", help="The Python that scan runs the tests with.")
    ] = None,
    json: Json = False,
) -> None:
    """Print or install what runs 'dispatcher scan --quiet' regularly.

    It runs in the project's folder with the PATH that this command was called with, and with the Python
    of the environment that is active now; nothing else is kept, such as DISPATCHER_ settings. Installing again replaces what was
    installed for the project, and nothing else in the crontab is touched.

    Example: dispatcher schedule --every 30m --install -- -m "not slow"
    """
    when = _when(every, at)
    if install and remove:
        raise InvalidInput(what="--install and --remove", problem="cannot both be done; leave one out")
    project, root = _place()
    if remove:
        done = _remove(job.holdable_project(project), systemd=systemd)
        render.json({"done": done}) if json else render.line(done)
        return
    # No environment will be active then: the one that is active now is named.
    tests_python = interpreter.of_active(os.environ) if python is None else _found(python)
    words = job.scan(_own_python(), root, tests_python, args)
    planned = job.job(when, project, os.environ.get("PATH", os.defpath), words)
    if not systemd:
        _tell_if_long(planned)
    if install:
        done = _install(planned, systemd=systemd)
        render.json({"done": done}) if json else render.line(done)
    elif json:
        render.json({"units": timer.units(planned)} if systemd else {"crontab": cron.lines(planned)})
    else:
        render.line(_units(planned) if systemd else cron.lines(planned))


def _when(every: str | None, at: str | None) -> job.When:
    if at is None:
        return job.every("1h" if every is None else every)
    if every not in (None, "1d"):
        raise InvalidInput(what="--at", problem="means once a day; leave --every out")
    return job.daily(at)


def _place() -> tuple[Path, Path | None]:
    """Return the folder that the scan runs in, and the root if it is not in its usual place there."""
    root = find_root()
    for path in (root, root.resolve()):
        if path.parts[-3:] == ROOT.parts:
            return path.parents[2].resolve(), None
    try:
        return Path.cwd(), root.resolve()
    except FileNotFoundError:
        raise NoInbox(where="here: the working directory is gone") from None


def _own_python() -> str:
    if not sys.executable:
        raise InvalidInput(what="this Python", problem="does not know its own path, so it cannot be scheduled")
    return os.path.abspath(sys.executable)  # links stay: they are how an environment knows itself


def _found(python: str) -> str:
    """Return the whole path of a program that is there now: nobody watches when it is missing later."""
    found = shutil.which(python)
    if not found:
        raise InvalidInput(what=f"--python '{python}'", problem="there is no such program")
    return os.path.abspath(found)


def _tell_if_long(planned: job.Job) -> None:
    size = len(cron.command(planned).encode())
    if size > cron.COMMAND_BYTES:
        many = f"the command has {size:,} bytes, and many crons take no more than {cron.COMMAND_BYTES}"
        render.note(f"{many}: shorten PATH, or use --systemd")


def _units(planned: job.Job) -> str:
    folder = timer.folder()
    files = [f"# {clean_line(str(folder / name))}\n{words}" for name, words in timer.units(planned).items()]
    return "\n".join(files).rstrip("\n")


def _install(planned: job.Job, *, systemd: bool) -> str:
    if not systemd:
        return f"{cron.put(planned)}: {planned.when.words}, in your crontab"
    done = f"{timer.put(planned)}: {planned.when.words}, {timer.name(planned.project)}"
    render.hint("it runs while you are logged in; 'loginctl enable-linger' lets it run always")
    return done


def _remove(project: str, *, systemd: bool) -> str:
    where = str(timer.folder()) if systemd else "your crontab"
    done = timer.take(project) if systemd else cron.take(project)
    return f"removed from {where}" if done else f"nothing to remove: no scan of {project} in {where}"
