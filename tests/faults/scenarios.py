"""The commands that are made to fail, each with the state it starts from.

Times are by a clock that stands still during a command and moves a second between two.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.faults import recorded
from tests.faults.tree import ROOT

LONG = "a long text that goes into a blob; " * 40
ADD = ("add", "after the fault")

Play = Callable[..., str]
"""Runs a command that must succeed in the project being prepared and returns what it printed."""


class Scenario(NamedTuple):
    """A writing command and how to get to where it is given.

    Attributes:
        prepare: makes the state in the project at this path.
        argv: the command.
        environ: settings for this command alone.
        later: seconds that pass before it. rebooted: the machine starts anew before it.
        vouched: how many of the command's records exit code 0 vouches for, None for all.
        single: the command is one transaction, so that an error means that nothing happened.
        repairs: the command repairs a damaged journal, so that its records are not those of others.
        next: the ordinary command that comes after.
        code: the exit code of the command when nothing goes wrong.
    """

    prepare: Callable[[Play, Path], None]
    argv: tuple[str, ...]
    environ: Mapping[str, str] = MappingProxyType({})
    later: float = 1.0
    rebooted: bool = False
    vouched: int | None = None
    single: bool = True
    repairs: bool = False
    next: tuple[str, ...] = ADD
    code: int = 0


def _nothing(_play: Play, _project: Path) -> None:
    """An empty folder."""


def _some(play: Play, _project: Path) -> None:
    """A task in each of the four folders, and one more that is pending."""
    play("init")
    for title in ("alpha", "beta", "gamma", "delta", "epsilon"):
        play("add", title, "--body", f"about {title}")
    play("complete", "--claim", _claim(play, "alpha"))
    play("fail", "--claim", _claim(play, "beta"), "--reason", "no luck")
    _claim(play, "gamma")


def _claim(play: Play, task: str, *more: str) -> str:
    token: str = json.loads(play("claim", task, "--agent", "worker", "--json", *more))["claims"][0]["token"]
    return token


def _two_claims(play: Play, project: Path) -> None:
    _some(play, project)
    _claim(play, "delta", "--lease", "5")


def _many_closed(play: Play, project: Path) -> None:
    """For a second rotation: two tasks to archive, one of them to drop, progress to trim."""
    _some(play, project)
    play("prune", DISPATCHER_PRUNE_JOURNAL_MAX_BYTES="1", DISPATCHER_PRUNE_KEEP_CLOSED="0")
    for title in ("delta", "epsilon"):
        play("complete", "--claim", _claim(play, title))
    for line in ("one", "two", "three"):
        play("progress", line, "gamma", "--agent", "worker")


def _rotated(play: Play, project: Path) -> None:
    _some(play, project)
    play("prune", DISPATCHER_PRUNE_JOURNAL_MAX_BYTES="1", DISPATCHER_PRUNE_KEEP_CLOSED="0")
    play("complete", "--claim", _claim(play, "delta"))


def _archived(play: Play, project: Path) -> None:
    _some(play, project)
    play("prune", DISPATCHER_PRUNE_KEEP_CLOSED="0")


def _without_projections(play: Play, project: Path) -> None:
    _rotated(play, project)
    (project / ROOT / "DISPATCH_LEDGER.json").unlink()
    for folder in ("PENDING_TASKS", "COMPLETED_TASKS", "CACHE"):
        shutil.rmtree(project / ROOT / folder)


def _unfinished(play: Play, project: Path) -> None:
    """What a crash may leave: half a record, a stale ledger, a task in the wrong folder, a temporary file."""
    _some(play, project)
    root = project / ROOT
    stale = (root / "DISPATCH_LEDGER.json").read_bytes()
    play("complete", "gamma", "--agent", "worker")
    (root / "DISPATCH_LEDGER.json").write_bytes(stale)
    moved = next((root / "COMPLETED_TASKS").glob("gamma*"))
    moved.rename(root / "ACTIVE_TASKS" / moved.name)
    (root / "CACHE" / "write.tmp").write_bytes(b"left over " * 5000)
    with (root / "JOURNAL.jsonl").open("ab") as journal:
        journal.write(b'{"seq":15,"at":')


def _half_rotated(play: Play, project: Path) -> None:
    """A rotation cut short: the journal has a second name in the archive."""
    _rotated(play, project)
    journal = project / ROOT / "JOURNAL.jsonl"
    (project / ROOT / "ARCHIVE" / "journal-0000000014-0000000016.jsonl").hardlink_to(journal)


def _damaged(play: Play, project: Path) -> None:
    """A flipped bit in the middle of the journal, with a whole ledger."""
    _rotated(play, project)
    play("add", "zeta", "--body", LONG)
    journal = project / ROOT / "JOURNAL.jsonl"
    data = journal.read_bytes()
    place = data.index(b"task_completed")
    journal.write_bytes(data[:place] + b"T" + data[place + 1 :])


def _damaged_alone(play: Play, project: Path) -> None:
    """The same without a ledger: what the bad record said is lost."""
    _damaged(play, project)
    (project / ROOT / "DISPATCH_LEDGER.json").unlink()


def _suspect(play: Play, project: Path) -> None:
    """A write failed and could not be undone: half a record and the mark that says so."""
    _some(play, project)
    (project / ROOT / "JOURNAL.suspect").write_bytes(b"")
    with (project / ROOT / "JOURNAL.jsonl").open("ab") as journal:
        journal.write(b'{"seq":14,')


def _scanned(play: Play, project: Path) -> None:
    """A task that will be resolved, one to be reopened, one claimed that will pass, one that will take a test in."""
    play("init")
    recorded.write(project, "one two three four")
    play(*recorded.SCAN)
    for name in ("one", "three"):
        play("claim", f"test-{name}", "--agent", "worker")
    play("complete", "test-one", "--agent", "worker", "--no-verify")
    recorded.write(project, "one four five", more="four")
    recorded.remember(project)


def _recorded(play: Play, project: Path) -> None:
    play("init")
    recorded.write(project, "one two three")
    play(*recorded.SCAN)


def _to_verify(broken: str) -> Callable[[Play, Path], None]:
    def prepare(play: Play, project: Path) -> None:
        play("init")
        recorded.write(project, "one")
        play(*recorded.SCAN)
        play("claim", "test-one", "--agent", "worker")
        recorded.write(project, broken)
        recorded.remember(project)

    return prepare


_PRUNE = {
    "DISPATCHER_PRUNE_JOURNAL_MAX_BYTES": "1",
    "DISPATCHER_PRUNE_KEEP_CLOSED": "1",
    "DISPATCHER_PRUNE_KEEP_PROGRESS": "1",
    "DISPATCHER_PRUNE_ARCHIVE_AFTER_DAYS": "0",
}
_REBUILD = ("rebuild",)

# The longest first, so that servers beside each other finish together.
SCENARIOS: dict[str, Scenario] = {
    "scan": Scenario(_scanned, recorded.SCAN, code=1),
    "complete that is refused": Scenario(_to_verify("one"), ("complete", "test-one@1"), code=5),
    "complete that is verified": Scenario(_to_verify(""), ("complete", "test-one@1")),
    "prune": Scenario(_many_closed, ("prune",), _PRUNE, single=False),
    "rebuild from the journal": Scenario(_without_projections, _REBUILD),
    "rebuild of a damaged journal": Scenario(_damaged, _REBUILD, repairs=True, next=_REBUILD),
    "rebuild with a loss": Scenario(_damaged_alone, _REBUILD, repairs=True, next=_REBUILD),
    "rebuild after a failed write": Scenario(_suspect, _REBUILD, next=_REBUILD),
    "add after a crash": Scenario(_unfinished, ("add", "new", "--body", LONG), rebooted=True),
    "add after half a rotation": Scenario(_half_rotated, ("add", "new")),
    "complete that sets off a prune": Scenario(
        _some,
        ("complete", "gamma", "--agent", "worker"),
        {"DISPATCHER_PRUNE_KEEP_CLOSED": "1"},
        later=10 * 86_400.0,
        vouched=1,
        single=False,
    ),
    "init": Scenario(_nothing, ("init",), single=False, next=("init",)),
    "add": Scenario(_some, ("add", "new", "--body", LONG, "--label", "parser", "--depends-on", "gamma")),
    "edit": Scenario(_some, ("edit", "delta", "--body", LONG, "--priority", "90")),
    "mute": Scenario(_some, ("mute", "delta", "--reason", LONG, "--until", "7d")),
    "claim": Scenario(_some, ("claim", "--agent", "other", "--count", "2")),
    # What is given with it is a second record, which may fail without a word in the exit code.
    "claim with code": Scenario(_recorded, ("claim", "--agent", "other"), vouched=1),
    "claim of expired tasks": Scenario(
        _two_claims,
        ("claim", "--agent", "other", "--count", "2"),
        {"DISPATCHER_CLAIM_MAX_ATTEMPTS": "1"},
        later=1000.0,
    ),
    "complete": Scenario(_some, ("complete", "gamma@1", "--note", LONG)),
    "fail": Scenario(_some, ("fail", "gamma@1", "--reason", "cannot")),
    "release": Scenario(_some, ("release", "gamma", "--agent", "worker", "--reason", "busy")),
    "heartbeat": Scenario(_some, ("heartbeat", "gamma", "--agent", "worker", "--lease", "60")),
    "progress": Scenario(_some, ("progress", LONG, "gamma", "--agent", "worker")),
    "reopen": Scenario(_some, ("reopen", "beta", "--reason", "another try")),
    "reopen from the archive": Scenario(_archived, ("reopen", "alpha")),
}
