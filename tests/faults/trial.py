"""One scenario at all of its points: every fault at every call, and what comes after."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.errors import ExitCode
from tests.faults import tree
from tests.faults.aftermath import Aftermath, Calm
from tests.faults.check import Checked
from tests.faults.fold import history
from tests.faults.order import Disk
from tests.faults.play import KILLED, Ended, Player, in_child
from tests.faults.scenarios import Scenario
from tests.faults.shim import NONE, Fault
from tests.faults.tree import ROOT
from tests.support import FakeClock

_ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
_KILLS = ("kill before", "kill after", "torn")
_BATCH = 100


def points(calls: Sequence[str]) -> Iterator[Fault]:
    """Yield every fault at each of a command's calls; which error a disk that stays broken gives, goes in turn."""
    for n, call in enumerate(calls, 1):
        yield Fault("kill before", n)
        yield Fault("kill after", n)
        for number in _ERRORS:
            yield Fault("errno", n, number)
        yield Fault("errno", n, _ERRORS[n % len(_ERRORS)], from_then_on=True)
        if _writes(call):
            yield Fault("torn", n)
            yield Fault("short", n)
            yield Fault("short", n, from_then_on=True)
            yield Fault("full", n, from_then_on=True)


def done(fault: Fault, calls: Sequence[str]) -> list[str]:
    """Return those of a command's calls that were carried out, in whole or in part, when it met a fault."""
    if fault.mode in _KILLS:
        return list(calls[: fault.n - (fault.mode == "kill before")])
    if fault.mode != "errno":
        return list(calls)
    return [call for i, call in enumerate(calls, 1) if i < fault.n or (i > fault.n and not fault.from_then_on)]


def _writes(call: str) -> bool:
    return call.startswith(("write ", "pwrite "))


class Outcome(NamedTuple):
    """What a fault led to at once: how the command ended, and the name of the state that it left."""

    fault: Fault
    ended: Ended
    state: str


