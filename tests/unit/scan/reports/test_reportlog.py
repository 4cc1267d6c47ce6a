"""pytest-reportlog's JSON lines: real ones, made as pytest-reportlog makes them, and what is no such log."""

from __future__ import annotations

import io
import json
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
from dispatcher.scan.reports import reportlog
from tests.unit.scan.reports.real import Generated, run_pytest

PROJECT = {
    "tests/test_bad.py": "import nope\n",
    "tests/test_all_skipped.py": "import pytest\n\npytest.skip('all', allow_module_level=True)\n",
    "tests/test_x.py": """\
        import pytest

        class Desk:
            def work(self):
                raise KeyError("x")

        class TestC:
            @pytest.mark.parametrize("a", ["x[y]", "\\ud800"])
            def test_y(self, a):
                Desk().work()

        @pytest.fixture
        def bad():
            raise ValueError("no")

        @pytest.fixture
        def late():
            yield
            raise ValueError("late")

        def test_setup(bad): pass
        def test_teardown(late): pass
        def test_both(late): assert [1] == [2]
        def test_no_fixture(nothing): pass
        def test_chain():
            try:
                Desk().work()
            except KeyError as error:
                raise RuntimeError("last") from error
        def test_group(): raise ExceptionGroup("g", [ValueError("v"), KeyError("k")])
        @pytest.mark.xfail
        def test_xfailed(): assert 0
        @pytest.mark.xfail
        def test_xpassed(): pass
        @pytest.mark.xfail(strict=True)
        def test_unexpected(): pass
        @pytest.mark.skip
        def test_skipped(): pass
        def test_prints():
            print("said", "aloud")
            assert False
        def test_subtests(subtests):
            with subtests.test(msg="which", i=1):
                assert 1 == 2
    """,
}


def records(data: bytes | str, project: Path) -> list[Any]:
    taken: list[Any] = []
    reportlog.read(io.BytesIO(data.encode() if isinstance(data, str) else data), project, taken.append, str)
    return taken


