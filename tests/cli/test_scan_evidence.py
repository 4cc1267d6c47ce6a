"""The second pass of a scan: whom the tests point to, which values they fail with, and what it must leave alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson
import pytest

from dispatcher.cli.app import main
from tests.cli import suites
from tests.cli.mending import Gate, gate
from tests.cli.processes import finish, program, start
from tests.cli.steps import STATE
from tests.cli.suites import Scanned

NOTHING: Mapping[str, str] = {}


def looking(**changes: str) -> dict[str, str]:
    """Return an environment in which a scan looks twice."""
    return {
        **suites.quiet_environment(**{"DISPATCHER_SCAN_EVIDENCE": "true", **changes}),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def again(scanned: Scanned, *options: str, code: int = 1, env: Mapping[str, str] = NOTHING) -> Any:  # noqa: ANN401 - JSON
    """Scan a project once more and return what that says."""
    ran = program("scan", "--json", *options, cwd=scanned.project, env={**looking(), **env})
    assert ran.code == code, ran
    return ran.json


def copied(scanned: Scanned, project: Path, *, state: bool = True) -> Scanned:
    """Return a project of one's own that is as a scanned one."""
    without = shutil.ignore_patterns("__pycache__", ".pytest_cache", *([] if state else ["INBOX"]))
    shutil.copytree(scanned.project, project, dirs_exist_ok=True, ignore=without)
    return Scanned(project, scanned.ran, suites.tasks(project))


class Reader:
    """Reads what a project's commands print, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, project: Path, *argv: str) -> str:
        """Return what a command prints."""
        self._capsys.readouterr()
        assert main(["--root", str(project / STATE), *argv]) == 0
        return self._capsys.readouterr().out

    def show(self, scanned: Scanned, test: str) -> str:
        """Return how the task of a test is shown."""
        return self(scanned.project, "show", scanned.task(test)["id"])

    def evidence(self, scanned: Scanned, test: str) -> dict[str, Any]:
        """Return the bulk of evidence for the task of a test."""
        task = orjson.loads(self(scanned.project, "show", scanned.task(test)["id"], "--json"))
        found: dict[str, Any] = task["detail"]["failure"]["evidence"]
        return found

    def facts(self, project: Path) -> list[dict[str, Any]]:
        """Return what the scans of a project say of their runs, oldest first."""
        records = orjson.loads(self(project, "log", "--kind", "scan_finished", "--json"))["records"]
        return [e["facts"] for record in records for e in record["events"] if e["type"] == "scan_finished"]


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Reader:
    return Reader(capsys)


# One project in which every test fails for a reason of its own

PRICES = """
    import json


    def line_price(price, count):
        return price * count + (count > 1)


    def total(lines):
        return sum(line_price(*line) for line in lines)


    def net(lines):
        return discounted(total(lines))


    def discounted(amount):
        return amount


    def stock(n):
        return lookup("missing") if n == 0 else stock(n - 1)


    def lookup(key):
        return json.loads('{"a": 1}')[key]


    def find(name):
        if name in ("ann", "bob"):
            return name


    def parse_price(text):
        return text


    def shipping(weight, country, fast):
        return weight


    def order(weight):
        return shipping(weight, "de")


    def core(amount):
        return amount + 1


    def label(amount):
        return f"{core(amount)}"


    def converted(amount):
        return core(amount)


    def posted(weight, country, fast):
        return weight


    def vat(amount):
        return amount * 2


    class Shown:
        def __init__(self, value):
            self.value = value

        def __eq__(self, other):
            return self.value == other.value

        def __repr__(self):
            return f"Shown({spelled(self.value)})"


    def spelled(value):
        return f"<{value}>"


    def made(value):
        return Shown(value + 1)


    def squares(numbers, out):
        out.extend(square(number) for number in numbers)


    def square(number):
        return number * number + 1
"""
TEA = """
    def steeped(minutes):
        return minutes + 1


    def poured(cups):
        return cups
"""
LIBRARY = """
    def apply(function, value):
        return inner(function, value)


    def inner(function, value):
        return function(value)
