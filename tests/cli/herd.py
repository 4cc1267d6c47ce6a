"""Many workers on one INBOX at once: what each was served, and whether the state agrees.

`python -m tests.cli.herd --seconds 20 --claims 50` runs both herds at their full size.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dispatcher.cli import composition
from dispatcher.cli.app import main
from dispatcher.dispatch import views
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.errors import ExitCode
from dispatcher.store.base import Change
from tests.cli.processes import PROGRAM, environment

WORKERS = 8
_HOME = Path(__file__).parents[2]
_LOOP = 'i=0; while [ "$i" -lt "$1" ]; do "$2" -m dispatcher --root "$3" claim --agent "$4" --json; i=$((i+1)); done'


class Served(NamedTuple):
    """The claim tokens that each worker got, in its order, and how long the herd ran."""

    tokens: list[list[str]]
    seconds: float

    @property
    def ratio(self) -> float:
        """Most served by least served."""
        counts = [len(t) for t in self.tokens]
        return max(counts) / max(1, min(counts))


def make_store(root: Path, tasks: int) -> None:
    """Make a store with so many pending tasks, added by one record for speed."""
    root.mkdir()
    desk = composition.open_desk(root)
    desk.store.create()

    def decide(_ledger: Ledger, _now: Moment) -> Change:
        more = {"kind": "manual", "body": "", "priority": 50, "labels": [], "paths": [], "depends_on": []}
        return Change([{"type": "task_added", "task": f"t{n:05d}", "title": f"task {n}", **more} for n in range(tasks)])

    desk.store.transact("add", decide)


def residents(root: Path, seconds: float) -> Served:
    """Let resident processes claim and complete until the time is up or the tasks are."""
    resident = [sys.executable, "-m", "tests.cli.herd", "--root", str(root), "--seconds", f"{seconds}", "--resident"]
    with _herd([[*resident, f"worker-{n}"] for n in range(WORKERS)]) as herd:
        for one in herd:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        began = time.monotonic()
        for one in herd:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        printed = [one.communicate() for one in herd]
        ended = time.monotonic() - began
        assert [one.returncode for one in herd] == [0] * WORKERS, printed
    return Served([json.loads(out) for out, _ in printed], ended)


def shells(root: Path, each: int) -> Served:
    """Let shell scripts claim, a process of the program for every claim."""
    began = time.monotonic()
    script = ["/bin/sh", "-c", _LOOP, "herd", str(each), PROGRAM[0], str(root)]
    with _herd([[*script, f"worker-{n}"] for n in range(WORKERS)]) as herd:
        printed = [one.communicate() for one in herd]
        assert [one.returncode for one in herd] == [0] * WORKERS, printed
    tokens = [[json.loads(line)["claims"][0]["token"] for line in out.splitlines()] for out, _ in printed]
    return Served(tokens, time.monotonic() - began)


@contextlib.contextmanager
def _herd(commands: list[list[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes; none of them outlives the block."""
    pipe = subprocess.PIPE
    herd = [
        subprocess.Popen(command, cwd=_HOME, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for command in commands
    ]
    try:
        yield herd
    finally:
        for one in herd:
            one.kill()
            one.communicate()


def check(root: Path, tasks: int, served: Served, *, completed: bool) -> None:
    """Check that nothing was served twice, that nothing is lost, and that history and state say the same."""
    desk = composition.open_desk(root)
    given = [token for tokens in served.tokens for token in tokens]
    assert Counter(given).most_common(1)[0][1] == 1, "a claim was given twice"
    assert all(token.endswith("@1") for token in given), "a live claim was taken over"
    events = Counter((e["type"], e.get("task", "")) for record in desk.store.history() for e in record.events)
    claimed = sorted(task for (kind, task), n in events.items() if kind == "task_claimed" for _ in range(n))
    assert claimed == sorted(token.partition("@")[0] for token in given), "the journal and the workers disagree"
    done = sorted(task for (kind, task), n in events.items() if kind == "task_completed" for _ in range(n))
    assert done == (claimed if completed else []), "not every claim was completed once"
    status = views.status(desk)
    assert sum(status["counts"].values()) + status["archived"] == status["added"] == tasks, "a task is lost"
    assert status["counts"]["pending"] == tasks - len(given)
    said = desk.store.rebuild()
    assert not said.lines, f"files and journal differed: {said.lines}"


def _resident(root: Path, name: str, seconds: float) -> None:
    """Claim and complete as a user's commands do, without the start of a process for each, and print the tokens."""
    print("ready", flush=True)
    sys.stdin.readline()
    served = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        code, out = _command("--root", str(root), "claim", "--agent", name, "--json")
        if code == ExitCode.NOTHING:
            break
        token = json.loads(out)["claims"][0]["token"]
        code, _ = _command("--root", str(root), "complete", token)
        assert code == 0
        served.append(token)
    print(json.dumps(served))


def _command(*argv: str) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        return main(argv), out.getvalue()


def _main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resident", metavar="NAME", help="be one worker")
    options.add_argument("--root", type=Path)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--claims", type=int, default=50, help="claims of each shell")
    given = options.parse_args()
    if given.resident:
        _resident(given.root, given.resident, given.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, tasks, completed in (
            ("residents", round(50 * given.seconds), True),
            ("shells", WORKERS * given.claims, False),
        ):
            root = Path(folder, name)
            make_store(root, tasks)
            served = residents(root, given.seconds) if completed else shells(root, given.claims)
            check(root, tasks, served, completed=completed)
            counts = " ".join(str(len(t)) for t in served.tokens)
            print(
                f"{name}: {WORKERS} processes, {served.seconds:.1f} s, served {counts}, most/least {served.ratio:.2f}"
            )


if __name__ == "__main__":
    _main()
