"""scan --junit and --reportlog: what ran elsewhere makes the tasks that a scan here makes, and is believed as far as it goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.cli import suites
from tests.cli.mending import edit, events, prepared
from tests.cli.processes import MEASURED, on_terminal, program
from tests.cli.steps import bytes_of, claim, refused
from tests.cli.suites import tasks, write
from tests.cli.test_scan_hostile import RAW, TOKEN, holding
from tests.support import Ran, Run
from tests.unit.scan.reports.real import run_pytest

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


SHOP = """
    def price(number):
        return number - 1


    class Cart:
        def total(self):
            raise KeyError("tea")
"""
TESTS = """
    import pytest
    import shop


    @pytest.mark.parametrize("number", [1, 2, 0])
    def test_price(number):
        assert (
            shop.price(number) == number
            or number == 0
        )


    class TestCart:
        def test_total(self):
            shop.Cart().total()

        def test_again(self):
            assert self.total() == 1

        def total(self):
            return shop.Cart().total()


    @pytest.fixture
    def broken():
        raise OSError("no disk")


    @pytest.fixture
    def breaks():
        yield
        raise OSError("no disk")


    def test_setup(broken):
        pass


    def test_teardown(breaks):
        pass


    @pytest.mark.xfail
    def test_expected():
        assert 1 == 2


    @pytest.mark.skip
    def test_skipped():
        pass
"""
FILES = {
    "pytest.ini": "[pytest]\npythonpath = src\naddopts = --doctest-modules\n",
    "src/shop.py": SHOP,
    "src/units.py": 'def half(n):\n    """Halve.\n\n    >>> half(4)\n    2\n    """\n    return n\n',
    "tests/test_shop.py": TESTS,
    "tests/test_gone.py": "import nowhere\n\ndef test_gone():\n    assert nowhere\n",
}
FILE = "tests/test_shop.py"
FAILING = [
    "src/units.py::units.half", "tests/test_gone.py", f"{FILE}::TestCart::test_again", f"{FILE}::TestCart::test_total",
    f"{FILE}::test_price[1]", f"{FILE}::test_price[2]", f"{FILE}::test_setup", f"{FILE}::test_teardown",
]  # fmt: skip
SAID = "1 passed, 5 failed, 2 errors, 1 skipped, 1 expected to fail, 1 collection error"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of the project's tests, which have run at another place."""
    project = tmp_path_factory.mktemp("elsewhere")
    write(project, FILES)
    run_pytest(project)
    return project


def taken(run: Run, *options: str, code: int = 1) -> dict[str, Any]:
    """Take in reports, or scan, and return what the command says as JSON, with ids in place of rows."""
    said: dict[str, Any] = run("scan", *options, "--json", code=code).json
    return {**said, **{kind: sorted(row["id"] for row in said[kind]) for kind in KINDS}}


KINDS = ("added", "reopened", "changed", "resolved")
NOTHING: dict[str, Any] = {**{kind: [] for kind in KINDS}, "held": {}}
HERE = ("--no-evidence",)


def news(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in NOTHING}


def live(run: Run) -> None:
    """Make the project, and scan it here."""

    def make() -> None:
        write(Path(), FILES)
        run("scan", *HERE, code=1)

    prepared("scan of the reported project", make)


def known() -> dict[str, tuple[str, str, str]]:
    """Return what is known of the first failure of each task, with `--no-group` of each item."""
    failures = {t["failure"]["test"]: t["failure"] for t in tasks(Path()).values()}
    return {test: (f["fingerprint"], f["exception"], f["message"]) for test, f in failures.items()}


# Reports of pytest's


