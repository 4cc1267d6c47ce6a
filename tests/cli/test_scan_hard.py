"""Tests that end the interpreter, or do to the run what no test should: none is lost, all others run, and each task says what happened."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.cli import suites
from tests.cli.processes import MEASURED, SECONDS
from tests.cli.suites import Scanned
from tests.support import Run

A, B, C, D = (f"tests/test_{letter}.py" for letter in "abcd")
ODD = 'a\nb [1]::c - ü \udcff "tests/test_x.py::test_y[2]'
"""What a crash's id may hold: it must be found again, and left out, when pytest is started anew."""
SHOWN = r'a\nb [1]::c - \xfc \udcff "tests/test_x.py::test_y[2]'

CRASHES = f"""
    import ctypes
    import os
    import resource
    import signal

    import pytest

    SHOWN_ALIKE = [object(), object(), object()]

    def test_first():
        assert 1 == 2

    def test_segfault():
        ctypes.string_at(0)

    def test_killed():
        os.kill(os.getpid(), signal.SIGKILL)

    def test_between():
        assert 1 == 3

    def test_endless_recursion():
        def again(n):
            return again(n + 1)
        again(0)

    def test_no_memory():
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (2**31, before[1]))
        try:
            bytearray(2**33)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    @pytest.mark.parametrize("name", ["fine", {ODD!r}, "bad"])
    def test_odd(name):
        if len(name) > 4:
            os._exit(4)
        assert name != "bad"

    @pytest.mark.parametrize("given", SHOWN_ALIKE, ids=repr)
    def test_shown_alike(given):
        if given is SHOWN_ALIKE[1]:
            os._exit(5)

    def test_innocent():
        pass

    @pytest.fixture
    def exits_in_teardown():
        yield
        os._exit(7)

    def test_failed_before(exits_in_teardown):
        assert 1 == 4
"""
AT_IMPORT = "import os\n\nos._exit(8)\n\ndef test_one():\n    pass\n"
AT_IMPORT_IN_C = "import ctypes\n\nctypes.string_at(0)\n\ndef test_one():\n    pass\n"
SESSION_FIXTURE = """
    import ctypes

    import pytest

    @pytest.fixture(scope="session")
    def held():
        yield
        ctypes.string_at(0)

    def test_one(held):
        pass

    def test_last_of_all():
        assert 1 == 6
"""
FILES = {
    "pytest.ini": "[pytest]\ntestpaths = tests\n",
    A: CRASHES,
    B: AT_IMPORT,
    C: AT_IMPORT_IN_C,
    D: SESSION_FIXTURE,
}
EXITED = "the interpreter exited with code"
KILLED = "the interpreter was killed by"
ENDED = {
    f"{A}::test_segfault": ("SIGSEGV", f"{KILLED} SIGSEGV in the middle of the test: Segmentation fault"),
    f"{A}::test_killed": ("SIGKILL", f"{KILLED} SIGKILL in the middle of the test"),
    f"{A}::test_odd[{SHOWN}]": ("exit code 4", f"{EXITED} 4 in the middle of the test"),
    f"{A}::test_shown_alike[<object object at 0x>]": ("exit code 5", f"{EXITED} 5 in the middle of the test"),
    B: ("exit code 8", f"{EXITED} 8 while the file was imported"),
    C: ("SIGSEGV", f"{KILLED} SIGSEGV while the file was imported: Segmentation fault"),
}
FAILED = {
    f"{A}::test_first": "assert 1 == 2",
    f"{A}::test_between": "assert 1 == 3",
    f"{A}::test_endless_recursion": "maximum recursion depth exceeded",
    f"{A}::test_no_memory": "",
    f"{A}::test_odd[bad]": "assert 'bad' != 'bad'",
    f"{A}::test_failed_before": "assert 1 == 4",
    f"{D}::test_last_of_all": "assert 1 == 6",
}
"""Those that a crash comes after, in their own teardown, among them: what was seen before it counts."""


