"""Resident processes that work on tasks and are killed at random moments; the story is told as JSON.

Run as a program of its own, since it forks: `residents.py PROJECT SEED KILLS`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.cli.app import main

_WORKERS = 4
_LONGEST = 0.12
_LONG = "found something worth many words; " * 30
_ORDINARY = (0, 3, 5)
"""Done; nothing to claim; the lease ran out and another has the task."""


class Told(NamedTuple):
    """What a worker says on its pipe: that a command begins, and how it ended."""

    what: str
    code: int | None = None
    task: str = ""
    generation: int = 0
    text: str = ""


class Worker:
    """One life of a worker, in the process that it is forked into."""

    def __init__(self, name: str, seed: int, pipe: int) -> None:
        self._name = name
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable
        self._pipe = pipe
        self._seed = seed
        self._said = 0

    def live(self) -> None:
        """Claim, work and close until killed; add tasks when there are none."""
        while True:
            claimed, out = self._run("claim", "--agent", self._name, "--lease", "0.2", "--json")
            if claimed:
                for number in range(3):
                    self._run("add", f"task {self._seed} {self._said} {number}", "--json")
                continue
            self._work(json.loads(out)["claims"][0]["token"])

    def _work(self, token: str) -> None:
        for _ in range(self._random.randrange(3)):
            self._said += 1
            self._run("progress", f"{self._seed}-{self._said} {_LONG}", "--claim", token, "--json")
        end = self._random.choice([("complete",), ("complete",), ("fail", "--reason", "no"), ("release",), ()])
        if end:
            self._run(*end, "--claim", token, "--json")

    def _run(self, *argv: str) -> tuple[int, str]:
        self._tell(Told(argv[0]))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
        text = out.getvalue() if code == 0 else err.getvalue()
        document = json.loads(text) if code == 0 else {}
        task = document["claims"][0]["task"] if argv[0] == "claim" and code == 0 else document
        said = argv[1].split()[0] if argv[0] == "progress" else text if code not in _ORDINARY else ""
        self._tell(Told(argv[0], int(code), task.get("id", ""), task.get("generation", 0), said))
        return code, text

    def _tell(self, told: Told) -> None:
        os.write(self._pipe, json.dumps(told).encode() + b"\n")


class Life:
    """A worker as its parent sees it."""

    def __init__(self, name: str, seed: int) -> None:
        self.pipe, theirs = os.pipe()
        self.data = b""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                Worker(name, seed, theirs).live()
            except BaseException:  # noqa: BLE001 - a child never returns
                traceback.print_exc()
            os._exit(1)
        os.close(theirs)

    def hear(self) -> bool:
        """Take in what was said; False when nothing more will be."""
        data = os.read(self.pipe, 1 << 16)
        self.data += data
        return bool(data)

    def end(self) -> list[Told]:
        """Kill it and return all that it has told."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        while self.hear():
            pass
        os.close(self.pipe)
        if not os.WIFSIGNALED(status):
            raise RuntimeError("a worker ended by itself; its words are on standard error")
        return [Told(*json.loads(line)) for line in self.data.splitlines()]


def story(seed: int, kills: int) -> Iterator[list[Told]]:
    """Let workers live and kill one after the other; yield what each has told, the survivors at last."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable
    seeds = iter(range(seed * 1000, seed * 1000 + kills + _WORKERS))
    lives = [Life(f"worker-{number}", next(seeds)) for number in range(_WORKERS)]
    for _ in range(kills):
        _listen(lives, chance.uniform(0, _LONGEST))
        victim = chance.randrange(_WORKERS)
        yield lives[victim].end()
        lives[victim] = Life(f"worker-{victim}", next(seeds))
    for life in lives:
        yield life.end()


def _listen(lives: list[Life], seconds: float) -> None:
    """Hear the workers for so long."""
    by_pipe = {life.pipe: life for life in lives}
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for pipe in select.select(list(by_pipe), [], [], left)[0]:
            by_pipe[pipe].hear()


def run(project: Path, seed: int, kills: int) -> dict[str, Any]:
    """Return every command that ended, and how many of the kills struck while one was under way."""
    os.chdir(project)
    ended: list[Told] = []
    struck = killed = 0
    for told in story(seed, kills):
        killed += 1
        struck += bool(told) and told[-1].code is None
        ended += [one for one in told if one.code is not None]
    return {"ended": ended, "killed": killed, "struck": struck}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
