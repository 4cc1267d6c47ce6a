"""Commands called in this process, with or without a fault, and children to be killed in."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from dispatcher.cli.app import main
from dispatcher.errors import ExitCode
from tests.faults.shim import NONE, Fault, Shim
from tests.support import FakeClock

KILLED = -9
_DOCUMENTED = frozenset(int(code) for code in ExitCode) - {ExitCode.INTERNAL}


class Ended(NamedTuple):
    """How a command ended: its exit code or KILLED, what it printed, and the calls that changed files."""

    code: int
    out: str
    err: str
    calls: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        """What no command may do, whatever happens to it (I8)."""
        found = []
        if self.code != KILLED and self.code not in _DOCUMENTED:
            found.append(f"exit code {self.code}: {self.err.strip()}")
        if "Traceback" in self.err or "a bug:" in self.err:
            found.append(f"it ended in a traceback: {self.err.strip()}")
        return found


class Player:
    """Runs commands in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shim = Shim()

    def run(
        self,
        project: Path,
        clock: FakeClock,
        *argv: str,
        environ: Mapping[str, str] | None = None,
        fault: Fault = NONE,
    ) -> Ended:
        """Run one command in `project`, with a fault among the calls that change files there."""
        with io.StringIO() as out, io.StringIO() as err:
            code = self._run(project, clock, argv, environ or {}, fault, (out, err))
            return Ended(code, out.getvalue(), err.getvalue(), self._shim.calls())

    def run_in_child(
        self, project: Path, clock: FakeClock, *argv: str, environ: Mapping[str, str], fault: Fault
    ) -> Ended:
        """Run one command in a child, which the fault may kill; what it prints goes to files, which a kill spares."""
        files = self._folder / "out", self._folder / "err"

        def act() -> int:
            with files[0].open("w") as out, files[1].open("w", buffering=1) as err:
                return self._run(project, clock, argv, environ, fault, (out, err))

        code = in_child(self._folder, act)
        return Ended(KILLED if code is None else code, files[0].read_text(), files[1].read_text())

    def _run(
        self,
        project: Path,
        clock: FakeClock,
        argv: Sequence[str],
        environ: Mapping[str, str],
        fault: Fault,
        streams: tuple[TextIO, TextIO],
    ) -> int:
        os.chdir(project)
        os.environ.update(environ)
        kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = streams
        self._shim.arm(fault, project)
        try:
            return int(main(argv, now=clock))
        finally:
            self._shim.disarm()
            sys.stdout, sys.stderr = kept
            for name in environ:
                del os.environ[name]


def in_child(folder: Path, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
    """Return what `act` returns in a forked child, as JSON, or None if that was killed."""
    answer = folder / "answer"
    pid = os.fork()
    if pid == 0:
        _answer_and_exit(answer, act)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == KILLED:
        return None
    if code:
        raise RuntimeError(f"the child ended with {code}; its words are on standard error")
    return json.loads(answer.read_bytes())


def _answer_and_exit(answer: Path, act: Callable[[], Any]) -> None:
    try:
        answer.write_text(json.dumps(act()))
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child never returns
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
