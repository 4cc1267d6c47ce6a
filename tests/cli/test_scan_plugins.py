"""Plugins, and projects that are laid out and configured in ways of their own: nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli import suites
from tests.cli.processes import program
from tests.support import Run

A, B = "tests/test_a.py", "tests/test_b.py"


@pytest.fixture
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


ASYNC = """
    import asyncio
    import time

    import pytest
    import pytest_asyncio

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def broken():
        raise OSError("no broker")

    @pytest_asyncio.fixture
    async def broken_afterwards():
        yield
        raise OSError("still open")

    @pytest_asyncio.fixture
    async def never_there():
        await asyncio.Event().wait()

    async def test_fails():
        await asyncio.sleep(0)
        assert 1 == 2

    async def test_raises():
        async def inner():
            raise ValueError("inside")
        await asyncio.gather(inner(), asyncio.sleep(0))

    async def test_awaits_for_ever():
        await asyncio.Event().wait()

    async def test_setup(broken):
        pass

    async def test_teardown(broken_afterwards):
        pass

    async def test_setup_for_ever(never_there):
        pass

    async def test_passes():
        pass
"""
PARTS = """
    import os
    import time
    import unittest

    class TestParts(unittest.TestCase):
        def test_some(self):
            for n in range(4):
                with self.subTest(n=n):
                    self.assertEqual(n % 2, 0)

        def test_none(self):
            for n in range(4):
                with self.subTest(n=n):
                    pass

        @unittest.expectedFailure
        def test_expected(self):
            self.fail("as expected")

    class TestNoWayOut(unittest.TestCase):
        @classmethod
        def tearDownClass(cls):
            raise OSError("no way out")

        def test_one(self):
            pass

    class TestAsync(unittest.IsolatedAsyncioTestCase):
        async def test_fails(self):
            self.assertEqual(1, 2)

    def test_some_parts(subtests):
        for n in range(4):
            with subtests.test("part", n=n):
                assert n % 2 == 0

    def test_all_parts(subtests):
        with subtests.test("part"):
            pass

    def test_part_then_end(subtests):
        with subtests.test("part"):
            assert 1 == 3
        os._exit(1)

    def test_part_then_for_ever(subtests):
        with subtests.test("part"):
            assert 1 == 4
        time.sleep(600)
"""
CALENDAR = '''
    """
    >>> 1 + 1
    2
    """

    def days():
        """
        >>> days()
        8
        """
        return 7
'''
FILES = {
    "pytest.ini": "[pytest]\ntestpaths = tests\naddopts = --doctest-modules --doctest-glob=*.txt\n",
    A: ASYNC,
    B: PARTS,
    "tests/calendar_of_ours.py": CALENDAR,
    "tests/guide.txt": ">>> 1 + 1\n3\n",
}
SEEN = {
    f"{A}::test_fails": ("assertion", "assert 1 == 2"),
    f"{A}::test_raises": ("exception", "inside"),
    f"{A}::test_awaits_for_ever": ("timeout", "Timeout >1s"),
    f"{A}::test_setup": ("setup", "no broker"),
    f"{A}::test_teardown": ("teardown", "still open"),
    f"{A}::test_setup_for_ever": ("timeout", "Timeout >1s"),
    f"{B}::TestParts::test_some": ("assertion", "1 != 0"),
    f"{B}::TestNoWayOut::test_one": ("teardown", "no way out"),
    f"{B}::TestAsync::test_fails": ("assertion", "1 != 2"),
    f"{B}::test_some_parts": ("assertion", "assert (1 % 2) == 0"),
    f"{B}::test_part_then_end": ("assertion", "assert 1 == 3"),
    f"{B}::test_part_then_for_ever": ("assertion", "assert 1 == 4"),
    "tests/calendar_of_ours.py::calendar_of_ours.days": ("doctest", ">>> days(): expected 8, got 7"),
    "tests/guide.txt::guide.txt": ("doctest", ">>> 1 + 1: expected 3, got 2"),
}
PLUGINS = ("--test-timeout", "1", "--no-group", "--", "-p", "pytest_asyncio.plugin", "-p", "pytest_randomly")


NOTHING_NEW: dict[str, Any] = {"added": [], "changed": [], "reopened": [], "resolved": [], "held": {}}


def test_failures_of_every_plugin_are_told_in_whatever_order_they_run(tmp_path: Path) -> None:
    """One scan with pytest-asyncio and pytest-randomly."""
    pytest.importorskip("pytest_asyncio")
    pytest.importorskip("pytest_randomly")
    env = suites.quiet_environment()
    scanned = suites.scan(tmp_path, FILES, *PLUGINS, env=env)
    assert scanned.tests == sorted(SEEN)
    assert "1 expected to fail" in scanned.ran.out
    failures = {test: scanned.failure(test) for test in SEEN}
    assert {test: (f["kind"], f["message"].partition("\n")[0]) for test, f in failures.items()} == SEEN


ANY_ORDER = """
    import pytest

    @pytest.mark.parametrize("n", range(4))
    def test_fails(n):
        assert n > 3
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_another_order_of_the_tests_changes_nothing(run: Run) -> None:
    pytest.importorskip("pytest_randomly")
    randomly = ("--", "-p", "pytest_randomly")
    first = suites.scan_here(run, *randomly, files={A: ANY_ORDER})
    assert first.tests == [f"{A}::test_fails[{n}]" for n in range(4)]
    again = suites.scan_here(run, "--json", *randomly)
    assert {key: again.ran.json[key] for key in NOTHING_NEW} == NOTHING_NEW


