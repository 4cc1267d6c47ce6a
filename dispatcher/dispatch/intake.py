"""What people type, checked and made fit to be kept: no secrets, no lone surrogates, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dispatcher.dispatch.desk import Desk
from dispatcher.domain.moment import Moment, from_iso, to_iso
from dispatcher.domain.task import MAX_PRIORITY, MIN_PRIORITY
from dispatcher.errors import InvalidInput
from dispatcher.text import one_line, well_formed

MAX_TITLE = 200
MAX_TEXT_BYTES = 1_000_000
MAX_LABELS = 20
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,39}"
_AGENT = r"[A-Za-z0-9][A-Za-z0-9._@:/ -]{0,63}"


def title(desk: Desk, given: str) -> str:
    """Return a title fit to be kept: one line, no secrets. Raises InvalidInput."""
    # Before and after folding: a secret may hold the white space that folding changes.
    text = desk.redactor.text(one_line(desk.redactor.text(well_formed(given))))
    if not text:
        raise InvalidInput(what="title", problem="must not be empty")
    if len(text) > MAX_TITLE:
        raise InvalidInput(what="title", problem=f"has {len(text)} characters, {MAX_TITLE} at most; use --body")
    return text


def text(desk: Desk, what: str, given: str, *, required: bool = False) -> str:
    """Return free text fit to be kept. Raises InvalidInput."""
    kept = desk.redactor.text(well_formed(given)).strip()
    if required and not kept:
        raise InvalidInput(what=what, problem="must not be empty")
    if len(kept.encode()) > MAX_TEXT_BYTES:
        raise InvalidInput(what=what, problem=f"is larger than {MAX_TEXT_BYTES:,} bytes")
    return kept


def agent(desk: Desk, given: str) -> str:
    """Return an agent's name. Raises InvalidInput."""
    if desk.redactor.text(given) != given:
        raise InvalidInput(what="agent", problem="that name is, or holds, a secret")
    if not re.fullmatch(_AGENT, given):
        problem = "an agent's name has 1 to 64 letters, digits, spaces and . _ @ : / -, the first a letter or digit"
        raise InvalidInput(what=f"agent '{given}'", problem=problem)
    return given.rstrip()


def labels(given: Iterable[str]) -> list[str]:
    """Return labels without repetition, in the order given. Raises InvalidInput."""
    kept = list(dict.fromkeys(given))
    for label in kept:
        if not re.fullmatch(_LABEL, label):
            problem = "a label has 1 to 40 letters, digits and . _ : / -, the first a letter or digit"
            raise InvalidInput(what=f"label '{label}'", problem=problem)
    if len(kept) > MAX_LABELS:
        raise InvalidInput(what="labels", problem=f"{len(kept)} given, {MAX_LABELS} at most")
    return kept


def paths(given: Iterable[str]) -> list[str]:
    """Return the paths a task is about, without repetition. Raises InvalidInput."""
    kept = list(dict.fromkeys(well_formed(p).removeprefix("./") for p in given))
    for path in kept:
        if not path or len(path) > 300 or "\n" in path or "\0" in path:
            raise InvalidInput(what=f"path '{path[:40]}'", problem="must be one line of 1 to 300 characters")
    if len(kept) > MAX_LABELS:
        raise InvalidInput(what="paths", problem=f"{len(kept)} given, {MAX_LABELS} at most")
    return kept


def priority(given: int) -> int:
    """Return a priority. Raises InvalidInput."""
    if not MIN_PRIORITY <= given <= MAX_PRIORITY:
        raise InvalidInput(what=f"priority {given}", problem=f"must be from {MIN_PRIORITY} to {MAX_PRIORITY}")
    return given


def moment_in_time(what: str, given: str, now: Moment, *, past: bool = False) -> str:
    """Return a timestamp for a date ("2026-12-01"), a time, or a span from now ("7d", "12h"). Raises InvalidInput."""
    try:
        if match := re.fullmatch(r"(\d{1,6})\s*([smhdw])", given.strip()):
            span = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]] * 1000
            return to_iso(now.wall - span if past else now.wall + span)
        return to_iso(from_iso(given.strip()))
    except (ValueError, OverflowError):
        raise InvalidInput(
            what=f"{what} '{given}'", problem="must be a date (2026-12-01), a time or a span (7d, 12h)"
        ) from None
