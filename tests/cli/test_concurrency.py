"""Eight workers at once. HERD_SECONDS and HERD_CLAIMS set how long and how much; `tests/cli/herd.py` says what is checked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli import herd


@pytest.fixture
def seconds() -> float:
    return float(os.environ.get("HERD_SECONDS", "3"))


@pytest.fixture
def each() -> int:
    return int(os.environ.get("HERD_CLAIMS", "2"))


@pytest.mark.usefixtures("project")
def test_residents_are_served_alike_and_nothing_is_served_twice_or_lost(tmp_path: Path, seconds: float) -> None:
    tasks = round(100 * seconds)
    herd.make_store(tmp_path / "root", tasks)
    served = herd.residents(tmp_path / "root", seconds)
    herd.check(tmp_path / "root", tasks, served, completed=True)
    assert served.ratio <= 2, [len(tokens) for tokens in served.tokens]


@pytest.mark.campaign
@pytest.mark.usefixtures("project")
def test_shells_that_start_a_process_for_each_claim_get_each_their_own(tmp_path: Path, each: int) -> None:
    tasks = herd.WORKERS * each
    herd.make_store(tmp_path / "root", tasks)
    served = herd.shells(tmp_path / "root", each)
    herd.check(tmp_path / "root", tasks, served, completed=False)
    assert [len(tokens) for tokens in served.tokens] == [each] * herd.WORKERS
