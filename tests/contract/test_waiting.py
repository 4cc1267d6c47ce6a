"""`wait` returns when something has happened after a number, or when its time is up."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.dispatch import claims, tasks
from dispatcher.dispatch.desk import Whose
from dispatcher.dispatch.tasks import NewTask
from dispatcher.domain.lifecycle import Wanted
from dispatcher.errors import NothingToClaim
from tests.contract.opened import Opened, added, happens

LONG = 60.0


def test_what_has_happened_already_is_not_waited_for(opened: Opened) -> None:
    began = time.monotonic()
    assert opened.store.wait(0, LONG)
    assert time.monotonic() - began < LONG / 2


@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_when_nothing_happens_the_time_runs_out(opened: Opened, seconds: float) -> None:
    began = time.monotonic()
    assert not opened.store.wait(1, seconds)
    assert seconds <= time.monotonic() - began < seconds + LONG / 2


def test_a_commit_of_another_thread_ends_the_wait(opened: Opened) -> None:
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(opened.store.wait, 1, LONG)
        opened.store.transact("add", happens(added("a")))
        assert waiting.result(LONG)
        assert time.monotonic() - began < LONG / 2


def test_a_transaction_that_writes_nothing_ends_no_wait(opened: Opened) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(opened.store.wait, 1, 0.2)
        opened.store.transact("edit", happens())
        assert not waiting.result(LONG)


def test_a_claim_that_waits_gets_the_task_that_another_releases(opened: Opened) -> None:
    desk = opened.desk()
    task = tasks.add(desk, NewTask("a"))["id"]
    claims.claim(desk, Wanted("ann"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(claims.claim, desk, Wanted("bob"), None, LONG)
        claims.release(desk, Whose(f"{task}@1"), "")
        assert str(waiting.result(LONG).claims[0].token) == f"{task}@2"


def test_a_claim_that_waited_in_vain_says_so(opened: Opened) -> None:
    with pytest.raises(NothingToClaim):
        claims.claim(opened.desk(), Wanted("bob"), wait=0.1)
