"""Projects whose tests fail: written from a few texts, scanned, and what the scan has made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import orjson
import pytest

from tests.cli.processes import environment, program
from tests.cli.steps import STATE
from tests.support import Ran, Run

Files = Mapping[str, str | bytes]
_EVIDENCE = "DISPATCHER_SCAN_EVIDENCE"


def write(project: Path, files: Files) -> None:
    """Write files of a project by their paths; texts may be indented."""
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())


def quiet_environment(**changes: str) -> dict[str, str]:
    """Return an environment in which no Python is active, pytest has only its own plugins and ways, and looks once.

    A second pass for evidence would double what most tests cost; those about it switch it on again.
    """
    env = environment()
    kept = {name: value for name, value in env.items() if not name.startswith("PYTEST_") and name != "VIRTUAL_ENV"}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", _EVIDENCE: "false", **changes}


def be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process such an environment."""
    for name in [name for name in os.environ if name.startswith("PYTEST_") or name == "VIRTUAL_ENV"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


class Scanned(NamedTuple):
    """A project after a scan: how the command ended, and every task by its id."""

    project: Path
    ran: Ran
    tasks: dict[str, dict[str, Any]]

    def task(self, test: str) -> dict[str, Any]:
        """Return the one open task that a failing item is in."""
        (found,) = [t for t in self.tasks.values() if test in t["tests"] and t["status"] != "COMPLETED"]
        return found

    def failure(self, test: str) -> dict[str, Any]:
        """Return the failure that the task of an item shows; with `--no-group` it is the item's own."""
        shown: dict[str, Any] = self.task(test)["failure"]
        return shown

    def detail(self, test: str) -> dict[str, Any]:
        """Return the bulk that is kept for the task of an item."""
        argv = ("show", self.task(test)["id"], "--json")
        found: dict[str, Any] = program(*argv, cwd=self.project, env=quiet_environment()).json["detail"]
        return found

    @property
    def tests(self) -> list[str]:
        """Every item of every open task, sorted: an item that is in two tasks is here twice."""
        open_tasks = [t for t in self.tasks.values() if t["status"] != "COMPLETED"]
        few = [test for t in open_tasks if t["test_count"] == len(t["tests"]) for test in t["tests"]]
        many = [t["tests"][0] for t in open_tasks if t["test_count"] > len(t["tests"])]
        return sorted([*few, *[test for first in many for test in self.detail(first)["members"]]])

    def line(self, path: str, text: str) -> int:
        """Return the number of the one line of a project's file that holds a text."""
        lines = (self.project / path).read_text().splitlines()
        (number,) = [number for number, line in enumerate(lines, 1) if text in line]
        return number


def tasks(project: Path) -> dict[str, dict[str, Any]]:
    """Return every task by its id, as an agent finds it in its folder."""
    files = sorted((project / STATE).glob("*_TASKS/*.json"))
    return {path.stem: orjson.loads(path.read_bytes()) for path in files}


def scan(project: Path, files: Files, *options: str, code: int = 1, env: dict[str, str] | None = None) -> Scanned:
    """Write a project with a fresh INBOX and scan it, in processes."""
    write(project, files)
    env = env or quiet_environment()
    program("init", cwd=project, env=env)
    ran = program("scan", *options, cwd=project, env=env)
    assert ran.code == code, ran
    return Scanned(project, ran, tasks(project))


def scan_here(run: Run, *options: str, code: int | None = 1, files: Files | None = None) -> Scanned:
    """Scan the project of the `run` fixture, which has an INBOX, after writing `files`."""
    project = Path.cwd()
    write(project, files or {})
    ran = run("scan", *options, code=code)
    return Scanned(project, ran, tasks(project))
