"""`complete` believes the tests: it runs those of the task, the way the scan did, and refuses what they do not show."""

from __future__ import annotations

import os
import shutil
import signal
import site
import sys
import venv
from pathlib import Path

import pytest

from tests.cli import mending
from tests.cli.mending import ADDS, CALC, INI, Gate, claimed, edit, events, found, gate, mend, scanned, settled
from tests.cli.processes import finish, program, start
from tests.cli.steps import add, claim, listed, refused, task
from tests.cli.suites import write
from tests.support import FakeClock, Run

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    mending.settle(monkeypatch)


# What is believed


def test_a_failing_test_is_refused_by_its_name_and_message(run: Run) -> None:
    """The task stays with its holder, and says why it was refused."""
    token = claimed(run)
    ran = run("complete", token, code=None)
    refused(ran, 5, "its test still fails", ADDS, "assert 0 == 4")
    document = found(ADDS)
    assert (document["status"], document["result"], document["attempts"]) == ("ACTIVE", None, 0)
    assert ADDS in document["last_check"]["why"]
    assert document["last_check"]["agent"] == "me"
    mend()
    run("complete", token)


def test_a_mended_test_is_believed(run: Run) -> None:
    token = claimed(run)
    mend()
    assert "its tests pass" in run("complete", token, "--note", "a sign").out
    result = found(ADDS)["result"]
    assert (result["verified"], result["tests_run"], result["note"]) == (True, 2, "a sign")
    assert result["agent"] == "me"
    assert not {"commit", "allowed", "resolved", "unverified_because"} & result.keys()


def test_the_commit_is_the_one_that_was_checked_out(run: Run) -> None:
    token = claimed(run)
    mend()
    commit = mending.commit()
    run("complete", token)
    assert found(ADDS)["result"]["commit"] == commit


def test_of_many_failing_tests_some_are_named_and_all_are_counted(run: Run) -> None:
    cases = "import calc\nimport pytest\n\n@pytest.mark.parametrize('n', range(1, 7))\ndef test_adds(n):\n    assert calc.add(n, n) == 2 * n\n"
    token = claimed(run, {**CALC, "tests/test_calc.py": cases})
    edit("calc.py", "a - b", "2 if a == 1 else 4 if a == 2 else 0")
    ran = run("complete", token, code=None)
    refused(ran, 5, "4 of its 6 tests still fail", f"{ADDS}[3]", f"{ADDS}[4]", f"{ADDS}[5]", "and 1 more")
    assert f"{ADDS}[2]" not in ran.err


def test_what_is_not_verified_says_so(run: Run) -> None:
    token = claimed(run)
    ran = run("complete", token, "--no-verify")
    assert "unverified" in ran.out
    result = found(ADDS)["result"]
    assert (result["verified"], result["unverified_because"]) == (False, "--no-verify")


def test_a_task_made_by_hand_has_no_tests_to_run(run: Run) -> None:
    add(run, "by hand")
    write(Path(), {"tests/test_never.py": "raise SystemExit('it was run')"})
    run("complete", claim(run))
    (task_id,) = listed(run)
    assert task(run, task_id)["result"]["unverified_because"].startswith("made by hand")


# Whose task it is, before anything is run


def _marked(run: Run) -> str:
    """Claim the task of a suite that leaves a mark when it is run; return the token."""
    token = claimed(run, {**CALC, "tests/conftest.py": "open('ran', 'w').close()\n"})
    Path("ran").unlink()
    mend()
    return token


def test_who_may_not_complete_a_task_does_not_set_its_tests_going(run: Run, clock: FakeClock) -> None:
    token = _marked(run)
    task_id = token.partition("@")[0]
    refused(run("complete", task_id, "--agent", "other", code=None), 5, "claimed by 'me'")
    refused(run("complete", f"{task_id}@7", code=None), 5, "no longer valid")
    clock.pass_time(1000)
    second = claim(run, task_id, agent="other")
    refused(run("complete", token, code=None), 5, "no longer valid", "other")
    run("release", second)
    refused(run("complete", second, code=None), 5, "no longer valid")
    assert not Path("ran").exists()


def test_a_late_claim_that_nobody_took_over_is_believed_as_well(run: Run, clock: FakeClock) -> None:
    token = _marked(run)
    clock.pass_time(1000)
    run("complete", token)
    assert found(ADDS)["result"]["verified"] is True
    assert Path("ran").exists()


def test_a_late_claim_that_was_ended_is_believed_as_well(run: Run, clock: FakeClock) -> None:
    token = _marked(run)
    clock.pass_time(1000)
    run("prune")
    assert found(ADDS)["status"] == "PENDING"
    run("complete", token)
    assert found(ADDS)["result"]["verified"] is True


