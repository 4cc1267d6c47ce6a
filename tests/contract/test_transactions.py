"""A transaction happens as a whole, one after the other, and for good; or not at all."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import GENESIS, Record, Stamp, seal
from dispatcher.errors import DispatcherError, InvalidInput, Refused, TooNew
from dispatcher.store.base import MAX_RECORD_BYTES, Change, Store
from tests.contract.opened import Opened, added, happens, rows, seq


def history(store: Store) -> list[Record]:
    return list(store.history())


def test_a_store_is_made_once(opened: Opened) -> None:
    assert not opened.store.create()
    assert [r.command for r in opened.store.history()] == ["init"]


def test_a_commit_returns_the_state_after_it_and_its_record(opened: Opened) -> None:
    opened.clock.pass_time(1.5)
    commit = opened.store.transact("add", happens(added("a"), added("b")))
    assert list(commit.ledger.rows) == ["a", "b"]
    assert commit.ledger.task("a")["title"] == "A"
    assert commit.now == opened.clock()
    assert commit.record
    assert (commit.record.seq, commit.record.command, commit.record.at) == (2, "add", opened.clock().iso)
    assert history(opened.store)[-1] == commit.record


def test_decide_sees_the_state_that_its_events_will_follow_and_the_moment(opened: Opened) -> None:
    opened.store.transact("add", happens(added("a")))
    seen: list[tuple[int, list[str], Moment]] = []

    def decide(ledger: Ledger, now: Moment) -> Change:
        seen.append((ledger.seq, list(ledger.rows), now))
        return Change([added("b")])

    opened.store.transact("add", decide)
    assert set(map(str, seen)) == {str((2, ["a"], opened.clock()))}


def test_what_decide_raises_comes_out_and_nothing_has_happened(opened: Opened) -> None:
    opened.store.transact("add", happens(added("a")))
    before = history(opened.store), rows(opened.store)

    def decide(ledger: Ledger, _now: Moment) -> Change:
        ledger.task("a")
        raise Refused(task="a", why="no")

    with pytest.raises(Refused, match="a: no"):
        opened.store.transact("edit", decide)
    assert (history(opened.store), rows(opened.store)) == before


def test_no_events_are_no_record(opened: Opened) -> None:
    before = history(opened.store)
    commit = opened.store.transact("edit", happens())
    assert commit.record is None
    assert commit.ledger.seq == 1
    assert history(opened.store) == before


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"type": "of a later version"}, TooNew),
        ({"type": "task_muted", "task": "nobody", "reason": "x", "until": None}, DispatcherError),
        ({"type": "task_muted", "task": "a"}, DispatcherError),
        (added("big", labels=["x" * (MAX_RECORD_BYTES + 1)]), InvalidInput),
    ],
    ids=["unknown", "unfit", "incomplete", "too large"],
)
def test_events_that_cannot_be_are_refused_whole(
    opened: Opened, event: dict[str, object], error: type[Exception]
) -> None:
    """The good event before the bad one does not happen either."""
    opened.store.transact("add", happens(added("a")))
    before = history(opened.store), rows(opened.store)
    with pytest.raises(error):
        opened.store.transact("add", happens(added("b"), event))
    assert (history(opened.store), rows(opened.store)) == before
    opened.store.transact("add", happens(added("c")))
    assert list(rows(opened.store)) == ["a", "c"]


def test_records_are_numbered_without_gaps_sealed_and_linked(opened: Opened) -> None:
    for name in "abc":
        opened.store.transact("add", happens(added(name)))
    previous = GENESIS
    for number, record in enumerate(opened.store.history(), 1):
        stamp = Stamp(record.command, record.writer, record.at)
        assert seal(number, previous, record.n, stamp, record.events)[0] == record
        previous = record.crc
    assert opened.store.view(lambda ledger: (ledger.seq, ledger.head)) == (4, previous)


def test_the_vector_clock_counts_each_writers_records_in_the_order_of_seq(opened: Opened) -> None:
    for number, writer in enumerate(["ann", None, "bob", "ann", "add"]):
        opened.store.transact("add", happens(added(f"t{number}"), writer=writer))
    counted: Counter[str] = Counter()
    for record in opened.store.history():
        counted[record.writer] += 1
        assert record.n == counted[record.writer]
    assert counted == {"init": 1, "ann": 2, "add": 2, "bob": 1}, "a record without a writer is the command's own"
    assert opened.store.view(lambda ledger: dict(ledger.writers)) == counted


def test_transactions_of_many_threads_follow_one_another(opened: Opened) -> None:
    """Each decides on the state that the one before it left: no name is taken twice, none is lost."""

    def add_one(_: int) -> None:
        def decide(ledger: Ledger, _now: Moment) -> Change:
            return Change([added(f"t{len(ledger.rows)}", title=f"after {ledger.seq}")])

        opened.store.transact("add", decide)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(24)))
    assert list(rows(opened.store)) == [f"t{n}" for n in range(24)]
    titles = [e["title"] for r in opened.store.history() for e in r.events if e["type"] == "task_added"]
    assert titles == [f"after {n}" for n in range(1, 25)]


def test_view_looks_at_one_state_and_changes_none(opened: Opened) -> None:
    """The ledger that `look` gets is its own: what a later transaction does is not in it."""
    opened.store.transact("add", happens(added("a"), added("b")))
    seen = opened.store.view(lambda ledger: ledger)
    opened.store.transact("edit", happens({"type": "task_edited", "task": "a", "priority": 99}))
    assert (seen.seq, seen.rows["a"]["priority"]) == (2, 50)
    assert opened.store.view(lambda ledger: ledger.rows["a"]["priority"]) == 99
    before = history(opened.store)
    opened.store.view(lambda ledger: [ledger.task(task) for task in ledger.rows])
    assert history(opened.store) == before
    assert seq(opened.store) == 3


def test_view_works_inside_a_transaction_and_sees_the_state_before_it(opened: Opened) -> None:
    """A view waits for nobody, not even for the writer that asks for it."""
    seen: list[int] = []

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        seen.append(seq(opened.store))
        return Change([added("a")])

    opened.store.transact("add", decide)
    assert seen == [1]


def test_views_beside_a_writer_see_whole_states_only(opened: Opened) -> None:
    """Each transaction adds two tasks: no view ever sees an odd number, or rows of one state and tasks of another."""

    def add_pairs() -> None:
        for number in range(15):
            opened.store.transact("add", happens(added(f"a{number}"), added(f"b{number}")))

    def look(ledger: Ledger) -> tuple[int, int]:
        assert all(ledger.task(task)["title"] == row["title"] for task, row in ledger.rows.items())
        return ledger.seq, len(ledger.rows)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(add_pairs)
        seen = []
        while not writing.done():
            seen.append(opened.store.view(look))
        writing.result()
    assert all(number == 2 * (at - 1) for at, number in seen)
    assert seen == sorted(seen)
