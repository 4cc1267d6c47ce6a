"""What a command does where there is more to do than one record can hold."""

from __future__ import annotations

from dispatcher import config
from dispatcher.dispatch import claims, upkeep
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import lease
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import MOST_EXPIRIES, Wanted
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.domain.redact import Redactor
from dispatcher.store.base import Change
from dispatcher.store.memory import MemoryStore
from tests.support import FakeClock

LOTS = 2
EACH = 5000


def test_any_number_of_leases_may_run_out_at_once(clock: FakeClock) -> None:
    """Otherwise no claim and no prune would ever succeed again."""
    store = MemoryStore(clock, Redactor({}))
    store.create()
    desk = Desk(store, config.load(None, config.FILE, {}), clock, Redactor({}))
    for lot in range(LOTS):
        names = [f"{lot}{number:0>63}" for number in range(EACH)]

        def decide(_ledger: Ledger, now: Moment, names: list[str] = names) -> Change:
            held: Event = {"agent": "a" * 60, "generation": 1, "lease": lease.grant(60, now)}
            added = [{"type": "task_added", "task": name, "title": "t"} for name in names]
            return Change([*added, *({"type": "task_claimed", "task": name, **held} for name in names)])

        store.transact("test", decide)
    clock.pass_time(61)
    assert len(claims.claim(desk, Wanted("bob")).claims) == 1
    # The next command ends the next ones.
    assert store.view(lambda ledger: ledger.counts()["ACTIVE"]) == LOTS * EACH - MOST_EXPIRIES + 1
    assert len(upkeep.prune(desk).expired) == MOST_EXPIRIES
