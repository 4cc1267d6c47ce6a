"""Failures of one cause are one task though they show themselves in different ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import suites
from tests.cli.processes import program
from tests.cli.suites import Scanned

FILES = {
    "pytest.ini": "[pytest]\npythonpath = src\naddopts = --doctest-modules\ntestpaths = src tests\n",
    "src/shop.py": '''
        import functools


        class Result:
            def __init__(self, code, exception=None):
                self.code = code
                self.exception = exception


        def invoke(command):
            try:
                command()
            except Exception as error:
                return Result(1, error)
            return Result(0)


        def weigh(item):
            return item.weight


        def parcel():
            return weigh("tea")


        def letter():
            return weigh("stamp") + 1


        def empty():
            return 0


        def discounted(price):
            """Take off a tenth.

            >>> discounted(100)
            90
            """
            return price - 11


        def shipping(kilos):
            """Price a parcel.

            >>> shipping(2)
            10
            """
            return kilos * rate


        def counted(function):
            @functools.wraps(function)
            def wrapper():
                return function()

            wrapper.calls = lambda: 7
            return wrapper


        class Basket:
            def __len__(self):
                return 3

            def __getitem__(self, key):
                return None


        def offers():
            yield 5
    ''',
    "tests/conftest.py": """
        import pytest


        @pytest.fixture
        def load():
            pass
    """,
    "tests/test_shop.py": """
        import shop


        def total(*prices):
            return sum(shop.discounted(price) for price in prices)


        def test_parcels():
            result = shop.invoke(shop.parcel)
            assert result.code == 0


        def test_letters():
            assert shop.invoke(shop.letter).code == 0 or True
            done = shop.invoke(shop.letter)
            code = done.code
            assert code == 0


        def test_weigh():
            shop.weigh("air")


        def test_nothing_went_wrong_in_there():
            result = shop.invoke(shop.empty)
            assert result.code == 1


        def test_discount():
            assert shop.discounted(10) == 9


        def test_helper():
            assert total(10, 20) == 27


        def test_shipping():
            assert shop.shipping(1) == 5


        def test_load(load):
            assert load("tea.csv")


        def test_load_more(load):
            rows = load("more.csv")
            assert rows


        def test_calls():
            run = shop.counted(print)
            assert run.calls() == 0


        def test_calls_again():
            run = shop.counted(repr)
            assert run.calls() == 1


        def test_basket_is_empty():
            basket = shop.Basket()
            assert len(basket) == 0


        def test_basket_length():
            basket = shop.Basket()
            assert 2 == len(basket)


        def test_basket_items():
            basket = shop.Basket()
            assert basket["tea"] == 1


        def test_offers():
            for offer in shop.offers():
                assert offer == 4


        def test_first_offer():
            first = next(shop.offers())
            assert first == 4
    """,
}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """Every way at once: each cause is one task."""
    return suites.scan(tmp_path_factory.mktemp("groups"), FILES)


@pytest.mark.parametrize(
    ("tests", "because"),
    [
        (
            ("test_parcels", "test_letters", "test_weigh"),
            "they all fail with AttributeError: 'str' object has no attribute 'weight'",
        ),
        (("test_nothing_went_wrong_in_there",), "they all check what invoke() of src/shop.py does"),
        (
            ("test_discount", "test_helper", "src/shop.py::shop.discounted"),
            "they all check what discounted() of src/shop.py does",
        ),
        (("test_shipping", "src/shop.py::shop.shipping"), "they all fail with NameError: name 'rate' is not defined"),
        (("test_load", "test_load_more"), "they were all given None by load() of tests/conftest.py"),
        (("test_calls", "test_calls_again"), "they all check what counted() of src/shop.py does"),
        (("test_basket_is_empty", "test_basket_length"), "they all check what Basket.__len__() of src/shop.py does"),
        (("test_basket_items",), "they all check what Basket.__getitem__() of src/shop.py does"),
        (("test_offers", "test_first_offer"), "they all check what offers() of src/shop.py does"),
    ],
)
def test_what_fails_in_several_ways_for_one_cause_is_one_task(
    scanned: Scanned, tests: tuple[str, ...], because: str
) -> None:
    items = sorted(test if "::" in test else f"tests/test_shop.py::{test}" for test in tests)
    task = scanned.task(items[0])
    assert (sorted(task["tests"]), task["failure"]["because"]) == (items, because)


def test_a_task_about_an_exception_that_a_result_keeps_points_to_where_it_was_raised(scanned: Scanned) -> None:
    task = scanned.task("tests/test_shop.py::test_parcels")
    assert task["failure"]["suspect"] == {"path": "src/shop.py", "function": "weigh"}


def test_a_scan_again_changes_nothing(scanned: Scanned, tmp_path: Path) -> None:
    assert tmp_path
    again = program("scan", "--json", cwd=scanned.project, env=suites.quiet_environment()).json
    assert {k: again[k] for k in ("added", "changed", "resolved")} == {"added": [], "changed": [], "resolved": []}