def said(scanned: Scanned, tests: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return of each item how and with which words it has failed."""
    failures = {test: scanned.failure(test) for test in tests}
    return {test: (f["kind"], f["exception"], f["message"]) for test, f in failures.items()}


def place(scanned: Scanned, test: str) -> str:
    """Return the source line that a failure comes from."""
    at = scanned.failure(test)["place"]
    line: str = (scanned.project / at["path"]).read_text().splitlines()[at["line"] - 1]
    return line.strip()


def test_whatever_ends_the_interpreter_is_a_task_that_says_so_and_all_other_tests_are_run(tmp_path: Path) -> None:
    """One scan, as it takes seconds: pytest is started anew after each."""
    scanned = suites.scan(tmp_path, FILES, "--no-group", env=suites.quiet_environment())
    assert scanned.tests == sorted([*ENDED, *FAILED])
    assert "not all were run" not in scanned.ran.out
    assert said(scanned, ENDED) == {test: ("crash", *words) for test, words in ENDED.items()}
    found = {test: words[-1].partition("\n")[0] for test, words in said(scanned, FAILED).items()}
    assert found == FAILED, "what was seen before a crash counts"
    assert place(scanned, f"{A}::test_segfault") == "ctypes.string_at(0)"
    assert place(scanned, f"{A}::test_killed") == "def test_killed():", "it left no stack"
    assert place(scanned, C) == "ctypes.string_at(0)"
    ((name, output),) = scanned.detail(f"{A}::test_segfault")["failure"]["output"]
    assert name == "The last output of the run"
    assert A in output


KNOWN = """
    import os

    import pytest

    @pytest.mark.parametrize("given", [object(), object()], ids=repr)
    def test_shown_alike(given):
        os._exit(1)

    def test_fails():
        assert 1 == 2
"""


@pytest.fixture
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_rescan_of_crashes_changes_nothing_and_one_whose_crash_is_mended_completes_it(run: Run) -> None:
    files = {"pytest.ini": "[pytest]\npythonpath = src\n", A: KNOWN, B: "import shop\n\ndef test_one():\n    pass\n"}
    first = suites.scan_here(run, files={**files, "src/shop.py": "import os\n\nos._exit(1)\n"})
    again = suites.scan_here(run, "--json")
    news = {key: again.ran.json[key] for key in ("added", "changed", "reopened", "resolved", "held")}
    assert news == {"added": [], "changed": [], "reopened": [], "resolved": [], "held": {}}
    assert again.tasks == first.tasks
    mended = suites.scan_here(run, "--json", files={"src/shop.py": ""})
    assert (mended.ran.json["changed"], mended.ran.json["held"]) == ([], {})
    assert [row["id"] for row in mended.ran.json["resolved"]] == [first.task(B)["id"]]


IN_A_ROW = """
    import os

    import pytest

    @pytest.mark.parametrize("n", range(5))
    def test_exits(n):
        os._exit(1)
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_suite_that_does_nothing_but_crash_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.scan.legs.MOST_CRASHES", 2)
    scanned = suites.scan_here(run, code=12, files={A: IN_A_ROW})
    assert scanned.tests == [f"{A}::test_exits[{n}]" for n in range(2)]
    assert "not all were run: 2 tests have ended the interpreter" in scanned.ran.out


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_run_that_is_to_stop_at_the_first_failure_is_not_gone_on_with_after_it(run: Run) -> None:
    text = "import os\n\ndef test_a():\n    os._exit(1)\n\ndef test_b():\n    assert 1 == 2\n"
    scanned = suites.scan_here(run, "--", "-x", "-p", "no:faulthandler", code=None, files={A: text})
    assert scanned.tests == [f"{A}::test_a"]
    assert "not all were run: stopping after 1 failures" in scanned.ran.out


# What is not a crash, and not nice either

NASTY = """
    import os
    import subprocess
    import sys

    def test_prints():
        line = "x" * 99_999 + "\\n"
        for _ in range(500):
            sys.stdout.write(line)
        assert 1 == 2

    def test_writes_to_descriptors():
        for number in (1, 2):
            for _ in range(20):
                os.write(number, b"\\xff\\x1b[31m\\x00\\x80" * 125_000)
        assert 1 == 3

    def test_leaves_processes():
        held = os.open("held", os.O_WRONLY)
        os.set_inheritable(held, True)
        subprocess.Popen(["sleep", "600"], close_fds=False)
        subprocess.Popen(["sleep", "600"], close_fds=False, start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "600"])
            os._exit(0)
        os.close(held)
        assert 1 == 4

    def test_leaves_its_folder(tmp_path):
        os.chdir(tmp_path)
        os.rmdir(tmp_path)
        assert 1 == 5

    def test_last():
        assert 1 == 6
"""
CLOSES = """
    import os
    import sys

    def test_before():
        assert 1 == 5

    def test_closes_descriptors():
        os.close(1)
        os.close(2)
        assert 1 == 2

    def test_takes_its_streams_away():
        sys.stdout = sys.stderr = None
        assert 1 == 3

    def test_closes_streams():
        sys.stdout.close()
        sys.stderr.close()

    def test_after():
        assert 1 == 4
"""


@pytest.mark.usefixtures("root")
def test_100_megabytes_of_output_take_no_memory_and_no_process_is_left(project: Path) -> None:
    """Captured or not, a run's output is what the tests like; of what is not captured only both ends are kept."""
    suites.write(project, {A: NASTY})
    os.mkfifo(project / "held")
    held = os.open(project / "held", os.O_RDONLY | os.O_NONBLOCK)
    argv = [sys.executable, "-c", MEASURED, "scan", "--no-group", "--", "-s", "-p", "no:faulthandler"]
    ended = subprocess.run(
        argv,
        cwd=project,
        env=suites.quiet_environment(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert len(suites.tasks(project)) == 5
    assert int(ended.stderr.split()[-1]) < 100 * 2**20
    assert select.select([held], [], [], SECONDS)[0]
    assert os.read(held, 1) == b"", "its end: none of those who held it is there any more"
    os.close(held)


@pytest.mark.usefixtures("_only_pytest_itself", "root")
@pytest.mark.parametrize("capture", ["fd", "no"])
def test_tests_that_close_or_take_away_the_output_lose_nothing(run: Run, capture: str) -> None:
    """Without capturing, pytest itself does not get over it."""
    scanned = suites.scan_here(run, "--no-group", "--", f"--capture={capture}", files={A: CLOSES})
    names = {test.partition("::test_")[2] for test in scanned.tests}
    assert names >= {"after", "before", "closes_descriptors", "takes_its_streams_away"}
    assert "5 tests in" in scanned.ran.out
    assert "not all were run" not in scanned.ran.out
