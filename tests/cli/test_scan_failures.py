"""Every way to fail becomes one structured failure, in exactly one task."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli import kinds, suites
from tests.cli.suites import Scanned
from tests.support import Run

CONFIG = """
    [pytest]
    pythonpath = src .
    testpaths = tests
    addopts = --doctest-modules --doctest-glob=*.txt
"""
SHOP = """
    import functools


    def loud(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper


    def price(x):
        return x + 1


    def strict(x):
        assert x > 0, "not positive"


    @loud
    def wrapped(x):
        return x + 1


    @functools.lru_cache(maxsize=None)
    def cached(x):
        return x + 1


    def lenient(text):
        return text


    def deep(n):
        if n == 0:
            raise ValueError(f"deep down: {n}")
        return deep(n - 1)


    def inside_a_comprehension(items):
        return [1 // item for item in items]


    def inside_a_lambda(item):
        return (lambda x: 1 // x)(item)


    def endless(n):
        return endless(n + 1)


    class Cart:
        def __init__(self, items=()):
            self.items = list(items)

        def total(self):
            return len(self.items) + 1

        @property
        def first(self):
            return "nothing"

        @functools.cached_property
        def last(self):
            return "nothing"

        @classmethod
        def empty(cls):
            return cls(["not empty"])

        @staticmethod
        def tax(x):
            return x * 2

        class Line:
            def cost(self):
                return 1
"""
ASSERTIONS = """
    import unittest

    import pytest

    import shop
    from shop import Cart, cached, lenient, price, wrapped
    from tests.helpers import check_price
    from tests.plain import check_plainly


    def test_call():
        assert price(1) == 3

    def test_call_through_its_module():
        assert shop.price(1) == 3

    def test_result():
        result = price(1)
        assert result == 3

    def test_result_of_results():
        made = price(1)
        shown = str(made)
        assert shown == "3"

    def test_unpacked():
        first, second = price(1), 5
        assert (first, second) == (3, 5)

    def test_method():
        cart = Cart(["a"])
        assert cart.total() == 1

    def test_method_of_what_is_made():
        assert Cart(["a"]).total() == 1

    def test_property():
        cart = Cart(["a"])
        assert cart.first == "a"

    def test_cached_property():
        cart = Cart(["a"])
        assert cart.last == "a"

    def test_classmethod():
        assert Cart.empty().items == []

    def test_staticmethod():
        assert Cart.tax(2) == 3

    def test_nested_class():
        assert Cart.Line().cost() == 2

    def test_wrapped():
        assert wrapped(1) == 3

    def test_lru_cached():
        assert cached(1) == 3

    def test_did_not_raise():
        with pytest.raises(ValueError):
            lenient("x")

    def test_another_message_is_raised():
        with pytest.raises(ValueError, match="up high"):
            shop.deep(0)

    def test_helper():
        check_price(1, 3)

    def test_helper_that_pytest_does_not_rewrite():
        check_plainly(1, 3)

    def test_assertion_in_the_source():
        shop.strict(-1)

    def test_own_words():
        assert price(1) == 3, "prices are wrong"

    def test_fail():
        pytest.fail("price() is no good")

    def test_raises_an_assertion_error():
        raise AssertionError

    def test_across_lines():
        assert price(
            1
        ) == 3

    async def test_coroutine_without_plugin():
        assert price(1) == 3

    class TestInClass:
        def test_method(self):
            assert price(1) == 3

    class TestUnit(unittest.TestCase):
        def test_equal(self):
            self.assertEqual(price(1), 3)

        def test_raises(self):
            with self.assertRaises(ValueError):
                lenient("x")
"""
HELPERS = """
    from shop import price


    def check_price(given, wanted):
        assert price(given) == wanted
"""
PLAIN = """
    from shop import price


    def check_plainly(given, wanted):
        assert price(given) == wanted
"""
REGISTERED = """
    import pytest

    pytest.register_assert_rewrite("tests.helpers")
"""


class Seen(NamedTuple):
    """What a failure must say. `place` and `suspect` are "path function", `code` the line that it points at."""

    test: str
    kind: str
    exception: str
    message: str
    place: str | None
    code: str = ""
    suspect: str | None = None
    when: str = "call"


A = "tests/test_assertions.py"
PRICE = "src/shop.py price"
ASSERTED = [
    Seen("test_call", "assertion", "AssertionError", "assert 2 == 3", "test_call", "assert price(1) == 3", PRICE),
    Seen(
        "test_call_through_its_module", "assertion", "AssertionError", "assert 2 == 3",
        "test_call_through_its_module", "assert shop.price(1) == 3", PRICE,
    ),
    Seen("test_result", "assertion", "AssertionError", "assert 2 == 3", "test_result", "assert result == 3", PRICE),
    Seen(
        "test_result_of_results", "assertion", "AssertionError", "assert '2' == '3'",
        "test_result_of_results", "assert shown ==", PRICE,
    ),
    Seen("test_unpacked", "assertion", "AssertionError", "assert (2, 5) == (3, 5)", "test_unpacked", "(3, 5)", PRICE),
    Seen(
        "test_method", "assertion", "AssertionError", "assert 2 == 1", "test_method", "assert cart.total",
        "src/shop.py Cart.total",
    ),
    Seen(
        "test_method_of_what_is_made", "assertion", "AssertionError", "assert 2 == 1", "test_method_of_what_is_made",
        'assert Cart(["a"]).total', "src/shop.py Cart.total",
    ),
    Seen(
        "test_property", "assertion", "AssertionError", "assert 'nothing' == 'a'", "test_property",
        "assert cart.first", "src/shop.py Cart.first",
    ),
    Seen(
        "test_cached_property", "assertion", "AssertionError", "assert 'nothing' == 'a'", "test_cached_property",
        "assert cart.last", "src/shop.py Cart.last",
    ),
    Seen(
        "test_classmethod", "assertion", "AssertionError", "assert ['not empty'] == []", "test_classmethod",
        "assert Cart.empty()", "src/shop.py Cart.empty",
    ),
    Seen(
        "test_staticmethod", "assertion", "AssertionError", "assert 4 == 3", "test_staticmethod",
        "assert Cart.tax", "src/shop.py Cart.tax",
    ),
    Seen(
        "test_nested_class", "assertion", "AssertionError", "assert 1 == 2", "test_nested_class",
        "assert Cart.Line()", "src/shop.py Cart.Line.cost",
    ),
    Seen(
        "test_wrapped", "assertion", "AssertionError", "assert 2 == 3", "test_wrapped", "assert wrapped",
        "src/shop.py wrapped",
    ),
    Seen(
        "test_lru_cached", "assertion", "AssertionError", "assert 2 == 3", "test_lru_cached", "assert cached",
        "src/shop.py cached",
    ),
    Seen(
        "test_did_not_raise", "assertion", "Failed", "DID NOT RAISE <class 'ValueError'>|DID NOT RAISE ValueError",
        "test_did_not_raise", "with pytest.raises(ValueError):", "src/shop.py lenient",
    ),
    Seen(
        "test_another_message_is_raised", "assertion", "AssertionError", "'up high'",
        "test_another_message_is_raised", "match=", "src/shop.py deep",
    ),
    Seen(
        "test_helper", "assertion", "AssertionError", "assert 2 == 3", "tests/helpers.py check_price",
        "assert price(given)", PRICE,
    ),
    Seen(
        "test_helper_that_pytest_does_not_rewrite", "assertion", "AssertionError", "", "tests/plain.py check_plainly",
        "assert price(given)", PRICE,
    ),
    Seen(
        "test_assertion_in_the_source", "assertion", "AssertionError", "not positive", "src/shop.py strict",
        "assert x > 0", "src/shop.py strict",
    ),
    Seen("test_own_words", "assertion", "AssertionError", "prices are wrong", "test_own_words", "assert price", PRICE),
    Seen("test_fail", "assertion", "Failed", "price() is no good", "test_fail", "pytest.fail"),
    Seen(
        "test_raises_an_assertion_error", "assertion", "AssertionError", "", "test_raises_an_assertion_error",
        "raise AssertionError",
    ),
    Seen("test_across_lines", "assertion", "AssertionError", "assert 2 == 3", "test_across_lines", "price(", PRICE),
    Seen("test_coroutine_without_plugin", "assertion", "Failed", "async def functions are not natively", None),
    Seen(
        "TestInClass::test_method", "assertion", "AssertionError", "assert 2 == 3", "TestInClass.test_method",
        "assert price(1) == 3", PRICE,
    ),
    Seen(
        "TestUnit::test_equal", "assertion", "AssertionError", "2 != 3", "TestUnit.test_equal", "self.assertEqual", PRICE
    ),
    Seen(
        "TestUnit::test_raises", "assertion", "AssertionError", "ValueError not raised", "TestUnit.test_raises",
        "with self.assertRaises", "src/shop.py lenient",
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


@pytest.fixture(scope="module")
def asserted(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """One task for each failed assertion of a suite."""
    files = {
        "pytest.ini": CONFIG, "src/shop.py": SHOP, "tests/__init__.py": "", "tests/helpers.py": HELPERS,
        "tests/plain.py": PLAIN, "tests/conftest.py": REGISTERED, A: ASSERTIONS,
    }  # fmt: skip
    return suites.scan(tmp_path_factory.mktemp("asserted"), files, "--no-group")


@pytest.mark.parametrize("seen", ASSERTED, ids=[seen.test for seen in ASSERTED])
def test_a_failed_assertion_tells_the_values_the_place_and_the_function_under_test(
    asserted: Scanned, seen: Seen
) -> None:
    check(asserted, seen._replace(test=f"{A}::{seen.test}", place=_in(A, seen.place)))


def test_every_failed_assertion_is_in_one_task(asserted: Scanned) -> None:
    assert asserted.tests == sorted(f"{A}::{seen.test}" for seen in ASSERTED)


def _in(file: str, place: str | None) -> str | None:
    return place if place is None or " " in place else f"{file} {place}"


def check(scanned: Scanned, seen: Seen) -> None:
    """Check all that a task says about the failure of one item."""
    task = scanned.task(seen.test)
    failure: dict[str, Any] = task["failure"]
    assert failure["test"] == seen.test
    assert task["tests"] == [seen.test]
    assert task["labels"] == [failure["kind"]]
    assert (failure["kind"], failure["when"]) == (seen.kind, seen.when), failure
    assert failure["exception"].rpartition(".")[2] in seen.exception.split("|"), failure
    assert any(words in failure["message"] for words in seen.message.split("|")), failure
    place, suspect = failure["place"], failure["suspect"]
    assert (place and f"{place['path']} {place['function']}") == seen.place, failure
    assert (suspect and f"{suspect['path']} {suspect['function']}") == seen.suspect, failure
    if place:
        assert seen.code in place["code"], failure
        text = (scanned.project / place["path"]).read_text().splitlines()
        assert place["code"] in text[place["line"] - 1], failure
    assert failure["because"].startswith(("they ", "it ")), failure
    assert str(scanned.project) not in str(task), task


X, F, U, S = "tests/test_exceptions.py", "tests/test_fixtures.py", "tests/test_unit.py", "tests/test_subtests.py"
KINDS = [
    Seen(f"{X}::test_deep", "exception", "ValueError", "deep down: 0", "src/shop.py deep", "raise ValueError", "src/shop.py deep"),
    Seen(
        f"{X}::test_comprehension", "exception", "ZeroDivisionError", "by zero", "src/shop.py comprehended",
        "[1 // item for", "src/shop.py comprehended",
    ),
    Seen(
        f"{X}::test_generator", "exception", "ZeroDivisionError", "by zero", "src/shop.py generated", "sum(1 // item",
        "src/shop.py generated",
    ),
    Seen(
        f"{X}::test_lambda", "exception", "ZeroDivisionError", "by zero", "src/shop.py in_a_lambda", "lambda x: 1 // x",
        "src/shop.py in_a_lambda",
    ),
    Seen(
        f"{X}::test_in_the_test_itself", "exception", "ValueError", "invalid literal", f"{X} test_in_the_test_itself",
        "int(word)",
    ),
    Seen(
        f"{X}::test_in_the_standard_library", "exception", "JSONDecodeError", "Expecting property name",
        f"{X} test_in_the_standard_library", "json.loads",
    ),
    Seen(
        f"{X}::test_endless", "exception", "RecursionError", "maximum recursion depth exceeded", "src/shop.py endless",
        "return endless(n + 1)", "src/shop.py endless",
    ),
    Seen(
        f"{X}::test_chained", "exception", "RuntimeError", "no such price", "src/shop.py chained", "raise RuntimeError",
        "src/shop.py chained",
    ),
    Seen(
        f"{X}::test_grouped", "exception", "ValueError", "first of two", "src/shop.py grouped", "raise ExceptionGroup",
        "src/shop.py grouped",
    ),
    Seen(f"{X}::test_noted", "exception", "ValueError", "falsified", f"{X} test_noted", "raise error"),
    Seen(
        f"{X}::test_warned", "warning", "DeprecationWarning", "old() goes away", "src/shop.py old", "warnings.warn",
        "src/shop.py old",
    ),
    Seen(
        f"{X}::test_broken", "exception", "Broken", "<the exception cannot be shown>", "src/shop.py broken",
        "raise Broken", "src/shop.py broken",
    ),
    Seen(f"{X}::test_sys_exit", "exception", "SystemExit", "3", f"{X} test_sys_exit", "sys.exit(3)"),
    Seen(f"{X}::test_passes_against_expectation", "xpass", "XPASS(strict)", "not yet", None),
    Seen(
        f"{X}::test_fails_against_expectation", "exception", "KeyError", "'another'", f"{X} test_fails_against_expectation",
        "raise KeyError",
    ),
    Seen(
        f"{X}::test_takes_what_is_not_there", "setup", "FixtureLookupError", "fixture 'no_such_thing' not found", None,
        when="setup",
    ),
    Seen(f"{F}::test_setup", "setup", "OSError", "no room", f"{F} refuses", "raise OSError", when="setup"),
    Seen(
        f"{F}::test_teardown", "teardown", "RuntimeError", "left in a mess", f"{F} breaks_afterwards", "raise RuntimeError",
        when="teardown",
    ),
    Seen(f"{F}::test_both", "assertion", "AssertionError", "assert 1 == 2", f"{F} test_both", "assert 1 == 2"),
    Seen(
        f"{U}::TestRefused::test_one", "setup", "OSError", "no class", f"{U} TestRefused.setUpClass", "raise OSError",
        when="setup",
    ),
    Seen(
        f"{U}::TestRefused::test_two", "setup", "OSError", "no class", f"{U} TestRefused.setUpClass", "raise OSError",
        when="setup",
    ),
    Seen(f"{U}::TestAround::test_one", "exception", "OSError", "no set up", f"{U} TestAround.setUp", "raise OSError"),
    Seen(f"{U}::TestUnexpected::test_passes", "xpass", "XPASS(strict)|Failed", "nexpected success", None),
    Seen(
        f"{U}::TestUnexpected::test_parts", "assertion", "AssertionError", "0 != 1", f"{U} TestUnexpected.test_parts",
        "self.assertEqual(n, 1)",
    ),
    Seen(f"{S}::test_parts", "assertion", "AssertionError", "assert 0 == 1", f"{S} test_parts", "assert n == 1"),
    Seen(
        f"{S}::test_part_and_whole", "assertion", "AssertionError", "assert 1 == 2", f"{S} test_part_and_whole",
        "assert 1 == 2",
    ),
    Seen(
        "docs/guide.txt::guide.txt", "doctest", "DocTestFailure", ">>> 1 + 1: expected 3, got 2",
        "docs/guide.txt <module>", "1 + 1",
    ),
    Seen(
        "src/shop.py::shop.exampled", "doctest", "DocTestFailure", ">>> exampled(1): expected 3, got 2",
        "src/shop.py exampled", "exampled(1)", "src/shop.py exampled",
    ),
    Seen(
        "tests/test_no_module.py", "import", "ModuleNotFoundError", "No module named 'there_is_no_such_module'",
        "tests/test_no_module.py <module>", "import there_is", when="collect",
    ),
    Seen(
        "tests/test_no_name.py", "import", "ImportError", "cannot import name 'no_such_name' from 'shop' (src/shop.py)",
        "tests/test_no_name.py <module>", "from shop import", when="collect",
    ),
    Seen(
        "tests/test_at_module_level.py", "collection", "ValueError", "deep down: 0", "src/shop.py deep", "raise ValueError",
        "src/shop.py deep", when="collect",
    ),
    Seen(
        "tests/test_syntax.py", "syntax", "SyntaxError", "invalid syntax", "tests/test_syntax.py <module>", "x = = 1",
        when="collect",
    ),
    Seen(
        "tests/test_needs_unreadable.py", "syntax", "SyntaxError", "invalid syntax", "src/unreadable.py <module>",
        "def broken(:", "src/unreadable.py <module>", when="collect",
    ),
    Seen("tests/test_too_few.py", "collection", "Failed", "the number of names (2)", None, when="collect"),
    Seen("tests/test_twice.py", "collection", "CollectError", "duplicate parametrization of 'a'", None, when="collect"),
    Seen(
        "tests/sub", "collection", "RuntimeError", "this conftest raises", "tests/sub/conftest.py <module>",
        "raise RuntimeError", when="collect",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """One task for each failing item of a suite that fails in every way."""
    files = {name: text for name, text in kinds.FILES.items() if name != "tests/test_parameters.py"}
    return suites.scan(tmp_path_factory.mktemp("kinds"), files, "--no-group")


@pytest.mark.parametrize("seen", KINDS, ids=[seen.test for seen in KINDS])
def test_every_way_to_fail_tells_what_it_is_and_where(every_kind: Scanned, seen: Seen) -> None:
    check(every_kind, seen)


def test_what_cannot_be_collected_does_not_stop_the_rest_and_nothing_is_lost_or_double(every_kind: Scanned) -> None:
    assert every_kind.tests == sorted(seen.test for seen in KINDS)
    assert "8 collection errors" in every_kind.ran.out


def test_what_is_skipped_or_expected_to_fail_is_no_task(every_kind: Scanned) -> None:
    assert "1 skipped, 1 expected to fail" in every_kind.ran.out
    assert not {f"{X}::test_skipped", f"{X}::test_expected"} & set(every_kind.tests)


def test_the_exceptions_before_the_last_one_are_kept(every_kind: Scanned) -> None:
    (link,) = every_kind.detail(f"{X}::test_chained")["failure"]["chain"]
    line = every_kind.line("src/shop.py", 'return {}["key"]')
    assert link == {"type": "KeyError", "message": "'key'", "place": ["src/shop.py", line, "chained"]}


def test_all_members_of_an_exception_group_are_kept(every_kind: Scanned) -> None:
    kept = str(every_kind.detail(f"{X}::test_grouped"))
    assert "first of two" in kept
    assert "second of two" in kept


def test_the_notes_of_an_exception_are_kept(every_kind: Scanned) -> None:
    """Hypothesis tells by them what it has found."""
    assert "by n=100" in every_kind.detail(f"{X}::test_noted")["failure"]["message"]


def test_the_frames_of_an_endless_recursion_are_few(every_kind: Scanned) -> None:
    assert len(every_kind.failure(f"{X}::test_endless")["frames"]) <= 6
    assert len(every_kind.detail(f"{X}::test_endless")["failure"]["frames"]) <= 60


def test_the_way_to_a_failure_goes_from_the_test_to_the_place(every_kind: Scanned) -> None:
    frames = every_kind.failure(f"{X}::test_deep")["frames"]
    test, call, end = (every_kind.line(*at) for at in ((X, "shop.deep(3)"), ("src/shop.py", "deep(n - 1)"), ("src/shop.py", "deep down")))  # fmt: skip
    assert [frame.partition(": ")[0] for frame in frames] == [
        f"{X}:{test} test_deep",
        *[f"src/shop.py:{call} deep"] * 3,
        f"src/shop.py:{end} deep",
    ]


def test_a_failed_part_of_a_test_says_which_part(every_kind: Scanned) -> None:
    assert "part" in every_kind.detail(f"{S}::test_parts")["failure"]["subtest"]
    assert "0" in every_kind.detail(f"{U}::TestUnexpected::test_parts")["failure"]["subtest"]


@pytest.fixture(scope="module")
def parametrised(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """One task for each case of a parametrised test."""
    files = {"pytest.ini": "[pytest]\n", "tests/test_parameters.py": kinds.PARAMETERS}
    return suites.scan(tmp_path_factory.mktemp("parametrised"), files, "--no-group")


def test_every_case_of_a_parametrised_test_is_in_one_task_by_the_id_that_pytest_gives(parametrised: Scanned) -> None:
    assert len(parametrised.tests) == len(set(parametrised.tests)) == len(kinds.ODD_PARAMETERS) + 3 + 3
    for shown in (
        "[1]",
        "a b",
        r"a\nb",
        "a - b",
        "a::b",
        r"\xfcn\xef-\u65e5\u672c",
        "[",
        "]",
        "a[b",
        "",
        r"\x1b[31mred",
    ):
        failure = parametrised.failure(f"tests/test_parameters.py::test_odd[{shown}]")
        assert failure["because"].startswith("they "), failure
        assert failure["place"]["code"] == "assert given is None"


def test_all_cases_of_one_failing_statement_are_one_task_and_a_rescan_knows_them_all(run: Run, root: Path) -> None:
    assert root
    first = suites.scan_here(run, files={"tests/test_parameters.py": kinds.PARAMETERS})
    assert sorted(t["test_count"] for t in first.tasks.values()) == [3, 3, len(kinds.ODD_PARAMETERS)]
    again = suites.scan_here(run, "--json")
    assert {k: again.ran.json[k] for k in ("added", "changed", "resolved", "held")} == {
        "added": [], "changed": [], "resolved": [], "held": {},
    }  # fmt: skip
    assert again.tasks == first.tasks
