"""What a command costs in CPU, beside a program on the same typer that only says hello.

Prints a table. Each figure is the median over interleaved runs of whole processes (user and system time),
so that a drift of the machine meets both sides. Run it with scripts/bench.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dispatcher import clock
from dispatcher.cli.composition import ROOT
from dispatcher.domain.redact import Redactor
from dispatcher.files import make_root
from dispatcher.store.base import Change
from dispatcher.store.filesystem import FilesystemStore

HELLO = """
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def main(name: str = "world") -> None:
    print("hello", name)
app()
"""
EVENTS_PER_RECORD = 10_000
CLAIM = [sys.executable, "-m", "dispatcher", "claim", "--agent", "bench"]
_fresh = itertools.count(1_000_000)
DISPATCHER = [sys.executable, "-m", "dispatcher"]


def cpu_ms(command: list[str], folder: Path) -> float:
    """Return the milliseconds of CPU that one run of `command` took."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("DISPATCHER_")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode beside it
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command}: {process.stderr.read().decode() if process.stderr else ''}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def medians(commands: list[tuple[list[str], Path]], runs: int) -> list[float]:
    """Return the median of each command over `runs` rounds that run them in turn, after one warm-up."""
    times: list[list[float]] = [[] for _ in commands]
    for number in range(runs + 1):
        for of_command, (command, folder) in zip(times, commands, strict=True):
            spent = cpu_ms(command, folder)
            if command == CLAIM:  # so that the next round finds as many as this one
                add(folder, fresh := next(_fresh), fresh + 1)
            if number:
                of_command.append(spent)
    return [statistics.median(t) for t in times]


def state(parent: Path, tasks: int) -> Path:
    """Make a project with so many pending tasks and return its folder."""
    project = parent / f"with-{tasks}"
    make_root(project / ROOT)
    store_in(project).create()
    for first in range(0, tasks, EVENTS_PER_RECORD):
        add(project, first, min(first + EVENTS_PER_RECORD, tasks))
    return project


def store_in(project: Path) -> FilesystemStore:
    """Return a project's store."""
    return FilesystemStore(project / ROOT, clock.now, Redactor({}), 10, print)


def add(project: Path, first: int, last: int) -> None:
    """Add the tasks with these numbers, the last one excluded, in one record."""
    events = [
        {
            "type": "task_added", "task": f"test-parse-line-{n:06d}-0a1b2c3d", "kind": "manual", "body": "It fails.",
            "title": f"tests/test_parse.py::test_line[{n}] fails: ValueError", "priority": n % 7 * 10,
            "labels": ["test"], "depends_on": [], "paths": ["tests/test_parse.py"],
        }
        for n in range(first, last)
    ]  # fmt: skip
    store_in(project).transact("bench", lambda _ledger, _now: Change(events))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=21)
    options.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000, 10_000, 100_000])
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder)
        (parent / "hello.py").write_text(HELLO)
        hello = ([sys.executable, str(parent / "hello.py")], parent)
        smallest = state(parent, given.sizes[0])
        print(
            f"{'tasks':>8} {'hello':>8} {'status':>8} {'ratio':>6} {'claim':>8} {'ratio':>6} {'claim over smallest':>20}"
        )
        for size in given.sizes:
            project = smallest if size == given.sizes[0] else state(parent, size)
            runs = given.runs if size <= 1000 else max(5, given.runs // 3)
            base, base_claim, status, claimed = medians(
                [hello, (CLAIM, smallest), ([*DISPATCHER, "status"], project), (CLAIM, project)], runs
            )
            print(
                f"{size:>8} {base:>8.1f} {status:>8.1f} {status / base:>6.2f} {claimed:>8.1f} {claimed / base:>6.2f} "
                f"{claimed - base_claim:>17.1f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