"""
CONFTEST = """
    import os

    import pytest


    class Coverage:
        def pytest_sessionfinish(self, session):
            if not session.config.getoption("--no-cov"):
                with open(".coverage", "a") as file:
                    file.write(f"{session.testscollected}\\n")


    def pytest_addoption(parser, pluginmanager):
        parser.addoption("--no-cov", action="store_true")
        pluginmanager.register(Coverage(), "_cov")


    def pytest_configure():
        with open("sessions", "a") as file:
            file.write("one\\n")


    @pytest.fixture
    def account():
        opened()


    def opened():
        first = {"name": "ann"}
        second = first
        return second


    def ready():
        return {"name": "ann"}


    @pytest.fixture
    def basket():
        return ready()
"""
TESTS = """
    import threading
    import unittest

    import library
    import pytest
    import tea
    from shop import prices


    def test_net():
        assert prices.net([(5, 2), (1, 1)]) == 11

    def test_total():
        assert prices.total([(5, 1)]) == 5

    def test_nothing():
        assert prices.net([]) == prices.total([]) == 0

    def test_discounted():
        assert prices.discounted(3) == 3

    def test_stock():
        prices.stock(3)

    def test_find():
        assert prices.find("carl").upper() == "CARL"

    def test_found():
        assert prices.find("ann").upper() == "ANN"

    def test_renamed():
        assert prices.parse_prize("4.20") == 420

    def test_order():
        assert prices.order(3) == 3

    def test_posted():
        assert prices.posted(3, "de") == 3

    def test_account(account):
        assert account["name"] == "ann"

    def test_basket(basket):
        assert basket["name"] == "ann"

    def test_vat():
        assert library.apply(prices.vat, 3) == 4

    def test_applied():
        assert library.apply(str, 3) == "3"

    def test_shown():
        assert prices.made(1) == prices.Shown(1)

    def test_shown_alike():
        assert prices.Shown(1) == prices.Shown(1)

    def test_steeped():
        assert tea.steeped(tea.poured(1)) == 1

    def test_poured():
        assert tea.poured(1) == 1

    def in_a_thread(numbers):
        out = []
        thread = threading.Thread(target=prices.squares, args=(numbers, out))
        thread.start()
        thread.join()
        return out

    def test_squares():
        assert in_a_thread([2, 3]) == [4, 9]

    def test_no_squares():
        assert in_a_thread([]) == []

    def test_label():
        assert prices.label(2) == "two"

    def test_converted():
        assert prices.converted(2) == 2

    def test_fails_in_another_way():
        try:
            open("other", "x").close()
        except FileExistsError:
            raise OSError("only now")
        assert "first" == "second"

    def test_flips():
        try:
            open("flipped", "x").close()
        except FileExistsError:
            return
        assert "first" == "second"


    class Base:
        def test_inherited(self):
            assert self.value() == 1

        def value(self):
            return self.number

    class TestOne(Base):
        number = 1

    class TestTwo(Base):
        number = 2
"""
VALUES = r"""
    import time
    import types
    import unittest

    import pytest


    class Shows:
        def __init__(self, repr):
            self.repr = repr

        def __repr__(self):
            return self.repr(self)


    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("nothing behind it")


    def raises(error):
        def shows(self):
            raise error
        return shows

    def test_odd():
        exits = Shows(raises(SystemExit(3)))
        fails = Shows(raises(ValueError("no")))
        huge = Shows(lambda self: "h" * 20_000_000)
        interrupts = Shows(raises(KeyboardInterrupt()))
        lines = Shows(lambda self: "one\n\n   two")
        number = Shows(lambda self: 5)
        proxy = Proxy()
        recursive = Shows(lambda self: f"({self!r})")
        skips = Shows(raises(pytest.skip.Exception("no")))
        slow = Shows(lambda self: time.sleep(0.2) or "slow")
        raise LookupError("odd")

    def test_big():
        a_list = list(range(1_000_000))
        a_text = "t" * 10_000_000
        bytes_ = b"b" * 10_000_000
        deep = []
        for _ in range(2000):
            deep = [deep]
        mapping = {n: "m" * 1000 for n in range(10_000)}
        number = 10 ** 4000
        raise LookupError("big")

    def test_not_shown():
        a_class = Shows
        a_function = raises
        a_lambda = lambda: None
        a_module = time
        built_in = len
        kept = "kept"
        raise LookupError("not shown")

    def test_many():
        exec("\n".join(f"v{n:03} = {n}" for n in range(100)))
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w = range(23)
        raise LookupError("many")

    def inner(n):
        raise LookupError("frames")

    def middle(n):
        inner(n + 1)

    def outer(n):
        middle(n + 1)

    def outermost(n):
        outer(n + 1)

    def test_frames():
        outermost(1)

    @pytest.mark.parametrize("left", [[1, 2]])
    def test_compared(left):
        right = (1,)
        assert left + [3] == list(right)

    def test_caught():
        try:
            check(1)
        except AssertionError:
            pass
        raise LookupError("another")

    def check(n):
        assert n == 2

    def test_caught_beside():
        try:
            assert 1 == 2
        except AssertionError:
            pass
        empty = []
        assert empty

    def test_code_without_lines():
        def hidden(n):
            return n
        hidden.__code__ = hidden.__code__.replace(co_linetable=b"")
        assert hidden(1) == 2

    def test_several_lines():
        assert [
            "a", 1
        ] == [
            "a", 2
        ], "why"

    def test_caught_and_asserted():
        with pytest.raises(AssertionError):
            check(1)
        empty = []
        assert empty


    class TestUnit(unittest.TestCase):
        def test_equal(self):
            self.assertEqual([1], [2])

        def test_in(self):
            self.assertIn("x", "abc")


    @pytest.fixture
    def prepared():
        amount = 5
        assert amount == 6

    def test_prepared(prepared):
        pass
