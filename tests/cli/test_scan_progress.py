"""What a scan prints, to whom, and with which exit code; and which Python it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import orjson
import pytest

from tests.cli import suites
from tests.cli.processes import on_terminal, program
from tests.cli.steps import claim
from tests.support import Run

SUITE = {
    "src/shop.py": "def price():\n    return 1\n",
    "tests/test_shop.py": """
        import shop

        def test_price():
            assert shop.price() == 2

        def test_fine():
            pass
    """,
    "pytest.ini": "[pytest]\npythonpath = src\n",
}
FIXED = {"src/shop.py": "def price():\n    return 2\n"}
RAN = {"passed", "failed", "collected", "python", "pytest", "python_path", "seconds", "cpu_seconds", "filtered"}


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


@pytest.fixture
def suite(root: Path, project: Path) -> Path:
    """A project with an INBOX, and two tests of which one fails."""
    assert root
    suites.write(project, SUITE)
    return project


# Talk


def test_a_terminal_gets_a_bar_that_is_wiped_away(suite: Path) -> None:
    shown = on_terminal("scan", cwd=suite, env=suites.quiet_environment(NO_COLOR="1"))
    drawn, _, rest = shown.out.rpartition("\r")
    assert f"\r[{'#' * 30}] 2 of 2 tests, 1 failing" in drawn
    assert "#" not in rest
    assert rest.startswith("new  test-price-")
    frames = drawn.split("\r")
    assert frames[-1].strip() == ""
    assert "\x1b" not in shown.out
    assert all(len(frame) < 80 for frame in frames)


def test_a_bar_fits_a_narrow_terminal_and_colours_come_with_it(suite: Path) -> None:
    shown = on_terminal("scan", cwd=suite, env=suites.quiet_environment(), columns=20)
    assert "\x1b[" in shown.out
    assert all(len(frame) < 20 for frame in shown.out.rpartition("\r")[0].split("\r"))


def test_a_pipe_gets_plain_lines_and_the_outcome_on_standard_output(run: Run, suite: Path) -> None:
    assert suite
    ran = run("scan", code=1)
    assert re.fullmatch(r"(dispatcher: [0-2] of 2 tests, [01] failing\n)+", ran.err)
    new, summary, rest = ran.out.splitlines()
    assert new.startswith("new  test-price-")
    assert "  1 test  test_price: assert 1 == 2" in new
    assert summary.startswith("2 tests in ")
    assert summary.endswith(": 1 passed, 1 failed")
    assert rest == "1 task to do"


def test_quiet_says_only_what_is_news(run: Run, suite: Path) -> None:
    first = run("scan", "--quiet", code=1)
    assert first.out.startswith("new  test-price-")
    assert first.err == ""
    second = run("scan", "-q", code=1)
    assert (second.out, second.err) == ("", "")
    assert on_terminal("scan", "--quiet", cwd=suite, env=suites.quiet_environment()).out == ""
    suites.write(suite, FIXED)
    assert run("scan", "--quiet").out.startswith("resolved  test-price-")
    assert run("scan", "--quiet")[1:] == ("", "")


def test_json_is_all_that_reaches_standard_output(run: Run, suite: Path) -> None:
    first = run("scan", "--json", code=1)
    assert first.err == ""
    assert first.out.count("\n") == 1
    document = first.json
    assert [row["title"][:10] for row in document["added"]] == ["test_price"]
    assert set(document["run"]) >= RAN
    assert {k: document[k] for k in ("reopened", "resolved", "changed", "held", "failing_items", "to_do", "exit_code")} == {
        "reopened": [], "resolved": [], "changed": [], "held": {}, "failing_items": 1, "to_do": 1, "exit_code": 1,
    }  # fmt: skip
    suites.write(suite, FIXED)
    fixed = run("scan", "--json").json
    assert [row["id"] for row in fixed["resolved"]] == [row["id"] for row in document["added"]]
    shown = on_terminal("scan", "--json", cwd=suite, env=suites.quiet_environment())
    assert orjson.loads(shown.out)["run"]["passed"] == 2


def test_json_of_a_scan_that_could_not_run_is_one_line_of_error(run: Run, root: Path) -> None:
    assert root
    ran = run("scan", "--json", code=12)
    assert ran.out == ""
    assert ran.err.startswith("error: ")


# Exit codes


def test_the_exit_code_tells_cron_whether_there_is_something_to_do(run: Run, suite: Path) -> None:
    run("scan", code=1)
    run("scan", code=1)
    suites.write(suite, FIXED)
    run("scan", code=0)
    suites.write(suite, SUITE)
    assert run("scan", code=1).out.startswith("back again  test-price-")


def test_a_claimed_or_given_up_task_is_still_to_do(run: Run, suite: Path) -> None:
    (task_id,) = suites.scan_here(run, files={}).tasks
    token = claim(run, task_id)
    assert run("scan", code=1).out.endswith("1 task to do\n")
    run("fail", "--claim", token, "--reason", "no idea")
    assert run("scan", code=1).out.endswith("1 task to do\n")
    assert suite


def test_a_muted_task_is_nothing_to_do_until_it_is_due(run: Run, suite: Path) -> None:
    (task_id,) = suites.scan_here(run, files={}).tasks
    run("mute", task_id, "--reason", "known", "--until", "2999-01-01")
    ran = run("scan")
    assert "to do" not in ran.out
    assert "1 failed" in ran.out
    suites.write(suite, {"tests/test_more.py": "def test_more():\n    assert 1 == 3\n"})
    assert run("scan", code=1).out.endswith("1 task to do\n")


def test_a_scan_of_a_part_closes_nothing_and_its_exit_code_counts_every_task(run: Run, suite: Path) -> None:
    run("scan", code=1)
    suites.write(suite, FIXED)
    ran = run("scan", "--", "-k", "test_fine", code=1)
    assert "only a part was asked for: nothing was closed" in ran.out
    run("scan", code=0)


# Which Python


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment, in a folder whose name holds blanks, that can run pytest."""
    made = tmp_path_factory.mktemp("furnished") / "an environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    (packages,) = made.glob("lib/python3*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def chosen(run: Run, *options: str) -> tuple[str, str]:
    """Scan and return the Python that was chosen, and the one that the tests have seen."""
    suites.write(
        Path.cwd(), {"test_a.py": "import sys\n\nopen('seen', 'w').write(sys.prefix)\n\ndef test_a():\n    pass\n"}
    )
    path = run("scan", "--json", *options).json["run"]["python_path"]
    return path, (Path.cwd() / "seen").read_text()