def test_completing_twice_runs_the_tests_once(run: Run) -> None:
    token = _marked(run)
    run("complete", token)
    Path("ran").unlink()
    edit("calc.py", "a + b", "a - b")
    assert "was completed by this claim before" in run("complete", token).out
    assert not Path("ran").exists()


# While the tests run

GATED = {
    **CALC,
    "tests/gate.py": Gate.FILE,
    "tests/test_calc.py": "import calc, gate\n\n\ndef test_adds():\n    gate.wait()\n    assert calc.add(2, 2) == 4\n",
}


def _gated(run: Run, project: Path, lease: str) -> str:
    """Scan GATED, claim its task for so many seconds by the real clock, mend it, and return the token."""
    scanned(run, GATED)
    argv = ("claim", "--agent", "me", "--lease", lease, "--json")
    token: str = program(*argv, cwd=project, env=settled()).json["claims"][0]["token"]
    mend()
    return token


def test_a_lease_shorter_than_the_run_is_kept(run: Run, project: Path) -> None:
    """Nobody else gets the task while its tests run, for longer than the lease."""
    env = settled()
    token = _gated(run, project, "0.4")
    with gate(project) as stop:
        process = start("complete", token, cwd=project, env=env)
        stop.reached()
        other = program("claim", "--agent", "other", "--wait", "0.9", cwd=project, env=env)
        assert other.code == 3, other
        stop.open()
        ended = finish(process)
    assert ended.code == 0, ended
    assert found(ADDS)["result"]["verified"] is True
    log = program("log", "--kind", "lease_extended", "--json", cwd=project, env=env).json["records"]
    assert len(log) >= 2


def test_a_lease_that_has_run_out_is_renewed_before_the_tests_run(run: Run, clock: FakeClock) -> None:
    token = claimed(run)
    mend()
    clock.pass_time(1000)
    run("complete", token)
    assert [event["task"] for event in events(run, "lease_extended")] == [found(ADDS)["id"]]
    assert found(ADDS)["attempt_log"][-1]["outcome"] == "completed"


def test_a_claim_given_up_meanwhile_closes_nothing(run: Run, project: Path) -> None:
    env = settled()
    token = _gated(run, project, "900")
    with gate(project) as stop:
        process = start("complete", token, cwd=project, env=env)
        stop.reached()
        assert program("release", token, cwd=project, env=env).code == 0
        stop.open()
        refused(finish(process), 5, token)
    assert found(ADDS)["status"] == "PENDING"


def test_a_claim_lost_meanwhile_ends_the_run(run: Run, project: Path) -> None:
    """The lease cannot be renewed any more: the tests are stopped though they would wait for ever."""
    env = settled()
    token = _gated(run, project, "0.4")
    with gate(project) as stop:
        process = start("complete", token, cwd=project, env=env)
        stop.reached()
        assert program("release", token, cwd=project, env=env).code == 0
        refused(finish(process), 5, token)
    assert found(ADDS)["status"] == "PENDING"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.campaign)])
def test_an_interrupt_leaves_the_claim(run: Run, project: Path, number: signal.Signals) -> None:
    env = settled()
    token = _gated(run, project, "900")
    before = found(ADDS)
    with gate(project) as stop:
        process = start("complete", token, cwd=project, env=env)
        stop.reached()
        process.send_signal(number)
        ended = finish(process)
    assert ended.code == 130, ended
    assert found(ADDS) == before
    assert program("complete", token, cwd=project, env=env).code == 0


# The neighbours


def test_what_passed_before_in_the_same_file_must_still_pass(run: Run) -> None:
    token = claimed(run)
    write(Path(), {"calc.py": "def add(a, b):\n    return 4\n"})
    ran = run("complete", token, code=None)
    refused(
        ran, 5, "1 test of the same files passed before and now fails", "tests/test_calc.py::test_zero", "assert 4 == 0"
    )
    refused(run("complete", token, "--allow-changed-tests", code=None), 5, "passed before")
    mend()
    run("complete", token)


def test_a_file_of_the_task_that_cannot_be_collected_any_more_is_no_success(run: Run) -> None:
    token = claimed(run)
    write(Path(), {"calc.py": "def plus(a, b):\n    return a + b\n\n\nraise ImportError('half done')\n"})
    refused(run("complete", token, code=None), 5, "tests/test_calc.py", "cannot be collected")