"""
TRACERS = """
    import sys
    import threading

    import pytest
    from shop import prices


    def note(seen):
        def noted(frame, event, arg):
            seen.append(frame.f_code.co_name)
        return noted

    def threaded():
        thread = threading.Thread(target=prices.discounted, args=(1,))
        thread.start()
        thread.join()

    @pytest.fixture(scope="module", params=["trace", "profile", "threads", "profiled threads"])
    def seen(request):
        switch = {
            "trace": sys.settrace, "profile": sys.setprofile,
            "threads": threading.settrace, "profiled threads": threading.setprofile,
        }[request.param]
        found = []
        switch(note(found))
        yield found
        switch(None)

    @pytest.mark.parametrize("n", [1, 2])
    def test_own_tracers_see_all(seen, n):
        seen.clear()
        prices.discounted(n)
        threaded()
        assert "discounted" in seen

    def test_own_tracer_inside():
        seen = []
        sys.settrace(note(seen))
        prices.discounted(1)
        sys.settrace(None)
        sys.setprofile(note(seen))
        prices.discounted(1)
        sys.setprofile(None)
        assert seen.count("discounted") >= 2

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no sys.monitoring")
    def test_own_monitoring():
        seen = []
        free = [n for n in range(6) if sys.monitoring.get_tool(n) is None]
        for n in free:
            sys.monitoring.use_tool_id(n, "mine")
        event = sys.monitoring.events.PY_START
        sys.monitoring.register_callback(free[0], event, lambda code, _: seen.append(code.co_name))
        sys.monitoring.set_events(free[0], event)
        prices.discounted(1)
        for n in free:
            sys.monitoring.set_events(n, 0)
            sys.monitoring.free_tool_id(n)
        assert "discounted" in seen

    def test_nothing_is_left_on():
        assert sys.gettrace() is None or "dispatcher" in repr(sys.gettrace())
