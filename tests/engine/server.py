"""A real llama-server with a real small model, as a child process."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from dispatcher.llm.address import Address
from dispatcher.llm.llama_server import LlamaServer
from tests.engine.place import Place

TEMPLATE = Path(__file__).with_name("gemma.jinja")
"""A chat template in the manner of the model's family: the small model's file has none."""

START = 120.0
"""Seconds that an engine has to load its model; it takes about one."""

_LISTENS = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


class NotStarted(Exception):
    """An engine that ended before it listened, and its last words."""


class Engine:
    """A running llama-server; `args` are added to the usual ones, and what they repeat they override.

    Use: `with Engine(place, "-c", "2048") as engine`. One thread: on a shared machine two are much slower.
    """

    def __init__(self, place: Place, *args: str) -> None:
        usual: tuple[str, ...] = (
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "-c",
            "4096",
            "-t",
            "1",
            "--parallel",
            "1",
            "--no-webui",
        )
        # Without -fit it would load the model a first time to see whether it fits. At -lv 4 it tells its buffers.
        usual += ("--offline", "-fit", "off", "-lv", "4", "--jinja", "--chat-template-file", str(TEMPLATE))
        self._argv = [str(place.server), "-m", str(place.model), *usual, *args]
        self._lines: list[str] = []
        self._port = 0
        self._heard = threading.Event()

    def __enter__(self) -> Self:
        try:
            self._child = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise NotStarted(f"{self._argv[0]} cannot be started: {(error.strerror or str(error)).lower()}") from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._heard.wait(START) or not self._port:
            self.__exit__(None, None, None)
            raise NotStarted(
                f"llama-server did not start: {' '.join((self._lines or ['it said nothing'])[-1].split())}"
            )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        # It has nothing to lose, and overhears a SIGTERM that comes just when it begins to listen.
        self._child.kill()
        self.wait()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("http", "127.0.0.1", self._port, "", loopback=True)

    @property
    def client(self) -> LlamaServer:
        """A client of it."""
        return LlamaServer(self.address)

    def log(self) -> str:
        """Return what it has said so far."""
        return "\n".join(self._lines)

    def wait(self) -> int:
        """Wait for its end; return its exit status."""
        code = self._child.wait()
        self._reader.join()
        return code

    def _read(self) -> None:
        """Take in what it says, so that it never waits for a reader. Its model is loaded when it says where it listens."""
        assert self._child.stderr is not None
        with self._child.stderr as said:
            for line in said:
                self._lines.append(line.decode(errors="replace").rstrip())
                if not self._port and (found := _LISTENS.search(self._lines[-1])):
                    self._port = int(found[1])
                    self._heard.set()
        self._heard.set()
