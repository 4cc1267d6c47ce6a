"""JUnit XML from pytest itself and from the runners of other languages, and what is no report at all."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path
from textwrap import dedent
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.redact import Redactor
from dispatcher.errors import InvalidInput
from dispatcher.scan.reports import junit
from dispatcher.scan.reports.texts import head, tail
from tests.unit.scan.reports.real import Generated, run_pytest

PROJECT = {
    "src/pkg/calc.py": """\
        def div(a, b):
            \"\"\"Divide.

            >>> div(4, 2)
            3
            \"\"\"
            return a / b


        class Desk:
            def work(self):
                def inner():
                    raise KeyError("x")

                inner()
    """,
    "tests/test_bad.py": "import nope\n",
    "tests/test_broken.py": "def f(:\n",
    "tests/test_all_skipped.py": "import pytest\n\npytest.skip('all', allow_module_level=True)\n",
    "tests/test_x.py": """\
        import sys
        sys.path.insert(0, "src")
        import unittest
        import pytest
        from pkg.calc import Desk, div

        class MyError(Exception):
            pass

        class TestC:
            class TestD:
                @pytest.mark.parametrize("a", [1, "a\\nb", "x[y]z", "\\x1b[31m", "a::b c"])
                def test_y(self, a):
                    div(1, 0) if a == 1 else Desk().work()

            def test_chain(self):
                try:
                    div(1, 0)
                except ZeroDivisionError as error:
                    raise MyError("two\\nlines") from error

        @pytest.fixture
        def bad():
            raise ValueError("no")

        @pytest.fixture
        def late():
            yield
            raise ValueError("late")

        def test_setup(bad): pass
        def test_teardown(late): pass
        def test_both(late): assert div(4, 2) == 3
        def test_no_fixture(nothing): pass
        def test_long(): raise ValueError("word " * 300 + "end")
        def test_group(): raise ExceptionGroup("g", [ValueError("v"), KeyError("k")])
        @pytest.mark.xfail
        def test_xfailed(): assert 0
        @pytest.mark.xfail(strict=True)
        def test_unexpected(): pass
        @pytest.mark.skip(reason="meh")
        def test_skipped(): pass
        def test_passes(): pass
        def test_prints():
            print("said", "aloud")
            assert False
        class TestU(unittest.TestCase):
            def test_sub(self):
                for i in range(3):
                    with self.subTest(i=i):
                        self.assertEqual(i, 1)
    """,
}  # fmt: skip


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def records(data: bytes | str, project: Path) -> list[Any]:
    taken: list[Any] = []
    junit.read(io.BytesIO(data.encode() if isinstance(data, str) else data), project, taken.append, str)
    return taken


class Told:
    """The records of one report, by item."""

    def __init__(self, taken: list[Any]) -> None:
        self.taken = taken
        self.outcomes = [(r[1], r[0]) for r in taken if isinstance(r, list)]
        self.fails = {(r["id"], r["when"]): r for r in taken if isinstance(r, dict) and r["t"] == "fail"}
        self.details = {(r["id"], r["when"]): r for r in taken if isinstance(r, dict) and r["t"] == "detail"}

    def why(self, test: str, when: str = "call") -> tuple[str, str]:
        detail = self.details[test, when]
        return detail["type"], detail["message"]

    def places(self, test: str, project: Path, when: str = "call") -> list[list[Any]]:
        """The frames in files of the project."""
        top = f"{os.path.realpath(project)}/"
        frames = self.details[test, when]["frames"]
        return [[path.removeprefix(top), *rest] for path, *rest in frames if path.startswith(top)]


def told(xml: str, project: Path) -> Told:
    return Told(records(dedent(xml).strip(), project))


def one(body: str, project: Path, attributes: str = 'classname="a.B" name="test"') -> Told:
    """Read a report of one test case."""
    xml = f'<testsuites><testsuite name="s"><testcase {attributes}>{body}</testcase></testsuite></testsuites>'
    return Told(records(xml, project))


# pytest


@pytest.fixture(scope="module", params=["xunit1", "short", "native"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    project = tmp_path_factory.mktemp("project")
    write(project, PROJECT)
    style = ["-o", f"junit_family={request.param}"] if request.param.startswith("x") else [f"--tb={request.param}"]
    run_pytest(project, *style, "-o", "junit_logging=system-out", "--doctest-modules", "src", "tests")
    return project, Told(records((project / "report.xml").read_bytes(), project))


D = "tests/test_x.py::TestC::TestD::test_y"


def test_items_of_pytest_have_the_ids_and_outcomes_that_pytest_gives_them(real: tuple[Path, Told]) -> None:
    _, report = real
    outcomes = dict(reversed(report.outcomes))  # the first counts
    assert outcomes == {
        "src/pkg/calc.py::calc.div": "failed",
        f"{D}[1]": "failed", f"{D}[a\\nb]": "failed", f"{D}[x[y]z]": "failed", f"{D}[\\x1b[31m]": "failed",
        f"{D}[a::b c]": "failed", "tests/test_x.py::TestC::test_chain": "failed",
        "tests/test_x.py::test_setup": "error", "tests/test_x.py::test_teardown": "error",
        "tests/test_x.py::test_both": "failed", "tests/test_x.py::test_no_fixture": "error",
        "tests/test_x.py::test_long": "failed", "tests/test_x.py::test_group": "failed",
        "tests/test_x.py::test_xfailed": "xfailed", "tests/test_x.py::test_unexpected": "failed",
        "tests/test_x.py::test_skipped": "skipped", "tests/test_x.py::test_passes": "passed",
        "tests/test_x.py::test_prints": "failed", "tests/test_x.py::TestU::test_sub": "failed",
    }  # fmt: skip
    assert {key for key in report.fails if key[1] != "call"} == {
        ("tests/test_bad.py", "collect"), ("tests/test_broken.py", "collect"), ("tests/test_x.py::test_setup", "setup"),
        ("tests/test_x.py::test_teardown", "teardown"), ("tests/test_x.py::test_both", "teardown"),
        ("tests/test_x.py::test_no_fixture", "setup"),
    }  # fmt: skip
    assert {"t": "without_items", "id": "tests/test_all_skipped.py", "skipped": True} in report.taken


def test_exceptions_of_pytest_have_their_types_and_words(real: tuple[Path, Told]) -> None:
    _, report = real
    assert report.why(f"{D}[1]") == ("ZeroDivisionError", "division by zero")
    assert report.details[f"{D}[1]", "call"]["bases"] == ["ArithmeticError", "Exception", "BaseException"]
    assert report.why(f"{D}[x[y]z]") == ("KeyError", "'x'")
    assert report.why("tests/test_x.py::TestC::test_chain") == ("test_x.MyError", "two\nlines")
    assert report.why("tests/test_x.py::test_setup", "setup") == ("ValueError", "no")
    assert report.why("tests/test_x.py::test_both", "teardown") == ("ValueError", "late")
    assert report.why("tests/test_x.py::test_both") == ("AssertionError", "assert 2.0 == 3\n +  where 2.0 = div(4, 2)")
    assert report.why("tests/test_x.py::test_no_fixture", "setup") == (
        "_pytest.fixtures.FixtureLookupError", "fixture 'nothing' not found"
    )  # fmt: skip
    assert report.why("tests/test_x.py::test_group") == ("ValueError", "v")
    assert report.why("tests/test_bad.py", "collect") == ("ModuleNotFoundError", "No module named 'nope'")
    kind, message = report.why("tests/test_broken.py", "collect")
    assert (kind, message) == ("SyntaxError", "invalid syntax (test_broken.py, line 1)")
    assert report.why("src/pkg/calc.py::calc.div") == (
        "doctest.DocTestFailure", ">>> div(4, 2): expected 3, got 2.0"
    )  # fmt: skip
    assert ("tests/test_x.py::test_unexpected", "call") not in report.details
    assert report.fails["tests/test_x.py::test_unexpected", "call"]["text"].startswith("[XPASS(strict)]")
    assert report.why("tests/test_x.py::TestU::test_sub")[0] == "AssertionError"


def test_frames_of_pytest_name_functions_as_the_interpreter_does(real: tuple[Path, Told]) -> None:
    project, report = real
    assert report.places(f"{D}[x[y]z]", project) == [
        ["tests/test_x.py", 14, "TestC.TestD.test_y", "div(1, 0) if a == 1 else Desk().work()"],
        ["src/pkg/calc.py", 15, "Desk.work", "inner()"],
        ["src/pkg/calc.py", 13, "Desk.work.<locals>.inner", 'raise KeyError("x")'],
    ]
    only_the_last = report.places("tests/test_x.py::TestC::test_chain", project)
    assert only_the_last == [
        ["tests/test_x.py", 20, "TestC.test_chain", 'raise MyError("two\\nlines") from error']
    ]  # fmt: skip
    assert report.places("tests/test_broken.py", project, "collect")[-1] == [
        "tests/test_broken.py", 1, "<module>", "def f(:"
    ]  # fmt: skip
    assert report.places("tests/test_bad.py", project, "collect")[-1][1:] == [1, "<module>", "import nope"]
    assert report.places("src/pkg/calc.py::calc.div", project) == [["src/pkg/calc.py", 4, "div", "div(4, 2)"]]


def test_a_message_that_pytest_has_cut_comes_whole_from_the_text(real: tuple[Path, Told]) -> None:
    _, report = real
    assert report.why("tests/test_x.py::test_long")[1].endswith("word end")
    assert len(report.why("tests/test_x.py::test_long")[1]) == 1503


def test_output_comes_along(real: tuple[Path, Told]) -> None:
    _, report = real
    sections = report.fails["tests/test_x.py::test_prints", "call"]["sections"]
    assert [name for name, _ in sections] == ["system-out"]
    assert "said aloud" in sections[0][1]


def test_a_report_of_another_machine_and_another_folder_is_about_this_project(tmp_path: Path) -> None:
    write(
        tmp_path, {"src/pkg/calc.py": PROJECT["src/pkg/calc.py"], "tests/test_x.py": "def test_a():\n    div(1, 0)\n"}
    )
    report = one(
        '<failure message="ZeroDivisionError: division by zero">/builds/me/proj/tests/test_x.py:2: in test_a\n'
        "    div(1, 0)\nC:\\ci\\proj\\src\\pkg\\calc.py:7: in div\n    return a / b\n"
        "/opt/lib/python3.11/site-packages/pkg/calc.py:7: in div\n    x\n</failure>",
        tmp_path, 'classname="ci.tests.test_x" name="test_a"',
    )  # fmt: skip
    assert report.outcomes == [("tests/test_x.py::test_a", "failed")]
    assert report.places("tests/test_x.py::test_a", tmp_path) == [
        ["tests/test_x.py", 2, "test_a", "div(1, 0)"], ["src/pkg/calc.py", 7, "div", "return a / b"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "test"),
    [
        ('classname="tests.test_x.TestC" name="test_y[1]"', "tests/test_x.py::TestC::test_y[1]"),
        ('classname="test_x.TestC" name="test_y (i=1)"', "tests/test_x.py::TestC::test_y"),
        ('classname="docs.v1.2.guide.rst" name="guide.rst"', "docs/v1.2/guide.rst::guide.rst"),
        ('classname="pkg.calc" name="calc.div"', "src/pkg/calc.py::calc.div"),
        ('classname="pre.fix.tests.test_x" name="test_y"', "tests/test_x.py::test_y"),
        ('classname="p.tests.test_x.T" name="t" file="tests/test_x.py"', "tests/test_x.py::T::t"),
        ('classname="tests.test_x" name="test_y[#x1B#xZZ&#10;]"', "tests/test_x.py::test_y[\x1b#xZZ\n]"),
        ('classname="com.acme.CalcTest" name="adds"', "com.acme.CalcTest::adds"),
        ('classname="calc" name="adds" file="web/calc.test.js"', "web/calc.test.js::calc::adds"),
        ('classname="calc" name="adds" file="/ci/web/calc.test.js"', "web/calc.test.js::calc::adds"),
        ('classname="calc" name="adds" file="gone.js"', "calc::adds"),
        ('classname="....etc" name="passwd" file="../../../etc/passwd"', "....etc::passwd"),
        ('classname="a.B" name=""', "a.B"),
        ('name="only"', "only"),
        ("", "s"),
    ],
)
def test_ids(tmp_path: Path, attributes: str, test: str) -> None:
    names = ("src/pkg/calc.py", "tests/test_x.py", "docs/v1.2/guide.rst", "web/calc.test.js")
    write(tmp_path, dict.fromkeys(names, ""))
    assert one("", tmp_path, attributes).outcomes == [(test, "passed")]


def test_no_file_outside_of_the_project_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"secret.py": "KEY = 1\n", "inside/a.py": "x\n"})
    (tmp_path / "inside/link.py").symlink_to(tmp_path / "secret.py")
    project = tmp_path / "inside"
    for path in ("../secret.py", str(tmp_path / "secret.py"), "link.py"):
        report = one(f'<error type="E">File "{path}", line 1, in f</error>', project)
        assert "KEY" not in str(report.taken), path


# Other runners


def test_unittest_xml_reporting(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "tests/test_u.py": "import unittest\nclass TestU(unittest.TestCase):\n    def test_a(self):\n        self.fail()\n"
        },
    )
    trace = 'Traceback (most recent call last):\n  File "/ci/tests/test_u.py", line {}\n    {}\n'
    report = told(
        f"""<testsuite name="test_u.TestU-20261121" tests="3" file="test_u.py">
        <testcase classname="test_u.TestU" name="test_a" file="tests/test_u.py" line="3"><failure type="AssertionError"
          message="None"><![CDATA[{trace.format("4, in test_a", "self.fail()")}AssertionError: None\n]]></failure></testcase>
        <testcase classname="test_u.TestU" name="test_x"><skipped type="XFAIL" message="expected failure: (…)"/></testcase>
        <testcase classname="test_u.TestU" name="test_u"><error type="UnexpectedSuccess"
          message="Unexpected success: This test"/></testcase>
        <testcase classname="unittest.loader._FailedTest" name="test_u"><error type="ImportError"
          message="Failed to import test module: test_u&#10;Traceback"><![CDATA[ImportError: Failed to import test module: test_u
{trace.format("1, in <module>", "import nope")}ModuleNotFoundError: No module named 'nope'\n]]></error></testcase>
        <testcase classname="" name="setUpClass (test_u.TestU)" file="/usr/lib/python3.11/unittest/loader.py"><error
          type="RuntimeError" message="no">{trace.format("2, in setUpClass", "x")}RuntimeError: no</error></testcase>
        </testsuite>""",
        tmp_path,
    )
    test = "tests/test_u.py::TestU::test_a"
    assert report.outcomes == [
        (test, "failed"), ("tests/test_u.py::TestU::test_x", "xfailed"), ("tests/test_u.py::TestU::test_u", "error"),
        ("tests/test_u.py::TestU", "error"),
    ]  # fmt: skip
    assert report.why(test) == ("AssertionError", "None")
    assert report.places(test, tmp_path) == [["tests/test_u.py", 4, "TestU.test_a", "self.fail()"]]
    assert report.why("tests/test_u.py", "collect") == ("ModuleNotFoundError", "No module named 'nope'")
    assert report.why("tests/test_u.py::TestU", "setup") == ("RuntimeError", "no")


JAVA = """org.opentest4j.AssertionFailedError: expected: &lt;4&gt; but was: &lt;3&gt;
\tat app//org.junit.jupiter.api.AssertEquals.failNotEqual(AssertEquals.java:197)
\tat com.acme.Calc$Inner.add(Calc.java:7)
\tat com.acme.CalcTest.adds two numbers(CalcTest.kt:12)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:580)
Caused by: java.lang.IllegalStateException: deep
\tat com.acme.Calc.deep(Calc.java:99)
"""


@pytest.mark.parametrize("attributes", ['type="org.opentest4j.AssertionFailedError" message="expected: &lt;4&gt; but was: &lt;3&gt;"',
    'message="org.opentest4j.AssertionFailedError: expected: &lt;4&gt; but was: &lt;3&gt;" type="org.opentest4j.AssertionFailedError"', ""])  # fmt: skip
def test_maven_and_gradle(tmp_path: Path, attributes: str) -> None:
    write(
        tmp_path,
        {
            "app/src/main/java/com/acme/Calc.java": "\n" * 6 + "  return a;\n",
            "app/src/test/kotlin/com/acme/CalcTest.kt": "",
        },
    )
    report = one(f"<failure {attributes}>{JAVA}</failure><rerunFailure><stackTrace>x</stackTrace></rerunFailure>", tmp_path, 'classname="com.acme.CalcTest" name="adds" time="1,234.5"')  # fmt: skip
    test = "com.acme.CalcTest::adds"
    assert report.taken[-1] == ["failed", test, 1234.5]
    assert report.why(test) == ("org.opentest4j.AssertionFailedError", "expected: <4> but was: <3>")
    assert report.details[test, "call"]["bases"] == ["AssertionError"]
    assert report.places(test, tmp_path) == [
        ["app/src/test/kotlin/com/acme/CalcTest.kt", 12, "CalcTest.adds two numbers", ""],
        ["app/src/main/java/com/acme/Calc.java", 7, "Calc.Inner.add", "return a;"],
    ]
    libraries = [path for path, *_ in report.details[test, "call"]["frames"] if path.startswith("<")]
    assert libraries == ["<java/lang/reflect/Method.java>", "<org/junit/jupiter/api/AssertEquals.java>"]


def test_what_passed_at_last_has_passed(tmp_path: Path) -> None:
    for element in ("flakyFailure", "flakyError", "rerunFailure"):
        body = f'<{element} message="m" type="T"><stackTrace>x</stackTrace><system-out>y</system-out></{element}>'
        assert one(body, tmp_path).taken == [["passed", "a.B::test", 0.0]]


def test_jest(tmp_path: Path) -> None:
    write(tmp_path, {"web/calc.js": "", "web/calc.test.js": "\n\n\n\n  expect(add(1, 2)).toBe(4);\n"})
    report = one(
        "<failure>Error: expect(received).toBe(expected) // Object.is equality\n\nExpected: 4\nReceived: 3\n"
        "    at add (/ci/web/calc.js:1:2)\n    at Object.&lt;anonymous&gt; (/ci/web/calc.test.js:5:22)\n"
        "    at Promise.then.completed (/ci/node_modules/jest-circus/build/utils.js:298:28)\n"
        "    at process (node:internal/process/task_queues:95:5)</failure>",
        tmp_path, 'classname="calc adds" name="calc adds" file="/ci/web/calc.test.js" time="0.003"',
    )  # fmt: skip
    test = "web/calc.test.js::calc adds::calc adds"
    assert report.why(test) == (
        "Error",
        "expect(received).toBe(expected) // Object.is equality\n\nExpected: 4\nReceived: 3",
    )
    assert [place[:3] for place in report.places(test, tmp_path)] == [
        ["web/calc.test.js", 5, "Object.<anonymous>"], ["web/calc.js", 1, "add"]
    ]  # fmt: skip
    assert report.places(test, tmp_path)[0][3] == "expect(add(1, 2)).toBe(4);"


def test_go(tmp_path: Path) -> None:
    write(tmp_path, {"calc/calc_test.go": "\n" * 11 + '\tt.Errorf("got")\n'})
    report = one(
        '<failure message="Failed" type=""><![CDATA[    calc_test.go:12: got 3, want 4\n]]></failure>',
        tmp_path, 'classname="example.com/mod/calc" name="TestAdd/one_two"',
    )  # fmt: skip
    test = "example.com/mod/calc::TestAdd/one_two"
    assert report.why(test) == ("", "got 3, want 4")
    assert report.places(test, tmp_path) == [["calc/calc_test.go", 12, "", 't.Errorf("got")']]


def test_rust(tmp_path: Path) -> None:
    write(tmp_path, {"src/lib.rs": "\n" * 9 + "        assert_eq!(add(1, 2), 4);\n"})
    report = one(
        "<failure message=\"thread 'tests::adds' panicked at src/lib.rs:10:9\" type=\"test failure with exit code 101\">"
        "thread 'tests::adds' panicked at src/lib.rs:10:9:\nassertion `left == right` failed\n  left: 3\n right: 4\n"
        "note: run with `RUST_BACKTRACE=1`</failure><system-out>running 1 test</system-out>",
        tmp_path, 'classname="calc" name="tests::adds"',
    )  # fmt: skip
    assert report.why("calc::tests::adds") == ("panic", "assertion `left == right` failed\n  left: 3\n right: 4")
    assert report.places("calc::tests::adds", tmp_path)[-1][:2] == ["src/lib.rs", 10]
    assert report.fails["calc::tests::adds", "call"]["sections"] == [["system-out", "running 1 test"]]


def test_googletest(tmp_path: Path) -> None:
    write(tmp_path, {"test/calc_test.cc": ""})
    report = told(
        """<testsuites name="AllTests"><testsuite name="Calc">
        <testcase name="Adds" classname="Calc" status="run" result="completed" file="/ci/test/calc_test.cc" line="5">
          <failure message="/ci/test/calc_test.cc:7&#x0A;Expected equality of these values:&#x0A;  3&#x0A;  4" type=""><![CDATA[/ci/test/calc_test.cc:7
Expected equality of these values:
  3
  4]]></failure></testcase>
        <testcase name="Off" classname="Calc" status="notrun" result="suppressed"/></testsuite></testsuites>""",
        tmp_path,
    )
    test = "test/calc_test.cc::Calc::Adds"
    assert report.outcomes == [(test, "failed"), ("Calc::Off", "skipped")]
    assert report.why(test) == ("", "Expected equality of these values:\n  3\n  4")
    assert report.places(test, tmp_path)[-1][:2] == ["test/calc_test.cc", 7]


def test_phpunit(tmp_path: Path) -> None:
    write(tmp_path, {"tests/CalcTest.php": ""})
    report = told(
        r"""<?xml version="1.0" encoding="UTF-8"?><testsuites><testsuite name=""><testsuite name="Unit">
        <testsuite name="App\CalcTest" file="/app/tests/CalcTest.php">
        <testcase name="testAdd" class="App\CalcTest" classname="App.CalcTest" file="/app/tests/CalcTest.php" line="9">
        <failure type="PHPUnit\Framework\ExpectationFailedException">App\CalcTest::testAdd