"""
PROJECT = {
    "src/shop/__init__.py": "", "src/shop/prices.py": PRICES, "src/tea/__init__.py": TEA,
    "tests/conftest.py": CONFTEST, "tests/test_shop.py": TESTS, "tests/test_values.py": VALUES,
    "tests/test_tracers.py": TRACERS,
}  # fmt: skip
SHOP = "tests/test_shop.py"
IN_PRICES = "src/shop/prices.py"


def git(project: Path, *argv: str) -> None:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
    env = {**looking(), "GIT_COMMITTER_DATE": "2020-01-02T03:04:05Z", "GIT_AUTHOR_DATE": "2020-01-02T03:04:05Z"}
    subprocess.run(["git", *who, *argv], cwd=project, env=env, check=True, capture_output=True)  # noqa: S607


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """The project, scanned: `tea` is installed beside a library, and one line of prices.py is not committed yet."""
    base = tmp_path_factory.mktemp("evidence")
    packages, project = base / "env" / "site-packages", base / "project"
    suites.write(packages, {"library.py": LIBRARY, "tea/__init__.py": TEA})
    config = f"[pytest]\npythonpath = {packages} src\ntestpaths = tests\naddopts = --junitxml=report.xml\n"
    suites.write(project, {**PROJECT, "pytest.ini": config})
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Open the shop")
    path = project / IN_PRICES
    path.write_text(path.read_text().replace("return amount * 2", "return amount * 3"))
    return suites.scan(project, {}, "--no-group", "--evidence", env=looking(DISPATCHER_SCAN_EVIDENCE="false"))


def suspects(scanned: Scanned, test: str) -> list[str]:
    return [f"{s['path']}:{s['function']}" for s in scanned.failure(test).get("suspects", [])]


@pytest.mark.parametrize(
    ("test", "first"),
    [
        ("test_net", "src/shop/prices.py:line_price"),
        ("test_stock", "src/shop/prices.py:lookup"),
        ("test_find", "src/shop/prices.py:find"),
        ("test_renamed", "src/shop/prices.py:parse_price"),
        ("test_posted", "src/shop/prices.py:posted"),
        ("test_account", "tests/conftest.py:account"),
        ("test_vat", "src/shop/prices.py:vat"),
        ("test_shown", "src/shop/prices.py:made"),
        ("test_steeped", "src/tea/__init__.py:steeped"),
        ("test_squares", "src/shop/prices.py:square"),
    ],
)
def test_the_guilty_function_is_the_first_suspect(shop: Scanned, read: Reader, test: str, first: str) -> None:
    assert suspects(shop, f"{SHOP}::{test}")[0] == first
    path, _, function = first.partition(":")
    assert f"\n1. {function}() in {path}:" in read.show(shop, f"{SHOP}::{test}")


def test_a_function_whose_parameters_have_changed_comes_behind_the_one_that_calls_it(shop: Scanned) -> None:
    assert suspects(shop, f"{SHOP}::test_order") == [f"{IN_PRICES}:order", f"{IN_PRICES}:shipping"]


def test_what_is_called_on_the_way_comes_behind_the_guilty_one(shop: Scanned) -> None:
    found = suspects(shop, f"{SHOP}::test_net")
    assert set(found[1:]) == {f"{IN_PRICES}:{name}" for name in ("total", "net", "discounted")}
    assert found[-1] == f"{IN_PRICES}:discounted"


def test_functions_that_only_say_what_has_failed_are_no_suspects(shop: Scanned) -> None:
    found = {name.partition(":")[2] for name in suspects(shop, f"{SHOP}::test_shown")}
    assert found == {"made", "Shown.__init__", "Shown.__eq__"}


def test_test_functions_are_no_suspects_inherited_ones_neither(shop: Scanned) -> None:
    assert suspects(shop, f"{SHOP}::TestTwo::test_inherited") == [f"{SHOP}:Base.value"]
    named = {s for test in shop.tests for s in suspects(shop, test)}
    assert not [name for name in named if ":test_" in name or ".test_" in name]


def test_library_code_is_no_suspect_and_an_installed_copy_is_its_source(shop: Scanned) -> None:
    named = {s.partition(":")[0] for test in shop.tests for s in suspects(shop, test)}
    own = {IN_PRICES, "src/tea/__init__.py", "tests/conftest.py", SHOP, "tests/test_values.py"}
    assert named <= own, named - own
    assert suspects(shop, f"{SHOP}::test_vat") == [f"{IN_PRICES}:vat"]


def test_a_suspect_tells_its_place_its_tests_and_what_changed_it_last(shop: Scanned, read: Reader) -> None:
    first = shop.failure(f"{SHOP}::test_net")["suspects"][0]
    assert first["line"] == shop.line(IN_PRICES, "def line_price")
    assert (first["score"], first["failing"], first["passing"]) == pytest.approx((0.71, 1, 1), abs=0.3)
    assert {**first["changed"], "commit": ""} == {
        "commit": "", "author": "Ann", "date": "2020-01-02", "summary": "Open the shop", "lines": 2,
    }  # fmt: skip
    uncommitted = shop.failure(f"{SHOP}::test_vat")["suspects"][0]["changed"]
    assert uncommitted == {"author": "", "date": "", "summary": "not committed yet", "lines": 1}
    shown = read.show(shop, f"{SHOP}::test_net")
    assert "changed 2020-01-02 in " in shown
    assert " by Ann: Open the shop\n" in shown
    assert "(1 failing, 0 passing), not committed yet\n" in read.show(shop, f"{SHOP}::test_vat")


# Values


def variables(read: Reader, shop: Scanned, test: str) -> dict[str, str]:
    """Return the variables of the innermost frame of a test of VALUES."""
    found: dict[str, str] = read.evidence(shop, f"tests/test_values.py::{test}")["values"][0]["values"]
    return found


def test_objects_that_cannot_be_shown_lose_no_others(shop: Scanned, read: Reader) -> None:
    shown = variables(read, shop, "test_odd")
    assert shown.pop("huge") == "h" * 200
    shown.pop("proxy", None)
    assert shown == {
        "exits": "<Shows that cannot be shown (SystemExit)>",
        "fails": "<Shows that cannot be shown (ValueError)>",
        "interrupts": "<Shows that cannot be shown (KeyboardInterrupt)>",
        "lines": "one two",
        "number": "<Shows that cannot be shown (TypeError)>",
        "recursive": "<Shows that cannot be shown (RecursionError)>",
        "skips": "<Shows that cannot be shown (Skipped)>",
        "slow": "slow",
    }


def test_values_are_bounded(shop: Scanned, read: Reader) -> None:
    shown = variables(read, shop, "test_big")
    assert {name: len(value) for name, value in shown.items() if len(value) > 100} == dict.fromkeys(
        ("a_text", "bytes_", "mapping", "number"), 200
    )
    assert shown["a_list"] == f"[{', '.join(map(str, range(20)))}, ...]"
    assert shown["deep"] == "[[[[[...]]]]]"
    assert len(variables(read, shop, "test_many")) == 20


def test_modules_functions_and_classes_are_no_values(shop: Scanned, read: Reader) -> None:
    assert variables(read, shop, "test_not_shown") == {"kept": "'kept'"}


def test_the_three_innermost_frames_show_their_variables(shop: Scanned, read: Reader) -> None:
    frames = read.evidence(shop, "tests/test_values.py::test_frames")["values"]
    assert [frame["values"] for frame in frames] == [{"n": "4"}, {"n": "3"}, {"n": "2"}]
    assert {frame["path"] for frame in frames} == {"tests/test_values.py"}
    assert frames[0]["line"] == shop.line("tests/test_values.py", 'LookupError("frames")')


@pytest.mark.parametrize(
    ("test", "compared"),
    [
        ("test_compared[left0]", ("[1, 2, 3]", "==", "[1]")),
        ("TestUnit::test_equal", ("[1]", "assertEqual", "[2]")),
        ("TestUnit::test_in", ("'x'", "assertIn", "'abc'")),
        ("test_prepared", ("5", "==", "6")),
        ("test_caught", None),
        ("test_caught_beside", None),
        ("test_code_without_lines", ("1", "==", "2")),
        ("test_several_lines", ("['a', 1]", "==", "['a', 2]")),
        ("test_caught_and_asserted", None),
        ("test_frames", None),
    ],
)
def test_what_was_compared_where_it_failed_is_told(
    shop: Scanned, read: Reader, test: str, compared: tuple[str, str, str] | None
) -> None:
    found = read.evidence(shop, f"tests/test_values.py::{test}")["compared"]
    assert found == (compared and dict(zip(("left", "op", "right"), compared, strict=True)))


def test_show_prints_the_values(shop: Scanned, read: Reader) -> None:
    shown = read.show(shop, "tests/test_values.py::test_compared[left0]")
    line = shop.line("tests/test_values.py", "assert left + [3]")
    said = f"    [1, 2, 3] == [1]\n    tests/test_values.py:{line}\n      left = [1, 2]\n      right = (1,)\n"
    assert f"\n## Values\n\n{said}" in shown


# What the second pass leaves alone


def test_a_suites_own_tracers_work_as_before(shop: Scanned, read: Reader) -> None:
    """All their tests pass in the second pass too, and of all others only the one that is made to."""
    assert not [test for test in shop.tests if test.startswith("tests/test_tracers.py")]
    counted = read.evidence(shop, f"{SHOP}::test_net")["tests"]
    passed = read.facts(shop.project)[0]["passed"]
    assert (counted["flipped"], counted["passing"]) == (1, passed)


def test_the_users_files_are_as_the_first_pass_has_left_them(shop: Scanned, read: Reader) -> None:
    count = read.facts(shop.project)[0]["collected"]
    assert f'tests="{count}"' in (shop.project / "report.xml").read_text()
    assert (shop.project / ".coverage").read_text() == f"{count}\n"
    failed = (shop.project / ".pytest_cache/v/cache/lastfailed").read_text()
    assert set(re.findall(r'"(tests/[^"]+)": true', failed)) == set(shop.tests)
    assert f"{SHOP}::test_flips" in shop.tests


def test_nothing_is_run_again_by_a_scan_without_news(shop: Scanned, read: Reader, tmp_path: Path) -> None:
    (first,) = read.facts(shop.project)
    assert first["evidence"]["failing"] == len(shop.tests) - 1, "all but the one that passes then"
    known = copied(shop, tmp_path)
    for name in ("flipped", "other"):
        (tmp_path / name).unlink()
    said = again(known, "--no-group")
    assert [said[kind] for kind in ("added", "changed", "reopened", "resolved")] == [[], [], [], []]
    assert (tmp_path / "sessions").read_text() == "one\n" * 3
    assert "evidence" not in read.facts(tmp_path)[-1]
    assert suites.tasks(tmp_path) == shop.tasks


# Joint causes

BANK = """
    def convert(amount, rate):
        return amount * rate + 1


    def price(amount):
        return convert(amount, 2)


    def label(amount):
        return f"{convert(amount, 3)} EUR"


    def refund(amount):
        if convert(amount, 1) != amount:
            raise ValueError("does not match")
        return amount


    def full_name(first, last):
        return f"{first}{last}"


    def initials(first, last):
        return full_name(first, last)[0] + last[0]
