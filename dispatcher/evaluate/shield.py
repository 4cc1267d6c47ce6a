"""The environment in which fixes are replayed: nobody's git settings, and no bytecode beside anybody's source."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from dispatcher.evaluate.git import NOBODYS, without_git

_IDENTITY = b"[user]\n\tname = Nobody\n\temail = nobody@example.invalid\n"
"""For tests that make commits in repositories of their own."""


@contextlib.contextmanager
def shielded(folder: Path) -> Iterator[None]:
    """Have all that this process starts run without the user's git settings, which may name programs to be run.

    Bytecode is not written: it is known by a source's size and second, and a checkout changes files within one; and
    what tests import from elsewhere is not ours to write beside.
    """
    settings = folder / "gitconfig"
    settings.write_bytes(_IDENTITY)
    before = dict(os.environ)
    plain = without_git(before) | NOBODYS | {"GIT_CONFIG_GLOBAL": str(settings), "PYTHONDONTWRITEBYTECODE": "1"}
    _become(plain)
    try:
        yield
    finally:
        _become(before)


def _become(environ: dict[str, str]) -> None:
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    os.environ.update(environ)