def test_a_neighbour_that_another_open_task_is_about_does_not_count(run: Run) -> None:
    """It passed when the task was made, and broke since: that is the other task's matter."""
    tests = f"{mending.TESTS}\n\n    def test_half():\n        assert calc.half(4) == 2\n"
    token = claimed(
        run, {**CALC, "calc.py": f"{mending.BROKEN}\n\ndef half(a):\n    return a / 2\n", "tests/test_calc.py": tests}
    )
    edit("calc.py", "a / 2", "a / 3")
    run("scan", code=1)
    assert found("tests/test_calc.py::test_half")["status"] == "PENDING"
    edit("calc.py", "a - b", "a + b")
    run("complete", token)
    assert found(ADDS)["status"] == "COMPLETED"
    assert found("tests/test_calc.py::test_half")["status"] == "PENDING"


def test_a_neighbour_that_failed_from_the_start_does_not_count(run: Run) -> None:
    tests = f"{mending.TESTS}\n\n    def test_half():\n        assert calc.half(4) == 2\n"
    write(
        Path(),
        {**CALC, "calc.py": f"{mending.BROKEN}\n\ndef half(a):\n    return a / 3\n", "tests/test_calc.py": tests},
    )
    run("scan", code=1)
    token = claim(run, found(ADDS)["id"])
    run("complete", claim(run), "--no-verify")  # closed, though it fails
    edit("calc.py", "a - b", "a + b")
    run("complete", token)


def test_a_run_that_does_not_finish_proves_nothing(run: Run) -> None:
    token = claimed(run)
    edit("tests/test_calc.py", "assert calc.add(0, 0) == 0", "__import__('pytest').exit('enough')")
    mend()
    refused(run("complete", token, "--allow-changed-tests", code=None), 5, "did not finish")
    assert found(ADDS)["status"] == "ACTIVE"


# The same way as the scan


def test_arguments_of_the_scan_are_used_again(run: Run) -> None:
    tests = """
        import calc


        def check_adds():
            assert calc.add(2, 2) == 4


        def check_way(request):
            assert not request.config.pluginmanager.hasplugin("doctest")
    """
    options = ("--", "-o", "python_functions=check_*", "-p", "no:doctest")
    token = claimed(run, {**CALC, "tests/test_calc.py": tests}, *options)
    refused(run("complete", token, code=None), 5, "tests/test_calc.py::check_adds")
    mend()
    run("complete", token)
    assert found("tests/test_calc.py::check_adds")["result"]["tests_run"] == 2


def test_a_scan_that_stopped_at_the_first_failure_makes_tasks_that_can_be_completed(run: Run) -> None:
    """What is left to fail in the same file is for other tasks."""
    tests = f"{mending.TESTS}\n\n    def test_half():\n        assert calc.half(4) == 2\n"
    files = {**CALC, "calc.py": f"{mending.BROKEN}\n\ndef half(a):\n    return a / 3\n", "tests/test_calc.py": tests}
    token = claimed(run, files, "--", "-x")
    edit("calc.py", "a - b", "a + b")
    run("complete", token)


def _environment(path: Path) -> Path:
    """Make a virtual environment that has what ours has."""
    venv.create(path, symlinks=True, with_pip=False)
    (packages,) = path.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text("\n".join([*site.getsitepackages(), ""]))
    return path


def test_the_interpreter_of_the_scan_is_used_again(run: Run, project: Path) -> None:
    """Inside the project its place is kept relative to it, so that a copy of the project uses its own."""
    _environment(project / "own")
    tests = "import sys, calc\n\n\ndef test_adds():\n    assert sys.prefix.endswith('own')\n    assert calc.add(2, 2) == 4\n"
    token = claimed(run, {**CALC, "tests/test_calc.py": tests}, "--python", "own")
    assert task(run, found(ADDS)["id"])["detail"]["run"] == {"python": "own/bin/python", "arguments": []}
    mend()
    shutil.move("own", "away")
    refused(run("complete", token, code=None), 12, "own/bin/python")
    assert found(ADDS)["status"] == "ACTIVE"
    shutil.move("away", "own")
    run("complete", token)
    assert sys.prefix != str(project / "own")


def test_tests_that_cannot_be_run_at_all_say_why(run: Run) -> None:
    token = claimed(run)
    edit("pytest.ini", "pythonpath = .", "addopts = --no-such-option")
    refused(run("complete", token, code=None), 12, "no-such-option")
    assert found(ADDS)["status"] == "ACTIVE"


# What may be a test


def test_tests_of_a_deleted_file_are_not_found(run: Run) -> None:
    token = claimed(run)
    mend()
    os.unlink("tests/test_calc.py")
    refused(run("complete", token, code=None), 5, ADDS, "was not found")


