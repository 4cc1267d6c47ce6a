"""eval: fixes of a small repository, found by their tests, replayed and measured; the repository stays as it was."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from dispatcher.evaluate import repository
from dispatcher.evaluate.kept import Place
from tests.support import Ran, Run

SHOP = """RATE = 10


def price(item):
    return item["price"]


def total(items):
    return sum(price(item) for item in items) - 1


def tax(items):
    return total(items) * RATE // 100
"""
CONFTEST = """import os


def pytest_runtest_logstart(nodeid):
    with open(os.environ["RAN"], "a") as file:
        file.write(nodeid + "\\n")
    with open(os.environ["RAN"]) as file:
        if len(file.readlines()) == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getppid(), 9)
"""
TEST = "import shop\n\n\ndef test_price():\n    assert shop.price({'price': 3}) == 3\n"
TOTAL = "\n\ndef test_total():\n    assert shop.total([{'price': 2}, {'price': 3}]) == 5\n"
TAX = "\n\ndef test_tax():\n    assert shop.tax([{'price': 100}]) == 20\n"
FREE = "\n\ndef test_free():\n    assert shop.price({}) == 0\n"
ADDED = "\n\ndef test_add():\n    assert shop.add(1) == 2\n"
COMMITS = (
    ("begin", [("", "")], TEST),
    ("fix total", [(" - 1", "")], TEST + TOTAL),
    ("fix the rate", [("RATE = 10", "RATE = 20")], TEST + TOTAL + TAX),
    ("rework price", [('item["price"]', 'item.__getitem__("price")')], TEST + TOTAL + TAX + "\n"),
    ("only add", [("\n\ndef total", "\n\ndef add(n):\n    return n + 1\n\n\ndef total")], TEST + TOTAL + TAX + ADDED),
    ("fix free ones", [('item.__getitem__("price")', 'item.get("price", 0)')], TEST + TOTAL + TAX + ADDED + FREE),
    ("document", [("def add(n):\n", 'def add(n):\n    """One more."""\n')], None),
)


def git(repository: Path, *arguments: str) -> str:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_DATE": "@1700000000 +0000",
               "GIT_COMMITTER_DATE": "@1700000000 +0000"}  # fmt: skip
    given = ("-c", "user.name=A", "-c", "user.email=a@example.invalid")
    argv = ["git", "-C", str(repository), *given, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three fixes: of a crash, of a wrong value and of a constant; and with what is no fix."""
    repository = tmp_path_factory.mktemp("made") / "shop"
    (repository / "tests").mkdir(parents=True)
    git(repository, "init", "--quiet", "-b", "main")
    (repository / "conftest.py").write_text(CONFTEST)
    source = SHOP
    for subject, edits, tests in COMMITS:
        for old, new in edits:
            source = source.replace(old, new)
        (repository / "shop.py").write_text(source)
        if tests is not None:
            (repository / "tests" / "test_shop.py").write_text(tests)
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "-m", subject)
    return repository


@pytest.fixture
def shop(made: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and a file that lists each test that is run."""
    monkeypatch.setenv("RAN", str(project / "ran"))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer to load than these tests to run
    return shutil.copytree(made, project / "shop")


def ran(project: Path) -> int:
    return len((project / "ran").read_text().splitlines()) if (project / "ran").exists() else 0


def fingerprint(folder: Path) -> dict[str, str]:
    """What every file below a folder holds, when it was changed, and how it may be used."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        found[str(path.relative_to(folder))] = f"{held} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_mode:o}"
    return found


def evaluated(run: Run, shop: Path, *options: str) -> Ran:
    return run("eval", "--repo", str(shop), "--python", sys.executable, *options)


def place_of(project: Path) -> Path:
    assert project
    return next(Path(os.environ["XDG_CACHE_HOME"], "dispatcher", "eval").iterdir())


