"""Compare a scan of a project with what plain pytest reports (run by scripts/compare, and by tests on the example)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import orjson

from tests.cli.processes import environment

PLAIN = ("-q", "-rfE", "--continue-on-collection-errors")
_REPORTED = re.compile(r"^(?:FAILED|ERROR|SUBFAIL(?:ED)?(?:\[.*?\]| ?\(.*?\))*) (.*)$")


class Compared(NamedTuple):
    """What the two say. `tasks` counts in how many open tasks each item is."""

    reported: set[str]
    tasks: Counter[str]
    groups: int
    summary: str

    @property
    def agree(self) -> bool:
        """Tell whether every reported item is in exactly one task, and nothing else is in any."""
        return set(self.tasks) == self.reported and set(self.tasks.values()) <= {1}


def reported_by_pytest(project: Path, python: str, arguments: tuple[str, ...] = ()) -> tuple[set[str], str]:
    """Return the items that plain pytest names as failing, erroring or uncollectable, and its last line.

    Its report joins an id and a message by " - ", and either may hold that.
    """
    env = environment()
    env.pop("PYTHONPATH")
    pytest = str(Path(python).with_name("pytest"))
    argv = [pytest, *PLAIN, "--tb=no", "-p", "no:cacheprovider", *arguments]
    ended = subprocess.run(argv, cwd=project, env=env, capture_output=True, check=False)
    lines = ended.stdout.decode(errors="replace").splitlines()
    found = {_id_of(match[1]) for line in lines if (match := _REPORTED.match(line))}
    return found, lines[-1] if lines else ended.stderr.decode(errors="replace")[-200:]


def _id_of(line: str) -> str:
    """Return what comes before the message: up to the first " - " that is in no parameter."""
    end = line.find(" - ")
    while end >= 0:
        if line.count("[", 0, end) == line.count("]", 0, end):
            return line[:end]
        end = line.find(" - ", end + 1)
    return line.partition(" - ")[0]


def compare(project: Path, python: str, arguments: tuple[str, ...] = ()) -> Compared:
    """Scan a project into a new INBOX outside it, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "state"  # not as in a project: the working directory is what is scanned
        root.mkdir()
        env = environment(DISPATCHER_ROOT=str(root))

        def dispatcher(*argv: str) -> bytes:
            program = [sys.executable, "-m", "dispatcher", *argv]
            ended = subprocess.run(program, cwd=project, env=env, stdout=subprocess.PIPE, check=False)
            assert ended.returncode in (0, 1), ended
            return ended.stdout

        dispatcher("init")
        summary = dispatcher("scan", "--python", python, "--", *arguments).decode().splitlines()
        tasks = orjson.loads(dispatcher("list", "--json"))["tasks"]
        members = Counter[str]()
        for task in tasks:
            members.update(orjson.loads(dispatcher("show", task["id"], "--json"))["detail"]["members"].keys())
    reported, _ = reported_by_pytest(project, python, arguments)
    return Compared(reported, members, len(tasks), " | ".join(summary[-3:]))


def main(argv: list[str]) -> int:
    """Compare one project and print the outcome."""
    project, python, *arguments = argv
    found = compare(Path(project).absolute(), python, tuple(arguments))
    print(f"{project}: {found.summary}")
    print(f"pytest reports {len(found.reported)} items, {found.groups} tasks hold {len(found.tasks)}")
    for only, items in (
        ("pytest", found.reported - set(found.tasks)),
        ("the tasks", set(found.tasks) - found.reported),
    ):
        for item in sorted(items)[:10]:
            print(f"  only in {only}: {item}")
    twice = [item for item, n in found.tasks.items() if n > 1]
    print(f"  in more than one task: {twice[:10]}" if twice else f"agree: {found.agree}")
    return 0 if found.agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
