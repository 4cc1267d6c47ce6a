"""A scan and plain pytest agree on what fails, and each failing item is in exactly one task."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.cli import kinds, suites
from tests.cli.compare import compare, reported_by_pytest
from tests.support import Run

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PARALLEL = ("-p", "xdist", "-n", "2")


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


def test_of_the_example(tmp_path: Path) -> None:
    shop = shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    found = compare(shop, sys.executable)
    assert found.agree, found
    assert (len(found.reported), found.groups) == (16, 7)


def test_of_every_way_to_fail(tmp_path: Path) -> None:
    scanned = suites.scan(tmp_path, kinds.FILES)
    reported, _ = reported_by_pytest(tmp_path, sys.executable)
    assert scanned.tests == sorted(reported)
    assert len(reported) > 50


@pytest.mark.campaign
def test_several_workers_say_of_each_failure_what_one_says(tmp_path: Path) -> None:
    """Nothing is lost on the way from them, and no task changes when their number does."""
    pytest.importorskip("xdist")
    files = {name: text for name, text in kinds.FILES.items() if name != "tests/test_parameters.py"}
    one = suites.scan(tmp_path, files, "--no-group")
    alone = {t["failure"]["test"]: t["failure"] for t in one.tasks.values()}
    shutil.rmtree(tmp_path / "INBOX")
    many = suites.scan(tmp_path, files, "--no-group", "--", *PARALLEL)
    together = {t["failure"]["test"]: t["failure"] for t in many.tasks.values()}
    assert together == alone
    assert many.tests == sorted(together)


def test_a_worker_that_is_killed_by_a_test_is_a_failure_of_that_test(run: Run, root: Path) -> None:
    pytest.importorskip("xdist")
    assert root
    text = """
        import os

        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_killer(n):
            if n == 3:
                os._exit(5)
            assert n != 5
    """
    scanned = suites.scan_here(run, "--no-group", "--", *PARALLEL, files={"test_it.py": text})
    assert scanned.tests == ["test_it.py::test_killer[3]", "test_it.py::test_killer[5]"]
    assert "the interpreter ended in the middle of the test" in scanned.failure("test_it.py::test_killer[3]")["message"]
