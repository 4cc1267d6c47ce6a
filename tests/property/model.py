"""What the documents say a task's life is, in as little code as possible: the state machine's oracle.

Every command returns what the program should return, or the class of the error it should raise.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from dispatcher.domain.moment import Moment
from dispatcher.errors import DispatcherError, InvalidInput, NothingToClaim, Refused, StaleClaim

Refusal = type[DispatcherError]
FOR_EVER = 1 << 60
LONGEST_PAUSE = 3_600_000
DAY = 86_400_000


class Rules(NamedTuple):
    """The settings that the model knows; times in seconds, `archive_after` in days."""

    lease: int = 100
    max_attempts: int = 3
    backoff: int = 60
    keep_closed: int = 3
    archive_after: int = 2
    keep_progress: int = 3


class Lease(NamedTuple):
    """When a claim ends, on both clocks: the boot's in seconds, the wall's in milliseconds."""

    boot_id: str
    boot_end: float
    wall_end: int
    seconds: int

    def left(self, now: Moment) -> int:
        """In its own boot only the time that truly went by counts; in another one the wall clock, if it can be right."""
        if now.boot_id == self.boot_id:
            return round((self.boot_end - now.boot) * 1000)
        left = self.wall_end - now.wall
        return left if left <= 2000 * self.seconds else 0


@dataclass
class Card:
    """One task."""

    id: str
    order: int
    priority: int
    depends_on: tuple[str, ...]
    status: str = "PENDING"
    generation: int = 0
    agent: str | None = None
    lease: Lease | None = None
    attempts: int = 0
    muted_until: int = 0
    not_before: int = 0
    closed_by: tuple[str, int] | None = None
    ran_out: int | None = None
    closed_order: int = 0
    closed_at: int = 0
    archived: bool = False
    dropped: bool = False
    progress: list[str] = field(default_factory=list)


class Model:
    """All tasks there ever were."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.cards: dict[str, Card] = {}
        self.closings = 0

    def rows(self) -> list[Card]:
        """Return the tasks that the ledger should list."""
        return [card for card in self.cards.values() if not card.dropped]

    def add(self, task: str, priority: int, depends_on: tuple[str, ...]) -> None:
        """Take in a task whose id the program made; what it waits for may have left the ledger and is done then."""
        waits = tuple(d for d in depends_on if not self.cards[d].dropped)
        self.cards[task] = Card(task, len(self.cards), priority, waits)

    def edit(self, task: str, priority: int) -> Refusal | None:
        """Change a priority."""
        card = self.cards[task]
        if card.archived:
            return Refused
        card.priority = priority
        return None

    def mute(self, task: str, until: int, now: Moment) -> Refusal | None:
        """Set a task aside, or with 0 no longer."""
        if self.cards[task].archived:
            return Refused
        if until and until <= now.wall:
            return InvalidInput
        self.cards[task].muted_until = until
        return None

    # Claims

    def expire(self, now: Moment) -> list[str]:
        """End every claim that ran out; return its tasks."""
        ended = [(c, c.lease.left(now)) for c in self.rows() if c.lease and c.lease.left(now) <= 0]
        for card, left in ended:
            card.lease, card.agent, card.ran_out = None, None, card.generation
            card.attempts += 1
            if card.attempts >= self.rules.max_attempts:
                self._close(card, "FAILED", now)
                continue
            card.status = "PENDING"
            if card.attempts > 1:
                pause = min(self.rules.backoff * 1000 * 2 ** (card.attempts - 2), LONGEST_PAUSE)
                card.not_before = now.wall + pause + left if pause + left > 0 else 0
        return [card.id for card, _ in ended]

    def claim(self, agent: str, count: int, lease: int | None, now: Moment) -> list[str] | Refusal:
        """Give the most urgent tasks out."""
        self.expire(now)
        ready = [c for c in self.rows() if self._ready(c, now)]
        ready.sort(key=lambda c: (-c.priority, c.order))
        for card in ready[:count]:
            self._take(card, agent, lease, now)
        return [c.id for c in ready[:count]] or NothingToClaim

    def claim_one(self, task: str, agent: str, lease: int | None, now: Moment) -> list[str] | Refusal:
        """Give this task out or nothing; refused, nothing happens at all."""
        before = copy.deepcopy((self.cards, self.closings))
        self.expire(now)
        if not self._ready(self.cards[task], now):
            self.cards, self.closings = before
            return Refused
        self._take(self.cards[task], agent, lease, now)
        return [task]

    def _ready(self, card: Card, now: Moment) -> bool:
        held_back = now.wall < card.not_before <= now.wall + LONGEST_PAUSE
        done = all(self.cards[d].dropped or self.cards[d].status == "COMPLETED" for d in card.depends_on)
        return card.status == "PENDING" and card.muted_until <= now.wall and not held_back and done

    def _take(self, card: Card, agent: str, lease: int | None, now: Moment) -> None:
        card.status, card.agent, card.ran_out, card.not_before = "ACTIVE", agent, None, 0
        card.generation += 1
        self._grant(card, lease or self.rules.lease, now)

    @staticmethod
    def _grant(card: Card, seconds: int, now: Moment) -> None:
        card.lease = Lease(now.boot_id, now.boot + seconds, now.wall + seconds * 1000, seconds)

    # Holding a claim

    def _refused(self, task: str, generation: int) -> Refusal | None:
        card = self.cards[task]
        return None if card.lease and card.generation == generation else StaleClaim

    def heartbeat(self, task: str, generation: int, lease: int | None, now: Moment) -> Refusal | None:
        """Renew a lease from now."""
        if refused := self._refused(task, generation):
            return refused
        card = self.cards[task]
        self._grant(card, lease or (card.lease or Lease("", 0, 0, 0)).seconds, now)
        return None

    def progress(self, task: str, generation: int, text: str) -> Refusal | None:
        """Note a line, the last few of which are kept."""
        if refused := self._refused(task, generation):
            return refused
        card = self.cards[task]
        card.progress = [*card.progress, text][-self.rules.keep_progress :]
        return None

    def release(self, task: str, generation: int) -> Refusal | None:
        """Give a task back."""
        if refused := self._refused(task, generation):
            return refused
        card = self.cards[task]
        card.status, card.lease, card.agent = "PENDING", None, None
        return None

    def close(self, task: str, generation: int, status: str, now: Moment) -> Refusal | bool:
        """Close a task; True when this claim had closed it so before. A claim that only ran out may still close it."""
        card = self.cards[task]
        if card.closed_by == (status, generation):
            return True
        late = card.ran_out == generation and card.status != "COMPLETED"
        if not late and (refused := self._refused(task, generation)):
            return refused
        if card.lease:
            card.attempts += 1
        self._close(card, status, now)
        return False

    def _close(self, card: Card, status: str, now: Moment) -> None:
        self.closings += 1
        card.status, card.lease, card.agent, card.not_before = status, None, None, 0
        card.closed_by, card.closed_order, card.closed_at = (status, card.generation), self.closings, now.wall

    def reopen(self, task: str) -> Refusal | None:
        """Make a closed task pending, with its attempts counted anew and no earlier claim good for it."""
        card = self.cards[task]
        if card.status in ("PENDING", "ACTIVE"):
            return Refused
        card.status, card.attempts, card.closed_by, card.not_before = "PENDING", 0, None, 0
        card.generation += 1
        card.ran_out, card.archived, card.dropped = None, False, False
        return None

    # Pruning

    def prune(self, now: Moment) -> tuple[set[str], set[str]]:
        """Return the tasks whose files go to the archive, and those whose rows go; as the ledger was before expiry."""
        closed = sorted((c for c in self.rows() if c.closed_by), key=lambda c: -c.closed_order)
        latest = {c.id for c in closed[: self.rules.keep_closed]}
        done = [c for c in closed if c.status == "COMPLETED"]
        drop = [c for c in done if c.id not in latest]
        old = now.wall - self.rules.archive_after * DAY
        archive = [c for c in done if not c.archived and (c in drop or c.closed_at < old)]
        self.expire(now)
        for card in archive:
            card.archived = True
        for card in drop:
            card.dropped = True
        return {c.id for c in archive}, {c.id for c in drop}
