"""Keeping the state small and whole: prune and rebuild."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.dispatch.desk import Desk
from dispatcher.domain import lifecycle, retention
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.errors import DispatcherError
from dispatcher.store.base import Change, Repair, Store

_BYTES_PER_TASK = 1000
"""About what a task takes in a checkpoint."""


class Pruned(NamedTuple):
    """What a prune did, or with `--dry-run` would do. `expired` lists tasks whose lease had run out."""

    archived: list[str]
    dropped: list[str]
    trimmed: list[str]
    expired: list[str]
    rotated: bool
    journal_bytes: int


def prune(desk: Desk, *, dry_run: bool = False) -> Pruned:
    """Take out of the ledger what is past its limits, end claims that have run out, rotate a large journal."""
    if dry_run:
        return desk.store.view(lambda ledger: _would(desk, ledger, desk.clock()))
    done: list[Pruned] = []

    def decide(ledger: Ledger, now: Moment) -> Change:
        done[:] = [_would(desk, ledger, now)]
        events = list(lifecycle.expire(ledger, desk.claim_policy(), now).values())
        plan = retention.plan(ledger, desk.limits(), now)
        return Change([*events, retention.event(plan, desk.limits())] if plan else events)

    desk.store.transact("prune", decide)
    rotated = _too_large(desk)
    if rotated:
        desk.store.rotate()
    return done[0]._replace(rotated=rotated, journal_bytes=desk.store.history_bytes())


def prune_if_due(desk: Desk, ledger: Ledger) -> Pruned | None:
    """Prune if the user lets it run by itself and `ledger`, the state just written, is well past a limit.

    A new segment costs as much as there are tasks, so the journal must have outgrown them too.
    """
    if not desk.settings.flag("prune.auto"):
        return None
    outgrown = _too_large(desk) and desk.store.history_bytes() > len(ledger.rows) * _BYTES_PER_TASK
    if not outgrown and not retention.due(ledger, desk.limits(), desk.clock()):
        return None
    try:
        return prune(desk)
    except DispatcherError:
        return None  # the user's command has succeeded; the next one tries again


def rebuild(store: Store) -> Repair:
    """Make everything that is derived from the journal anew; repair a damaged journal."""
    return store.rebuild()


def _would(desk: Desk, ledger: Ledger, now: Moment) -> Pruned:
    plan = retention.plan(ledger, desk.limits(), now)
    expired = list(lifecycle.expire(ledger, desk.claim_policy(), now))
    return Pruned(plan.archived, plan.dropped, plan.trimmed, expired, _too_large(desk), desk.store.history_bytes())


def _too_large(desk: Desk) -> bool:
    return desk.store.history_bytes() > desk.settings.number("prune.journalMaxBytes")
