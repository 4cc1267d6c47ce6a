"""Whom tests point to by what they execute, and which causes are one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random

import pytest

from dispatcher.scan import spectrum
from dispatcher.scan.evidence import Evidence, Function, Traced

PATH = "src/shop.py"


def source(name: str) -> Function:
    return Function(PATH, name, "source")


def of_tests(name: str, path: str = "tests/test_it.py") -> Function:
    return Function(path, name, "test")


Runs = Mapping[str, Iterable[Function | str]]


def evidence(failing: Runs, passing: Runs) -> Evidence:
    """What tests have executed, functions only, as before Python 3.12. Names alone are functions of the source."""
    found = Evidence()
    for runs, place in ((failing, found.failing), (passing, found.passing)):
        for test, functions in runs.items():
            known = frozenset(source(f) if isinstance(f, str) else f for f in functions)
            place[f"tests/test_it.py::{test}"] = Traced(known, {})
    names = {f for traced in (*found.failing.values(), *found.passing.values()) for f in traced.functions}
    found.spans = {f: (10 * n + 1, 10 * n + 9) for n, f in enumerate(sorted(names))}
    return found


def with_lines(found: Evidence, failing: Mapping[str, Iterable[int]], passing: Mapping[int, int]) -> Evidence:
    """The same, with the lines of PATH that failing tests have executed, and how many passing ones each."""
    for test, numbers in failing.items():
        key = f"tests/test_it.py::{test}"
        found.failing[key] = Traced(found.failing[key].functions, {PATH: sorted(numbers)})
    found.passing_lines = Counter({(PATH, n): times for n, times in passing.items()})
    return found


def ranked(found: Evidence, *tests: str, way: tuple[str, ...] = ()) -> list[str]:
    names = [f"tests/test_it.py::{test}" for test in tests or ("test_a",)]
    return [s.function.name for s in spectrum.rank(names, found, [(PATH, name) for name in way])]


def joint(found: Evidence, groups: Mapping[str, Iterable[str]]) -> dict[str, str]:
    named = {cause: [f"tests/test_it.py::{test}" for test in tests] for cause, tests in groups.items()}
    return {cause: function.name for cause, function in spectrum.joint_causes(named, found).items()}


# Who is first


def test_what_no_passing_test_executes_is_the_most_suspicious() -> None:
    found = evidence({"test_a": ["guilty", "common"]}, {"test_p": ["common"], "test_q": ["common", "other"]})
    assert ranked(found) == ["guilty", "common"]


def test_the_score_is_that_of_ochiai() -> None:
    found = evidence({"test_a": ["f"], "test_b": []}, {"test_p": ["f"], "test_q": ["f"]})
    (suspect,) = spectrum.rank(["tests/test_it.py::test_a", "tests/test_it.py::test_b"], found, [])
    assert suspect.score == pytest.approx(1 / math.sqrt(2 * 3))
    assert (suspect.failing, suspect.passing) == (1, 2)


def test_what_all_failing_tests_execute_comes_before_what_some_do() -> None:
    found = evidence({"test_a": ["both", "one"], "test_b": ["both", "two"]}, {"test_p": []})
    assert ranked(found, "test_a", "test_b")[0] == "both"


def test_tests_that_were_not_run_again_are_left_out_of_the_count() -> None:
    found = evidence({"test_a": ["f"]}, {})
    assert spectrum.rank(["tests/test_it.py::test_a", "tests/test_it.py::test_gone"], found, [])[0].score == 1.0
    assert ranked(found, "test_gone") == []


def test_test_functions_and_what_lies_in_them_are_no_suspects_inherited_ones_neither() -> None:
    tests = [of_tests(name) for name in ("test_a", "test_a.<locals>.inner", "Base.test_a")]
    tests.append(of_tests("Shared.test_a", "tests/base.py"))
    found = evidence({"TestOne::test_a[1]": [*tests, "shop", of_tests("helper")]}, {})
    assert ranked(found, "TestOne::test_a[1]") == ["shop", "helper"]


def test_source_that_is_named_like_the_test_is_a_suspect() -> None:
    found = evidence({"test_a": ["test_a"]}, {})
    assert ranked(found) == ["test_a"]


def test_of_equals_helpers_of_the_tests_come_last() -> None:
    found = evidence({"test_a": [of_tests("a_helper"), "shop"]}, {})
    assert ranked(found) == ["shop", "a_helper"]


def test_where_an_exception_came_through_counts_most_the_innermost_first() -> None:
    found = evidence({"test_a": ["inner", "middle", "outer", "aside"]}, {"test_p": ["aside"]})
    assert ranked(found, way=("inner", "middle", "outer")) == ["inner", "middle", "outer", "aside"]
    assert ranked(found, way=("outer", "middle", "inner"))[:3] == ["outer", "middle", "inner"]


def test_a_function_that_comes_twice_on_the_way_counts_where_it_is_nearest() -> None:
    found = evidence({"test_a": ["deep", "other"]}, {})
    assert ranked(found, way=("deep", "other", "deep")) == ["deep", "other"]


def test_the_way_is_not_all_what_every_passing_test_executes_too_gives_way() -> None:
    passing: Runs = {f"test_{n}": ["inner"] for n in range(30)}
    assert ranked(evidence({"test_a": ["inner", "outer"]}, passing), way=("inner", "outer")) == ["outer", "inner"]


def test_one_line_that_only_the_failing_execute_makes_its_function_more_suspicious() -> None:
    """A branch that is rarely taken, of a function that all tests execute."""
    found = evidence({"test_a": ["branches", "straight"]}, {"test_p": ["branches", "straight"]})
    first, other = found.spans[source("branches")][0], found.spans[source("straight")][0]
    lines = with_lines(found, {"test_a": [first, first + 3, other]}, {first: 1, other: 1})
    assert ranked(lines)[0] == "branches"
    assert spectrum.rank(["tests/test_it.py::test_a"], lines, [])[0].score > 1 / math.sqrt(2)


def test_a_line_belongs_to_the_innermost_function_that_holds_it() -> None:
    found = evidence({"test_a": ["outer", "outer.<locals>.inner"]}, {"test_p": ["outer", "outer.<locals>.inner"]})
    found.spans = {source("outer"): (1, 20), source("outer.<locals>.inner"): (5, 9)}
    lines = with_lines(found, {"test_a": [2, 6]}, {2: 1})
    assert ranked(lines)[0] == "outer.<locals>.inner"


def test_of_equals_the_one_with_more_executed_lines_is_first() -> None:
    found = evidence({"test_a": ["a_short", "long"]}, {})
    first, other = found.spans[source("a_short")][0], found.spans[source("long")][0]
    assert ranked(with_lines(found, {"test_a": [first, other, other + 1]}, {})) == ["long", "a_short"]


# Joint causes


TWO = {"one": ["test_a"], "two": ["test_b"]}


def test_groups_that_one_function_explains_have_one_cause() -> None:
    found = evidence({"test_a": ["price", "core"], "test_b": ["label", "core"]}, {"test_p": ["other"]})
    assert joint(found, TWO) == {"one": "core", "two": "core"}


def test_one_fault_is_likelier_than_two_though_a_test_passes_it() -> None:
    """Each group has a function of its own that no passing test executes: that would be two faults at once."""
    failing: Runs = {"test_a": ["price", "core"], "test_b": ["label", "core"]}
    assert joint(evidence(failing, {"test_p": ["core"]}), TWO) == {"one": "core", "two": "core"}


def test_what_many_tests_pass_explains_not_even_many_groups() -> None:
    failing: Runs = {f"test_{n}": [f"own_{n}", "core"] for n in range(4)}
    groups = {f"cause {n}": [f"test_{n}"] for n in range(4)}
    assert set(joint(evidence(failing, {f"test_p{n}": ["core"] for n in range(2)}), groups).values()) == {"core"}
    assert joint(evidence(failing, {f"test_p{n}": ["core"] for n in range(3)}), groups) == {}


def test_two_unrelated_faults_stay_two() -> None:
    found = evidence({"test_a": ["price"], "test_b": ["label"]}, {"test_p": ["other"]})
    assert joint(found, TWO) == {}


def test_two_faults_stay_two_though_both_go_through_what_passing_tests_execute_too() -> None:
    common: Runs = {f"test_{n}": ["core"] for n in range(20)}
    found = evidence({"test_a": ["price", "core"], "test_b": ["label", "core"]}, common)
    assert joint(found, TWO) == {}


def test_a_joint_fault_and_one_aside_are_two() -> None:
    failing: Runs = {"test_a": ["a", "core"], "test_b": ["b", "core"], "test_c": ["aside"]}
    found = evidence(failing, {"test_p": ["a"], "test_q": ["b"]})
    assert joint(found, {**TWO, "three": ["test_c"]}) == {"one": "core", "two": "core"}


def test_a_function_explains_a_group_only_if_all_of_its_tests_execute_it() -> None:
    failing: Runs = {"test_a": ["core"], "test_b": ["core"], "test_c": ["c"]}
    assert joint(evidence(failing, {}), {"one": ["test_a"], "two": ["test_b", "test_c"]}) == {}


def test_groups_of_which_nothing_was_run_again_join_nobody() -> None:
    found = evidence({"test_a": ["core"], "test_b": ["core"]}, {})
    assert joint(found, {**TWO, "three": ["test_gone"], "four": []}) == {"one": "core", "two": "core"}
    assert joint(Evidence(), TWO) == {}


def test_the_test_function_that_two_groups_share_explains_nothing() -> None:
    shared = of_tests("Base.test_a")
    found = evidence({"TestOne::test_a": [shared], "TestTwo::test_a": [shared]}, {})
    assert joint(found, {"one": ["TestOne::test_a"], "two": ["TestTwo::test_a"]}) == {}


def test_where_lines_are_known_a_line_has_to_explain_the_groups() -> None:
    """Both execute the same function, but different branches of it: these are two faults."""
    found = evidence({"test_a": ["core"], "test_b": ["core"]}, {"test_p": []})
    first = found.spans[source("core")][0]
    apart = with_lines(found, {"test_a": [first, first + 1], "test_b": [first, first + 2]}, {first: 40})
    assert joint(apart, TWO) == {}
    together = with_lines(found, {"test_a": [first, first + 1], "test_b": [first, first + 1]}, {first: 40})
    assert joint(together, TWO) == {"one": "core", "two": "core"}


def test_no_order_of_tests_and_groups_changes_anything() -> None:
    random = Random(7)  # noqa: S311 - an order, no secret
    names = [f"f{n}" for n in range(12)]
    failing = {f"test_{n}": random.sample(names, 5) for n in range(30)}
    passing = {f"test_p{n}": random.sample(names, 4) for n in range(40)}
    groups = {f"cause {n}": [f"test_{m}" for m in range(n, 30, 10)] for n in range(10)}
    first = evidence(failing, passing)
    found = joint(first, groups), ranked(first, *failing)
    for _ in range(5):
        shuffled = [
            dict(random.sample(sorted(mapping.items()), len(mapping))) for mapping in (failing, passing, groups)
        ]
        again = evidence(shuffled[0], shuffled[1])
        assert (joint(again, shuffled[2]), ranked(again, *shuffled[0])) == found