class Trial:
    """A scenario at all of its points.

    Faults often leave the same state as others did. What comes after is then the same too, and is gone
    through once; tree.digest says when two states are the same.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self._folder = folder
        self._scenario = scenario
        self._player = Player(folder)
        self._ready = folder / "ready"
        self._faulty = folder / "faulty"
        self._spare = folder / "spare"
        self._states = folder / "states"
        self._clock = FakeClock()
        self._violations: list[str] = []

    def run(self) -> dict[str, Any]:
        """Go through all points; return their number, that of distinct states, and the violations."""
        began = time.monotonic()
        self._ready.mkdir()
        self._states.mkdir()
        self._clock = _clock_of(self._scenario, in_child(self._folder, self._prepare))
        calm = self._calm()
        outcomes = self._outcomes(list(points(calm.calls)))
        after = in_child(self._folder, lambda: self._aftermaths(calm))
        for outcome in outcomes:
            problems, happened, acknowledged = after[outcome.state]
            self._judge(outcome, calm, [*problems, *_judge_disk(outcome, calm, acknowledged)], happened)
        return {
            "points": len(outcomes),
            "states": len(after),
            "calls": calm.calls,
            "violations": self._violations,
            "seconds": round(time.monotonic() - began, 2),
        }

    def _prepare(self) -> int:
        return prepare(self._scenario, self._ready, self._player)

    def _calm(self) -> Calm:
        tree.copy(self._ready, self._faulty)
        before = history(tree.read(self._ready / ROOT), [])
        ended = Ended(*in_child(self._folder, lambda: self._play(NONE)))
        found = Checked(self._faulty / ROOT)
        if (
            found.problems
            or ended.problems
            or not ended.calls
            or (ended.code != self._scenario.code and not self._scenario.repairs)
        ):
            self._violations.append(f"without a fault: {ended} {found.problems}")
        tree.remove(self._faulty)
        return Calm(before, found.lines[len(before) :], repr(found.state.tasks), ended.code, ended.calls)

    def _play(self, fault: Fault) -> Ended:
        run = self._player.run_in_child if fault.mode in _KILLS else self._player.run
        scenario = self._scenario
        return run(self._faulty, self._clock, *scenario.argv, environ=scenario.environ, fault=fault)

    # The faults

    def _outcomes(self, faults: list[Fault]) -> list[Outcome]:
        """Kills each have a child of their own. Of the others a child takes many, for forks are what costs."""
        outcomes = [self._outcome(fault) for fault in faults if fault.mode in _KILLS]
        others = [fault for fault in faults if fault.mode not in _KILLS]
        for start in range(0, len(others), _BATCH):
            batch = others[start : start + _BATCH]
            answer = in_child(self._folder, functools.partial(self._batch, batch))
            outcomes += [Outcome(Fault(*fault), Ended(*ended), state) for fault, ended, state in answer]
        return outcomes

    def _batch(self, faults: list[Fault]) -> list[Outcome]:
        return [self._outcome(fault) for fault in faults]

    def _outcome(self, fault: Fault) -> Outcome:
        tree.copy(self._ready, self._faulty)
        ended = self._play(fault)
        state = tree.digest(self._faulty)
        self._keep(self._states / state)
        return Outcome(fault, ended, state)

    def _keep(self, state: Path) -> None:
        """Of states that differ in the temporary file alone keep the one that has most left in it."""
        if state.exists():
            if tree.leftover(state) >= tree.leftover(self._faulty):
                tree.remove(self._faulty)
                return
            tree.remove(state)
        self._faulty.rename(state)

    # What comes after

    def _aftermaths(self, calm: Calm) -> dict[str, tuple[Any, ...]]:
        return {state.name: self._aftermath(state, calm) for state in self._states.iterdir()}

    def _aftermath(self, state: Path, calm: Calm) -> tuple[Any, ...]:
        after = Aftermath(self._scenario, calm, self._clock, self._player)
        for act in (after.rebuild_at_once, after.try_again):
            tree.copy(state, self._spare)
            act(self._spare)
            tree.remove(self._spare)
        after.go_on(state)
        return after.problems, after.happened, after.acknowledged

    # The verdict

    def _judge(self, outcome: Outcome, calm: Calm, problems: list[str], happened: int | None) -> None:
        fault, ended, _ = outcome
        found = [*ended.problems, *_judge_end(fault, ended, calm), *problems]
        if happened is not None:
            found += self._judge_record(ended, happened, calm)
        if found:
            where = f"{fault} of {len(calm.calls)} ({calm.calls[fault.n - 1]})"
            self._violations.append(f"{where}: exit {ended.code} {ended.err.strip()!r}: {'; '.join(found)}")

    def _judge_record(self, ended: Ended, happened: int, calm: Calm) -> list[str]:
        """I1 and I2: what was acknowledged is there; what was said to have failed is not."""
        vouched = len(calm.made) if self._scenario.vouched is None else self._scenario.vouched
        if ended.code == self._scenario.code and happened < vouched:
            return [f"it was acknowledged, but only {happened} of {vouched} records are there"]
        failed = ended.code not in (self._scenario.code, KILLED) and "not known" not in ended.err
        if failed and happened and self._scenario.single:
            return ["it was said to have failed, but its record is there"]
        return []


def _judge_end(fault: Fault, ended: Ended, calm: Calm) -> list[str]:
    kills = fault.mode in _KILLS
    if kills != (ended.code == KILLED):
        return [f"it was {'not ' if kills else ''}killed"]
    if fault.mode == "short" and ended.code != calm.code:
        return ["a short write, which is no error, made it fail"]
    about_note = calm.calls[fault.n - 1].endswith(".lock") and not calm.calls[fault.n - 1].startswith("open ")
    if about_note and not kills and not fault.from_then_on and ended.code != calm.code:
        return ["the lock's note, which is only for people, made it fail"]
    return []


def _judge_disk(outcome: Outcome, calm: Calm, acknowledged: list[list[Any]]) -> list[str]:
    """I1: what succeeds on top of what the fault left unsynced is on the disk, with all that it relies on."""
    problems = []
    for what, calls, needed in acknowledged:
        disk = Disk()
        disk.take(done(outcome.fault, outcome.ended.calls or calm.calls))
        disk.take(calls)
        if loose := sorted(disk.loose & set(needed)):
            problems.append(f"{what} succeeded, and a power cut could still take {loose}")
    return problems


def prepare(scenario: Scenario, project: Path, player: Player) -> int:
    """Make the state that a scenario starts from; return the seconds that it took by the clock."""
    clock = FakeClock()
    began = clock.wall

    def play(*argv: str, **environ: str) -> str:
        ended = player.run(project, clock, *argv, environ=environ)
        if ended.code not in (ExitCode.OK, ExitCode.FAILING):
            raise RuntimeError(f"{argv} failed: {ended}")
        clock.pass_time(1)
        return ended.out

    scenario.prepare(play, project)
    return round(clock.wall - began)


def _clock_of(scenario: Scenario, seconds: int) -> FakeClock:
    clock = FakeClock()
    clock.pass_time(seconds + scenario.later)
    if scenario.rebooted:
        clock.reboot()
    return clock
