"""Fixtures: a project folder, a clock, and commands run in this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.cli.app import main
from tests.faults import tally
from tests.support import FakeClock, Ran, Run

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _folders_of_inner_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the pytest that a scan runs a place of its own: at its end it would tidy up what earlier runs of ours left."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path_factory.mktemp("inner")))
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder as the working directory, without the caller's settings, caches and model server."""
    for name in [n for n in os.environ if n.startswith(("DISPATCHER_", "OLLM_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("DISPATCHER_SCAN_EVIDENCE", "false")  # as in cli/suites.py: most tests look once
    # Bytecode knows its source by size and second: a test that edits a file twice in one would run the first.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(project: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process, in `project`, by `clock`."""

    def run(*argv: str, code: int | None = 0) -> Ran:
        assert Path.cwd() == project
        capsys.readouterr()
        ended = main(argv, now=clock)
        streams = capsys.readouterr()
        ran = Ran(int(ended), streams.out, streams.err)
        assert "Traceback" not in ran.err
        if code is not None:
            assert ran.code == code, ran
        return ran

    return run


@pytest.fixture
def root(run: Run, project: Path) -> Path:
    """The state root of a fresh INBOX in `project`."""
    run("init")
    return project / "INBOX" / "agents" / "Local Models"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the fault tests tried and how many violations there were."""
    stats = terminalreporter.stats
    for line in tally.lines([*stats.get("passed", ()), *stats.get("failed", ())]):
        terminalreporter.write_line(line)
