"""Texts of the tests as they may be written down: without secrets, and cut where that leaves no half of one.

Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import importlib.util
import os
import re
from typing import Any, Callable, List

_MARGIN = 5000
"""Characters at a cut that are thrown away after the secrets are: more than the longest secret has, a private key."""

_redact: List[Callable[[str], str]] = []


def begin(path: str) -> None:
    """Take the redactor from a file (domain/redact.py, which needs nothing but the standard library)."""
    spec: Any = importlib.util.spec_from_file_location("dispatcher_redact", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _redact[:] = [module.Redactor(os.environ).text]


def clean(text: str) -> str:
    """Return a text without secrets."""
    return _redact[0](text) if _redact else text


def same(nodeid: str) -> str:
    """Return an item's id as the scan knows it: without secrets and the addresses of objects."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", " at 0x", clean(nodeid))


def head(text: str, most: int) -> str:
    """Return the beginning of a text, `most` characters at most."""
    if len(text) <= most + _MARGIN:
        return clean(text)[:most]
    known = clean(text[: most + _MARGIN])
    return known[: min(most, max(0, len(known) - _MARGIN))]


def tail(text: str, most: int) -> str:
    """Return the end of a text, `most` characters at most."""
    if len(text) <= most + _MARGIN:
        return clean(text)[-most:]
    known = clean(text[-most - _MARGIN :])
    return known[-min(most, max(1, len(known) - _MARGIN)) :]


def both(text: str, most: int) -> str:
    """Return a text, without its middle if it is longer than `most` characters."""
    if len(text) <= 2 * (most + _MARGIN):
        known = clean(text)
        return known if len(known) <= most else f"{known[: most // 2]}\n...\n{known[-most // 2 :]}"
    return f"{head(text, most // 2)}\n...\n{tail(text, most // 2)}"
