"""crontab and systemctl, run to their end."""

from __future__ import annotations

import os
from typing import NamedTuple

from dispatcher.errors import StorageError

_SECONDS = 60.0
"""After so long crontab or systemctl counts as hung."""

_INSTEAD = {
    "crontab": "use --systemd, or hand the line that is printed without --install to what you have",
    "systemctl": "leave --systemd out to use cron",
}


class Ended(NamedTuple):
    """How a program ended, and what it said."""

    code: int
    out: bytes
    err: bytes


def checked(*argv: str, data: bytes = b"") -> bytes:
    """Run a program and return its output. Raises StorageError with the first line that it complains with."""
    return successful(argv[0], run(*argv, data=data))


def successful(program: str, ended: Ended) -> bytes:
    """Return the output of a program that worked. Raises StorageError as `checked` does."""
    if ended.code:
        said = (ended.err.strip() or ended.out.strip()).decode(errors="replace").splitlines()
        raise StorageError(file=program, problem=said[0] if said else f"ended with exit code {ended.code}")
    return ended.out


def run(*argv: str, data: bytes = b"") -> Ended:
    """Run a program to its end. Raises StorageError when it cannot be run."""
    import subprocess

    spoken = {**os.environ, "LC_ALL": "C"}  # "no crontab for" is looked for
    try:
        ended = subprocess.run(argv, input=data, capture_output=True, check=False, timeout=_SECONDS, env=spoken)
    except FileNotFoundError:
        raise StorageError(file=argv[0], problem=f"there is no such program; {_INSTEAD[argv[0]]}") from None
    except subprocess.TimeoutExpired:
        raise StorageError(file=argv[0], problem=f"did not end within {_SECONDS:g} seconds") from None
    except OSError as error:
        raise StorageError(file=argv[0], problem=problem(error)) from error
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def problem(error: OSError) -> str:
    """Return what the system says of an error."""
    return (error.strerror or str(error)).lower()
