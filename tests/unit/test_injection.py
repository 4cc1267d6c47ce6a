"""The measure of how well tasks fit known faults: the faults, the truth and the score."""

from __future__ import annotations

import pytest

from tests.bench.injection.faults import broken, possible
from tests.bench.injection.scoring import b_cubed, truth_of
from tests.bench.injection.trial import Outcome, Seen

SOURCE = b'''import os
LIMIT = 3


class Shelf:
    """Holds things."""

    def __init__(self, size):
        """Make one."""
        self.size = size

    def fits(self, things):
        if len(things) < self.size and things:
            return max(things,
                       key=len) + 1
        raise ValueError(
            "too many")


def unreached(x):
    return x + 1
'''
REACHED = frozenset({8, 12})


def test_every_kind_of_fault_is_found_in_what_tests_reach_and_moves_no_other_line() -> None:
    faults = possible("shelf.py", SOURCE, REACHED)
    assert {fault.kind for fault in faults} == {
        "changed constant", "deleted statement", "dropped argument", "negated condition", "raised exception",
        "removed import", "renamed attribute", "renamed definition", "returns None", "swapped operator", "wrong exception",
    }  # fmt: skip
    assert {fault.function for fault in faults} == {"<module>", "Shelf.__init__", "Shelf.fits"}
    for fault in faults:
        before, after = SOURCE.splitlines(), broken(SOURCE, [fault]).splitlines()
        lines = SOURCE[fault.start : fault.end].count(b"\n") + 1
        changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new]
        assert changed, fault
        assert set(changed) <= set(range(fault.line, fault.line + lines)), fault


def test_in_tests_only_fixtures_are_broken() -> None:
    source = b"import pytest\n\n@pytest.fixture\ndef shelf():\n    return 3\n\ndef test_it(shelf):\n    assert shelf\n"
    faults = possible("tests/conftest.py", source, frozenset({3, 7}))
    assert {(fault.kind, fault.function) for fault in faults} == {("broken fixture", "shelf")}


def test_all_faults_of_a_run_are_in_one_file() -> None:
    first, second = (f for f in possible("shelf.py", SOURCE, REACHED) if f.kind in ("removed import", "returns None"))
    both = broken(SOURCE, [first, second]).decode()
    assert both.startswith("pass\n")
    assert "return None\n" in both


SAME, OTHER = Seen("KeyError", "'a'", "a.py:1"), Seen("ValueError", "b", "b.py:2")


def outcome(**failing: Seen) -> Outcome:
    return Outcome(failing, 9, 1.0)


@pytest.mark.parametrize(
    ("alone", "expected"),
    [
        ({"f": outcome(t=OTHER)}, ({"t": "f"}, 0, 0)),
        ({"f": outcome(t=SAME), "g": outcome(t=OTHER)}, ({"t": "f"}, 0, 0)),
        ({"f": outcome(t=SAME), "g": outcome(t=SAME)}, ({}, 1, 0)),
        ({"f": outcome(t=OTHER), "g": outcome(t=OTHER)}, ({}, 1, 0)),
        ({"f": outcome(u=SAME)}, ({}, 0, 1)),
    ],
    ids=["the only one", "the one that fails alike", "two that fail alike", "two that fail otherwise", "none"],
)
def test_an_item_belongs_to_the_fault_that_explains_it(
    alone: dict[str, Outcome], expected: tuple[dict[str, str], int, int]
) -> None:
    assert truth_of({"t": SAME, "always": OTHER}, alone, outcome(always=OTHER)) == expected


def test_the_score_is_b_cubed() -> None:
    truth = {"a": "1", "b": "1", "c": "1", "d": "2"}
    assert b_cubed(truth, truth) == (1, 1, 1)
    assert b_cubed(dict.fromkeys(truth, ""), truth) == pytest.approx((0.625, 1, 10 / 13))
    assert b_cubed({test: test for test in truth}, truth) == pytest.approx((1, 0.5, 2 / 3))