def test_a_project_without_an_environment_is_run_by_our_own_python(run: Run, root: Path) -> None:
    assert root
    assert chosen(run) == (sys.executable, sys.prefix)
    assert "of dispatcher itself" in run("scan").out


@pytest.mark.parametrize("name", [".venv", "env"])
def test_a_project_s_own_environment_is_found(run: Run, root: Path, project: Path, furnished: Path, name: str) -> None:
    assert root
    (project / name).symlink_to(furnished)
    assert chosen(run) == (str(project / name / "bin" / "python"), str(project / name))
    assert "of the project's own environment" in run("scan").out


def test_the_active_environment_comes_before_the_project_s_own(
    run: Run, root: Path, project: Path, furnished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert root
    (project / ".venv").symlink_to(furnished)
    monkeypatch.setenv("VIRTUAL_ENV", str(furnished))
    assert chosen(run) == (str(furnished / "bin" / "python"), str(furnished))
    assert "of the active environment" in run("scan").out


@pytest.mark.parametrize("active", [sys.prefix, "/nowhere"])
def test_an_active_environment_that_is_ours_or_gone_does_not_count(
    run: Run, root: Path, project: Path, furnished: Path, active: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert root
    (project / ".venv").symlink_to(furnished)
    monkeypatch.setenv("VIRTUAL_ENV", active)
    assert chosen(run)[1] == str(project / ".venv")


@pytest.mark.parametrize("wanted", ["tools", "./tools/", "tools/bin/python3"])
def test_python_may_be_named_by_its_path_or_its_environment_s(
    run: Run, root: Path, project: Path, furnished: Path, wanted: str
) -> None:
    assert root
    (project / "tools").symlink_to(furnished)
    path, seen = chosen(run, "--python", wanted)
    assert Path(path).is_absolute()
    assert seen == str(project / "tools")


def test_python_may_be_named_as_on_the_path(
    run: Run, root: Path, furnished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert root
    monkeypatch.setenv("PATH", f"{furnished / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert chosen(run, "--python", "python3")[1] == str(furnished)


def test_from_a_folder_below_the_whole_project_is_scanned(suite: Path, furnished: Path) -> None:
    (suite / "tools").symlink_to(furnished)
    env = suites.quiet_environment()
    for wanted in ("../../tools", "tools"):
        (suite / "src" / "deep").mkdir(exist_ok=True)
        ran = program("scan", "--json", "--python", wanted, cwd=suite / "src" / "deep", env=env)
        assert ran.code == 1, ran
        assert ran.json["run"]["collected"] == 2
        assert Path(ran.json["run"]["python_path"]).resolve() == (furnished / "bin" / "python").resolve()
