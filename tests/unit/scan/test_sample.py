"""Which tests are run a second time."""

from __future__ import annotations

from random import Random
from typing import Any

from dispatcher.domain.failure import Failure
from dispatcher.scan import sample


def failure(test: str, cause: str, **more: Any) -> Failure:  # noqa: ANN401 - any field of a failure
    made: dict[str, Any] = {"test": test, "cause": cause, "when": "call", "kind": "exception", **more}
    return made  # type: ignore[return-value] # as much of one as is looked at


def outcomes(*tests: str) -> dict[str, str]:
    return dict.fromkeys(tests, "passed")


def test_each_cause_comes_once_before_any_comes_twice() -> None:
    failures = [*(failure(f"a.py::test_{n}", "one") for n in range(4)), failure("b.py::test_x", "two")]
    failures += [failure("c.py::test_y", "three"), failure("c.py::test_z", "three")]
    assert sample.failing(failures) == [
        "a.py::test_0", "b.py::test_x", "c.py::test_y", "a.py::test_1", "c.py::test_z", "a.py::test_2", "a.py::test_3",
    ]  # fmt: skip


def test_what_cannot_be_run_again_or_shows_nothing_is_left_out() -> None:
    failures = [
        failure("a.py::test_slow", "1", kind="timeout"),
        failure("b.py", "2", when="collect"),
        failure("c.py::test_flaky", "3", flaky={"passed": 1, "runs": 2}),
        failure("d.py::test_setup", "4", when="setup"),
        failure("d.py::test_teardown", "5", when="teardown"),
    ]
    assert sample.failing(failures) == ["d.py::test_setup", "d.py::test_teardown"]


def test_the_sample_is_bounded_and_no_order_of_the_run_changes_which_fail_first() -> None:
    failures = [failure(f"a.py::test_{n}", f"cause {n % 7}") for n in range(500)]
    chosen = sample.failing(failures)
    Random(1).shuffle(failures)  # noqa: S311 - an order, no secret
    assert chosen == sample.failing(failures)
    assert len(chosen) == len(set(chosen)) == 200
    assert {int(test.rpartition("_")[2]) % 7 for test in chosen[:7]} == set(range(7))


def test_nearest_are_other_cases_then_the_class_then_the_file_then_others() -> None:
    near = ["a.py::TestOne::test_p[1]"]
    passing = outcomes(
        "b.py::test_far",
        "a.py::test_same_file",
        "a.py::TestOne::test_same_class",
        "a.py::TestOne::test_p[2]",
        "a.py::TestTwo::test_p[2]",
    )
    assert sample.passing(passing, near) == [
        "a.py::TestOne::test_p[2]",
        "a.py::TestOne::test_same_class",
        "a.py::test_same_file",
        "a.py::TestTwo::test_p[2]",
        "b.py::test_far",
    ]


def test_of_other_files_one_is_taken_of_each_in_turn() -> None:
    passing = outcomes("b.py::test_1", "b.py::test_2", "b.py::test_3", "c.py::test_1", "d.py::test_1", "d.py::test_2")
    assert sample.passing(passing, ["a.py::test_x"]) == [
        "b.py::test_1", "c.py::test_1", "d.py::test_1", "b.py::test_2", "d.py::test_2", "b.py::test_3",
    ]  # fmt: skip


def test_only_what_has_passed_is_taken() -> None:
    others = {f"a.py::test_{how}": how for how in ("failed", "error", "skipped", "xfailed", "xpassed")}
    assert sample.passing({**others, "a.py::test_fine": "passed"}, ["a.py::test_failed"]) == ["a.py::test_fine"]


def test_cases_of_one_test_leave_room_for_other_files() -> None:
    cases = outcomes(*(f"a.py::test_p[{n}]" for n in range(1000)))
    others = outcomes(*(f"b{n}.py::test_q" for n in range(1000)))
    chosen = sample.passing({**cases, **others}, ["a.py::test_p[x]"])
    assert len(chosen) == len(set(chosen)) == 400
    assert sum(test.startswith("a.py") for test in chosen) == 200
    few = sample.passing({**cases, **outcomes("b.py::test_q")}, ["a.py::test_p[x]"])
    assert few.count("b.py::test_q") == 1


def test_a_bracket_in_a_parameter_is_no_other_function() -> None:
    passing = outcomes("a.py::test_p[b[1]::c]", "a.py::test_q")
    assert sample.passing(passing, ["a.py::test_p[x]"])[0] == "a.py::test_p[b[1]::c]"