@pytest.mark.parametrize("option", ["--junit", "--reportlog", "-"])
def test_a_report_makes_tasks_of_the_items_of_which_a_scan_makes_them(
    run: Run, project: Path, reports: Path, option: str
) -> None:
    write(project, FILES)
    name = str(reports / ("log.jsonl" if option == "--reportlog" else "report.xml"))
    if option == "-":
        with (reports / "report.xml").open("rb") as file:
            ran = program("scan", "--junit", "-", cwd=project, stdin=file)
        name = "standard input"
    else:
        ran = run("scan", option, name, code=1)
    assert ran.code == 1, ran
    assert suites.Scanned(project, ran, tasks(project)).tests == FAILING
    assert f"10 tests as {name} tells: {SAID}\n" in ran.out
    assert not any("source" in task["failure"] for task in tasks(project).values())

    if option != "-":
        assert news(taken(run, *HERE)) == NOTHING


def test_what_is_known_of_a_failure_is_what_a_scan_knows(run: Run, project: Path, reports: Path) -> None:
    def make() -> None:
        write(project, FILES)
        run("scan", *HERE, "--no-group", code=1)

    prepared("ungrouped scan of the reported project", make)
    here = known()
    assert sorted(here) == FAILING
    for name, option in (("report.xml", "--junit"), ("log.jsonl", "--reportlog")):
        shutil.rmtree("INBOX")
        run("init")
        run("scan", "--no-group", option, str(reports / name), code=1)
        assert known() == here


def test_a_report_that_says_nothing_new_changes_nothing(run: Run, project: Path, reports: Path) -> None:
    live(run)
    before = tasks(project)
    for option in (("--junit", "report.xml"), ("--reportlog", "log.jsonl")):
        ran = run("scan", option[0], str(reports / option[1]), "--quiet", code=1)
        assert (ran.out, ran.err) == ("", "")
        assert tasks(project) == before
    assert news(taken(run, *HERE)) == NOTHING
    assert tasks(project) == before


def test_several_reports_are_one(run: Run, project: Path, reports: Path) -> None:
    write(project, FILES)
    write(project, {"a.xml": junit(case("a.A", "one", "failure")), "b.xml": junit(case("a.A", "two", "error"))})
    options = ("--junit", "a.xml", "--junit", "b.xml", "--reportlog", str(reports / "log.jsonl"))
    ran = run("scan", *options, code=1)
    assert suites.Scanned(project, ran, tasks(project)).tests == sorted([*FAILING, "a.A::one", "a.A::two"])
    assert f"12 tests as a.xml, b.xml, {reports / 'log.jsonl'} tells: " in ran.out
    assert news(taken(run, *options[4:], *options[:4])) == NOTHING


# What passes, comes back, is missing


def case(classname: str, name: str, how: str = "", words: str = "") -> str:
    """Return a test case of a report; `how` is the element that says what is wrong with it."""
    inner = f'<{how} message="{words or "it is wrong"}"/>' if how else ""
    return f'<testcase classname="{classname}" name="{name}" time="0.1">{inner}</testcase>'


def junit(*cases: str) -> str:
    return f'<testsuites><testsuite name="s">{"".join(cases)}</testsuite></testsuites>'


CALC = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "calc.py": "def add(a, b):\n    return a - b\n",
    "tests/test_calc.py": "import calc\n\ndef test_adds():\n    assert calc.add(2, 2) == 4\n\ndef test_zero():\n    assert calc.add(0, 0) == 0\n",
}
ADDS = case("tests.test_calc", "test_adds")


def calc(run: Run) -> str:
    """Scan a project with one task, and return its id."""

    def make() -> None:
        write(Path(), CALC)
        run("scan", *HERE, code=1)

    prepared("scan before reports", make)
    (task_id,) = tasks(Path())
    return task_id


def take(run: Run, *cases: str, code: int = 0) -> dict[str, Any]:
    """Take in a report of some cases."""
    write(Path(), {"made.xml": junit(*cases)})
    return taken(run, "--junit", "made.xml", code=code)


