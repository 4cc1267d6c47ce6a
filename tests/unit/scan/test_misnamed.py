"""What an exception did not find, or called in a wrong way, and what it may have meant."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dispatcher.domain.failure import Failure
from dispatcher.scan import misnamed

CODE = '''
    import os


    def parse_price(text):
        return text


    def parse_prices(texts):
        return texts


    class Basket:
        def total(self):
            def rounded(amount):
                return amount
            return rounded(1)

        if os.name:
            def discounted(self, rate):
                return rate


    async def fetch_orders():
        """No more."""


    def unrelated():
        pass
'''
PATH = "src/shop.py"


@pytest.fixture
def rootdir(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / PATH).write_text(dedent(CODE).lstrip())
    return tmp_path


def names(rootdir: Path, message: str, *paths: str, kind: str = "exception") -> list[str]:
    failure: dict[str, Any] = {"kind": kind, "message": message}
    found: Failure = failure  # type: ignore[assignment] # as much of one as is looked at
    return [d.name for d in misnamed.candidates(found, rootdir, paths or (PATH,))]


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("name 'parse_prize' is not defined", ["parse_price", "parse_prices"]),
        ("name 'parse_prics' is not defined. Did you mean: 'parse_prices'?", ["parse_prices", "parse_price"]),
        ("module 'shop' has no attribute 'parse_pricee'", ["parse_price", "parse_prices"]),
        ("cannot import name 'fetch_order' from 'shop' (/src/shop.py)", ["fetch_orders"]),
        ("'Basket' object has no attribute 'totall'", ["Basket.total"]),
        ("'Basket' object has no attribute 'discounte'", ["Basket.discounted"]),
        ("type object 'Basket' has no attribute 'discount'", ["Basket.discounted"]),
        ("name 'entirely_different' is not defined", []),
        ("'NoneType' object has no attribute 'total_'", []),
        ("parse_price: no such thing", []),
        ("", []),
    ],
)
def test_names_that_are_nearly_the_missing_one_are_meant_the_nearest_first(
    rootdir: Path, message: str, meant: list[str]
) -> None:
    assert names(rootdir, message) == meant


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("parse_price() missing 1 required positional argument: 'text'", ["parse_price"]),
        ("parse_price() takes 1 positional argument but 2 were given", ["parse_price"]),
        ("Basket.discounted() got an unexpected keyword argument 'percent'", ["Basket.discounted"]),
        ("discounted() takes 2 positional arguments but 3 were given", ["Basket.discounted"]),
        ("nowhere() takes 2 positional arguments but 3 were given", []),
        ("parse_price() is broken", []),
    ],
)
def test_what_was_called_in_a_wrong_way_is_meant(rootdir: Path, message: str, meant: list[str]) -> None:
    assert names(rootdir, message) == meant


@pytest.mark.parametrize("kind", ["assertion", "doctest", "timeout", "crash", "xpass", "syntax"])
def test_other_kinds_of_failures_mean_nothing_by_their_words(rootdir: Path, kind: str) -> None:
    assert names(rootdir, "name 'parse_prize' is not defined", kind=kind) == []


def test_the_missing_name_itself_is_not_meant(rootdir: Path) -> None:
    """It is there, and yet was not found: from elsewhere, or too early."""
    assert "parse_price" not in names(rootdir, "name 'parse_price' is not defined")


def test_files_that_cannot_be_read_are_passed_over(rootdir: Path) -> None:
    (rootdir / "broken.py").write_text("def parse_price(:\n")
    (rootdir / "binary.py").write_bytes(b"\x00\xff\xfe")
    (rootdir / "folder.py").mkdir()
    others = ("gone.py", "broken.py", "binary.py", "folder.py", "\x00", PATH, PATH)
    assert names(rootdir, "name 'parse_prize' is not defined", *others) == ["parse_price", "parse_prices"]


def test_a_few_of_many_are_told_with_their_places(rootdir: Path) -> None:
    (rootdir / "many.py").write_text("".join(f"def parse_{n}():\n    pass\n" for n in range(50)))
    assert len(names(rootdir, "name 'parse_x' is not defined", "many.py")) == 3
    failure: Any = {"kind": "exception", "message": "name 'unrelate' is not defined"}
    ((path, name, first, last),) = misnamed.candidates(failure, rootdir, [PATH])
    lines = (rootdir / PATH).read_text().splitlines()
    assert (path, name, lines[first - 1], last) == (PATH, "unrelated", "def unrelated():", first + 1)


def test_many_files_are_not_all_read(rootdir: Path) -> None:
    paths = [f"m{n}.py" for n in range(30)]
    for n, path in enumerate(paths):
        (rootdir / path).write_text(f"def parse_prize{n:02}():\n    pass\n")
    assert names(rootdir, "name 'parse_prize29' is not defined", *paths[:1]) == ["parse_prize00"]
    assert names(rootdir, "name 'parse_prize_' is not defined", *["void.py"] * 40, PATH) != []
    assert names(rootdir, "name 'fetch_order' is not defined", *paths[:25], PATH) == []
