"""Scans over time: what is known is kept in step, what is new is added, what passes is closed, what comes back is reopened."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli import mending
from tests.cli.mending import CALC, Gate, edit, gate, prepared, settled
from tests.cli.processes import finish, program, start
from tests.cli.steps import bytes_of, claim
from tests.cli.suites import tasks, write
from tests.support import Run

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    mending.settle(monkeypatch)


# Two functions that are wrong, and two tests of each

BROKEN = """
    def add(a, b):
        return a - b


    def half(a):
        return a / 3
"""
TESTS = """
    import calc
    import pytest


    @pytest.mark.parametrize("n", [1, 2])
    def test_adds(n):
        assert calc.add(n, n) == 2 * n


    @pytest.mark.slow
    def test_half():
        assert calc.half(4) == 2


    def test_half_again():
        assert calc.half(2) == 1
"""
TWO = {"pytest.ini": f"{mending.INI}markers = slow\n", "calc.py": BROKEN, "tests/test_calc.py": TESTS}
ADDS, HALF = "tests/test_calc.py::test_adds[1]", "tests/test_calc.py::test_half"


def two(run: Run) -> tuple[str, str]:
    """A scanned project with a task for each function; return their ids."""

    def make() -> None:
        write(Path(), TWO)
        run("scan", code=1)

    prepared("two", make)
    return task_of(ADDS)["id"], task_of(HALF)["id"]


def task_of(test: str) -> dict[str, Any]:
    """Return the one open task that has a test."""
    (task,) = [task for task in tasks(Path()).values() if test in task["tests"] and task["status"] != "COMPLETED"]
    return task


def members(task_id: str) -> set[str]:
    """Return the short names of a task's tests."""
    return {test.rpartition("::")[2] for test in tasks(Path())[task_id]["tests"]}


def mend(*functions: str) -> None:
    """Put functions of BROKEN right."""
    for name in functions:
        edit("calc.py", *{"add": ("a - b", "a + b"), "half": ("a / 3", "a / 2")}[name])


def scan(run: Run, *options: str, code: int | None = None) -> dict[str, list[str]]:
    """Scan; return the ids of the tasks that were added, reopened, changed, resolved."""
    said = run("scan", "--json", *options, code=code).json
    return {
        kind: [row["id"] for row in said[kind]] for kind in ("added", "reopened", "changed", "resolved") if said[kind]
    }


# Nothing new


def test_a_scan_that_sees_the_same_changes_no_task_and_no_row_and_says_nothing(run: Run, root: Path) -> None:
    two(run)
    rows = run("list", "--json").json
    files = {path: data for path, data in bytes_of(root).items() if "_TASKS/" in path}
    assert len(files) == 2
    ran = run("scan", "--quiet", code=1)
    assert (ran.out, ran.err) == ("", "")
    assert run("list", "--json").json == rows
    assert {path: data for path, data in bytes_of(root).items() if "_TASKS/" in path} == files
    (record,) = run("log", "--limit", "1", "--json").json["records"]
    assert [event["type"] for event in record["events"]] == ["scan_finished"]


def test_a_scan_without_failures_exits_with_0_and_one_that_only_knows_muted_ones_too(run: Run) -> None:
    added, halved = two(run)
    mend("add")
    run("mute", halved, "--reason", "known")
    assert scan(run, code=0) == {"resolved": [added]}


# Names that stay

