"""Which Python runs the project's tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import TestsNotRun

_FOLDERS = (".venv", "venv", "env", ".env")


class Interpreter(NamedTuple):
    """A Python, and why it is the one."""

    path: str
    why: str


def choose(project: Path, wanted: str | None, environ: Mapping[str, str]) -> Interpreter:
    """Return the interpreter asked for, else the active environment's, else the project's own, else ours.

    An active environment that is dispatcher's own counts last: people activate it to have the command.
    Raises TestsNotRun when the one asked for is not there.
    """
    if wanted:
        return Interpreter(_asked_for(project, wanted), "as asked for")
    if found := of_active(environ):
        return Interpreter(found, "of the active environment")
    for name in _FOLDERS:
        if found := _in(project / name):
            return Interpreter(found, "of the project's own environment")
    return Interpreter(sys.executable, "of dispatcher itself, as the project has no environment of its own")


def of_active(environ: Mapping[str, str]) -> str | None:
    """Return the Python of the active environment, unless that is dispatcher's own."""
    active = environ.get("VIRTUAL_ENV")
    return _in(Path(active)) if active and os.path.realpath(active) != os.path.realpath(sys.prefix) else None


def _asked_for(project: Path, wanted: str) -> str:
    if os.sep not in wanted and (on_path := shutil.which(wanted)):
        return on_path
    path = Path(wanted).expanduser()
    for candidate in (path, project / path):
        if candidate.is_dir() and (found := _in(candidate)):
            return found
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate.absolute())
    raise TestsNotRun(problem=f"there is no Python or virtual environment '{wanted}' (--python)")


def _in(environment: Path) -> str | None:
    """Return the interpreter of a virtual environment, if it is one."""
    python = environment / "bin" / "python"
    return str(python.absolute()) if (environment / "pyvenv.cfg").is_file() and os.access(python, os.X_OK) else None