ENDS_ITS_WORKER = """
    import ctypes

    import pytest

    @pytest.mark.parametrize("n", range(3))
    def test_killer(n):
        if n == 1:
            ctypes.string_at(0)

    def test_after():
        assert 1 == 2
"""
HOLDS_ITS_WORKER = """
    import time

    def test_swallows():
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass

    def test_after():
        assert 1 == 3
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_what_ends_a_worker_is_one_failure_and_what_xdist_leaves_out_is_run(run: Run) -> None:
    """When files stay together, xdist does not get over a worker's end: it gives the test to the next one, or gives up."""
    pytest.importorskip("xdist")
    options = ("-p", "xdist", "-n", "2", "--dist", "loadfile", "--max-worker-restart=0")
    files = {A: ENDS_ITS_WORKER, B: HOLDS_ITS_WORKER}
    scanned = suites.scan_here(run, "--no-group", "--test-timeout", "1", "--", *options, files=files)
    killers = [f"{A}::test_killer[1]", f"{B}::test_swallows"]
    assert scanned.tests == sorted([*killers, f"{A}::test_after", f"{B}::test_after"])
    assert [scanned.failure(test)["kind"] for test in killers] == ["crash", "timeout"]
    assert "Segmentation fault" in scanned.failure(killers[0])["message"]
    assert "6 tests in" in scanned.ran.out
    assert "2 passed" in scanned.ran.out


# Layouts and configurations

CHECKS = """
    import logging
    import os

    import pytest

    from shops.corner import stock

    @pytest.mark.slow
    def check_price():
        logging.getLogger().error("logged")
        assert stock.price() == 3

    class CheckMore:
        def check_failing(self):
            assert 1 == 2

        def check_exits(self):
            os._exit(1)

        def check_after(self):
            assert 1 == 3
"""
OWN_WAYS = """
    [tox]
    envlist = py

    [pytest]
    testpaths = checks
    python_files = check_*.py
    python_functions = check_*
    python_classes = Check
    norecursedirs = skipped
    markers = slow
    pythonpath = src
    addopts = -q --tb=no -rA --color=yes -o log_cli=true -p no:cacheprovider --strict-markers --import-mode=importlib -s
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_project_with_ways_of_its_own_is_run_in_its_ways(run: Run) -> None:
    """Settings in tox.ini, a namespace package in src, names of its own, two modules of one name, an output of its own."""
    files = {
        "tox.ini": OWN_WAYS,
        "src/shops/corner/stock.py": "def price():\n    return 2\n",
        "checks/check_a.py": CHECKS,
        "checks/deep/check_a.py": "import pytest\n\n@pytest.mark.fast\ndef check_one():\n    pass\n",
        "checks/skipped/check_a.py": CHECKS,
        "other/check_a.py": CHECKS,
        "checks/test_a.py": "def test_one():\n    assert 1 == 2\n",
    }
    scanned = suites.scan_here(run, "--no-group", files=files)
    names = ("CheckMore::check_after", "CheckMore::check_exits", "CheckMore::check_failing", "check_price")
    assert scanned.tests == [*[f"checks/check_a.py::{name}" for name in names], "checks/deep/check_a.py"]
    assert "'fast' not found in `markers`" in scanned.failure("checks/deep/check_a.py")["message"]
    assert scanned.failure("checks/check_a.py::CheckMore::check_exits")["exception"] == "exit code 1"
    suspect = scanned.failure("checks/check_a.py::check_price")["suspect"]
    assert suspect == {"path": "src/shops/corner/stock.py", "function": "price"}


ABOVE = """
    import pytest

    @pytest.fixture
    def above():
        raise OSError("the fixture of all projects")
"""
BELOW = """
    import shop

    def test_above(above):
        pass

    def test_price():
        assert shop.price() == 1
"""


def test_a_project_below_pytests_root_folder_is_scanned_and_completed(tmp_path: Path) -> None:
    """Ids begin at pytest's root folder, which is above the one with the INBOX; a conftest lies there too."""
    files = {
        "../tox.ini": "[pytest]\npythonpath = service/src\n",
        "../conftest.py": ABOVE,
        "src/shop.py": "def price():\n    return 2\n",
        "tests/test_a.py": BELOW,
    }
    env = suites.quiet_environment()
    scanned = suites.scan(tmp_path / "service", files, "--no-group", env=env)
    ids = [f"service/tests/test_a.py::{name}" for name in ("test_above", "test_price")]
    assert scanned.tests == ids
    assert scanned.failure(ids[0])["place"]["path"] == "conftest.py"
    suites.write(scanned.project, {"src/shop.py": "def price():\n    return 1\n"})
    task = scanned.task(ids[1])["id"]
    program("claim", task, "--agent", "me", cwd=scanned.project, env=env)
    ran = program("complete", task, "--agent", "me", cwd=scanned.project, env=env)
    assert (ran.code, ran.out) == (0, f"completed {task}: its tests pass\n"), ran
