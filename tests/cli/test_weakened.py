"""Tests that were weakened close no task: neither when its agent completes it nor when a scan sees nothing fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark.structures import ParameterSet

from tests.cli import mending
from tests.cli.mending import edit, prepared
from tests.cli.steps import claim, refused
from tests.cli.suites import tasks, write
from tests.support import Run

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    mending.settle(monkeypatch)


# The project: each test file checks a function of its own, all of which are wrong until they are mended

PROJECT = """
    [project]
    name = "sums"
    version = "1.0"

    [tool.pytest.ini_options]
    pythonpath = ["."]
    addopts = "--doctest-modules"
    markers = ["slow"]
"""
TESTS = """
    import unittest

    import pytest

    import sums
    from helpers import four

    LIMIT = 4


    @pytest.mark.parametrize(("a", "total"), [(2, 4), (3, 6)])
    def test_adds(a, total):
        assert sums.NAME(a, a) == total


    class TestMore:
        FACTOR = 2

        def test_inside(self, two):
            assert sums.NAME(two, self.FACTOR) == LIMIT

        def test_helped(self):
            assert sums.NAME(2, 2) == four()


    class Cases(unittest.TestCase):
        def test_case(self):
            self.assertEqual(sums.NAME(1, 1), 2)


    @pytest.mark.slow
    def test_other():
        assert sums.NAME(0, 0) == 0
