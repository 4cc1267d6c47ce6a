"""What takes too long is ended, with all that it has started; the others are run, and what was seen is kept."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from tests.cli import suites
from tests.cli.processes import SECONDS
from tests.cli.steps import claim, refused
from tests.support import Run

A, B, C, D = (f"tests/test_{letter}.py" for letter in "abcd")
HANGS = """
    import ctypes
    import signal
    import subprocess
    import threading
    import time

    import pytest

    def forever():
        time.sleep(600)

    @pytest.fixture
    def hangs_in_setup():
        forever()

    @pytest.fixture
    def hangs_in_teardown():
        yield
        forever()

    def test_first():
        assert 1 == 2

    def test_hangs():
        while True: pass

    def test_holds_the_gil():
        ctypes.PyDLL(None).pause()

    def test_setup(hangs_in_setup):
        pass

    def test_teardown(hangs_in_teardown):
        pass

    def test_failed_before(hangs_in_teardown):
        assert 1 == 3

    def test_ignores_an_interrupt():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.run(["sleep", "600"])

    def test_swallows():
        while True:
            try:
                forever()
            except BaseException:
                pass

    def test_blocks_signals():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        forever()

    def test_between():
        assert 1 == 4
"""
AT_IMPORT = """
    import time

    def forever():
        time.sleep(600)

    forever()

    def test_one():
        pass
"""
THREAD = """
    import threading
    import time

    def test_leaves_a_thread():
        threading.Thread(target=time.sleep, args=(600,)).start()

    def test_last():
        assert 1 == 5
"""
FILES = {"pytest.ini": "[pytest]\ntestpaths = tests\n", A: HANGS, B: AT_IMPORT, C: THREAD}
OVERDUE = {
    f"{A}::test_hangs": "while True: pass",
    f"{A}::test_holds_the_gil": "ctypes.PyDLL(None).pause()",
    f"{A}::test_setup": "time.sleep(600)",
    f"{A}::test_teardown": "time.sleep(600)",
    f"{A}::test_ignores_an_interrupt": 'subprocess.run(["sleep", "600"])',
    f"{A}::test_swallows": "time.sleep(600)",
    f"{A}::test_blocks_signals": "def test_blocks_signals():",
}
"""With the line that each of them hangs in; where the test is defined if that cannot be known."""
FAILED = {
    f"{A}::test_first": "assert 1 == 2",
    f"{A}::test_failed_before": "assert 1 == 3",
    f"{A}::test_between": "assert 1 == 4",
    f"{C}::test_last": "assert 1 == 5",
}


@pytest.mark.campaign
def test_whatever_hangs_is_a_task_that_says_so_and_where_and_all_other_tests_are_run(tmp_path: Path) -> None:
    """One scan, as it takes seconds. A thread that keeps the interpreter from its end is ended too, and the run counts."""
    env = suites.quiet_environment(DISPATCHER_SCAN_FILE_TIMEOUT="5")
    scanned = suites.scan(tmp_path, FILES, "--no-group", "--test-timeout", "1", env=env)
    assert scanned.tests == sorted([*OVERDUE, *FAILED, B])
    assert "1 passed" in scanned.ran.out
    assert "not all were run" not in scanned.ran.out
    failures = {test: scanned.failure(test) for test in OVERDUE}
    assert {f["kind"] for f in failures.values()} == {"timeout"}
    assert {f["message"].partition(": ")[0] for f in failures.values()} == {"Timeout >1s"}
    lines = (scanned.project / A).read_text().splitlines()
    assert {test: lines[f["place"]["line"] - 1].strip() for test, f in failures.items()} == OVERDUE
    assert {test: scanned.failure(test)["message"] for test in FAILED} == FAILED
    assert scanned.failure(B)["message"] == "Timeout >5s: importing the file did not end"


@pytest.fixture
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


SLOW = """
    import os
    import subprocess
    import time

    import shop

    def test_was_bad():
        assert shop.price() == 1

    def test_bad():
        assert 1 == 2

    def test_never_ends():
        if os.path.exists("held"):
            held = os.open("held", os.O_WRONLY)
            os.set_inheritable(held, True)
            subprocess.Popen(["sleep", "600"], close_fds=False, start_new_session=True)
            time.sleep(600)
