"""The fork server as those who ask it see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[2]


def environ(library: Path | None = None) -> dict[str, str]:
    """Return an environment with nothing of the user's, and with the fault library preloaded if it is given."""
    preload = {"LD_PRELOAD": str(library)} if library else {}
    return {**preload, "PYTHONPATH": str(_REPOSITORY), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


class ForkServer:
    """One fork server; see server.py."""

    def __init__(self, library: Path, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.server", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**environ(library), "TMPDIR": str(folder)},  # where what is killed leaves its own things
                cwd=_REPOSITORY,
                text=True,
            )

    def ask(self, scenario: str) -> dict[str, Any]:
        """Return what the server found about a scenario."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the server has no pipes")
        print(scenario, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the fork server ended: {self._log.read_text()}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        """End the server, whatever it is doing."""
        self._process.kill()
        self._process.communicate()