def test_fixes_are_replayed_measured_and_kept_and_the_repository_stays_as_it_was(
    run: Run, shop: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With settings of the user's that would run programs at every turn."""
    called = project / "called"
    program = project / "program"
    program.write_text(f"#!/bin/sh\ntouch '{called}'\ncat\n")
    program.chmod(0o755)
    (project / "hooks").mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        shutil.copy(program, project / "hooks" / name)
        shutil.copy(program, shop / ".git" / "hooks" / name)
    settings = "".join(
        f"[{section}]\n\t{name} = {program}\n"
        for section, name in (
            ("core", "fsmonitor"), ("core", "pager"), ("diff", "external"), ('diff "x"', "textconv"), ('diff "x"', "command"),
            ('filter "x"', "smudge"), ('filter "x"', "clean"), ("uploadpack", "packObjectsHook"),
        )
    ) + f"[core]\n\thooksPath = {project}/hooks\n\tattributesFile = {project}/attributes\n"  # fmt: skip
    (project / "attributes").write_text("* filter=x diff=x\n")
    (project / "settings").write_text(settings)
    with (shop / ".git" / "config").open("a") as file:
        file.write(settings)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(project / "settings"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(project / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(program))
    before = fingerprint(shop)

    found = evaluated(run, shop, "--json").json
    tests = ran(project)
    assert fingerprint(shop) == before
    assert not called.exists()
    assert os.environ["GIT_INDEX_FILE"] == str(project / "elsewhere")
    free, rate, total = found["bugs"]
    assert [bug["subject"] for bug in found["bugs"]] == ["fix free ones", "fix the rate", "fix total"]
    assert [bug["kind"] for bug in found["bugs"]] == ["crash", "assertion", "assertion"]
    assert free["functions"] == [{"path": "shop.py", "name": "price"}]
    assert free["tests"] == ["tests/test_shop.py::test_free"]
    assert (rate["functions"], rate["places"]) == ([], [{"path": "shop.py", "lines": [1], "function": ""}])
    assert rate["measured"]["dispatcher"]["any_function"] is None
    assert total["places"] == [{"path": "shop.py", "lines": [9], "function": "total"}]
    assert all(bug["measured"]["dispatcher"]["all_functions"] for bug in (free, total))
    assert all(m["tokens"] <= 2048 for bug in found["bugs"] for m in bug["measured"].values())
    assert found["left_out"] == {
        "does not change both source and tests": 1, "no test fails before it and passes with it": 1,
        "only adds code, so there is nothing to find": 1,
    }  # fmt: skip
    totals = found["totals"]["all"]["dispatcher"]
    assert (totals["bugs"], totals["with_functions"], totals["any_function"]) == (3, 2, 1.0)
    assert found["totals"]["crash"]["dispatcher"]["bugs"] == 1
    assert {"traceback only", "BM25", "traceback, then BM25", "without text"} < found["totals"]["all"].keys()

    _leave_as_if_killed(place_of(project), found["bugs"][0]["commit"])
    _asks_for_some_of_them(run, shop, project, found)
    assert ran(project) == tests


def _leave_as_if_killed(place: Path, commit: str) -> None:
    """Half a file, an index that is locked, a checkout in pieces, the mark of one that did not end."""
    (place / "commits" / commit / "verdict.new").write_bytes(b'{"tests": [')
    (place / "tree" / ".git" / "index.lock").touch()
    (place / "tree" / ".git" / "config").write_text("[core]\n\tbare = true\n")
    (place / "tree" / "shop.py").unlink()
    (place / "busy").touch()
    (place / "tree" / ".git" / "HEAD").write_text("nonsense")


def _asks_for_some_of_them(run: Run, shop: Path, project: Path, found: dict[str, object]) -> None:
    (project / "cases").write_bytes(orjson.dumps(found))
    told = evaluated(run, shop, "--cases", str(project / "cases"), "--max", "2", "--ablations")
    lines = told.out.splitlines()
    assert [line.rpartition("  ")[2] for line in lines[:2]] == ["fix free ones", "fix the rate"]
    assert max(map(len, lines[2:])) <= 100, told.out
    assert "1 bug changed no function: they count for lines only" in told.out
    assert "  exceptions in the source" in told.out
    assert "without tier HIGH" in told.out
    assert "one hop" in told.out


@pytest.mark.campaign
def test_what_a_kill_has_left_of_a_proof_is_used(run: Run, shop: Path, project: Path) -> None:
    """The tests that passed with the commit are known; those of the scan that was under way are run again."""
    commit = git(shop, "rev-parse", "HEAD~5")
    (project / "cases").write_text(f"# the first\n\n{commit}  fix total\n")
    evaluated(run, shop, "--cases", str(project / "cases"))
    every = ran(project)
    kept = place_of(project) / "commits" / commit
    (kept / "verdict.json").write_bytes(b'{"tests": [')
    shutil.rmtree(kept / "state" / "TASKS", ignore_errors=True)
    evaluated(run, shop, "--cases", str(project / "cases"))
    assert ran(project) - every == every - 2
    shutil.rmtree(kept / "state")
    assert "1 bug," in evaluated(run, shop, "--cases", str(project / "cases")).out
    assert ran(project) == 3 * every - 2


@pytest.mark.campaign
def test_killed_at_any_test_the_next_one_goes_on(shop: Path, project: Path) -> None:
    """The one that is killed leaves its tests running; each next one is killed a test later."""
    (project / "cases").write_text(git(shop, "rev-parse", "HEAD~5"))
    argv = [sys.executable, "-m", "dispatcher", "eval", "--repo", str(shop), "--python", sys.executable, "--json",
            "--cases", str(project / "cases")]  # fmt: skip
    here = Path(__file__).parents[2]
    for n in range(1, 20):
        environ = {**os.environ, "KILL_AT": str(n), "RAN": str(project / f"ran{n}"), "PYTHONPATH": str(here)}
        ended = subprocess.run(argv, capture_output=True, env=environ, check=False)
        assert ended.returncode in (0, -9), ended
        if not ended.returncode:
            break
    assert 3 <= n < 10
    assert [bug["subject"] for bug in orjson.loads(ended.stdout)["bugs"]] == ["fix total"]


@pytest.mark.campaign
def test_tests_that_do_not_end_are_left_out(run: Run, shop: Path, project: Path) -> None:
    (shop / "tests" / "test_shop.py").write_text(TEST + "\n\ndef test_hang():\n    while True:\n        pass\n")
    (shop / "shop.py").write_text("RATE = 1\n\n\ndef price(item):\n    return item['price'] + 0\n")
    git(shop, "commit", "--quiet", "--all", "-m", "hang")
    (project / "cases").write_text(git(shop, "rev-parse", "HEAD"))
    told = evaluated(run, shop, "--cases", str(project / "cases"), "--timeout", "2")
    assert told.out.splitlines()[-1] == "      1 its tests take too long"


def test_only_one_at_a_time(run: Run, shop: Path, project: Path) -> None:
    """The one that is running is named; the other touches nothing."""
    cache = Path(os.environ["XDG_CACHE_HOME"], "dispatcher")
    place = Place(str(cache), repository.found_at(shop), sys.executable).path
    place.mkdir(parents=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("123")
        lock.flush()
        error = run("eval", "--repo", str(shop), "--python", sys.executable, code=6).err.splitlines()[-1]
    assert error == "error: another eval of this repository is running (process 123); wait for its end, or stop it"
    assert [path.name for path in place.iterdir()] == ["lock"]
    assert not ran(project)


def test_nothing_found_is_no_error(run: Run, shop: Path) -> None:
    told = evaluated(run, shop, "--since", "HEAD~1")
    assert told.out.splitlines() == [
        "no commit is a fix that its tests show", "", "left out are 1 commit:",
        "      1 does not change both source and tests",
    ]  # fmt: skip


def test_a_since_that_is_neither_a_date_nor_a_revision_is_refused(run: Run, shop: Path) -> None:
    told = run("eval", "--repo", str(shop), "--python", sys.executable, "--since", "nowhen", code=2)
    assert told.err.endswith("error: --since 'nowhen': is neither a date nor a revision\n")


def test_a_python_without_pytest_is_told_once(run: Run, shop: Path, project: Path) -> None:
    (project / "bare").write_text(f'#!/bin/sh\nexec {sys.executable} -ES "$@"\n')
    (project / "bare").chmod(0o755)
    told = run("eval", "--repo", str(shop), "--python", str(project / "bare"), code=12)
    assert told.err.splitlines()[-1].endswith("(No module named 'pytest'); name another with --python")
    assert "left out" not in told.err


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ": lists no commit"), (b"abcdef1\nHEAD\n", ": line 2 has no commit's hash"),
        (b'{"bugs": [{"commit": "abcdef1"}, {"x": 1}]}', ": entry 2 has no commit's hash"),
        (b'[\n"abcdef1"', ": no JSON in line 2, column 10: unexpected end of data"), (b"{}", ": has no list 'bugs'"),
        (b'{"bugs": 1}', ": has no list 'bugs'"), (b"\xff\xfe\x00", ": line 1 has no commit's hash"),
        (b"abcdef1\n", "'abcdef1': is no commit of {shop}"), (None, ": no such file or directory"),
    ],
)  # fmt: skip
def test_lists_that_are_none_are_refused_by_their_place(
    run: Run, shop: Path, project: Path, data: bytes | None, error: str
) -> None:
    file = project / "cases"
    if data is not None:
        file.write_bytes(data)
    told = run("eval", "--repo", str(shop), "--python", sys.executable, "--cases", str(file), code=2).err
    assert told.splitlines() == [told.strip()]
    assert told.strip().endswith(error.format(shop=shop))
