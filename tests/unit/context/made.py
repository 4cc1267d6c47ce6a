"""A small project with a failing test, and what a scan would say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.domain.task import Task, new_task

SOURCE = '''\
"""Prices."""

import re

_NUMBER = re.compile(r"\\\\d+")
UNUSED = 1


class Price:
    """A price."""

    digits = 2

    def __init__(self, text):
        self.text = text

    def parse(self):
        """Parse it."""
        found = _NUMBER.match(self.text)
        if found is None:
            raise ValueError("no number")
        return convert(found[0])

    def shown(self):
        return self.text.strip()


def convert(number):
    return int(number) + 1


def unrelated(x):
    return x
'''
TEST = """\
from shop.price import Price


def test_parse_price():
    price = Price("12")
    assert price.parse() == 12
"""


FAILING = "tests/test_price.py::test_parse_price"


def project(folder: Path) -> Path:
    """Make the project and return its folder."""
    (folder / "shop").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "price.py").write_text(SOURCE)
    (folder / "tests" / "test_price.py").write_text(TEST)
    return folder


def line_of(text: str) -> int:
    """Return the number of the first line of the source that has a text in it."""
    return next(n for n, line in enumerate(SOURCE.splitlines(), 1) if text in line)


def task(kind: str = "assertion", *, frames: list[list[Any]] | None = None, **changes: object) -> Task:
    """Return a task as a scan makes it, with evidence of one failing and four passing tests."""
    name = "shop/price.py"
    suspects = [
        [name, "Price.parse", 17, 22, 1.0, 1, 0],
        [name, "convert", 28, 29, 0.7, 1, 1],
        [name, "Price.__init__", 14, 15, 0.4, 1, 4],
    ]
    failure = {
        "test": FAILING, "when": "call", "kind": kind, "exception": "AssertionError",
        "message": "assert 13 == 12", "statement": "assert price.parse() == 12", "fingerprint": "f", "cause": "c",
        "because": "", "frames": [], "suspect": None, "suspects": [],
        "place": {"path": "tests/test_price.py", "line": 6, "function": "test_parse_price", "code": ""},
        **changes,
    }  # fmt: skip
    at_test = ["test", "tests/test_price.py", 6, "test_parse_price", "assert price.parse() == 12"]
    detail = {
        "message": failure["message"],
        "frames": [at_test, *(frames or [])],
        "sites": [],
        "evidence": {
            "suspects": suspects, "executed": {name: [[15, 15, 4], [19, 20, 0], [22, 22, 0], [29, 29, 1]]},
            "tests": {"failing": 1, "passing": 4}, "compared": {"left": "13", "op": "==", "right": "12"},
        },
    }  # fmt: skip
    made = new_task("test-parse-price-1", "test_parse_price: assert 13 == 12", "2026-01-01T00:00:00.000Z", 1)
    return {
        **made, "kind": "test", "failure": failure, "tests": [FAILING], "test_count": 1,
        "detail": {"failure": detail, "members": {FAILING: {"fingerprint": "f", "message": ""}}},
    }  # fmt: skip