"""
COMMON = {
    "pyproject.toml": PROJECT,
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n",
    "tests/helpers.py": "def four():\n    return 4\n",
}
WRONG = "def {0}(a, b):\n    return a - b\n"
RIGHT = "def {0}(a, b):\n    return a + b\n"
TWICE = 'def twice(a):\n    """Double.\n\n    >>> twice(3)\n    6\n    """\n    return a + 2\n'


class Weakened(NamedTuple):
    """A way to weaken the tests of a file, given its path, and words that the refusal must hold.

    `mended`: the source is put right as well, so that nothing but the tests is left to object to. `alone`: what
    a completion says instead, since it runs the task's files alone.
    """

    do: Callable[[str], object]
    words: tuple[str, ...]
    mended: bool = True
    alone: tuple[str, ...] | None = None


def swap(old: str, new: str) -> Callable[[str], object]:
    return lambda path: edit(path, old, new)


def before(line: str, *, of: tuple[str, ...]) -> Callable[[str], object]:
    """Put a line, as far indented, before the lines that hold these texts."""

    def do(path: str) -> None:
        for text in of:
            (found,) = [row for row in Path(path).read_text().splitlines() if text in row]
            edit(path, found, f"{found[: len(found) - len(found.lstrip())]}{line}\n{found}")

    return do


def take(start: str, end: str) -> Callable[[str], object]:
    """Take out what lies between two texts."""

    def do(path: str) -> None:
        text = Path(path).read_text()
        Path(path).write_text(text[: text.index(start)] + text[text.index(end) :])

    return do


def append(text: str) -> Callable[[str], object]:
    return lambda path: Path(path).write_text(Path(path).read_text() + text)


def fit(path: str) -> None:
    """Let all tests of a file want what the source does wrongly."""
    for old in ("== total", "== LIMIT", "== four()"):
        edit(path, old, old.replace("==", "!="))
    edit(path, "assertEqual", "assertNotEqual")


ALL = ("@pytest.mark.parametrize", "def test_inside", "def test_helped", "def test_case")
FILES: dict[str, Weakened] = {
    "assertion edited": Weakened(swap("== total", ">= total"), ("::test_adds", "changed")),
    "assertion of a class edited": Weakened(swap("== LIMIT", ">= LIMIT"), ("::TestMore::test_inside", "changed")),
    "assertion of a case edited": Weakened(
        swap("assertEqual", "assertGreaterEqual"), ("::Cases::test_case", "changed")
    ),
    "assertion made to fit": Weakened(fit, ("changed", "and 3 more"), mended=False),
    "parameter edited": Weakened(swap("(3, 6)", "(3, 6.0)"), ("::test_adds[3-6]", "was not found")),
    "parameter dropped": Weakened(swap(", (3, 6)", ""), ("::test_adds[3-6]", "was not found")),
    "constant edited": Weakened(swap("LIMIT = 4", "LIMIT = 4.0"), ("tests/test_constant_edited.py", "changed")),
    "constant of a class edited": Weakened(swap("FACTOR = 2", "FACTOR = 2.0"), ("::TestMore", "changed")),
    "skip mark": Weakened(before("@pytest.mark.skip", of=("def test_adds",)), ("::test_adds", "was skipped")),
    "skip mark on all": Weakened(before("@pytest.mark.skip", of=ALL), ("and 4 more", "was skipped"), mended=False),
    "skipif mark": Weakened(before("@pytest.mark.skipif('1')", of=("def test_adds",)), ("::test_adds", "was skipped")),
    "skip inside": Weakened(before("pytest.skip()", of=("== total",)), ("::test_adds", "was skipped")),
    "importorskip": Weakened(before("pytest.importorskip('nix')", of=("== total",)), ("::test_adds", "was skipped")),
    "importorskip of all": Weakened(swap("LIMIT = 4", "LIMIT = pytest.importorskip('nix')"), ("was skipped",)),
    "xfail": Weakened(before("@pytest.mark.xfail", of=ALL), ("is expected to fail",), mended=False),
    "xfail strict": Weakened(before("@pytest.mark.xfail(strict=True)", of=ALL), ("is expected to fail",), mended=False),
    "xfail of what passes": Weakened(before("@pytest.mark.xfail", of=ALL), ("is expected to fail",)),
    "xfail inside": Weakened(before("pytest.xfail()", of=("== total",)), ("::test_adds", "is expected to fail")),
    "test deleted": Weakened(take("@pytest.mark.param", "class TestMore"), ("::test_adds", "was not found")),
    "test renamed": Weakened(swap("test_adds", "test_adding"), ("::test_adds", "was not found")),
    "test taken for none": Weakened(swap("test_adds", "adds"), ("::test_adds", "was not found")),
    "test under a condition": Weakened(
        swap("def test_case(self):\n", "def test_case(self):\n        if sums:\n            return\n"),
        ("test_case", "changed"),
    ),
    "class skipped": Weakened(before("@pytest.mark.skip", of=("class TestMore",)), ("TestMore", "was skipped")),
    "class of cases skipped": Weakened(before("@unittest.skip('x')", of=("class Cases",)), ("Cases", "was skipped")),
    "case skipped": Weakened(before("@unittest.skip('x')", of=("def test_case",)), ("test_case", "was skipped")),
    "case expected to fail": Weakened(before("@unittest.expectedFailure", of=("def test_case",)), ("test_case",)),
    "module skipped by a mark": Weakened(append("\n\npytestmark = pytest.mark.skip\n"), ("was skipped",)),
    "module skipped": Weakened(swap("LIMIT = 4", "pytest.skip(allow_module_level=True)"), ("was skipped",)),
    "second test of that name": Weakened(append("\n\ndef test_adds():\n    pass\n"), ("::test_adds",)),
    "second test of that name with its parameters": Weakened(
        append("\n\n@pytest.mark.parametrize(('a', 'total'), [(2, 4), (3, 6)])\ndef test_adds(a, total):\n    pass\n"),
        ("::test_adds", "changed"),
    ),
    "name bound anew": Weakened(append("\n\ntest_adds.__code__ = (lambda a, total: None).__code__\n"), ("changed",)),
    "mark added from below": Weakened(append("\n\ntest_adds = pytest.mark.skip(test_adds)\n"), ("::test_adds",)),
    "fixture of the same name": Weakened(append("\n\n@pytest.fixture\ndef two():\n    return 2.0\n"), ("changed",)),
    "fixture for all": Weakened(append("\n\n@pytest.fixture(autouse=True)\ndef nothing():\n    pass\n"), ("changed",)),
    "file deleted": Weakened(os.unlink, ("was not found",)),
    "file renamed": Weakened(lambda path: os.rename(path, path.replace(".py", "_old.py.txt")), ("was not found",)),
    "file renamed to another test file": Weakened(
        lambda path: os.rename(path, path.replace(".py", "_new.py")), ("was not found",)
    ),
    "file that cannot be read": Weakened(append("\n\ndef (:\n"), ("cannot be collected",)),
}


def _path(way: str) -> str:
    return f"tests/test_{_name(way)}.py"


def _name(way: str) -> str:
    return way.replace(" ", "_")


def _ways(run: Run) -> None:
    """A scanned project that has a failing file for each way to weaken it, and a source module for each in a package."""

    def make() -> None:
        names = [_name(way) for way in FILES]
        write(Path(), COMMON)
        for name in names:
            write(Path(), {f"tests/test_{name}.py": TESTS.replace("NAME", name)})
        write(Path(), {"sums.py": "\n\n".join(WRONG.format(name) for name in names), "twice.py": TWICE})
        run("scan", code=1)

    prepared("ways", make)


def _task(path: str) -> str:
    """Return the id of the one task that has tests of a file."""
    (task_id,) = {i for i, task in tasks(Path()).items() if any(t.startswith(path) for t in task["tests"])}
    return task_id


def _mend(*names: str) -> None:
    for name in names:
        edit("sums.py", WRONG.format(name), RIGHT.format(name))


def _is_held(task_id: str) -> bool:
    task = tasks(Path())[task_id]
    return task["result"] is None and task["status"] in ("PENDING", "ACTIVE")


@pytest.fixture(scope="module")
def after_a_scan() -> dict[str, tuple[bool, str]]:
    """What a scan said of each task of a file that was weakened: whether it is open, and why."""
    return {}


@pytest.mark.parametrize("way", FILES)
def test_a_scan_leaves_a_task_open_whose_file_was_weakened(
    run: Run, way: str, after_a_scan: dict[str, tuple[bool, str]]
) -> None:
    """All files are weakened at once, each in its own way: one scan tells all."""
    if not after_a_scan:
        _ways(run)
        ids = {name: _task(_path(name)) for name in FILES}
        _mend(*(_name(name) for name, weakened in FILES.items() if weakened.mended))
        for name, weakened in FILES.items():
            weakened.do(_path(name))
        held = run("scan", "--json", code=1).json["held"]
        after_a_scan.update({name: (_is_held(i), held.get(i, "")) for name, i in ids.items()})
    open_still, said = after_a_scan[way]
    assert open_still
    if way not in FAILS:
        for word in FILES[way].words:
            assert word in said


FAILS = ("file that cannot be read", "case expected to fail", "second test of that name")
"""Ways after which something fails or is found anew, which is what the scan speaks of then."""


ALIKE = {
    "assertion of a case edited",
    "constant edited",
    "skipif mark",
    "importorskip",
    "xfail of what passes",
    "xfail inside",
    "test taken for none",
    "test under a condition",
    "class of cases skipped",
    "case skipped",
    "module skipped by a mark",
    "mark added from below",
    "file renamed to another test file",
    "fixture of the same name",
    "parameter dropped",
    "xfail",
    "case expected to fail",
    "class skipped",
    "skip mark",
    "importorskip of all",
    "file renamed",
    "test renamed",
    "-m in addopts",
    "--deselect in addopts",
    "other functions are tests",
    "pytest.ini that selects",
    "conftest that drops",
    "conftest that deselects",
}
"""Ways that look to the judge as others do: for these the scan, which sees all at once, is enough."""


def _some(ways: Mapping[str, Weakened], but: Collection[str]) -> list[ParameterSet]:
    """Return ways that take a run each: by default every third."""
    tried = [way for way in ways if way not in but]
    return [pytest.param(way, marks=[pytest.mark.campaign] if n % 3 else []) for n, way in enumerate(tried)]


@pytest.mark.parametrize("way", _some(FILES, but=ALIKE))
def test_a_completion_is_refused_when_a_file_was_weakened(run: Run, way: str) -> None:
    _ways(run)
    task_id = _task(_path(way))
    token = claim(run, task_id)
    if FILES[way].mended:
        _mend(_name(way))
    FILES[way].do(_path(way))
    refused(run("complete", token, code=None), 5, *FILES[way].words)
    assert tasks(Path())[task_id]["status"] == "ACTIVE"


# What lies around the tests: one small project, weakened in one way at a time


def _add(path: str, text: str) -> Callable[[str], object]:
    return lambda _path: write(Path(), {path: text})


def _option(words: str) -> Callable[[str], object]:
    return lambda _path: edit("pyproject.toml", "--doctest-modules", f"--doctest-modules {words}")


def _in(path: str, old: str, new: str) -> Callable[[str], object]:
    return lambda _path: edit(path, old, new)


PASSED = """
    import pytest


    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        outcome = yield
        outcome.get_result().outcome = "passed"
