"""What comes after a fault: looking, one ordinary command, rebuilding, and the invariants each time.

All of it runs without faults in one process.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.errors import ExitCode
from tests.faults import tree
from tests.faults.check import Checked
from tests.faults.fold import Fold, fold, history
from tests.faults.play import Ended, Player
from tests.faults.scenarios import ADD, Scenario
from tests.faults.tree import ROOT
from tests.support import FakeClock

_NOTHING_TO_DO = "everything was as the journal says\n"
_PROJECTIONS = ("PENDING_TASKS", "ACTIVE_TASKS", "COMPLETED_TASKS", "FAILED_TASKS", "CACHE")


class Calm(NamedTuple):
    """The command without a fault: the history before it, the records it makes, and what it leads to."""

    before: list[bytes]
    made: list[bytes]
    tasks: str
    code: int
    calls: Sequence[str]


class Acknowledged(NamedTuple):
    """A command that succeeded after a fault: its calls that change files, and the files that must last then."""

    what: str
    calls: Sequence[str]
    needed: Sequence[str]


class Aftermath:
    """One state that faults left, and what is found wrong with what comes after.

    Attributes:
        happened: how many of the command's records are there after the recovery; None for a repair.
        acknowledged: the commands after it that succeeded.
    """

    def __init__(self, scenario: Scenario, calm: Calm, clock: FakeClock, player: Player) -> None:
        self.problems: list[str] = []
        self.happened: int | None = None
        self.acknowledged: list[Acknowledged] = []
        self._scenario = scenario
        self._calm = calm
        self._clock = copy(clock)
        self._player = player
        self._project = Path()

    def go_on(self, project: Path) -> None:
        """Look at the state, give the ordinary command, and check (I1 to I6, I9, I10); then I4."""
        self._project = project
        root = project / ROOT
        self._look(root)
        calls = self._recover()
        if calls is None:
            return
        found = Checked(root)
        self._add("after the next command", *found.problems)
        self._count_records(found)
        self.acknowledged.append(Acknowledged("the next command", calls, _needed(root, found)))
        self._rebuild(root)

    def try_again(self, project: Path) -> None:
        """Give the same command again, as its user would: it may refuse, but it leaves a sound state too."""
        self._project = project
        root = project / ROOT
        ended = self._player.run(project, self._clock, *self._scenario.argv, environ=self._scenario.environ)
        self._add("trying again", *ended.problems)
        if ended.code == ExitCode.STORAGE and "not known" in ended.err:
            return
        if ended.code not in {0, self._calm.code, ExitCode.NOTHING, ExitCode.REFUSED, ExitCode.NOT_FOUND}:
            self._add("trying again", f"exit code {ended.code}: {ended.err.strip()}")
        found = Checked(root)
        self._add("after trying again", *found.problems)
        if ended.code == self._scenario.code:
            self.acknowledged.append(Acknowledged("trying again", ended.calls, _needed(root, found)))

    def rebuild_at_once(self, project: Path) -> None:
        """Rebuild instead of the ordinary command: twice, and the second finds nothing to do (I7)."""
        self._project = project
        root = project / ROOT
        if not (root / "JOURNAL.jsonl").exists():
            self._expect("rebuild", codes={ExitCode.NO_INBOX})
            return
        self._expect("rebuild", codes={0, self._calm.code})
        self._add("after a rebuild", *Checked(root).problems)
        self._rebuild_idly(root, tree.contents(root))

    def _add(self, when: str, *problems: str) -> None:
        self.problems += [f"{when}: {problem}" for problem in problems]

    def _expect(self, *argv: str, codes: set[int]) -> Ended:
        ended = self._player.run(self._project, self._clock, *argv)
        self._add(argv[0], *ended.problems)
        if ended.code not in codes:
            self._add(argv[0], f"exit code {ended.code}: {ended.err.strip()}")
        return ended

    # Looking

    def _look(self, root: Path) -> None:
        """I9: commands that only read work on what the fault left, tell what is there, and change nothing."""
        codes = {0}
        if self._scenario.repairs:
            codes.add(ExitCode.DAMAGED)
        if not (root / "JOURNAL.jsonl").exists():
            codes.add(ExitCode.NO_INBOX)
        before = tree.contents(root)
        listed = self._read("list", "--json", codes=codes)
        status = self._read("status", "--json", codes=codes)
        self._read("log", codes=codes)
        self._read("config", codes={0} if root.exists() else codes)
        if listed.code == 0 and status.code == 0:
            rows = {row["id"]: row["status"] for row in json.loads(listed.out)["tasks"]}
            for task_id in list(rows)[:1]:
                self._read("show", task_id, codes=codes)
            if not self._scenario.repairs:
                self._compare_views(rows, json.loads(status.out), _fold_of(root))
        if tree.contents(root) != before:
            self._add("reading", "something was changed")

    def _read(self, *argv: str, codes: set[int]) -> Ended:
        ended = self._expect(*argv, codes=codes)
        if changing := [call for call in ended.calls if "/CACHE/" not in call]:
            self._add(argv[0], f"it writes: {changing}")
        return ended

    def _compare_views(self, rows: dict[str, str], status: dict[str, Any], state: Fold) -> None:
        if rows != {task_id: task.status for task_id, task in state.tasks.items()}:
            self._add("list", f"it shows {rows}, but there is {state.tasks}")
        if status["seq"] != state.seq:
            self._add("status", f"it shows record {status['seq']} as the last, which is {state.seq}")

    # The ordinary command

    def _recover(self) -> list[str] | None:
        """One ordinary command works, or says that it is not known what was saved, and works after a rebuild.

        Return the calls that change files, or None if it did not work.
        """
        calls: list[str] = []
        commands = [self._scenario.next] if self._scenario.next == ADD else [self._scenario.next, ADD]
        for argv in commands:
            self._clock.pass_time(1)
            ended = self._player.run(self._project, self._clock, *argv)
            if ended.code == ExitCode.STORAGE and "not known" in ended.err:
                calls += self._expect("rebuild", codes={0}).calls
                ended = self._player.run(self._project, self._clock, *argv)
            self._add(argv[0], *ended.problems)
            if ended.code not in {0, self._calm.code if argv[0] == "rebuild" else 0}:
                self._add("the next command", f"exit code {ended.code}: {ended.err.strip()}")
                return None
            calls += ended.calls
        return calls

    def _count_records(self, found: Checked) -> None:
        """I2: of the command's records there are the first ones, or all, or none, and whole."""
        if self._scenario.repairs:
            tasks = {task_id: task for task_id, task in found.state.tasks.items() if "after-the-fault" not in task_id}
            if repr(tasks) != self._calm.tasks:
                self._add("after the repair", f"there is {tasks}, not {self._calm.tasks}")
            return
        start = len(self._calm.before)
        if found.lines[:start] != self._calm.before:
            self._add("I1", "the history before the command has changed")
        made = found.lines[start:]
        self.happened = next(
            (i for i, line in enumerate(self._calm.made) if _timeless(made[i : i + 1]) != _timeless([line])),
            len(self._calm.made),
        )
        rest = [json.loads(line)["command"] for line in made[self.happened :]]
        if rest not in (["add"], ["init", "add"]):
            self._add("I2", f"after {self.happened} records of the command there are {rest}")

    # Rebuilding

    def _rebuild(self, root: Path) -> None:
        """The ordinary command left nothing to be put right. I4: without its projections the state is rebuilt as it was."""
        before = tree.contents(root)
        self._rebuild_idly(root, before)
        (root / "DISPATCH_LEDGER.json").unlink()
        for folder in _PROJECTIONS:
            shutil.rmtree(root / folder)
        self._expect("rebuild", codes={0})
        self._compare("rebuilding without the projections", root, before)

    def _rebuild_idly(self, root: Path, before: tree.Files) -> None:
        ended = self._expect("rebuild", codes={0})
        if ended.out != _NOTHING_TO_DO:
            self._add("rebuild", f"there was something left to do: {ended.out.strip()}")
        self._compare("rebuilding", root, before)

    def _compare(self, when: str, root: Path, before: tree.Files) -> None:
        after = tree.contents(root)
        changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path, 0) != after.get(path, 0)]
        if changed:
            self._add(when, f"changed {changed}")


def _timeless(lines: list[bytes]) -> list[bytes]:
    """Return records without how long a run of tests took, and so without their checksums."""
    return [re.sub(rb'"(?:cpu_)?seconds":[\d.]+|"crc":"\w+"', b"", line) for line in lines]


def _needed(root: Path, found: Checked) -> list[str]:
    """Return what a power cut may not take: the journal, the old segments in one form, the blobs that are named."""
    blobs = re.findall(r'"(?:state|\w+_blob)":"([0-9a-f]{32})', b"".join(found.lines).decode())
    files = tree.read(root)
    old = [path for path in files if path.startswith("ARCHIVE/journal-")]
    only = [path for path in old if not (path.endswith(".gz") and path.removesuffix(".gz") in files)]
    return ["JOURNAL.jsonl", *only, *sorted({f"BLOBS/{blob}.z" for blob in blobs})]


def _fold_of(root: Path) -> Fold:
    files = tree.read(root)
    return fold(files, [json.loads(line) for line in history(files, [])])