"""
BANK_TESTS = """
    import bank
    import pytest


    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_price(n):
        assert bank.price(n) == 2 * n

    def test_label():
        assert bank.label(1) == "3 EUR"

    @pytest.mark.parametrize("n", [1, 2])
    def test_refund(n):
        assert bank.refund(n) == n

    @pytest.mark.parametrize("n", ["a", "b"])
    def test_full_name(n):
        assert bank.full_name(n, "x") == f"{n} x"

    def test_initials():
        assert bank.initials("ann", "bee") == "ab"
"""
BANK_PROJECT = {"pytest.ini": "[pytest]\npythonpath = .\n", "bank.py": BANK, "tests/test_bank.py": BANK_TESTS}
BANK_FILE = "tests/test_bank.py"
CONVERT = "of what they execute, convert() of bank.py explains them best"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    return suites.scan(tmp_path_factory.mktemp("bank"), BANK_PROJECT, env=looking())


def test_groups_that_go_through_one_broken_function_are_one_task_and_another_fault_is_another(
    bank: Scanned, read: Reader
) -> None:
    assert {t["test_count"] for t in bank.tasks.values()} == {6, 2}
    task = bank.task(f"{BANK_FILE}::test_label")
    assert {test.partition("::")[2].partition("[")[0] for test in task["tests"]} == {
        "test_price", "test_label", "test_refund",
    }  # fmt: skip
    assert task["failure"]["because"] == CONVERT
    assert task["failure"]["suspect"] == {"path": "bank.py", "function": "convert"}
    assert task["failure"]["suspects"][0]["function"] == "convert"
    assert bank.failure(f"{BANK_FILE}::test_full_name[a]")["suspects"][0]["function"] == "full_name"
    shown = read.show(bank, f"{BANK_FILE}::test_label")
    assert f"These 6 tests are one task because {CONVERT}.\n" in shown
    assert "\nLook at convert() in bank.py.\n" in shown


def test_another_hash_seed_another_order_and_workers_make_the_same_tasks(bank: Scanned, tmp_path: Path) -> None:
    other = copied(bank, tmp_path, state=False)
    options = ("--", "-p", "xdist", "-n", "2", "-p", "pytest_randomly", "-p", "randomly_seed=7")[:-2]
    found = suites.scan(other.project, {}, *options, env=looking(PYTHONHASHSEED="7"))
    assert {i: t["tests"] for i, t in found.tasks.items()} == {i: t["tests"] for i, t in bank.tasks.items()}
    for i, task in found.tasks.items():
        assert task["failure"]["suspects"] == bank.tasks[i]["failure"]["suspects"]


def test_without_groups_nothing_is_joined(shop: Scanned) -> None:
    assert {t["test_count"] for t in shop.tasks.values()} == {1}
    for test in ("test_label", "test_converted"):
        assert "joined" not in shop.failure(f"{SHOP}::{test}")
        assert f"{IN_PRICES}:core" in suspects(shop, f"{SHOP}::{test}")


def test_a_joint_task_takes_in_what_has_its_causes_and_says_what_is_true(bank: Scanned, tmp_path: Path) -> None:
    known = copied(bank, tmp_path)
    task_id = known.task(f"{BANK_FILE}::test_label")["id"]
    file = tmp_path / BANK_FILE
    file.write_text(file.read_text() + "\n\ndef test_price_again():\n    assert bank.price(9) == 18\n")
    said = again(known)
    assert ([row["id"] for row in said["changed"]], said["added"]) == ([task_id], [])
    assert f"{BANK_FILE}::test_price_again" in suites.tasks(tmp_path)[task_id]["tests"]

    code = tmp_path / "bank.py"
    code.write_text(code.read_text().replace("does not match", "is not equal"))
    again(known)
    after = suites.tasks(tmp_path)
    assert after[task_id]["failure"]["because"] == CONVERT
    assert f"{BANK_FILE}::test_price_again" in after[task_id]["tests"]


def test_without_evidence_there_is_one_pass_and_nothing_is_joined(bank: Scanned, read: Reader, tmp_path: Path) -> None:
    plain = suites.scan(copied(bank, tmp_path, state=False).project, {}, "--no-evidence", env=looking())
    assert sorted(t["test_count"] for t in plain.tasks.values()) == [1, 2, 2, 3]
    assert not [t for t in plain.tasks.values() if "suspects" in t["failure"]]
    assert "evidence" not in read.facts(tmp_path)[0]


# A second pass that goes wrong

TWICE = """
    import os
    import time

    import bank


    def second():
        if os.path.exists("again"):
            return True
        open("again", "w").close()
        return False

    def test_a():
        assert bank.price(1) == 2

    def test_b():
        if second():
            WHAT
        assert bank.initials("a", "b") == 1

    def test_c():
        raise LookupError("c")

    def test_d():
        assert bank.full_name("a", "b") == "ab"
