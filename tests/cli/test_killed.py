"""Workers killed with -9 in the midst of things: what they were told has happened, has; what they held comes back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import IO

import orjson
import pytest

from tests.cli.processes import environment, program
from tests.cli.steps import folder_of

WORKER = """
import contextlib, io, json, sys
from dispatcher.cli.app import main

def command(*argv):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(argv)
    return code, out.getvalue().strip()

name, task = sys.argv[1], 0
while True:
    task += 1
    code, out = command("add", f"{name} {task}", "--body", "b" * 1000)
    print("added", code, out, flush=True)
    code, out = command("claim", "--agent", name, "--json")
    token = json.loads(out)["claims"][0]["token"] if code == 0 else ""
    print("claimed", code, token, flush=True)
    if token:
        code, out = command("complete", token)
        print("completed", code, token, flush=True)
"""
HOLDER = """
import sys
from dispatcher.cli.app import main
main(["claim", "--agent", "victim", "--lease", "0.3", "--json"])
sys.stdout.flush()
sys.stdin.read()
"""
KILLS = int(os.environ.get("HERD_KILLS", "16"))
AT_ONCE = 4
SETTINGS = {
    "CLAIM_LEASE": "0.3", "CLAIM_MAX_ATTEMPTS": "1000", "CLAIM_BACKOFF": "0", "PRUNE_KEEP_CLOSED": "5",
    "PRUNE_JOURNAL_MAX_BYTES": "20000",
}  # fmt: skip


def worker(number: int, project: Path) -> subprocess.Popen[str]:
    env = environment(**{f"DISPATCHER_{name}": value for name, value in SETTINGS.items()})
    command = [sys.executable, "-c", WORKER, f"w{number}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=project, env=env, stdout=pipe, stderr=pipe, text=True)


def whole_lines(stream: IO[str]) -> list[list[str]]:
    """Return what a killed worker had printed, without a line that it did not finish."""
    return [line.split() for line in stream.read().splitlines(keepends=True) if line.endswith("\n")]


def kill_one_after_the_other(project: Path, chance: random.Random) -> list[list[str]]:
    """Keep some workers running, kill the oldest after a few of its answers, and return all answers."""
    said: list[list[str]] = []
    alive = [worker(n, project) for n in range(AT_ONCE)]
    try:
        for n in range(AT_ONCE, AT_ONCE + KILLS):
            victim = alive[0]
            assert victim.stdout
            said += [victim.stdout.readline().split() for _ in range(chance.randrange(1, 8))]
            victim.kill()
            said += whole_lines(victim.stdout)
            victim.communicate()
            alive.remove(victim)
            if n < KILLS:
                alive.append(worker(n, project))
    finally:
        for one in alive:
            one.kill()
            one.communicate()
    return said


@pytest.mark.usefixtures("root")
def test_what_a_killed_worker_was_told_has_happened_and_nothing_is_lost_or_doubled(project: Path) -> None:
    """Each is killed a moment after one of its first answers, wherever it is by then."""
    said = kill_one_after_the_other(project, random.Random(1))  # noqa: S311 - to be repeatable
    assert {code for _, code, *_ in said} <= {"0", "3", "5"}, "5: on a busy machine a lease runs out"
    told = {
        kind: Counter(rest[0] for what, code, *rest in said if what == kind and code == "0")
        for kind in ("added", "claimed", "completed")
    }
    assert max(told["claimed"].values()) == 1, "a claim was given twice"
    program("add", "the next command", cwd=project)  # ends what the last one that was killed had begun
    assert program("rebuild", cwd=project).out == "everything was as the journal says\n"
    records = orjson.loads(program("log", "--json", cwd=project).out)["records"]
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    kept = Counter((e["type"], e["task"]) for r in records for e in r["events"] if "task" in e)
    assert all(kept["task_added", task] == 1 for task in told["added"])
    assert all(kept["task_completed", token.partition("@")[0]] == 1 for token in told["completed"])
    status = orjson.loads(program("status", "--json", cwd=project).out)
    assert status["added"] == sum(status["counts"].values()) + status["archived"] >= len(told["added"]) >= KILLS


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Kiritimati"])
def test_a_task_comes_back_when_its_worker_is_killed(root: Path, project: Path, zone: str) -> None:
    """The worker lives in one time zone and the next in another; the second one waits for the lease to run out."""
    task_id = program("add", "one", cwd=project).out.strip()
    pipe = subprocess.PIPE
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=project, env=environment(TZ=zone), stdin=pipe, stdout=pipe
    )
    assert holder.stdout
    held = orjson.loads(holder.stdout.readline())
    assert held["claims"][0]["token"] == f"{task_id}@1"
    holder.kill()
    holder.communicate()
    assert folder_of(root, task_id) == "ACTIVE_TASKS"
    next_one = environment(TZ="Asia/Kathmandu")
    got = program("claim", "--agent", "next", "--wait", "50", "--json", cwd=project, env=next_one)
    (claimed,) = orjson.loads(got.out)["claims"]
    assert claimed["token"] == f"{task_id}@2"
    assert claimed["task"]["attempt_log"][0]["outcome"] == "expired"
