"""The contract's tests run once over every store there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.opened import OPENERS, Opened
from tests.support import FakeClock


@pytest.fixture(params=OPENERS)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Opened]:
    """A fresh store of each kind."""
    said: list[str] = []
    store = OPENERS[request.param](tmp_path, clock, said)
    assert store.create()
    yield Opened(store, clock, said)
    store.close()