def kept(taken: list[Any], kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the records of a kind by item and phase; the first counts."""
    return {(r["id"], r["when"]): r for r in reversed(taken) if isinstance(r, dict) and r["t"] == kind}


def line(test: str = "t.py::a", outcome: str = "passed", when: str = "call", **more: Any) -> str:  # noqa: ANN401 - JSON
    kind = {
        "$report_type": "TestReport",
        "nodeid": test,
        "outcome": outcome,
        "when": when,
        "duration": 0.5,
        "longrepr": None,
    }
    return json.dumps(kind | more) + "\n"


@pytest.fixture(scope="module", params=["long", "native"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    project = tmp_path_factory.mktemp("project")
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(dedent(text))
    run_pytest(project, f"--tb={request.param}", "tests")
    return project, records((project / "log.jsonl").read_bytes(), project)


def test_phases_become_outcomes_as_in_our_plugin(real: tuple[Path, list[Any]]) -> None:
    _, taken = real
    assert {r[1].rpartition("::")[2]: r[0] for r in taken if isinstance(r, list)} == {
        "test_y[x[y]]": "failed", "test_y[\\ud800]": "failed", "test_setup": "error", "test_teardown": "error",
        "test_both": "failed", "test_no_fixture": "error", "test_chain": "failed", "test_group": "failed",
        "test_xfailed": "xfailed", "test_xpassed": "xpassed", "test_unexpected": "failed", "test_skipped": "skipped",
        "test_prints": "failed", "test_subtests": "failed",
    }  # fmt: skip
    assert {key for key in kept(taken, "fail") if key[1] != "call"} == {
        ("tests/test_bad.py", "collect"), ("tests/test_x.py::test_setup", "setup"),
        ("tests/test_x.py::test_teardown", "teardown"), ("tests/test_x.py::test_both", "teardown"),
        ("tests/test_x.py::test_no_fixture", "setup"),
    }  # fmt: skip
    assert {"t": "without_items", "id": "tests/test_all_skipped.py", "skipped": True} in taken
    assert taken[-1] == {"t": "end", "exit": 1, "stopped": ""}


def test_every_failure_comes_before_the_end_of_its_item(real: tuple[Path, list[Any]]) -> None:
    _, taken = real
    ended = [r[1] for r in taken if isinstance(r, list)]
    assert len(ended) == len(set(ended))
    for number, record in enumerate(taken):
        if isinstance(record, dict) and record["t"] == "fail" and record["when"] != "collect":
            assert any(isinstance(later, list) and later[1] == record["id"] for later in taken[number:])


def test_exceptions_and_frames(real: tuple[Path, list[Any]]) -> None:
    project, taken = real
    details = kept(taken, "detail")
    said = {(test.rpartition("::")[2], when): (d["type"], d["message"]) for (test, when), d in details.items()}
    assert said["test_y[x[y]]", "call"] == ("KeyError", "'x'")
    assert said["test_setup", "setup"] == ("ValueError", "no")
    assert said["test_both", "teardown"] == ("ValueError", "late")
    assert said["test_both", "call"][0] == "AssertionError"
    assert said["test_both", "call"][1].startswith("assert [1] == [2]")
    assert said["test_no_fixture", "setup"] == ("_pytest.fixtures.FixtureLookupError", "fixture 'nothing' not found")
    assert said["test_chain", "call"] == ("RuntimeError", "last")
    assert said["test_group", "call"] == ("ValueError", "v")
    assert said["tests/test_bad.py", "collect"] == ("ModuleNotFoundError", "No module named 'nope'")
    assert ("test_unexpected", "call") not in said
    top = f"{os.path.realpath(project)}/tests/"
    frames = details["tests/test_x.py::TestC::test_y[x[y]]", "call"]["frames"]
    assert [[path.removeprefix(top), *rest] for path, *rest in frames if path.startswith(top)] == [
        ["test_x.py", 10, "TestC.test_y", "Desk().work()"], ["test_x.py", 5, "Desk.work", 'raise KeyError("x")']
    ]  # fmt: skip


def test_output_and_the_name_of_a_subtest_come_along(real: tuple[Path, list[Any]]) -> None:
    _, taken = real
    fails = kept(taken, "fail")
    assert fails["tests/test_x.py::test_prints", "call"]["sections"] == [["Captured stdout call", "said aloud\n"]]
    assert fails["tests/test_x.py::test_subtests", "call"]["subtest"] == "which"


def test_reruns_are_no_failures(tmp_path: Path) -> None:
    log = (
        line(outcome="passed", when="setup")
        + line(outcome="rerun", longrepr="boom")
        + line(outcome="passed", when="teardown")
    )
    log += line(outcome="passed", when="setup") + line() + line(outcome="passed", when="teardown")
    assert records(log, tmp_path) == [["passed", "t.py::a", 0.5]]


def test_a_worker_that_crashed_is_a_failure(tmp_path: Path) -> None:
    taken = records(line(outcome="failed", when="???", longrepr="worker 'gw0' crashed"), tmp_path)
    assert [r["text"] for r in taken if isinstance(r, dict) and r["t"] == "fail"] == ["worker 'gw0' crashed"]
    assert taken[-1] == ["failed", "t.py::a", 0.0]


@pytest.mark.parametrize("key", ["$report_type", "_report_type"])
def test_subtests_of_older_plugins(tmp_path: Path, key: str) -> None:
    report = json.loads(line(outcome="failed", longrepr="E   assert 0"))
    del report["$report_type"]
    report |= {key: "SubTestReport", "_subtest.context": {"msg": None, "kwargs": {"i": "1"}}}
    taken = records(json.dumps(report) + "\n" + line() + line(when="teardown"), tmp_path)
    assert taken[0]["subtest"] == "{'i': '1'}"
    assert taken[-1] == ["failed", "t.py::a", 0.5]


def test_a_last_line_that_is_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    first, second = line(), line(when="teardown")
    for end in range(len(second)):
        assert records(first + second[:end], tmp_path) == (
            [["passed", "t.py::a", 0.5]] if end == len(second) - 1 else []
        )
    with pytest.raises(InvalidInput, match="line 1: no JSON"):
        records(first[:-2], tmp_path)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", "standard input: it is empty"),
        ("\n\n", "it is empty"),
        ("<testsuites/>", "line 1: no JSON"),
        ("[1]\n", "line 1: no report of pytest-reportlog's"),
        ('{"a": 1}\n', "line 1: no report of pytest-reportlog's"),
        (line() + "{broken\n" + line(), "line 2: no JSON"),
        (line() + "{broken\n", "line 2: no JSON"),
        (line() + "17\n" + line(), "line 2: no report"),
        (line() + '{"$report_type": "TestReport"}\n', "line 2: a TestReport without a nodeid"),
        (line() + "[" * 100_000 + "\n", "line 2: no JSON"),
        (line() + '{"a": [' + '"",' * 7_000_000 + '""]}\n', "line 2 is longer than 16 MB"),
    ],
)
def test_what_is_no_log_is_refused_with_its_line(tmp_path: Path, log: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        records(log, tmp_path)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_json_of_pythons_may_hold_is_read(tmp_path: Path) -> None:
    log = line(duration=float("nan"), longrepr="\ud800") + line(when="teardown")
    assert records(log, tmp_path) == [["passed", "t.py::a", 0.0]]
    assert records(b"\xef\xbb\xbf" + log.replace("\n", "\r\n").encode(), tmp_path) == [["passed", "t.py::a", 0.0]]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "reprcrash", "reprtraceback", "reprentries", "data", "reprfileloc", "path", "lineno", "message", "lines", "chain",
    ]), inner, max_size=3), max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(ANY, ANY, ANY)
def test_whatever_shape_a_failure_has_is_read(longrepr: Any, sections: Any, duration: Any) -> None:  # noqa: ANN401 - JSON
    log = line(outcome="failed", longrepr=longrepr, sections=sections, duration=duration) + line(when="teardown")
    taken = records(log, Path(__file__).parent)
    assert taken[-1][:2] == ["failed", "t.py::a"]
    assert isinstance(taken[0]["text"], str)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_read_or_refused(data: bytes) -> None:
    for log in (data, line().encode() + data + b"\n" + line(when="teardown").encode()):
        try:
            records(log, Path(__file__).parent)
        except InvalidInput:
            continue


# Size


def test_a_huge_line_takes_little_memory_and_no_word_is_cut(tmp_path: Path) -> None:
    block = b"begin of a key " + b"K" * 200 + b' \\"of\\\\ output, \\u00e9 '
    block *= 65_536 // len(block)
    log = line(outcome="failed", longrepr="@", sections=[["out", "x"]]).encode()
    begin, _, end = log.partition(b"@")
    count = 100_000_000 // len(block)
    whole = ([begin], (block for _ in range(count)), [end, line(when="teardown").encode()])
    source = Generated(part for parts in whole for part in parts)
    taken: list[Any] = []
    tracemalloc.start()
    try:
        reportlog.read(cast("BinaryIO", source), tmp_path, taken.append, str)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert taken[-1] == ["failed", "t.py::a", 0.5]
    words = set(taken[0]["text"].split())
    assert words == {"begin", "of", "a", "key", "K" * 200, '"of\\', "output,", "é", "..."}


@pytest.mark.parametrize("shift", range(6))
def test_a_long_text_is_cut_at_no_escape_and_no_half_of_a_key_stays(tmp_path: Path, shift: int) -> None:
    key = "sk-" + "\\u00e9" * 30
    text = "." * shift + f" {key}" * 7000
    log = line(outcome="failed", longrepr="@").replace("@", text)
    taken = records(log + line(when="teardown"), tmp_path)
    assert taken[-1] == ["failed", "t.py::a", 0.5]
    whole = "sk-" + "é" * 30
    assert whole in taken[0]["text"]
    assert "é" not in str(taken).replace(whole, "")


@pytest.mark.parametrize("before", [0, 900, 1900, 3000, 66_000])
def test_a_secret_of_several_lines_is_taken_out_before_a_text_is_cut(tmp_path: Path, before: int) -> None:
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *("MIIE" * 16,) * 25, "-----END RSA PRIVATE KEY-----"])
    long = "word " * (before // 5) + f"{key}\n" + "word " * 500
    entry = {"type": "ReprEntry", "data": {"lines": long.split("\n"), "reprfileloc": None}}
    shown = {"reprcrash": {"message": long}, "reprtraceback": {"reprentries": [entry]}}
    log = line(outcome="failed", longrepr=shown, sections=[["Captured stdout call", long]])
    log += line("t.py::b", outcome="failed", longrepr=long)
    taken: list[Any] = []
    reportlog.read(io.BytesIO(log.encode()), tmp_path, taken.append, Redactor({}).text)
    assert len([record for record in taken if isinstance(record, dict) and record["t"] == "fail"]) == 2
    assert "MIIE" not in str(taken)
