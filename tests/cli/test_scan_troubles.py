"""What keeps a scan from running the tests, or ends it in the middle: one line, its exit code, and nothing lost."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli import suites
from tests.cli.processes import SECONDS, finish, program, start
from tests.cli.steps import STATE, bytes_of, claim, refused
from tests.support import Ran, Run

FINE = "def test_fine():\n    pass\n"
FAILING = "def test_failing():\n    assert 1 == 2\n"
NOT_RUN = 12

Files = dict[str, str]


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds nothing."""
    return _environment(tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture(scope="session")
def outdated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with a pytest from before 7."""
    made = _environment(tmp_path_factory.mktemp("outdated") / "env")
    (packages,) = made.glob("lib/python3*/site-packages")
    suites.write(packages, {"pytest/__init__.py": '__version__ = "6.2.5"\n'})
    return made


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def some_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An INBOX with one task that a scan has made and one made by hand."""
    scanned = suites.scan(tmp_path_factory.mktemp("some"), {"test_old.py": FAILING})
    program("add", "by hand", cwd=scanned.project)
    return scanned.project / "INBOX"


@pytest.fixture
def filled(project: Path, some_state: Path) -> Path:
    """The root of a state with tasks in it."""
    shutil.copytree(some_state, project / "INBOX")
    return project / STATE


def not_run(run: Run, root: Path, files: Files, *options: str, said: tuple[str, ...], code: int = NOT_RUN) -> Ran:
    """Check that a scan of these files says in one line that it could not run, and leaves the state alone."""
    suites.write(Path.cwd(), files)
    before = bytes_of(root, but=("CACHE",))
    ran = run("scan", *options, code=code)
    refused(ran, code, *said)
    assert bytes_of(root, but=("CACHE",)) == before
    return ran


TROUBLES: dict[str, tuple[Files, tuple[str, ...], tuple[str, ...]]] = {
    "no tests": ({"src/shop.py": ""}, (), ("no tests were found",)),
    "no tests with these arguments": ({"test_a.py": FINE}, ("--", "-k", "nothing"), ("no tests were found", "arguments")),
    "an unknown option of pytest": ({"test_a.py": FINE}, ("--", "--nonsense"), ("unrecognized arguments: --nonsense",)),
    "an id that is not there": ({"test_a.py": FINE}, ("--", "test_a.py::test_b"), ("test_a.py::test_b",)),
    "no such Python on the PATH": ({"test_a.py": FINE}, ("--python", "nope"), ("no Python or virtual environment 'nope'",)),
    "no such path": ({"test_a.py": FINE}, ("--python", "./nope"), ("no Python or virtual environment './nope'",)),
    "a folder that is no environment": ({"test_a.py": FINE}, ("--python", "."), ("no Python or virtual environment '.'",)),
    "a path that cannot be run": ({"test_a.py": FINE}, ("--python", "./test_a.py"), ("no Python or virtual environment './test_a.py'",)),
    "a program that is no Python": ({"test_a.py": FINE}, ("--python", "/bin/false"), ("/bin/false", "code 1")),
    "a conftest that raises": (
        {"conftest.py": "raise RuntimeError('no database')\n", "test_a.py": FINE}, (), ("conftest.py", "no database"),
    ),
    "a conftest of the test folder that raises": (
        {"pytest.ini": "[pytest]\ntestpaths = tests\n", "tests/conftest.py": "import nowhere\n", "tests/test_a.py": FINE},
        (), ("tests/conftest.py", "No module named 'nowhere'"),
    ),
    "a conftest that cannot be read": (
        {"conftest.py": "def broken(:\n", "test_a.py": FINE}, (), ("conftest.py", "invalid syntax"),
    ),
    "a conftest that exits": (
        {"conftest.py": "import pytest\npytest.exit('not here')\n", "test_a.py": FINE}, (), ("not here",),
    ),
    "a hook that raises": (
        {"conftest.py": "def pytest_configure(config):\n    raise RuntimeError('bad hook')\n", "test_a.py": FINE},
        (), ("bad hook",),
    ),
    "a hook that raises while tests are collected": (
        {
            "conftest.py": "def pytest_collection_modifyitems():\n    raise RuntimeError('bad hook')\n",
            "test_a.py": FINE,
        },
        (), ("bad hook",),
    ),
    "a pytest.ini that is none": ({"pytest.ini": "[pytest\naddopts = -q\n", "test_a.py": FINE}, (), ("pytest.ini",)),
    "a pyproject.toml that is none": ({"pyproject.toml": "[tool.pytest\n", "test_a.py": FINE}, (), ("pyproject.toml",)),
    "an option in the configuration that is unknown": (
        {"pytest.ini": "[pytest]\naddopts = --cov=shop-that-is-not-there\n", "test_a.py": FINE}, (), ("--cov",),
    ),
    "a plugin that is not installed": (
        {"pytest.ini": "[pytest]\naddopts = -p pytest_nowhere\n", "test_a.py": FINE}, (), ("pytest_nowhere",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_a_scan_that_cannot_run_the_tests_says_why_in_one_line_and_changes_nothing(
    run: Run, filled: Path, name: str
) -> None:
    files, options, said = TROUBLES[name]
    not_run(run, filled, files, *options, said=said)


def test_an_environment_without_pytest_is_named(run: Run, filled: Path, bare: Path) -> None:
    said = (str(bare / "bin" / "python"), "No module named 'pytest'", "--python")
    not_run(run, filled, {"test_a.py": FINE}, "--python", str(bare), said=said)


def test_a_pytest_that_is_too_old_is_named(run: Run, filled: Path, outdated: Path) -> None:
    said = (str(outdated / "bin" / "python"), "pytest 6.2.5 is too old")
    not_run(run, filled, {"test_a.py": FINE}, "--python", str(outdated), said=said)


@pytest.mark.parametrize("options", [("--nonsense",), ("--python",), ("--no-group=maybe",)], ids=" ".join)
@pytest.mark.usefixtures("root")
def test_a_wrong_option_of_our_own_is_a_usage_error(run: Run, options: tuple[str, ...]) -> None:
    refused(run("scan", *options, code=2), 2)


def test_without_an_inbox_no_test_is_run(run: Run, project: Path) -> None:
    suites.write(project, {"test_a.py": "open('ran', 'w').close()\n"})
    refused(run("scan", code=9), 9, "dispatcher init")
    assert not (project / "ran").exists()


def test_with_a_state_that_cannot_be_read_no_test_is_run(run: Run, root: Path, project: Path) -> None:
    suites.write(project, {"test_a.py": "open('ran', 'w').close()\n"})
    (root / "JOURNAL.jsonl").write_bytes(b"{}\n{}\n")
    assert run("scan", code=7).err.count("error: ") == 1
    assert not (project / "ran").exists()


def test_a_package_that_cannot_be_imported_is_one_task_and_a_hint(run: Run, root: Path) -> None:
    assert root
    test = "import shop\n\ndef test_one():\n    assert shop\n"
    files = {"src/shop/__init__.py": "", **{f"tests/test_{n}.py": test for n in "abc"}}
    scanned = suites.scan_here(run, files=files)
    assert [t["test_count"] for t in scanned.tasks.values()] == [3]
    assert "'shop' lies in src/: install it, or try 'dispatcher scan -- -o pythonpath=src'" in scanned.ran.err
    assert suites.scan_here(run, "--", "-o", "pythonpath=src", code=0).tests == []


# Runs that end in the middle


@pytest.mark.parametrize(
    ("how", "said"),
    [("os._exit(0)", "exited with code 0"), ("os.kill(os.getpid(), signal.SIGSEGV)", "Segmentation fault")],
    ids=["exit", "SIGSEGV"],
)
def test_a_test_that_ends_the_interpreter_has_failed_and_the_others_are_run(
    run: Run, root: Path, project: Path, how: str, said: str
) -> None:
    assert root
    was_bad = "import os\n\ndef test_was_bad():\n    assert not os.path.exists('bad')\n"
    (resolved,) = suites.scan_here(run, files={"test_a.py": was_bad, "bad": ""}).tasks
    (project / "bad").unlink()
    killer = f"import os, signal\n\ndef test_killer():\n    {how}\n"
    files = {"test_b.py": FAILING, "test_c.py": killer, "test_d.py": FAILING}
    scanned = suites.scan_here(run, files=files)
    assert scanned.tests == ["test_b.py::test_failing", "test_c.py::test_killer", "test_d.py::test_failing"]
    assert said in scanned.failure("test_c.py::test_killer")["message"]
    assert scanned.tasks[resolved]["status"] == "COMPLETED"


@contextmanager
def running(
    project: Path, files: Files, *options: str, command: tuple[str, ...] = ("scan",)
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """Scan, or do another command, in a process of its own. What is returned waits for the next line that a test writes to the FIFO `told`.

    A test that reads the FIFO `never` waits for ever.
    """
    suites.write(project, files)
    os.mkfifo(project / "told")
    os.mkfifo(project / "never")
    told = os.open(project / "told", os.O_RDWR)  # with a writer of its own it never ends

    def hear() -> str:
        assert select.select([told], [], [], SECONDS)[0]
        return os.read(told, 100).decode().strip()

    process = start(*command, *options, cwd=project, env=suites.quiet_environment())
    try:
        yield process, hear
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        os.close(told)


WAITS = """
    import os
    import signal

    def tell(word):
        with open("told", "w") as fifo:
            fifo.write(word + "\\n")

    def test_failing():
        assert 1 == 2

    def test_waits():
        tell("waiting")
        open("never").read()

    def test_after():
        assert 1 == 3
"""
IGNORES = WAITS.replace('tell("waiting")', 'signal.signal(signal.SIGINT, signal.SIG_IGN); tell("waiting")')
ANSWERS = WAITS.replace(
    'tell("waiting")', 'signal.signal(signal.SIGINT, lambda *_: tell("interrupted")); tell("waiting")'
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_scan_keeps_what_it_has_seen_and_says_so(root: Path, project: Path, number: int) -> None:
    with running(project, {"test_it.py": WAITS}) as (process, hear):
        assert hear() == "waiting"
        process.send_signal(number)
        ran = finish(process)
    assert ran.code == 130
    assert "not all were run: interrupted; what was seen is kept, and nothing was closed" in ran.out
    assert [t["tests"] for t in suites.tasks(project).values()] == [["test_it.py::test_failing"]]
    assert root


def test_a_second_interrupt_does_not_wait_for_tests_that_go_on(root: Path, project: Path) -> None:
    with running(project, {"test_it.py": ANSWERS}) as (process, hear):
        assert hear() == "waiting"
        process.send_signal(signal.SIGINT)
        assert hear() == "interrupted"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert time.monotonic() - began < 4.0
    assert ran.code == 130
    assert "interrupted" in ran.out
    assert [t["tests"] for t in suites.tasks(project).values()] == [["test_it.py::test_failing"]]
    assert root


def test_tests_that_ignore_an_interrupt_are_killed_after_a_while(root: Path, project: Path) -> None:
    with running(project, {"test_it.py": IGNORES}) as (process, hear):
        assert hear() == "waiting"
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.code == 130
    assert [t["tests"] for t in suites.tasks(project).values()] == [["test_it.py::test_failing"]]
    assert root


def test_an_interrupt_before_the_first_test_changes_nothing(root: Path, project: Path) -> None:
    conftest = WAITS.partition("def test_failing")[0] + '\n    tell("loading")\n    open("never").read()\n'
    before = bytes_of(root, but=("CACHE",))
    with running(project, {"conftest.py": conftest, "test_it.py": FINE}) as (process, hear):
        assert hear() == "loading"
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert (ran.code, ran.out) == (130, "")
    assert bytes_of(root, but=("CACHE",)) == before


def test_an_interrupted_completion_leaves_the_task_to_its_holder(run: Run, root: Path, project: Path) -> None:
    text = """
        import os

        def test_failing():
            assert 1 == 2

        def test_waits():
            if os.path.exists("told"):
                print("waiting", file=open("told", "w"), flush=True)
                open("never").read()
    """
    (task_id,) = suites.scan_here(run, files={"test_it.py": text}).tasks
    token = claim(run, task_id)
    assert root
    with running(project, {}, command=("complete", token)) as (process, hear):
        assert hear() == "waiting"
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.code == 130
    assert ran.out == ""
    task = suites.tasks(project)[task_id]
    assert (task["status"], task["generation"], task["progress"]) == ("ACTIVE", 1, [])


LEAVES = """
    import os
    import subprocess

    def test_leaves_a_process():
        held = os.open("held", os.O_WRONLY)
        left = subprocess.Popen(["sleep", "600"], pass_fds=[held], start_new_session=OWN_SESSION)
        with open("told", "w") as fifo:
            print(left.pid, file=fifo)
"""


def test_a_process_that_tests_leave_behind_is_killed_when_they_end(root: Path, project: Path) -> None:
    os.mkfifo(project / "held")
    held = os.open(project / "held", os.O_RDONLY | os.O_NONBLOCK)
    with running(project, {"test_it.py": LEAVES.replace("OWN_SESSION", "False")}, "--", "-s") as (process, hear):
        assert hear()
        ran = finish(process)
        assert select.select([held], [], [], SECONDS)[0]
        assert os.read(held, 1) == b""  # its end: nobody holds it any more
    os.close(held)
    assert (ran.code, "1 passed" in ran.out) == (0, True)
    assert root


def test_a_process_that_left_the_group_is_killed_too(root: Path, project: Path) -> None:
    """It has a session of its own and holds the output open; its parent is gone."""
    os.mkfifo(project / "held")
    held = os.open(project / "held", os.O_RDONLY | os.O_NONBLOCK)
    with running(project, {"test_it.py": LEAVES.replace("OWN_SESSION", "True")}, "--", "-s") as (process, hear):
        assert hear()
        ran = finish(process)
        assert select.select([held], [], [], SECONDS)[0]
        assert os.read(held, 1) == b""
    os.close(held)
    assert (ran.code, "1 passed" in ran.out) == (0, True)
    assert root


def test_a_scan_of_a_project_that_is_no_repository_has_no_commit(run: Run, root: Path, project: Path) -> None:
    assert root
    suites.scan_here(run, files={"test_a.py": FAILING})
    assert '"commit"' not in run("log", "--json").out
    assert program("status", cwd=project).code == 0
