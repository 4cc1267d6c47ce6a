"""Fixtures for faults: the library, a folder in memory, the fork server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import shim
from tests.faults.forks import ForkServer

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it


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
def server(library: Path, in_memory: Path) -> Iterator[ForkServer]:
    """The fork server of this process; several run beside each other when the tests do."""
    server = ForkServer(library, in_memory / "server")
    try:
        yield server
    finally:
        server.close()
