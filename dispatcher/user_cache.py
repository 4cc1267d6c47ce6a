"""The user's cache folder: facts that are costly to find out, shared by all projects, and lost without harm.

What cannot be read counts as not known, what cannot be written is not kept: neither stops a command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dispatcher.flock import Lock

MAX_BYTES = 4_000_000
_WAIT = 5.0
"""Seconds to wait for another command that changes the same file; it takes milliseconds."""

Facts = dict[str, Any]


def folder(environ: Mapping[str, str], system: str = sys.platform) -> str:
    """Return where our caches are: in XDG_CACHE_HOME, ~/.cache, or ~/Library/Caches on macOS."""
    home = environ.get("HOME") or os.path.expanduser("~")
    given = environ.get("XDG_CACHE_HOME", "")
    usual = os.path.join(home, "Library", "Caches") if system == "darwin" else os.path.join(home, ".cache")
    # A path that is not absolute is to be ignored (XDG Base Directory Specification).
    return os.path.join(given if os.path.isabs(given) else usual, "dispatcher")


def read(path: str) -> Facts:
    """Return the JSON object in a file; an empty one for a file that is absent, damaged, huge or no plain file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            found = orjson.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def change(path: str, edit: Callable[[Facts], None]) -> bool:
    """Change the JSON object in a file, which others may be doing too, in one step; False if it cannot be kept."""
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with Lock(lambda: _open_lock(f"{path}.lock"), _WAIT, b"", lambda _note: TimeoutError(path)):
            facts = read(path)
            edit(facts)
            data = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
            if len(data) >= MAX_BYTES:
                return False
            _replace(path, data)
    except (OSError, TypeError):  # the latter for what JSON cannot hold: a file's broken texts, huge numbers
        return False
    return True


def _open_lock(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