VARIED = """
    import os
    import tempfile
    import uuid

    import calc
    import pytest


    @pytest.mark.parametrize("n", [1, 2])
    def test_adds(n, tmp_path):
        assert calc.add(n, n) == 2 * n, tmp_path


    def test_path():
        raise FileNotFoundError(tempfile.mkdtemp())


    def test_address():
        raise ValueError(f"{object()} {uuid.uuid4()}")


    def test_order():
        assert {"a", "b", "c", str(os.getpid())} == set()


    def test_far():
        calc.half(None)


    @pytest.fixture
    def broken():
        raise KeyError("nix")


    def test_fixture(broken):
        pass
"""
MANY = {**TWO, "tests/test_varied.py": VARIED, "tests/test_import.py": "from calc import nix\n"}
REVERSED = "def pytest_collection_modifyitems(items):\n    items.reverse()\n"
MOVED = {
    "tests/test_varied.py": '"""Moved."""\n\n\n\n' + dedent(VARIED).replace("\n\n\n", "\n\n\n\n# more\n\n"),
    "calc.py": '"""Moved."""\n\n\n' + dedent(BROKEN),
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The ids of the tasks of MANY, found in another folder, by another process, with other settings."""
    project = tmp_path_factory.mktemp("elsewhere") / "deep" / "down"
    project.mkdir(parents=True)
    write(project, MANY)
    temporary = tmp_path_factory.mktemp("temporary")
    env = {**settled(), "PYTHONHASHSEED": "77", "TMPDIR": str(temporary)}
    program("init", cwd=project, env=env)
    assert program("scan", cwd=project, env=env).code == 1
    found = set(tasks(project))
    assert len(found) == 8
    return found


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({}, ()),
        (MOVED, ()),
        ({"conftest.py": REVERSED}, ()),
        ({}, ("--", "-p", "no:randomly", "--tb=no")),
        ({}, ("--", "-n", "2", "-p", "xdist")),
    ],
    ids=["elsewhere", "moved", "reversed", "other plugins", "xdist"],
)
def test_ids_depend_on_nothing_but_what_fails(
    run: Run, names: set[str], files: dict[str, str], options: tuple[str, ...]
) -> None:
    if "xdist" in options and importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    write(Path(), MANY)
    write(Path(), files)
    run("scan", *options, code=1)
    assert set(tasks(Path())) == names


# One cause, one task


def test_many_failures_of_one_cause_are_one_task(run: Run) -> None:
    cases = "import calc\nimport pytest\n\n\n@pytest.mark.parametrize('n', range(1, 301))\ndef test_adds(n):\n    assert calc.add(n, n) == 2 * n\n"
    write(Path(), {**CALC, "tests/test_calc.py": cases})
    run("scan", code=1)
    (task,) = tasks(Path()).values()
    assert task["test_count"] == 300


def test_the_example_project_has_seven_causes(run: Run) -> None:
    shop = Path(__file__).parents[2] / "examples" / "shop"
    shutil.copytree(shop, Path(), dirs_exist_ok=True, ignore=shutil.ignore_patterns("INBOX", ".*", "__pycache__"))
    run("scan", code=1)
    assert sorted(task["test_count"] for task in tasks(Path()).values()) == [1, 1, 2, 2, 2, 2, 6]


def test_without_groups_each_failure_is_a_task_and_stays_one(run: Run) -> None:
    write(Path(), TWO)
    assert len(scan(run, "--no-group")["added"]) == 4
    assert [task["test_count"] for task in tasks(Path()).values()] == [1, 1, 1, 1]
    assert scan(run, "--no-group") == {}
    assert scan(run) == {}
    mend("half")
    assert len(scan(run, "--no-group")["resolved"]) == 2
    edit("calc.py", "a / 2", "a / 3")
    assert len(scan(run, "--no-group")["reopened"]) == 2


@pytest.mark.campaign
def test_more_failures_than_a_record_holds_are_all_added(run: Run) -> None:
    count = 1010
    cases = (
        f"import pytest\n\n\n@pytest.mark.parametrize('n', range({count}))\ndef test_many(n):\n    raise ValueError\n"
    )
    write(Path(), {"tests/test_many.py": cases})
    assert len(scan(run, "--no-group", code=1)["added"]) == count
    assert len({test for task in tasks(Path()).values() for test in task["tests"]}) == count
    assert run("status", "--json").json["counts"]["pending"] == count
    records = run("log", "--kind", "scan_finished", "--json").json["records"]
    assert len(records) == 1


# Joining


MORE = "\n\ndef test_adds_more():\n    assert calc.add(5, 5) == 10\n"


def append(text: str) -> None:
    Path("tests/test_calc.py").write_text(Path("tests/test_calc.py").read_text() + text)


def test_a_new_failure_of_a_known_cause_joins_its_pending_task(run: Run) -> None:
    added, _ = two(run)
    append(MORE)
    assert scan(run) == {"changed": [added]}
    assert members(added) == {"test_adds[1]", "test_adds[2]", "test_adds_more"}
    assert tasks(Path())[added]["test_count"] == 3


def test_the_tests_of_an_active_task_are_frozen(run: Run) -> None:
    """A new failure of its cause is another task, and the first is as its agent claimed it."""
    added, _ = two(run)
    claim(run, added)
    append(MORE)
    (other,) = scan(run)["added"]
    assert members(other) == {"test_adds_more"}
    assert members(added) == {"test_adds[1]", "test_adds[2]"}
    assert scan(run) == {}
    append("\n\ndef test_adds_most():\n    assert calc.add(6, 6) == 12\n")
    assert scan(run) == {"changed": [other]}


def test_of_an_active_task_that_passes_a_scan_only_takes_note(run: Run) -> None:
    added, _ = two(run)
    token = claim(run, added)
    mend("add")
    assert scan(run) == {}
    task = tasks(Path())[added]
    assert (task["status"], task["result"]) == ("ACTIVE", None)
    assert {**task["scan"], "at": ""} == {"at": "", "failing": 0, "passing": 2, "held_open": None}
    run("release", token)
    assert scan(run) == {"resolved": [added]}


@pytest.mark.parametrize("status", ["ACTIVE", "FAILED"])
def test_what_a_task_that_is_not_pending_fails_with_now_does_not_change_it(run: Run, status: str) -> None:
    added, _ = two(run)
    token = claim(run, added)
    if status == "FAILED":
        run("fail", token, "--reason", "no idea")
    before = tasks(Path())[added]
    edit("calc.py", "return a - b", "if a == 2:\n        raise OSError('gone')\n    return a - b")
    assert scan(run) == {}
    assert (tasks(Path())[added], before["status"]) == (before, status)


def test_a_task_that_fails_in_part_says_how_many(run: Run) -> None:
    added, _ = two(run)
    edit("calc.py", "a - b", "2 if a == 1 else 0")
    assert scan(run) == {}
    task = tasks(Path())[added]
    assert (task["status"], task["scan"]["failing"], task["scan"]["passing"]) == ("PENDING", 1, 1)


# Closing


def test_what_passes_is_resolved_with_the_commit_pending_or_failed(run: Run) -> None:
    added, halved = two(run)
    run("fail", claim(run, halved), "--reason", "no idea")
    mend("add", "half")
    commit = mending.commit()
    assert scan(run, code=0) == {"resolved": sorted([added, halved])}
    for task_id, count in ((added, 2), (halved, 2)):
        result = tasks(Path())[task_id]["result"]
        assert (result["outcome"], result["resolved"], result["verified"]) == ("completed", True, True)
        assert (result["commit"], result["agent"], result["tests_run"]) == (commit, "scan", count)
    assert "green" not in run("scan", code=0).out


def test_a_failed_task_that_still_fails_stays_failed(run: Run) -> None:
    _, halved = two(run)
    run("fail", claim(run, halved), "--reason", "no idea")
    assert scan(run, code=1) == {}
    assert tasks(Path())[halved]["status"] == "FAILED"


def test_a_claim_on_what_a_scan_has_resolved_is_over(run: Run, root: Path) -> None:
    assert root
    added, _ = two(run)
    mend("add")
    token = claim(run, added)
    run("release", token)
    scan(run)
    assert "COMPLETED" in run("complete", token, code=5).err


CLOSES_NOTHING = {
    "-k": ("--", "-k", "test_adds"),
    "a file": ("--", "tests/test_calc.py"),
    "an item": ("--", ADDS),
    "--deselect": ("--", "--deselect", HALF),
    "-x": ("--", "-x"),
    "-q and -k in one": ("--", "-qk", "test_adds"),
    "--maxfail": ("--", "--maxfail=5"),
    "--last-failed": ("--", "--lf"),
    "-m": ("--", "-m", "not slow"),
}


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[pytest.mark.campaign] if n % 2 else []) for n, way in enumerate(CLOSES_NOTHING)],
)
def test_a_scan_of_a_part_closes_nothing(run: Run, way: str) -> None:
    added, _ = two(run)
    mend("add", "half")
    before = tasks(Path())[added]
    assert scan(run, *CLOSES_NOTHING[way], code=1) == {}
    assert tasks(Path())[added] == before


@pytest.mark.parametrize("options", ["-k test_adds", "-x", "--deselect=tests/test_calc.py::test_half"])
def test_a_part_chosen_by_the_environment_closes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    two(run)
    mend("add", "half")
    monkeypatch.setenv("PYTEST_ADDOPTS", options)
    assert scan(run, code=1) == {}


def test_a_scan_of_a_part_still_adds_what_it_finds(run: Run) -> None:
    two(run)
    append("\n\ndef test_new():\n    raise OSError\n\n\ndef test_not_seen():\n    raise KeyError\n")
    (new,) = scan(run, "--", "-k", "test_new")["added"]
    assert members(new) == {"test_new"}


def test_a_run_that_a_test_kills_is_gone_on_with_and_is_a_whole_one(run: Run) -> None:
    two(run)
    mend("add", "half")
    append("\n\ndef test_new():\n    raise KeyError\n\n\ndef test_kill():\n    __import__('os')._exit(3)\n")
    done = scan(run)
    assert set().union(*map(members, done["added"])) == {"test_kill", "test_new"}
    assert len(done["resolved"]) == 2


def test_an_interrupted_scan_closes_nothing_and_keeps_what_was_seen(run: Run, project: Path) -> None:
    two(run)
    mend("add", "half")
    write(project, {"tests/gate.py": Gate.FILE})
    append("\n\ndef test_new():\n    raise KeyError\n\n\ndef test_gate():\n    import gate\n    gate.wait()\n")
    with gate(project) as stop:
        process = start("scan", cwd=project, env=settled())
        stop.reached()
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    assert ended.code == 130, ended
    assert {task["status"] for task in tasks(Path()).values()} == {"PENDING"}
    assert members(task_of("tests/test_calc.py::test_new")["id"]) == {"test_new"}


def test_a_selection_in_the_settings_from_the_start_is_how_the_project_runs_its_tests(run: Run) -> None:
    write(Path(), {**TWO, "pytest.ini": f"{TWO['pytest.ini']}addopts = -m 'not slow'\n"})
    assert len(scan(run)["added"]) == 2
    mend("add", "half")
    assert len(scan(run, code=0)["resolved"]) == 2


def test_a_whole_scan_with_arguments_that_select_nothing_closes(run: Run) -> None:
    added, halved = two(run)
    mend("add", "half")
    assert scan(run, "--", "-q", "-p", "no:cacheprovider", "--tb=short") == {"resolved": sorted([added, halved])}


# Coming back


def test_what_comes_back_is_reopened_as_a_regression(run: Run) -> None:
    added, halved = two(run)
    run("fail", claim(run, added), "--reason", "cannot")
    mend("add", "half")
    scan(run, code=0)
    before = tasks(Path())[added]
    edit("calc.py", "a + b", "a - b")
    assert scan(run, code=1) == {"reopened": [added]}
    task = tasks(Path())[added]
    assert (task["status"], task["regressions"], task["attempts"], task["result"]) == ("PENDING", 1, 0, None)
    assert task["generation"] == before["generation"] + 1
    assert members(added) == {"test_adds[1]", "test_adds[2]"}
    assert tasks(Path())[halved]["status"] == "COMPLETED"
    mend("add")
    scan(run, code=0)
    edit("calc.py", "a + b", "a - b")
    scan(run, code=1)
    assert tasks(Path())[added]["regressions"] == 2


def test_what_was_completed_unverified_and_fails_is_reopened(run: Run) -> None:
    added, _ = two(run)
    run("complete", claim(run, added), "--no-verify")
    assert scan(run, code=1) == {"reopened": [added]}


def test_what_comes_back_from_the_archive_is_the_same_task(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    added, halved = two(run)
    run("progress", "looked at it", claim(run, added))
    mend("add")
    run("complete", f"{added}@1")
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "0")
    run("prune")
    assert [row["id"] for row in run("list", "--json").json["tasks"]] == [halved]
    edit("calc.py", "a + b", "a - b")
    assert scan(run, code=1) == {"reopened": [added]}
    task = tasks(Path())[added]
    assert (task["status"], task["regressions"], task["attempts"]) == ("PENDING", 1, 0)
    assert [line["text"] for line in task["progress"]] == ["looked at it"]
    assert scan(run, code=1) == {}
    counts = run("status", "--json").json["counts"]
    assert (counts["pending"], counts["completed"]) == (2, 0)


def test_a_regression_does_not_take_tests_from_another_open_task(run: Run) -> None:
    """One of its tests fails for another reason since, and has a task for that."""
    added, _ = two(run)
    mend("add")
    scan(run)
    edit("calc.py", "return a + b", "if a == 2:\n        raise OSError\n    return a + b")
    (other,) = scan(run)["added"]
    claim(run, other)
    edit("calc.py", "if a == 2:\n        raise OSError\n    return a + b", "return a + b if a == 2 else 0")
    assert scan(run) == {"reopened": [added]}
    assert (members(added), members(other)) == ({"test_adds[1]"}, {"test_adds[2]"})


# Other causes


def test_a_test_that_fails_for_another_cause_stays_in_its_task_which_says_the_new_one(run: Run) -> None:
    added, _ = two(run)
    edit("calc.py", "return a - b", "raise OSError('gone')")
    assert scan(run) == {"changed": [added]}
    task = tasks(Path())[added]
    assert (task["failure"]["exception"], task["labels"]) == ("OSError", ["exception"])
    assert "gone" in task["title"]
    assert members(added) == {"test_adds[1]", "test_adds[2]"}
    assert scan(run) == {}


def test_of_tests_that_fail_for_two_causes_now_some_leave(run: Run) -> None:
    """Every failing item is in one open task then, and each passes on its own."""
    added, _ = two(run)
    edit("calc.py", "return a - b", "if a == 2:\n        raise OSError('gone')\n    return a - b")
    found = scan(run)
    (other,) = found["added"]
    assert found["changed"] == [added]
    assert (members(added), members(other)) == ({"test_adds[1]"}, {"test_adds[2]"})
    assert tasks(Path())[added]["test_count"] == 1
    assert scan(run) == {}
    edit("calc.py", "return a - b", "return a + b")
    assert scan(run) == {"resolved": [added]}


def test_tests_of_a_file_that_cannot_be_imported_wait_for_it(run: Run) -> None:
    added, halved = two(run)
    edit("tests/test_calc.py", "import calc", "import calcs")
    (new,) = scan(run)["added"]
    assert members(new) == {"tests/test_calc.py"}
    assert {tasks(Path())[i]["status"] for i in (added, halved)} == {"PENDING"}
    edit("tests/test_calc.py", "import calcs", "import calc")
    mend("add")
    assert scan(run)["resolved"] == [added]


# Muted


def test_a_muted_task_stays_muted_and_takes_in_new_members(run: Run) -> None:
    added, halved = two(run)
    run("mute", added, "--reason", "known")
    run("mute", halved, "--reason", "known")
    append(MORE)
    assert scan(run, code=0) == {"changed": [added]}
    task = tasks(Path())[added]
    assert (task["muted"]["reason"], task["status"], task["test_count"]) == ("known", "PENDING", 3)
    assert run("claim", "--agent", "me", code=3)
    mend("add")
    assert scan(run, code=0) == {"resolved": [added]}


# Two at once


def test_two_scans_at_once_make_each_task_once(project: Path) -> None:
    write(project, {**TWO, "tests/test_varied.py": VARIED})
    both = [start("scan", "--json", cwd=project, env=settled()) for _ in range(2)]
    ended = [finish(process) for process in both]
    assert [ran.code for ran in ended] == [1, 1]
    added = [row["id"] for ran in ended for row in ran.json["added"]]
    assert len(set(added)) == len(added)
    assert set(added) == set(tasks(project))
    items = [test for task in tasks(project).values() for test in task["tests"]]
    assert len(set(items)) == len(items)
    assert os.listdir(project / "INBOX")
