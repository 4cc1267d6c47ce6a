"""Texts of the tests as they may be written down: without secrets, and cut where that leaves no half of one.

Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from typing import Any, Callable, Iterable, Iterator, List

_MARGIN = 5000
"""Characters at a cut that are thrown away after the secrets are: more than the longest secret has, a private key."""

# A variable of such a name holds a secret, or holds one if its value looks like a key: there are tokens of other kinds.
_SECRET = ("SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PASSPHRASE")
_PERHAPS = ("TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "AUTH")
_KEY_LIKE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[^\s\'\"]{12,}")
_SHORTEST, _LONGEST, _MOST_NAMES = 6, 4000, 200

_also: List[str] = []
_redactor: List[Callable[..., str]] = []


def begin(path: str) -> None:
    """Take the redactor from a file (domain/redact.py, which needs nothing but the standard library)."""
    spec: Any = importlib.util.spec_from_file_location("dispatcher_redact", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _redactor[:] = [module.Redactor(os.environ).text, module.replaced]


def clean(text: str) -> str:
    """Return a text without secrets."""
    if not _redactor:
        return text
    for secret in _also:
        text = _redactor[1](text, secret, "[redacted]")
    return str(_redactor[0](text))


@contextlib.contextmanager
def without(secrets: Iterable[str]) -> Iterator[None]:
    """Take some more texts for secrets, for a while; what is done meanwhile must not do this again."""
    _also[:] = sorted(set(secrets), key=len, reverse=True)
    try:
        yield
    finally:
        _also.clear()


def secrets_of(variables: Any) -> Iterator[str]:
    """Yield the secrets among some variables, as far as their names tell."""
    for name in list(variables)[:_MOST_NAMES]:
        value = variables[name]
        text = value.decode("ascii", "ignore") if type(value) is bytes else value
        if type(text) is str and _SHORTEST <= len(text) <= _LONGEST and _is_secret(name, text):
            yield text


def _is_secret(name: str, value: str) -> bool:
    upper = str(name).upper()
    if any(word in upper for word in _SECRET):
        return True
    return any(word in upper for word in _PERHAPS) and _KEY_LIKE.fullmatch(value) is not None


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