def test_tests_of_a_deleted_folder_are_not_found(run: Run) -> None:
    token = claimed(run)
    mend()
    shutil.rmtree("tests")
    refused(run("complete", token, code=None), 5, ADDS, "was not found")


def test_a_file_that_can_be_imported_again_is_mended(run: Run) -> None:
    """Its tests may fail now: that is for the next scan to find."""
    token = claimed(
        run,
        {
            **CALC,
            "calc.py": "def plus(a, b):\n    return a + b\n",
            "tests/test_calc.py": "from calc import add\n\n\ndef test_adds():\n    assert add(2, 2) == 5\n",
        },
    )
    file = "tests/test_calc.py"
    refused(run("complete", token, code=None), 5, file, "cannot import name 'add'")
    edit("calc.py", "plus", "add")
    run("complete", token)
    assert found(file)["result"]["verified"] is True


def test_a_file_that_could_not_be_read_may_be_changed(run: Run) -> None:
    token = claimed(run, {**CALC, "tests/test_calc.py": "def test_adds(:\n    assert True\n"})
    edit("tests/test_calc.py", "(:", "():")
    run("complete", token)
    assert found("tests/test_calc.py")["result"]["verified"] is True


def test_a_source_file_that_could_not_be_read_may_be_changed(run: Run) -> None:
    token = claimed(run, {**CALC, "calc.py": "def add(a, b:\n    return a + b\n"})
    write(Path(), {"calc.py": mending.MENDED})
    run("complete", token)
    assert found("tests/test_calc.py")["result"]["verified"] is True


def test_an_empty_file_is_no_file_that_can_be_imported_again(run: Run) -> None:
    token = claimed(run, {**CALC, "tests/test_calc.py": "def test_adds(:\n    assert True\n"})
    write(Path(), {"tests/test_calc.py": ""})
    refused(run("complete", token, code=None), 5, "tests/test_calc.py", "holds no tests")


XPASS = """
    import calc
    import pytest


    @pytest.mark.xfail(strict=True)
    def test_adds():
        assert calc.add(2, 2) == 4
"""


def test_a_test_that_must_not_pass_is_mended_when_it_fails_again(run: Run) -> None:
    token = claimed(run, {**CALC, "calc.py": mending.MENDED, "tests/test_calc.py": XPASS})
    refused(run("complete", token, code=None), 5, ADDS, "XPASS")
    write(Path(), {"calc.py": mending.BROKEN})
    run("complete", token)
    assert found(ADDS)["result"]["verified"] is True


def test_a_test_that_must_not_pass_may_lose_its_mark_if_that_is_allowed(run: Run) -> None:
    token = claimed(run, {**CALC, "calc.py": mending.MENDED, "tests/test_calc.py": XPASS})
    edit("tests/test_calc.py", "    @pytest.mark.xfail(strict=True)\n".removeprefix("    "), "")
    refused(run("complete", token, code=None), 5, ADDS, "changed", "--allow-changed-tests")
    run("complete", token, "--allow-changed-tests")
    assert ADDS in found(ADDS)["result"]["allowed"]


def test_parameters_of_any_look_are_run(run: Run) -> None:
    names = ["a::b", "x/y.py", "1-2", "a b", "ä", "]", "[", "a[0]", ""]
    cases = f"import calc\nimport pytest\n\n@pytest.mark.parametrize('name', {names!r})\ndef test_adds(name):\n    assert calc.add(2, 2) == 4\n"
    token = claimed(run, {**CALC, "tests/test_calc.py": cases})
    count = f"all its {len(names)} tests"
    refused(run("complete", token, code=None), 5, count)
    mend()
    run("complete", token)
    assert task(run, listed(run)[0])["result"]["tests_run"] == len(names)


def test_a_folder_of_any_name_is_run(run: Run) -> None:
    files = {"pytest.ini": INI, "calc.py": mending.BROKEN, "tests/a [b] ä/test_calc.py": mending.TESTS}
    token = claimed(run, files)
    refused(run("complete", token, code=None), 5, "test_adds")
    mend()
    run("complete", token)


def test_the_tests_are_run_where_the_inbox_is(run: Run, project: Path) -> None:
    token = claimed(run)
    mend()
    assert program("complete", token, cwd=project / "tests", env=settled()).code == 0


def test_a_process_that_a_test_leaves_behind_does_not_hold_the_completion_up(run: Run) -> None:
    tests = """
        import calc, subprocess, sys


        def test_adds():
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            assert calc.add(2, 2) == 4
    """
    token = claimed(run, {**CALC, "tests/test_calc.py": tests})
    mend()
    run("complete", token)
