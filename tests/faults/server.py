"""The fork server: reads names of scenarios, answers each with what was found at all of its points.

Started with the fault library preloaded. What is killed is a fork of this process, which has everything
imported, so a point costs milliseconds.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer

from dispatcher.cli.app import COMMANDS, LazyCommands
from tests.faults import tree
from tests.faults.play import Player
from tests.faults.scenarios import SCENARIOS
from tests.faults.trial import Trial, prepare
from tests.support import FakeClock


def warm_up(folder: Path) -> None:
    """Do once what every child would do again: import what commands import late, and read their options."""
    typer.main.get_command = functools.cache(typer.main.get_command)
    commands = {name: LazyCommands().get_command(None, name) for name in COMMANDS}
    LazyCommands.get_command = lambda *call: commands[call[2]]  # type: ignore[method-assign]
    project = folder / "warm"
    project.mkdir()
    player = Player(folder)
    prepare(SCENARIOS["prune"], project, player)
    tree.remove(project)
    project.mkdir()
    prepare(SCENARIOS["scan"], project, player)
    for name in ("list", "status", "log"):
        player.run(project, FakeClock(), name, "--json")
    tree.remove(project)
    gc.enable()  # the commands have turned it off
    gc.collect()
    gc.freeze()


def answer(folder: Path, name: str) -> dict[str, Any]:
    """Return what was found about a scenario; that it could not be gone through is a violation as well."""
    folder.mkdir()
    try:
        return Trial(folder, SCENARIOS[name]).run()
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        return {"points": 0, "states": 0, "calls": [], "seconds": 0, "violations": [traceback.format_exc()]}
    finally:
        os.chdir("/")
        tree.remove(folder)


def serve(folder: Path) -> None:
    """Answer each line of standard input, the name of a scenario, with a line of JSON."""
    warm_up(folder)
    for number, line in enumerate(sys.stdin):
        print(json.dumps(answer(folder / str(number), line.strip())), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
