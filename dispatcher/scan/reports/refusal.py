"""Why a file is no report."""

from __future__ import annotations

from typing import BinaryIO


class Refused(Exception):
    """What is wrong with a file, and where in it, without its name."""


def name_of(source: BinaryIO) -> str:
    """Return what a file is called when something is wrong with it."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name != "<stdin>" else "standard input"