def test_a_report_in_which_a_tasks_tests_pass_resolves_it_and_one_in_which_they_fail_brings_it_back(run: Run) -> None:
    task_id = calc(run)
    assert take(run, ADDS)["resolved"] == [task_id]
    result = tasks(Path())[task_id]["result"]
    assert (result["verified"], result["resolved"], result["agent"]) == (True, True, "scan")
    failing = (
        '<testcase classname="tests.test_calc" name="test_adds"><failure message="assert 0 == 4&#10; +  where">'
        "def test_adds():\n&gt;       assert calc.add(2, 2) == 4\nE       assert 0 == 4\n\ntests/test_calc.py:4: AssertionError"
        "</failure></testcase>"
    )
    assert take(run, failing, code=1)["reopened"] == [task_id]
    assert news(taken(run, *HERE)) == NOTHING


@pytest.mark.parametrize(
    "cases",
    [
        (case("tests.test_calc", "test_zero"),),
        (case("tests.test_calc", "test_adds", "skipped"),),
        (case("tests.test_calc", "test_adds", "failure"),),
        (case("tests.test_other", "test_adds"),),
    ],
    ids=["not in it", "skipped", "still fails", "of another file"],
)
def test_a_report_that_does_not_say_that_a_tasks_tests_pass_does_not_resolve_it(
    run: Run, cases: tuple[str, ...]
) -> None:
    task_id = calc(run)
    said = take(run, *cases, code=1)
    assert said["resolved"] == []
    assert tasks(Path())[task_id]["status"] == "PENDING"
    assert list(said["held"]) == ([task_id] if "skipped" in cases[0] else [])


def test_a_report_does_not_resolve_a_task_whose_tests_were_weakened(run: Run) -> None:
    task_id = calc(run)
    edit("tests/test_calc.py", "assert calc.add(2, 2) == 4", "pass")
    said = take(run, ADDS, code=1)
    assert said["resolved"] == []
    assert "tests/test_calc.py::test_adds changed since" in said["held"][task_id]
    assert tasks(Path())[task_id]["status"] == "PENDING"


def test_a_report_leaves_a_claimed_task_to_its_agent(run: Run) -> None:
    task_id = calc(run)
    claim(run, task_id)
    take(run, ADDS, code=1)
    task = tasks(Path())[task_id]
    assert (task["status"], task["scan"]["failing"], task["scan"]["passing"]) == ("ACTIVE", 0, 1)


def log(*tests: str) -> str:
    """Return a report log of tests that pass."""
    said = [f'{{"$report_type": "TestReport", "nodeid": "{t}", "when": "{when}", "outcome": "passed", "duration": 0.1}}'
            for t in tests for when in ("setup", "call", "teardown")]  # fmt: skip
    return "\n".join(
        ['{"$report_type": "SessionStart"}', *said, '{"$report_type": "SessionFinish", "exitstatus": 0}\n']
    )