"""
SKIPPING = """
    import pytest


    def pytest_collection_modifyitems(items):
        for item in items:
            item.add_marker(pytest.mark.skip)
"""
DROPPING = "def pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if 'other' in i.name]\n"
DESELECTING = """
    def pytest_collection_modifyitems(config, items):
        gone = [i for i in items if "other" not in i.name]
        items[:] = [i for i in items if "other" in i.name]
        config.hook.pytest_deselected(items=gone)
"""
REPLACING = """
    def pytest_collection_modifyitems(items):
        for item in items:
            item.runtest = lambda: None
"""
PLAIN = "tests/test_plain.py"
AROUND: dict[str, Weakened] = {
    "-k in addopts": Weakened(_option("-k other"), ("::test_", "left out by the configuration")),
    "-m in addopts": Weakened(_option("-m slow"), ("::test_", "left out by the configuration")),
    "--deselect in addopts": Weakened(_option(f"--deselect {PLAIN}::test_adds"), ("::test_adds", "left out")),
    "--ignore in addopts": Weakened(
        _option(f"--ignore {PLAIN}"), ("was not found",), alone=("pyproject.toml", "changed")
    ),
    "plugin in addopts": Weakened(_option("-p no:nothing"), ("pyproject.toml", "changed")),
    "other functions are tests": Weakened(
        _in("pyproject.toml", 'markers = ["slow"]', 'python_functions = "check_*"'), ("was not found",)
    ),
    "pytest.ini beside pyproject.toml": Weakened(
        _add("pytest.ini", "[pytest]\npythonpath = .\n"), ("pytest.ini", "changed")
    ),
    "pytest.ini that selects": Weakened(
        _add("pytest.ini", "[pytest]\npythonpath = .\naddopts = -k other\n"), ("left out by the configuration",)
    ),
    "conftest that skips": Weakened(_add("conftest.py", SKIPPING), ("was skipped",), mended=False),
    "conftest that drops": Weakened(_add("conftest.py", DROPPING), ("was not found",), mended=False),
    "conftest that deselects": Weakened(_add("conftest.py", DESELECTING), ("left out",), mended=False),
    "conftest that replaces": Weakened(_add("conftest.py", REPLACING), ("conftest.py", "changed"), mended=False),
    "conftest that rewrites reports": Weakened(_add("conftest.py", PASSED), ("conftest.py", "changed"), mended=False),
    "conftest that ignores": Weakened(
        _add("conftest.py", "collect_ignore = ['tests/test_plain.py']\n"),
        ("was not found",),
        alone=("conftest.py", "changed"),
    ),
    "conftest edited": Weakened(_in("tests/conftest.py", "return 2", "return 2.0"), ("tests/conftest.py", "changed")),
    "helper edited": Weakened(_in("tests/helpers.py", "return 4", "return 4.0"), ("tests/helpers.py", "changed")),
    "conftest of a folder beside": Weakened(
        lambda _path: write(
            Path(), {"tests/more/conftest.py": REPLACING, "tests/more/test_more.py": "def test_more():\n    pass\n"}
        ),
        ("tests/more/conftest.py", "changed"),
        mended=False,
        alone=("still fail",),
    ),
    "conftest of a folder that pytest looks into first": Weakened(
        _add("tests_too/conftest.py", REPLACING), ("conftest.py", "changed"), mended=False
    ),
    "module that hides the source": Weakened(
        _add("tests/sums.py", RIGHT.format("plain")), (), mended=False, alone=("tests/sums.py", "changed")
    ),
}


def _plain(run: Run) -> str:
    """A scanned project with one failing file and a failing example; return the file's task."""

    def make() -> None:
        write(
            Path(),
            {**COMMON, PLAIN: TESTS.replace("NAME", "plain"), "sums.py": WRONG.format("plain"), "twice.py": TWICE},
        )
        run("scan", code=1)

    prepared("plain", make)
    return _task(PLAIN)


