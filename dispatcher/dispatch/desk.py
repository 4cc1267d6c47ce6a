"""What every use case works with, and how it reads what people type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dispatcher.config import SPECS, Settings
from dispatcher.domain import ids
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import ClaimPolicy, Holder
from dispatcher.domain.moment import Moment, from_iso, to_iso
from dispatcher.domain.redact import Redactor
from dispatcher.domain.retention import Limits
from dispatcher.domain.task import MAX_PRIORITY, MIN_PRIORITY, Task
from dispatcher.errors import DispatcherError, InvalidInput, Refused, UnknownTask
from dispatcher.store.base import Store
from dispatcher.text import one_line, well_formed

MAX_TITLE = 200
MAX_TEXT_BYTES = 1_000_000
MAX_LABELS = 20
MAX_DEPENDENCIES = 100
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,39}"
_AGENT = r"[A-Za-z0-9][A-Za-z0-9._@:/ -]{0,63}"


class Desk(NamedTuple):
    """The store, the settings in force, the clock, and the redactor for text that shapes an id."""

    store: Store
    settings: Settings
    clock: Callable[[], Moment]
    redactor: Redactor

    def claim_policy(self, lease: float | None = None) -> ClaimPolicy:
        """Return the limits of claims, with another lease if one is given. Raises InvalidInput."""
        s = self.settings
        seconds = s.seconds("claim.lease") if lease is None else lease_seconds(lease)
        return ClaimPolicy(seconds, s.number("claim.maxAttempts"), s.seconds("claim.backoff"))

    def limits(self) -> Limits:
        """Return what pruning keeps."""
        s = self.settings
        return Limits(s.number("prune.keepClosed"), s.seconds("prune.archiveAfterDays"), s.number("prune.keepProgress"))


class Whose(NamedTuple):
    """How a holder's command names its claim: a task (or its token), a token, an agent. Each may be missing."""

    task: str | None = None
    claim: str | None = None
    agent: str | None = None


def holder(ledger: Ledger, whose: Whose) -> Holder:
    """Return the claim that is meant. Raises InvalidInput when it is not said, UnknownTask for a task not in the ledger."""
    said, named = token(whose), None if whose.task and "@" in whose.task else whose.task
    if said is None and not (named and whose.agent):
        problem = "say whose it is: --claim TOKEN (or DISPATCHER_CLAIM), or the task and --agent NAME"
        raise InvalidInput(what="claim", problem=problem)
    if said is None:
        return Holder(find(ledger, named or ""), None, whose.agent)
    task_id = find(ledger, said.task)
    if named and find(ledger, named) != task_id:
        raise InvalidInput(what=f"claim '{said}'", problem=f"is not a claim of task '{named}'")
    return Holder(task_id, said.generation, whose.agent)


def token(whose: Whose) -> ids.Token | None:
    """Return the claim token among what was given: as the task's name it goes before the one of --claim."""
    given = whose.task if whose.task and "@" in whose.task else whose.claim
    return ids.parse_token(given) if given else None


def find(ledger: Ledger, given: str) -> str:
    """Return the id of the task in the ledger that `given` means."""
    return ids.find(given.partition("@")[0] or given, ledger.rows.keys())


def find_here(desk: Desk, ledger: Ledger, given: str) -> str:
    """Like `find`, but say of a task in the archive that it is there."""
    try:
        return find(ledger, given)
    except UnknownTask as unknown:
        raise _not_here(desk, given, unknown) from None


def _not_here(desk: Desk, given: str, unknown: UnknownTask) -> DispatcherError:
    try:
        task = find_archived(desk, given)
    except UnknownTask:
        return unknown
    return Refused(task=task["id"], why="it is archived; 'dispatcher reopen' brings it back")


def find_archived(desk: Desk, given: str) -> Task:
    """Return the one archived task that `given` means. Raises UnknownTask or AmbiguousTask."""
    wanted = given.strip().lower().partition("@")[0]
    archived = {t["id"]: t for t in desk.store.archived(wanted)} if ids.is_id(wanted) else {}
    if not archived:
        raise UnknownTask(given=given, near=ids.near(wanted, desk.store.view(lambda ledger: list(ledger.rows))))
    return archived[ids.find(given, archived.keys())]


def whole(desk: Desk, task: Task) -> Task:
    """Return `task`, changed in place, with its long texts put back; one whose blob is gone stays cut."""
    _fill_in(desk.store, task)
    return task


def _fill_in(store: Store, value: Any) -> None:  # noqa: ANN401 - any JSON data
    if isinstance(value, list):
        for item in value:
            _fill_in(store, item)
    if isinstance(value, dict):
        for key in [k for k in value if k.endswith("_blob")]:
            if (text_of := store.text(value[key])) is not None:
                value[key.removesuffix("_blob")] = text_of
                del value[key]
        for item in value.values():
            _fill_in(store, item)


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


def dependencies(desk: Desk, ledger: Ledger, given: Iterable[str]) -> list[str]:
    """Return the ids of the tasks to wait for; one that is archived is done already and is left out."""
    kept: dict[str, None] = {}
    for name in given:
        try:
            kept[find(ledger, name)] = None
        except UnknownTask:
            if not desk.store.archived(name.strip().lower()):
                raise
    if len(kept) > MAX_DEPENDENCIES:
        raise InvalidInput(what="dependencies", problem=f"{len(kept)} given, {MAX_DEPENDENCIES} at most")
    return list(kept)


def lease_seconds(given: float) -> float:
    """Return the seconds of a lease, within the bounds of its setting. Raises InvalidInput."""
    try:
        return float(SPECS["claim.lease"].read(given))
    except ValueError as error:
        raise InvalidInput(what=f"--lease {given}", problem=str(error)) from error


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