def test_a_report_log_that_was_cut_off_closes_nothing_and_says_so(run: Run, project: Path) -> None:
    task_id = calc(run)
    whole = log("tests/test_calc.py::test_adds", "tests/test_calc.py::test_zero")
    for cut in (whole.rindex("{"), whole.rindex("Report"), len(whole) // 2):
        write(project, {"cut.jsonl": whole[:cut]})
        ran = run("scan", "--reportlog", "cut.jsonl", code=1)
        assert (
            "not all were run: the report ends before the run did; what was seen is kept, and nothing was closed"
            in ran.out
        )
        assert tasks(project)[task_id]["status"] == "PENDING"
    write(project, {"whole.jsonl": whole})
    assert taken(run, "--reportlog", "whole.jsonl", "--reportlog", "cut.jsonl")["resolved"] == []
    assert taken(run, "--reportlog", "whole.jsonl", code=0)["resolved"] == [task_id]


# Other languages

JAVA = """
    <testsuite name="com.acme.CalcTest" tests="2" failures="1">
      <properties><property name="java.version" value="21"/></properties>
      <testcase name="adds" classname="com.acme.CalcTest" time="0.012">
        <failure message="expected: &lt;4&gt; but was: &lt;3&gt;" type="org.opentest4j.AssertionFailedError"><![CDATA[org.opentest4j.AssertionFailedError: expected: <4> but was: <3>
    \tat org.junit.jupiter.api.AssertEquals.failNotEqual(AssertEquals.java:197)
    \tat com.acme.CalcTest.adds(CalcTest.java:5)
    ]]></failure>
      </testcase>
      <testcase name="halves" classname="com.acme.CalcTest" time="0.001"/>
    </testsuite>
"""
JEST = """
    <testsuites name="jest tests"><testsuite name="calc" errors="0" failures="1" tests="1">
      <testcase classname="calc adds" name="calc adds" file="web/calc.test.js" time="0.003">
        <failure>Error: expect(received).toBe(expected) // Object.is equality

    Expected: 4
    Received: 3
        at Object.&lt;anonymous&gt; (/ci/web/calc.test.js:2:22)
        at process (node:internal/process/task_queues:95:5)</failure>
      </testcase></testsuite></testsuites>
"""
OTHERS = {
    "java.xml": JAVA,
    "src/test/java/com/acme/CalcTest.java": "package com.acme;\n\nclass CalcTest {\n  @Test void adds() {\n    assertEquals(4, new Calc().add(1, 2));\n  }\n}\n",
    "jest.xml": JEST,
    "web/calc.test.js": "test('calc adds', () => {\n  expect(add(1, 2)).toBe(4);\n});\n",
    "tests/test_fine.py": "def test_fine():\n    pass\n",
}
LANGUAGES = {
    "java.xml": ("com.acme.CalcTest::adds", "src/test/java/com/acme/CalcTest.java", 5, case("com.acme.CalcTest", "adds")),
    "jest.xml": (
        "web/calc.test.js::calc adds::calc adds", "web/calc.test.js", 2,
        case("calc adds", "calc adds").replace("<testcase", '<testcase file="web/calc.test.js"'),
    ),
}  # fmt: skip


@pytest.fixture
def foreign(run: Run) -> dict[str, str]:
    """The ids of a task of Java's and one of jest's, by the report that they come from."""
    write(Path(), OTHERS)
    taken(run, *(word for name in LANGUAGES for word in ("--junit", name)))
    found = {task["tests"][0]: task_id for task_id, task in tasks(Path()).items()}
    assert len(found) == 2
    return {name: found[LANGUAGES[name][0]] for name in LANGUAGES}


def test_tests_of_other_languages_become_tasks_that_say_where_they_are_known_from(foreign: dict[str, str]) -> None:
    for name, (test, file, line, _) in LANGUAGES.items():
        failure = tasks(Path())[foreign[name]]["failure"]
        assert (failure["test"], failure["source"]) == (test, "JUnit")
        assert (failure["place"]["path"], failure["place"]["line"]) == (file, line)
        assert "4" in failure["message"]


def test_a_scan_says_nothing_of_them(run: Run, foreign: dict[str, str]) -> None:
    before = tasks(Path())
    assert news(taken(run, *HERE)) == NOTHING
    assert tasks(Path()) == before
    assert sorted(before) == sorted(foreign.values())


@pytest.mark.parametrize("name", LANGUAGES)
def test_their_next_report_resolves_them_and_the_one_after_brings_them_back(
    run: Run, foreign: dict[str, str], name: str
) -> None:
    fine = LANGUAGES[name][3]
    assert take(run, fine, code=1)["resolved"] == [foreign[name]]
    assert news(take(run, fine, code=1)) == NOTHING
    assert taken(run, "--junit", name)["reopened"] == [foreign[name]]
    assert news(taken(run, "--junit", name)) == NOTHING


@pytest.mark.parametrize("name", LANGUAGES)
def test_completing_them_is_believed_and_recorded_as_unverified_until_a_report_says_otherwise(
    run: Run, foreign: dict[str, str], name: str
) -> None:
    task_id = foreign[name]
    run("complete", claim(run, task_id), "--note", "one more")
    (event,) = events(run, "task_completed")
    why = "known from a JUnit report, of tests that dispatcher cannot run"
    assert (event["verified"], event["unverified_because"]) == (False, why)
    assert f"unverified ({why})" in run("show", task_id).out
    assert take(run, LANGUAGES[name][3], code=1)["reopened"] == []
    assert taken(run, "--junit", name)["reopened"] == [task_id]


NOWHERE = "ModuleNotFoundError: No module named 'nowhere'"
FAR = (
    f'<testcase classname="other.test_far" name="test_far"><failure message="{NOWHERE}">other/test_far.py:2: in test_far\n'
    f"    import nowhere\nE   {NOWHERE}</failure></testcase>"
)
GONE = (
    '<testcase classname="" name="tests.test_gone"><error message="collection failure">tests/test_gone.py:1: in &lt;module&gt;\n'
    f"    import nowhere\nE   {NOWHERE}</error></testcase>"
)


def test_no_task_holds_tests_that_can_be_run_here_and_others(run: Run) -> None:
    write(Path(), {"tests/test_gone.py": "import nowhere\n\ndef test_a():\n    pass\n"})
    here, far = sorted(take(run, FAR, GONE, code=1)["added"])
    found = tasks(Path())
    assert {found[i]["tests"][0]: found[i]["failure"].get("source") for i in (here, far)} == {
        "tests/test_gone.py": None, "other.test_far::test_far": "JUnit"
    }  # fmt: skip
    assert news(taken(run, *HERE)) == NOTHING


def test_a_file_that_could_not_be_collected_is_resolved_by_a_report_in_which_its_tests_pass(run: Run) -> None:
    write(Path(), {"tests/test_gone.py": "import nowhere\n\ndef test_a():\n    pass\n"})
    (task_id,) = take(run, GONE, code=1)["added"]
    assert take(run, case("tests.test_other", "test_a"), code=1)["resolved"] == []
    assert take(run, case("tests.test_gone", "test_a"))["resolved"] == [task_id]


# What is no report

BOMB = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
WRONG: dict[str, tuple[str | None, str]] = {
    "a file that is not there": (None, "nope.xml: there is no such file"),
    "an empty file": ("", "it is empty"),
    "no XML": ("it went well", "no well-formed XML: syntax error (line 1, column 1)"),
    "another XML": ("<html><body/></html>", "its root element is <html>"),
    "a report without tests": ("<testsuites/>", "holds no test"),
    "half a report": (junit(case("tests.test_calc", "test_adds"))[:-20], "it ends too early (line 1, column "),
    "half a tag": ("<testsuites><testcase na", "it ends too early"),
    "an entity": ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite name="&a;"/>', "are refused"),
    "a billion laughs": (f'<!DOCTYPE x [<!ENTITY a "ha">{BOMB}]><testsuite name="&i;"/>', "are refused"),
    "an external entity": ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><testsuite>&a;</testsuite>', "are refused"),
    "an external document type": ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><testsuite/>', "are refused"),
    "a deep one": ("<testsuite>" * 5000, "nested more than 100 deep"),
}  # fmt: skip


def untouched(run: Run, *options: str, says: tuple[str, ...]) -> Ran:
    """Check that a command is refused in one line and has changed nothing."""
    root = Path("INBOX", "agents", "Local Models")
    before = bytes_of(root)
    ran = run("scan", *options, code=2)
    refused(ran, 2, *says)
    assert bytes_of(root) == before
    return ran


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_junit_report_is_refused_with_its_name_and_changes_nothing(run: Run, name: str) -> None:
    text, says = WRONG[name]
    calc(run)
    write(Path(), {} if text is None else {"nope.xml": text})
    untouched(run, "--junit", "nope.xml", says=("nope.xml: ", says))
    if name != "a report without tests":  # beside others it is one
        write(Path(), {"fine.xml": junit(ADDS)})
        untouched(run, "--junit", "fine.xml", "--junit", "nope.xml", says=("nope.xml: ", says))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("it went well\n", "line 1: no JSON"),
        ('{"a": 1}\n', "line 1: no report of pytest-reportlog's"),
        (log("tests/test_calc.py::test_adds").replace("passed", "green"), "line 2: a TestReport without"),
        (junit(ADDS), "line 1: no JSON"),
    ],
    ids=["empty", "no JSON", "another JSON", "another outcome", "a JUnit report"],
)
def test_what_is_no_report_log_is_refused(run: Run, text: str, says: str) -> None:
    calc(run)
    write(Path(), {"nope.jsonl": text})
    untouched(run, "--reportlog", "nope.jsonl", says=("nope.jsonl: ", says))


