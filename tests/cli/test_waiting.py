"""claim --wait: it returns as soon as there is something, whoever made it so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from dispatcher.cli import composition
from dispatcher.dispatch import claims
from dispatcher.domain.lifecycle import Wanted
from dispatcher.store.base import Store
from tests.cli.processes import environment, finish, program, start
from tests.cli.steps import refused
from tests.support import FakeClock, Run


class Announcing:
    """A store that says when somebody begins to wait on it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waiting = threading.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def wait(self, seq: int, seconds: float) -> bool:
        self.waiting.set()
        return self._store.wait(seq, seconds)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes started meanwhile end on SIGINT, whatever this one was told to do about it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def claim_while(root: Path, act: Callable[[], object]) -> list[str]:
    """Begin to wait for a task, call `act` once that waits, and return what was claimed."""
    desk = composition.open_desk(root)
    store = Announcing(desk.store)
    got: list[str] = []

    def wait() -> None:
        granted = claims.claim(desk._replace(store=store), Wanted("patient"), None, wait=50)
        got.extend(str(one.token) for one in granted.claims)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert store.waiting.wait(50)
    act()
    waiting.join(50)
    assert not waiting.is_alive()
    return got


def test_a_waiting_claim_gets_the_task_that_another_process_adds(root: Path, project: Path) -> None:
    added = []
    got = claim_while(root, lambda: added.append(program("add", "late", cwd=project)))
    assert got == [f"{added[0].out.strip()}@1"]


def test_a_waiting_claim_gets_the_task_that_another_releases(run: Run, root: Path, project: Path) -> None:
    run("add", "one")
    token = run("claim", "--agent", "me", "--json").json["claims"][0]["token"]
    got = claim_while(root, lambda: program("release", token, cwd=project))
    assert got == [token.replace("@1", "@2")]


def test_a_waiting_process_gets_the_task_whose_lease_runs_out(root: Path, project: Path) -> None:
    task_id = program("add", "one", cwd=project).out.strip()
    program("claim", "--agent", "gone", "--lease", "0.1", cwd=project)
    got = program("claim", "--agent", "next", "--wait", "50", "--json", cwd=project)
    assert orjson.loads(got.out)["claims"][0]["token"] == f"{task_id}@2", root


@pytest.mark.usefixtures("root")
def test_waiting_in_vain_ends_with_the_code_for_nothing_to_claim(run: Run) -> None:
    refused(run("claim", "--agent", "me", "--wait", "0.2", code=None), 3, "no task is pending")


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_waiting_claim_at_once_and_harms_nothing(run: Run, root: Path, clock: FakeClock) -> None:
    """The waiter first ends an expired claim for good, which shows in the journal, and then has nothing to take."""
    task_id = run("add", "one").out.strip()
    run("claim", "--agent", "gone", "--lease", "0.1")
    clock.reboot()  # in the fake past: for the waiter's clock the lease is long over
    before = run("status", "--json").json["seq"]
    env = environment(DISPATCHER_CLAIM_MAX_ATTEMPTS="1", DISPATCHER_ROOT=str(root))
    waiter = start("claim", "--agent", "patient", "--wait", "50", cwd=root, env=env)
    assert composition.open_desk(root).store.wait(before, 50)
    waiter.send_signal(signal.SIGINT)
    ended = finish(waiter)
    refused_by_signal = (ended.code, ended.out, ended.err.count("\n"))
    assert refused_by_signal in ((130, "", 0), (130, "", 1)), ended
    assert run("show", task_id, "--json").json["status"] == "FAILED"
    run("add", "the lock is free")
