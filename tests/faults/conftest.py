"""Fixtures for faults: the library, a folder in memory, the fork servers; and the line that sums up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.faults import shim
from tests.faults.pool import Pool
from tests.faults.tally import Tally

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
_TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fault library, to be preloaded."""
    if reason := shim.why_not():
        pytest.skip(reason)
    return shim.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that is in memory where there is one: thousands of states are made and removed."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path_factory.mktemp("faults")
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, prefix="dispatcher-faults-") as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest, library: Path, in_memory: Path) -> Iterator[dict[str, Future[Any]]]:
    """What the fork servers say, or will say, about each scenario that a test of this run asks for."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = [str(item.callspec.params["scenario"]) for item in items if "answers" in item.fixturenames]
    pool = Pool(library, in_memory)
    try:
        yield pool.ask(dict.fromkeys(wanted))
    finally:
        pool.close()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Takes what the summary counts."""
    return request.config.stash.setdefault(_TALLY, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how much was tried and how many violations there were."""
    found = config.stash.get(_TALLY, Tally())
    if found.answers:
        terminalreporter.write_line(f"faults: {found.of_points()}")
    if found.kills:
        terminalreporter.write_line(f"faults: {found.of_kills()}")