@pytest.mark.parametrize("option", ["--junit", "--reportlog"])
def test_what_is_no_file_is_refused_and_not_waited_for(run: Run, project: Path, option: str) -> None:
    calc(run)
    (project / "folder").mkdir()
    os.mkfifo(project / "fifo")
    (project / "loop").symlink_to("loop")
    for name in ("folder", "fifo", "loop", "no/such/folder.xml", "tests/test_calc.py/x.xml"):
        untouched(run, option, name, says=(f"{name}: ",))
    if Path("/proc/self/mem").exists():
        untouched(run, option, "/proc/self/mem", says=("/proc/self/mem: cannot be read",))
    untouched(run, option, "two\nlines\x1b[31m", says=("there is no such file", r"\x1b"))


def test_a_pipe_that_a_shell_hands_over_is_read(run: Run) -> None:
    task_id = calc(run)
    reading, writing = os.pipe()
    os.write(writing, junit(ADDS).encode())
    os.close(writing)
    try:
        assert taken(run, "--junit", f"/dev/fd/{reading}", code=0)["resolved"] == [task_id]
    finally:
        os.close(reading)
    untouched(run, "--junit", "", says=("'': is not a file",))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(run: Run, project: Path) -> None:
    calc(run)
    write(project, {"secret.xml": junit(ADDS)})
    (project / "secret.xml").chmod(0)
    untouched(run, "--junit", "secret.xml", says=("secret.xml: cannot be read: Permission denied",))


