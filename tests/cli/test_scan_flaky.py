"""SC6: what fails now and then is told from what always fails, ranked low, and keeps its pass rate until it is over."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli import mending, suites
from tests.cli.processes import finish, start
from tests.cli.steps import claim, refused
from tests.support import Run

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    mending.settle(monkeypatch)


CONFTEST = '''
    import os

    import pytest


    @pytest.fixture
    def fate(request):
        """Return how this test is to end this time: the next letter of its file, the last one again and again."""
        path = os.path.join("fates", request.node.name)
        fates = "p"
        if os.path.exists(path):
            with open(path) as file:
                fates = file.read()
            with open(path, "w") as file:
                file.write(fates[1:] or fates)
        return fates[0]


    def pytest_configure():
        if os.path.exists("bad"):
            with open("runs", "a") as file:
                file.write("one ")
'''
TESTS = """
    import os

    import pytest


    def decide(fate):
        if fate == "x":
            os._exit(4)
        if fate == "i":
            raise KeyboardInterrupt
        if fate == "s":
            pytest.skip("not now")
        if fate == "w":
            import gate
            gate.wait()
        if fate == "o":
            raise ValueError("another way")
        assert fate == "p"

    @pytest.mark.parametrize("n", "abcd")
    def test_one(fate, n):
        decide(fate)

    def test_two(fate):
        decide(fate)

    @pytest.fixture
    def shaky(fate):
        decide(fate)

    def test_three(shaky):
        pass
"""
FILES = {"tests/conftest.py": CONFTEST, "tests/test_it.py": TESTS}
FILE = "tests/test_it.py"


def fates(**said: str) -> None:
    """Say how tests are to end from now on; "a" to "d" are the cases of one test function."""
    folder = Path("fates")
    folder.mkdir(exist_ok=True)
    for name, letters in said.items():
        (folder / (f"test_one[{name}]" if len(name) == 1 else f"test_{name}")).write_text(letters)


def item(name: str) -> str:
    return f"{FILE}::test_one[{name}]" if len(name) == 1 else f"{FILE}::test_{name}"


class Seen:
    """What a scan says and leaves: tasks by the short name of a test of theirs."""

    def __init__(self, run: Run, *options: str, code: int | None = None) -> None:
        self.said = run("scan", "--json", *options, code=code).json
        self.news = {kind: len(self.said[kind]) for kind in ("added", "reopened", "changed", "resolved") if self.said[kind]}  # fmt: skip
        self.tasks = suites.tasks(Path())

    def task(self, name: str) -> dict[str, Any]:
        (found,) = [t for t in self.tasks.values() if item(name) in t["tests"] and t["status"] != "COMPLETED"]
        return found

    def record(self, name: str) -> tuple[int, int, int] | None:
        """Return in how many of how many runs a test's task has passed, and how often in a row now."""
        flaky = self.task(name).get("flaky")
        return flaky and (flaky["passed"], flaky["runs"], flaky["streak"])


def test_what_passes_even_once_is_flaky_and_apart_from_what_never_does(run: Run) -> None:
    suites.write(Path(), {**FILES, "pytest.ini": "[pytest]\naddopts = --junitxml=report.xml\n"})
    fates(a="fpf", b="f", c="fff", two="fsp", three="ffp")
    seen = Seen(run, "--reruns", "2", code=1)
    assert sorted(seen.task("b")["tests"]) == [item("b"), item("c")]
    assert (seen.task("b")["labels"], "flaky" in seen.task("b")) == (["assertion"], False)
    assert {name: seen.task(name)["labels"] for name in ("a", "two", "three")} == {
        "a": ["assertion", "flaky"], "two": ["assertion", "flaky"], "three": ["setup", "flaky"],
    }  # fmt: skip
    assert seen.record("a") == (1, 3, 0)
    assert seen.record("two") == (1, 2, 0), "a skip says nothing"
    assert seen.task("a")["failure"]["flaky"] == {"passed": 1, "runs": 3}
    assert max(seen.task(name)["priority"] for name in ("a", "two", "three")) < seen.task("b")["priority"]
    assert "- flaky: passed in 1 of 3 runs\n" in run("show", seen.task("a")["id"]).out
    assert claim(run).startswith(seen.task("b")["id"])
    assert 'tests="6"' in Path("report.xml").read_text(), "what the first run has written"
    failed = Path(".pytest_cache/v/cache/lastfailed").read_text()
    assert all(item(name) in failed for name in "abc")


def test_the_pass_rate_is_kept_over_scans_until_a_streak_ends_it_and_a_failure_brings_it_back(run: Run) -> None:
    suites.write(Path(), FILES)
    fates(a="fpf")
    task_id = Seen(run, "--reruns", "2").task("a")["id"]
    assert Seen(run).record("a") == (1, 4, -1), "a scan without reruns counts too"
    fates(a="p")
    seen = Seen(run)
    assert (seen.record("a"), seen.news, seen.said["held"]) == ((2, 5, 1), {}, {})
    seen = Seen(run, "--reruns", "2", code=0)
    assert (seen.news, seen.tasks[task_id]["status"]) == ({"resolved": 1}, "COMPLETED")
    assert seen.tasks[task_id]["flaky"] == {"passed": 5, "runs": 8, "streak": 4}
    fates(a="f")
    seen = Seen(run)
    assert (seen.news, seen.task("a")["id"]) == ({"reopened": 1}, task_id)
    assert ("flaky" in seen.task("a")["labels"], seen.task("a")["priority"]) == (True, 10)
    assert seen.record("a") == (5, 9, -1)
    fates(a="p")
    seen = Seen(run)
    assert (seen.news, seen.record("a")) == ({}, (6, 10, 1)), "one pass is no streak"


