"""A small project whose tests fail and are mended between two commands, and tests that wait to be told to go on."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import SECONDS
from tests.cli.steps import claim, listed
from tests.cli.suites import quiet_environment, tasks, write
from tests.support import Run

INI = "[pytest]\npythonpath = .\n"
BROKEN = "def add(a, b):\n    return a - b\n"
MENDED = "def add(a, b):\n    return a + b\n"
TESTS = """
    import calc


    def test_adds():
        assert calc.add(2, 2) == 4


    def test_zero():
        assert calc.add(0, 0) == 0
"""
CALC = {"pytest.ini": INI, "calc.py": BROKEN, "tests/test_calc.py": TESTS}
ADDS = "tests/test_calc.py::test_adds"


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the caller's reach the tests that are run; files written twice in a second are read anew."""
    kept = quiet_environment()
    for name in [name for name in os.environ if name not in kept]:
        monkeypatch.delenv(name)
    for name, value in settled().items():
        monkeypatch.setenv(name, value)


def settled() -> dict[str, str]:
    """Return the environment of the commands that are processes; pytest starts faster without plugins."""
    return quiet_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


def edit(path: str, old: str, new: str, *, project: Path | None = None) -> None:
    """Replace the one place of a text in a file."""
    file = (project or Path()) / path
    text = file.read_text()
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new))


def mend() -> None:
    """Put the one fault of CALC right."""
    write(Path(), {"calc.py": MENDED})


def prepared(name: str, make: Callable[[], object]) -> None:
    """Make a project in the working folder, or write it as it was made the first time: scans take long."""
    if name in _PREPARED:
        write(Path(), _PREPARED[name])
        return
    make()
    _PREPARED[name] = {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


_PREPARED: dict[str, dict[str, bytes]] = {}


def scanned(run: Run, files: Mapping[str, str] = CALC, *options: str) -> str:
    """Write a project, scan it and return the id of its one task."""

    def make() -> None:
        write(Path(), files)
        run("scan", *options, code=1)

    prepared(repr((files, options)), make)
    (task_id,) = listed(run)
    return task_id


def claimed(run: Run, files: Mapping[str, str] = CALC, *options: str) -> str:
    """Write a project, scan it, claim its one task and return the claim's token."""
    return claim(run, scanned(run, files, *options))


def found(test: str) -> dict[str, Any]:
    """Return the one task that has a test, whatever its status."""
    (task,) = [task for task in tasks(Path()).values() if test in task["tests"]]
    return task


def events(run: Run, kind: str) -> list[dict[str, Any]]:
    """Return all events of a kind, oldest first."""
    records = run("log", "--kind", kind, "--json").json["records"]
    return [event for record in records for event in record["events"] if event["type"] == kind]


def git(*argv: str) -> str:
    """Run git in the project and return what it printed."""
    name = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    ended = subprocess.run(["git", *name, *argv], capture_output=True, text=True, check=True)  # noqa: S607 - the user's own
    return ended.stdout.strip()


def commit() -> str:
    """Make the project a git repository if it is none, commit all of it and return the commit's hash."""
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", "a state")
    return git("rev-parse", "HEAD")


class Gate:
    """Where a test of the project stops until it is told to go on."""

    FILE = """
        import os


        def wait():
            if not os.path.exists("reached"):
                return
            with open("reached", "w") as told:
                told.write("x")
            with open("go") as going:
                going.readline()
    """

    def __init__(self, project: Path) -> None:
        os.mkfifo(project / "reached")
        os.mkfifo(project / "go")
        self._reached = os.open(project / "reached", os.O_RDONLY | os.O_NONBLOCK)
        self._go = os.open(project / "go", os.O_RDWR)

    def reached(self) -> None:
        """Wait until a test has come here."""
        ready, _, _ = select.select([self._reached], [], [], SECONDS)
        assert ready, "no test has come to the gate"
        os.read(self._reached, 1)

    def open(self) -> None:
        """Let the test that waits go on."""
        os.write(self._go, b"\n")

    def close(self) -> None:
        """Close the FIFOs: a test that still waits goes on."""
        os.close(self._go)
        os.close(self._reached)


@contextmanager
def gate(project: Path) -> Iterator[Gate]:
    """Put up a gate for a while."""
    made = Gate(project)
    try:
        yield made
    finally:
        made.close()
        for name in ("reached", "go"):
            (project / name).unlink()