Failed asserting that 3 matches expected 4.

/app/tests/CalcTest.php:12
</failure></testcase></testsuite></testsuite></testsuite></testsuites>""",
        tmp_path,
    )
    test = "tests/CalcTest.php::App.CalcTest::testAdd"
    kind, message = report.why(test)
    assert kind == r"PHPUnit\Framework\ExpectationFailedException"
    assert message.startswith("Failed asserting that 3 matches expected 4.")
    assert report.places(test, tmp_path)[-1][:2] == ["tests/CalcTest.php", 12]


def test_a_suite_that_fails_as_a_whole_and_a_case_that_only_says_so(tmp_path: Path) -> None:
    report = told('<testsuite name="s"><error message="cannot start" type="Boom"/><testcase name="a" status="failed"/></testsuite>', tmp_path)  # fmt: skip
    assert report.outcomes == [("s", "error"), ("a", "failed")]
    assert report.fails["a", "call"]["text"] == "it failed, and nothing more was reported"


# Bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1", "windows-1252", "gb2312", "shift_jis"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    name = {"gb2312": "中文", "shift_jis": "日本"}.get(encoding, "é")
    declared = encoding.removesuffix("-sig").removesuffix("-le")
    xml = f'<?xml version="1.0" encoding="{declared}"?>\n<testsuite><testcase classname="a" name="{name}"/></testsuite>'
    assert records(xml.encode(encoding), tmp_path) == [["passed", f"a::{name}", 0.0]]


def test_characters_that_xml_cannot_hold_do_no_harm(tmp_path: Path) -> None:
    data = b'<testsuite><testcase name="a"><failure>E: \x1b[31mred\x1b[0m \x00\x01 \xff \xef\xbf\xbf end</failure></testcase></testsuite>'
    assert "red ?? \ufffd ? end" in str(records(data, tmp_path))


BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><testsuite name="&b;"/>'


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ("", "it is empty, and no JUnit report"),
        ("\n", "it ends too early (line 2, column 1)"),
        ("no xml", "(line 1, column 1)"),
        ("<html></html>", "its root element is <html> (line 1, column 1)"),
        ("<testsuite>\n<testcase>\n", "it ends too early (line 3, column 1)"),
        ("<testsuite>\n<testcase name='", "it ends too early (line 2, column 1)"),
        ("<testsuite><testcase><failure><![CDATA[text", "it ends too early (line 1, column "),
        ("<testsuite>\n  <a></b>", "mismatched tag (line 2, column 8)"),
        ("<testsuite/>\n<testsuite/>", "junk after document element (line 2, column 1)"),
        (BOMB, "document type declaration or entities, which are refused"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuite/>', "document type declaration"),
        ('<!DOCTYPE a [<!ATTLIST testcase name CDATA "x">]><testsuite/>', "document type declaration"),
        ("<testsuite>" + "\n<a>" * 1000, "nested more than 100 deep (line 101, column 1)"),
        ("<testsuite>" + "".join(f"<a{n}/>" for n in range(2000)), "more than 1000 kinds"),
        (f'<testsuite name="{"x" * 9_000_000}"/>', "more than 8 MB"),
        ('<?xml version="1.0" encoding="zip"?><testsuite/>', "its encoding is 'zip'"),
        ('<?xml version="1.0" encoding="gb0"?><testsuite/>', "its encoding is 'gb0'"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(tmp_path: Path, xml: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        records(xml, tmp_path)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_stood_before_the_trouble_was_given(tmp_path: Path) -> None:
    taken: list[Any] = []
    with pytest.raises(InvalidInput):
        junit.read(io.BytesIO(b'<testsuite><testcase name="a"/><testcase'), tmp_path, taken.append, str)
    assert taken == [["passed", "a", 0.0]]


TAGS = st.sampled_from([
    "<testsuites>", "<testsuite name='s'>", "<testcase name='t' classname='tests.test_x.C'>", "<testcase>", "</testcase>", "</testsuite>",
    "<failure message='E: x' type='E'>", "</failure>", "<error>", "</error>", "<skipped/>", "<system-out>", "</system-out>", "<![CDATA[", "]]>",
    "a.py:1: in f\n", 'File "a.py", line 3\n', "E   x\n", "Traceback (most recent call last):\n", "text\n", " at a.b.C(D.java:1)\n",
])  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(st.one_of(TAGS, st.text(max_size=5)), max_size=25).map(lambda parts: "".join(parts).encode("utf-8", "replace"))))  # fmt: skip
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for head_of in (b"", b"<testsuite><testcase><failure>"):
        try:
            taken = records(head_of + data, Path(__file__).parent)
        except InvalidInput:
            continue
        assert all(r[1] if isinstance(r, list) else r["id"] for r in taken)


# Size


def test_a_huge_text_takes_little_memory_and_no_word_is_cut(tmp_path: Path) -> None:
    block = b"begin of a key " + b"K" * 200 + b" of output, "
    block *= 65_536 // len(block)
    begin, end = (
        b'<testsuite><testcase name="a"><failure message="m">',
        b"</failure><system-out>x</system-out></testcase></testsuite>",
    )
    count = 100_000_000 // len(block)
    source = Generated(part for parts in ([begin], (block for _ in range(count)), [end]) for part in parts)
    taken: list[Any] = []
    tracemalloc.start()
    try:
        junit.read(cast("BinaryIO", source), tmp_path, taken.append, str)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert taken[-1] == ["failed", "a", 0.0]
    words = {word for _, text in taken[0]["sections"] for word in text.split()}
    assert words == {"begin", "of", "a", "key", "K" * 200, "output,", "x"}


def test_texts_are_cut_at_white_space() -> None:
    text = "one two\tthree\nfour"
    assert [head(text, n) for n in (3, 4, 6, 7, 12, 99)] == ["one", "one", "one", "one two", "one two", text]
    assert [tail(text, n) for n in (4, 5, 8, 10, 99)] == ["four", "four", "four", "three\nfour", text]
    assert head("x" * 10, 5) == tail("x" * 10, 5) == ""


@pytest.mark.parametrize("where", ["message", "text", "system-out", "type", "name"])
@pytest.mark.parametrize("shift", [0, 1, 57, 101, 199])
def test_no_half_of_a_key_stays(tmp_path: Path, where: str, shift: int) -> None:
    key = "sk-" + "".join(chr(ord("a") + n % 26) for n in range(197))
    long = "." * shift + f" {key}" * 1500
    message = f'message="{long}"' if where == "message" else f'type="{long}"' if where == "type" else ""
    body = f"<failure {message}>{long if where == 'text' else ''}</failure>"
    body += f"<system-out>{long}</system-out>" if where == "system-out" else ""
    for record in one(body, tmp_path).taken:
        said = str(record).replace(key, "")
        assert "sk-" not in said
        assert "abcdefghij" not in said


KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *("MIIEpAIBAAKCAQEA" * 4,) * 25, "-----END RSA PRIVATE KEY-----"])


@pytest.mark.parametrize("where", ["message", "text", "system-out"])
@pytest.mark.parametrize("before", [0, 900, 1900, 3000, 66_000])
def test_a_secret_of_several_lines_is_taken_out_before_a_text_is_cut(tmp_path: Path, where: str, before: int) -> None:
    long = "word " * (before // 5) + f"{KEY}\n" + "word " * 500
    said = {name: long if name == where else "" for name in ("message", "text", "system-out")}
    body = f'<failure message="{said["message"].replace(chr(10), "&#10;")}">{said["text"]}</failure>'
    body += f"<system-out>{said['system-out']}</system-out>"
    taken: list[Any] = []
    xml = f'<testsuite><testcase name="a">{body}</testcase></testsuite>'
    junit.read(io.BytesIO(xml.encode()), tmp_path, taken.append, Redactor({}).text)
    assert "MIIE" not in str(taken)


# What the project's files add


def statement(project: Path, line: int, code: str = "") -> list[str]:
    """Return the statements of a failure that a report places at a line of tests/test_x.py."""
    body = f"<failure>tests/test_x.py:{line}: in test_a\n    {code}\nE   assert 1 == 2</failure>"
    report = one(body, project, 'classname="tests.test_x" name="test_a"')
    return [site["statement"] for site in report.details["tests/test_x.py::test_a", "call"]["sites"]]


def test_a_statement_of_several_lines_is_whole(tmp_path: Path) -> None:
    source = """\
        @decorated
        def test_a():
            if True:
                assert add(
                    1,  2,
                ) == 2
            try:
                pass
            except ValueError:
                fail()
            match 1:
                case 1:
                    check("é")
    """
    write(tmp_path, {"tests/test_x.py": source})
    assert statement(tmp_path, 5, "1,  2,") == ["assert add( 1, 2, ) == 2"]
    assert statement(tmp_path, 10) == ["fail()"]
    assert statement(tmp_path, 13) == ['check("é")']
    assert statement(tmp_path, 5, "assert changed == 2") == ["assert changed == 2"]
    assert statement(tmp_path, 50) == []


@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_lines_are_counted_as_python_counts_them(tmp_path: Path, begin: str) -> None:
    write(tmp_path, {"tests/test_x.py": begin + "A = '\\d'\n\x0c\nB = '\u2028'\nclass TestC:\n    def test_a(self):\n        check()\n"})  # fmt: skip
    assert statement(tmp_path, 6, "check()") == ["check()"]
    report = one("<failure>tests/test_x.py:6: in test_a\nE   x</failure>", tmp_path)
    assert report.places("a.B::test", tmp_path) == [["tests/test_x.py", 6, "TestC.test_a", "check()"]]