def test_what_turns_out_to_be_flaky_leaves_what_always_fails_once(run: Run) -> None:
    suites.write(Path(), FILES)
    fates(a="f", b="f", two="f")
    before = Seen(run, "--reruns", "1")
    assert len(before.tasks) == 2
    fates(a="fp", two="fp")
    seen = Seen(run, "--reruns", "1")
    assert seen.task("b")["tests"] == [item("b")]
    assert seen.task("b")["id"] == before.task("b")["id"]
    assert (seen.task("a")["tests"], seen.record("a")) == ([item("a")], (1, 2, 0))
    assert (seen.task("two")["id"], seen.record("two")) == (before.task("two")["id"], (1, 2, 0))
    assert (seen.task("two")["priority"], seen.task("two")["labels"]) == (10, ["assertion", "flaky"])


def test_crashes_and_files_that_cannot_be_collected_are_not_run_again_and_disturb_nobody(run: Run) -> None:
    suites.write(Path(), {**FILES, "tests/test_bad.py": "import nothing\n"})
    Path("bad").touch()
    fates(a="fxp", b="fpf", c="ffi", d="x", two="fo")
    seen = Seen(run, "--reruns", "2")
    assert [seen.record(name) for name in "ab"] == [(1, 3, 0), (1, 3, 0)]
    assert seen.task("d")["labels"] == ["crash"]
    assert seen.task("two")["failure"]["message"].startswith("assert 'f' == 'p'")
    (bad,) = [t for t in seen.tasks.values() if t["tests"] == ["tests/test_bad.py"]]
    assert bad["labels"] == ["import"]
    assert len(seen.tasks) == 5, [t["tests"] for t in seen.tasks.values()]


def test_nothing_is_run_again_where_nothing_fails_or_nothing_is_asked_for(run: Run) -> None:
    suites.write(Path(), FILES)
    Path("bad").touch()
    Seen(run, "--reruns", "3", code=0)
    assert Path("runs").read_text() == "one "
    fates(a="fp")
    assert "flaky" not in Seen(run, "--reruns", "0").task("a")
    assert Path("runs").read_text() == "one one "


def test_workers_of_xdist_run_the_failing_tests_again_too(run: Run) -> None:
    suites.write(Path(), FILES)
    fates(a="fp", b="f")
    seen = Seen(run, "--reruns", "1", "--", "-p", "xdist", "-n", "2")
    assert (seen.record("a"), seen.record("b")) == ((1, 2, 0), None)


def test_an_interrupt_of_the_reruns_keeps_what_was_seen(project: Path) -> None:
    suites.write(project, {**FILES, "tests/gate.py": mending.Gate.FILE})
    fates(a="fpw", b="f")
    with mending.gate(project) as stop:
        process = start("scan", "--reruns", "5", cwd=project, env=mending.settled())
        stop.reached()
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.code == 130, ran
    tasks = suites.tasks(project)
    assert {tuple(t["tests"]): "flaky" in t for t in tasks.values()} == {(item("a"),): True, (item("b"),): False}


@pytest.mark.parametrize("value", ["-1", "1001", "1.5", "many", ""])
def test_how_often_is_a_number_in_bounds(run: Run, value: str) -> None:
    refused(run("scan", "--reruns", value, code=2), 2, "--reruns")


def test_a_flaky_task_is_not_done_because_its_tests_pass_once(run: Run) -> None:
    suites.write(Path(), FILES)
    fates(a="fpf")
    token = claim(run, Seen(run, "--reruns", "2").task("a")["id"])
    fates(a="pf")
    refused(run("complete", token, code=5), 5, "still flaky")
    fates(a="p")
    run("complete", token)


@pytest.mark.campaign
def test_what_has_failed_for_too_long_is_flaky_no_more(run: Run) -> None:
    suites.write(Path(), FILES)
    fates(a="fppp")
    task_id = Seen(run, "--reruns", "3").task("a")["id"]
    fates(a="f")
    assert (Seen(run, "--reruns", "2").news, Seen(run).record("a")) == ({}, (3, 8, -4))
    assert Seen(run, "--", "-k", "test_one").record("a") == (3, 8, -4), "a part of the tests says too little"
    seen = Seen(run)
    task = seen.task("a")
    assert (seen.news, task["id"], task["labels"]) == ({"changed": 1}, task_id, ["assertion"])
    assert (seen.record("a"), task["priority"]) == (None, 50)
    assert Seen(run).news == {}
    fates(a="p")
    assert Seen(run).news == {"resolved": 1}