"""
SHOP = "def price():\n    return {}\n"
CONFIG = "[pytest]\npythonpath = src\ntestpaths = tests\n"


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_run_whose_time_is_up_is_ended_with_all_it_has_started_and_closes_nothing(run: Run, project: Path) -> None:
    files = {"pytest.ini": CONFIG, A: SLOW, "src/shop.py": SHOP.format(2)}
    before = suites.scan_here(run, "--no-group", files=files)
    assert before.tests == [f"{A}::test_bad", f"{A}::test_was_bad"]
    suites.write(project, {"src/shop.py": SHOP.format(1)})
    os.mkfifo(project / "held")
    held = os.open(project / "held", os.O_RDONLY | os.O_NONBLOCK)
    cut = suites.scan_here(run, "--no-group", "--timeout", "3", code=12)
    assert cut.tasks.keys() == before.tasks.keys()
    assert cut.tests == before.tests, "that one passes now is known, and closes nothing"
    assert f"not all were run: the time was up (3 s, scan.timeout), in {A}::test_never_ends" in cut.ran.out
    assert select.select([held], [], [], SECONDS)[0]
    assert os.read(held, 1) == b"", "its end: the process with a session of its own is gone"
    os.close(held)


SELDOM = """
    import os
    import time

    def test_seldom_ends():
        if os.path.exists("hang"):
            time.sleep(600)
        assert os.path.exists("mended")
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
@pytest.mark.campaign
def test_a_completion_obeys_the_limits_too(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = suites.scan_here(run, files={A: SELDOM})
    (project / "hang").touch()
    token = claim(run, *first.tasks)
    monkeypatch.setenv("DISPATCHER_SCAN_TEST_TIMEOUT", "1")
    refused(run("complete", token, code=5), 5, "still fails", "Timeout >1s")
    monkeypatch.setenv("DISPATCHER_SCAN_TIMEOUT", "0.1")
    refused(run("complete", token, code=None), 12, "the time was up (0.1 s, scan.timeout)")
    monkeypatch.setenv("DISPATCHER_SCAN_TIMEOUT", "0")
    (project / "hang").unlink()
    (project / "mended").touch()
    run("complete", token)


A_LITTLE = """
    import select

    def test_takes_a_little():
        select.select([], [], [], 0.6)
"""


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_zero_is_no_limit_and_an_option_goes_before_its_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SCAN_TEST_TIMEOUT", "0.2")
    monkeypatch.setenv("DISPATCHER_SCAN_TIMEOUT", "0.1")
    monkeypatch.setenv("DISPATCHER_SCAN_FILE_TIMEOUT", "0")
    assert suites.scan_here(run, "--timeout", "0", "--test-timeout", "0", code=0, files={A: A_LITTLE}).tests == []
    assert suites.scan_here(run, "--timeout", "0").tests == [f"{A}::test_takes_a_little"]
    ran = run("scan", code=12)  # whether the one test was seen by then is chance
    assert "the time was up (0.1 s, scan.timeout)" in ran.out + ran.err


@pytest.mark.usefixtures("_only_pytest_itself", "root")
def test_a_pytest_that_does_not_even_start_is_ended(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SCAN_FILE_TIMEOUT", "1")
    suites.write(project, {"conftest.py": AT_IMPORT, A: A_LITTLE})
    refused(run("scan", code=12), 12, "pytest did not start within 1 s (scan.fileTimeout)")


@pytest.mark.parametrize("option", ["--timeout", "--test-timeout"])
@pytest.mark.parametrize("value", ["-1", "soon", "nan", "inf"])
@pytest.mark.usefixtures("root")
def test_a_limit_that_is_no_number_of_seconds_is_a_usage_error(
    run: Run, project: Path, option: str, value: str
) -> None:
    suites.write(project, {A: "open('ran', 'w').close()\n"})
    refused(run("scan", option, value, code=2), 2, option)
    assert not (project / "ran").exists()


@pytest.mark.parametrize("name", ["SCAN_TIMEOUT", "SCAN_TEST_TIMEOUT", "SCAN_FILE_TIMEOUT"])
@pytest.mark.parametrize("value", ["-1", "soon", "nan"])
@pytest.mark.usefixtures("root")
def test_a_setting_that_is_no_number_of_seconds_is_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", value)
    assert f"error: DISPATCHER_{name}: scan." in run("scan", code=10).err