@pytest.mark.parametrize("way", _some(AROUND, but=set()))
def test_a_scan_leaves_a_task_open_when_what_lies_around_its_tests_was_weakened(run: Run, way: str) -> None:
    task_id = _plain(run)
    if AROUND[way].mended:
        _mend("plain")
    AROUND[way].do(PLAIN)
    ran = run("scan", "--json", code=None)
    assert _is_held(task_id)
    for word in AROUND[way].words:
        assert word in ran.json["held"][task_id]


@pytest.mark.parametrize("way", _some(AROUND, but=ALIKE))
def test_a_completion_is_refused_when_what_lies_around_its_tests_was_weakened(run: Run, way: str) -> None:
    token = claim(run, _plain(run))
    if AROUND[way].mended:
        _mend("plain")
    AROUND[way].do(PLAIN)
    refused(run("complete", token, code=None), 5, *(AROUND[way].alone or AROUND[way].words))


def test_an_example_in_a_docstring_may_not_be_edited(run: Run) -> None:
    """Neither the completion nor a scan takes an example that was made to fit; its function may be edited."""
    _plain(run)
    task_id = _task("twice.py")
    edit("twice.py", "    6", "    5")
    token = claim(run, task_id)
    refused(run("complete", token, code=None), 5, "twice.py::twice.twice", "changed")
    run("release", token)
    held = run("scan", "--json", code=1).json["held"]
    assert "twice.py::twice.twice changed" in held[task_id]
    edit("twice.py", "    5", "    6")
    edit("twice.py", "a + 2", "2 * a")
    run("complete", claim(run, task_id))