@pytest.mark.parametrize(
    "more",
    [("--python", "python3"), ("--reruns", "2"), ("--timeout", "5"), ("--evidence",), ("--", "-k", "x"), ("tests",)],
    ids=" ".join,
)
def test_options_for_a_run_do_not_go_with_a_report(run: Run, more: tuple[str, ...]) -> None:
    calc(run)
    write(Path(), {"fine.xml": junit(ADDS)})
    untouched(run, "--junit", "fine.xml", *more, says=("--junit and --reportlog", "run nothing"))


def test_standard_input_is_read_once(run: Run) -> None:
    calc(run)
    untouched(run, "--junit", "-", "--reportlog", "-", says=("standard input can be read once",))


@pytest.mark.parametrize("given", [b"", b"no xml"])
def test_standard_input_that_is_no_report_is_called_so(project: Path, given: bytes) -> None:
    ran = program("scan", "--junit", "-", cwd=project, stdin=None, input=given)
    refused(ran, 2, "standard input: ")


# Secrets, escapes, size

KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *("MIIE" * 16,) * 25, "-----END RSA PRIVATE KEY-----"])


PLACES = ("name", "classname", "message", "type", "text", "system-out", "suite", "file")


def leaking(*where: str, secret: str, before: int = 0) -> str:
    """Return a report that says a secret in some places."""
    long = "word " * (before // 5) + secret + " word" * (before // 5)
    text = {**dict.fromkeys(PLACES, ""), "classname": "a.B", "name": f"c{before}", **dict.fromkeys(where, long)}
    attributes = {name: text[name].replace("\n", "&#10;") for name in text}
    return (
        f'<testsuite name="{attributes["suite"]}"><testcase name="{attributes["name"]}" file="{attributes["file"]}" '
        f'classname="{attributes["classname"]}"><failure message="{attributes["message"]}" type="{attributes["type"]}">'
        f"{text['text']}</failure><system-out>{text['system-out']}</system-out></testcase>"
        f'<error message="the suite"/></testsuite>'
    )


@pytest.mark.parametrize("where", PLACES)
def test_a_secret_in_a_report_reaches_no_file_and_no_terminal(run: Run, root: Path, where: str) -> None:
    write(Path(), {"leak.xml": leaking(where, secret=TOKEN)})
    shown = run("scan", "--junit", "leak.xml", code=1)
    (Path() / "leak.xml").unlink()
    said = [shown, *(run("show", task_id, *more) for task_id in tasks(Path()) for more in ((), ("--json",)))]
    assert TOKEN not in str(said)
    assert holding(root, TOKEN) == []
    assert ("[redacted:github-token]" in str(said)) == (where not in ("file", "type"))


@pytest.mark.parametrize("where", ["message", "text", "system-out"])
def test_half_of_a_secret_of_several_lines_reaches_no_file(run: Run, root: Path, where: str) -> None:
    write(Path(), {f"leak{before}.xml": leaking(where, secret=KEY, before=before) for before in (900, 1900, 3000)})
    for before in (900, 1900, 3000):
        run("scan", "--no-group", "--junit", f"leak{before}.xml", code=1)
        assert holding(root, "MIIE") == []


def test_nothing_that_a_report_says_reaches_the_terminal_raw(project: Path) -> None:
    odd = "\x1b]0;title\x07\x1b[2J\u202eright to left\u200b &#x9b;31m &#x85;"
    write(project, {"odd.xml": leaking(*PLACES, secret=odd)})
    env = suites.quiet_environment(NO_COLOR="1")
    shown = on_terminal("scan", "--no-group", "--junit", "odd.xml", cwd=project, env=env, columns=400)
    ids = list(tasks(project))
    assert len(ids) == 2
    for words in (shown.out, *[on_terminal("show", i, cwd=project, env=env).out for i in ids]):
        assert "right to left" in words
        assert not RAW.search(words), RAW.search(words)


def test_a_name_of_several_lines_is_one_line_of_what_is_shown(run: Run) -> None:
    write(Path(), {"lines.xml": junit(case("a.B", "adds&#10;- forged::line", "failure"))})
    (task_id,) = taken(run, "--junit", "lines.xml")["added"]
    assert "\n- forged" not in run("show", task_id).out
    assert "\n- forged" not in run("scan", "--junit", "lines.xml", code=1).out


def huge() -> Iterable[bytes]:
    """Yield a report of 200 MB: tests that have failed and passed, with much output."""
    line = b"a line of what a test has printed, with some words in it and a number 0123456789 " * 100 + b"\n"
    output = line * 120
    yield b'<?xml version="1.0"?><testsuites><testsuite name="s">'
    for number in range(200):
        wrong = b'<failure message="ValueError: no">%s</failure>' % output[:500_000] if number % 2 else b""
        yield b'<testcase classname="tests.test_big" name="test_%d">%s<system-out>' % (number, wrong)
        yield output
        yield b"</system-out></testcase>\n"
    yield b"</testsuite></testsuites>"


def test_a_huge_report_takes_little_memory(project: Path) -> None:
    argv = [sys.executable, "-c", MEASURED, "scan", "--quiet", "--junit", "-"]
    env = suites.quiet_environment()
    with subprocess.Popen(
        argv, cwd=project, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stderr
        written = sum(process.stdin.write(part) for part in huge())
        process.stdin.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert written > 200_000_000
    assert int(said.split()[-1]) < 150_000_000
    assert len(tasks(project)) == 100