"""


@pytest.mark.parametrize(
    ("what", "seconds"),
    [("os._exit(3)", "30"), ("time.sleep(60)", "1")],
    ids=["exits", "hangs"],
)
def test_a_second_pass_that_does_not_come_to_its_end_loses_no_task(tmp_path: Path, what: str, seconds: str) -> None:
    files = {**BANK_PROJECT, BANK_FILE: dedent(TWICE).replace("WHAT", what)}
    began = time.monotonic()
    scanned = suites.scan(tmp_path, files, env=looking(DISPATCHER_SCAN_EVIDENCE_TIMEOUT=seconds))
    assert time.monotonic() - began < 30
    assert scanned.tests == [f"{BANK_FILE}::test_{name}" for name in "abc"]
    assert "1 passed, 3 failed" in scanned.ran.out
    assert ("the second look at what fails did not come to its end: " in scanned.ran.err) == ("exit" in what)
    assert suspects(scanned, f"{BANK_FILE}::test_a")[0] in ("bank.py:convert", "bank.py:price")
    assert scanned.failure(f"{BANK_FILE}::test_b")["exception"] == "AssertionError"


def test_what_a_test_fails_with_is_what_it_failed_with_when_it_was_run_first(shop: Scanned, read: Reader) -> None:
    test = f"{SHOP}::test_fails_in_another_way"
    assert shop.failure(test)["message"].startswith("assert 'first' == 'second'")
    assert "only now" not in read.show(shop, test)
    assert "only now" not in str(read.evidence(shop, test))


def test_an_interrupt_of_the_second_pass_keeps_what_was_seen(tmp_path: Path) -> None:
    text = dedent(TWICE).replace("WHAT", "import gate; gate.wait()")
    suites.write(tmp_path, {**BANK_PROJECT, BANK_FILE: text, "tests/gate.py": Gate.FILE})
    program("init", cwd=tmp_path, env=looking())
    with gate(tmp_path) as stop:
        process = start("scan", cwd=tmp_path, env=looking())
        stop.reached()
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.code == 130, ran
    scanned = Scanned(tmp_path, ran, suites.tasks(tmp_path))
    assert scanned.tests == [f"{BANK_FILE}::test_{name}" for name in "abc"]