def test_an_example_may_not_be_skipped(run: Run) -> None:
    _plain(run)
    token = claim(run, _task("twice.py"))
    edit("twice.py", "twice(3)", "twice(3)  # doctest: +SKIP")
    refused(run("complete", token, code=None), 5, "twice.py::twice.twice")


def test_a_selection_by_the_environment_closes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = _plain(run)
    _mend("plain")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k other")
    run("scan", code=1)
    assert _is_held(task_id)
    refused(run("complete", claim(run, task_id), code=None), 5, "::test_", "left out")


def test_what_was_weakened_before_a_scan_saw_it_stays_weakened(run: Run) -> None:
    """No scan forgives: one that sees the test changed, and another failure of it, does not take new prints."""
    task_id = _plain(run)
    edit(PLAIN, "== total", "== total + 1")
    run("scan", code=1)
    edit(PLAIN, "== total + 1", ">= total")
    _mend("plain")
    held = run("scan", "--json", code=1).json["held"]
    assert "::test_adds changed" in held[task_id]
    edit(PLAIN, ">= total", "== total")
    assert [row["id"] for row in run("scan", "--json", code=1).json["resolved"]] == [task_id]


# What is allowed


@pytest.mark.parametrize("way", ["skip mark on all", "assertion edited", "file deleted"])
def test_weakened_tests_are_accepted_when_that_is_allowed_and_it_is_recorded(run: Run, way: str) -> None:
    _ways(run)
    task_id = _task(_path(way))
    _mend(_name(way))
    FILES[way].do(_path(way))
    ran = run("complete", claim(run, task_id), "--allow-changed-tests")
    result = tasks(Path())[task_id]["result"]
    assert result["verified"] is True
    for word in FILES[way].words:
        assert word in result["allowed"]
        assert word in ran.out


def test_a_failing_test_is_never_allowed(run: Run) -> None:
    task_id = _plain(run)
    edit(PLAIN, "== total", "!= total")
    edit(PLAIN, "LIMIT = 4", "LIMIT = 0")
    token = claim(run, task_id)
    refused(
        run("complete", token, "--allow-changed-tests", code=None),
        5,
        "2 of its 5 tests still fail",
        "::Cases::test_case",
    )


def test_what_is_not_weakened_is_not_said_to_be_allowed(run: Run) -> None:
    task_id = _plain(run)
    _mend("plain")
    run("complete", claim(run, task_id), "--allow-changed-tests")
    assert "allowed" not in tasks(Path())[task_id]["result"]


# What is no weakening


def _harmless() -> None:
    """Change all that may change, and mend the source."""
    text = Path(PLAIN).read_text()
    text = text.replace("    assert sums.plain(a, a)", "    # as it was\n\n    assert sums.plain(a, a)")
    text = text.replace("LIMIT = 4\n", "\n\n\n# four\nLIMIT = 4\n")
    text = text.replace("sums.plain(0, 0) == 0", "not sums.plain(0, 0)")
    other = text.index("@pytest.mark.slow")
    start, end = text.index("@pytest.mark.param"), text.index("class TestMore")
    moved = text[:start] + text[end:other] + text[other:] + "\n\n" + text[start:end]
    more = "\n\ndef test_new():\n    assert sums.plain(1, 0) == 1\n\n\nclass TestNew:\n    def test_newer(self):\n        assert sums\n"
    Path(PLAIN).write_text(moved.rstrip() + more)
    edit("pyproject.toml", '"1.0"', '"1.1"')
    Path("pyproject.toml").write_text(Path("pyproject.toml").read_text() + "\n[tool.ruff]\nline-length = 100\n")
    write(Path(), {"tests/test_new.py": "def test_new():\n    assert True\n", "setup.cfg": "[metadata]\nname = sums\n"})
    Path("sums.py").write_text('"""Sums."""\n\n\n' + RIGHT.format("plain") + "\n\ndef more():\n    return 1\n")


def test_a_completion_takes_what_is_no_weakening(run: Run) -> None:
    """Comments, empty lines, other tests, the order of tests, and settings that are not pytest's may change."""
    token = claim(run, _plain(run))
    _harmless()
    run("complete", token)


def test_a_scan_takes_what_is_no_weakening(run: Run) -> None:
    task_id = _plain(run)
    _harmless()
    assert [row["id"] for row in run("scan", "--json", code=1).json["resolved"]] == [task_id]
