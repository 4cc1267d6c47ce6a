"""Which functions come first, and which signal brings them there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.context import clues, ranking
from dispatcher.context.clues import Clues
from dispatcher.context.signals import calls, execution, history, neighbours, shape, words
from dispatcher.domain.task import Task, new_task
from dispatcher.graph import graph as code_graph
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from tests.unit.context import made

PRICE = "shop/price.py"


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with code_graph.opened(made.project(tmp_path / "project"), None) as found:
        yield found


def names(ranked: list[ranking.Ranked]) -> list[str]:
    return [each.definition.name for each in ranked]


def known(values: dict[Any, float]) -> dict[str, float]:
    return {definition.name: round(value, 2) for definition, value in values.items()}


def test_what_only_the_failing_test_executes_comes_first_and_tests_are_not_there(graph: Graph) -> None:
    ranked = names(ranking.rank(clues.of(made.task()), graph))
    assert ranked[:3] == ["Price.parse", "convert", "Price.__init__"]
    assert "test_parse_price" not in ranked


def test_each_signal_can_be_switched_off(graph: Graph) -> None:
    frames = [["source", PRICE, 29, "convert", "return int(number) + 1"]]
    found = clues.of(made.task("exception", frames=frames))
    whole = {s for each in ranking.rank(found, graph) for s in each.signals}
    assert whole == {*ranking.SIGNALS} - {"history"}  # nothing is committed
    for signal in ranking.SIGNALS:
        left = {s for each in ranking.rank(found, graph, {signal}) for s in each.signals}
        assert left == whole - {signal}


def test_without_evidence_text_and_calls_find_it(graph: Graph) -> None:
    task = made.task()
    task["detail"] = {}
    ranked = names(ranking.rank(clues.of(task), graph))
    assert ranked[0] == "Price.parse"


def test_a_task_by_hand_is_ranked_by_its_words(graph: Graph) -> None:
    task: Task = {**new_task("t", "convert is off by one", "2026-01-01T00:00:00.000Z", 1), "body": "see convert()"}
    assert names(ranking.rank(clues.of(task), graph))[0] == "convert"


def test_the_way_of_an_exception_begins_where_it_was_raised(graph: Graph) -> None:
    frames = [
        ["source", PRICE, 22, "Price.parse", ""],
        ["source", PRICE, 29, "convert", ""],
        ["library", "int.py", 1, "int", ""],
    ]
    found = clues.of(made.task("exception", frames=frames))
    assert found.crash
    assert known(calls.on_the_way(found, graph)) == {"convert": 1.0, "Price.parse": 0.5, "test_parse_price": 0.33}


def test_an_assertion_has_no_way_and_an_error_in_the_test_itself_is_no_crash(graph: Graph) -> None:
    assert not clues.of(made.task()).way
    assert not clues.of(made.task("exception")).crash
    assert known(calls.on_the_way(clues.of(made.task("exception")), graph)) == {"test_parse_price": 1.0}


def test_spectra_follow_ochiai(graph: Graph) -> None:
    found = clues.of(made.task())
    assert known(execution.spectrum(found, graph)) == {"Price.parse": 1.0, "convert": 0.71, "Price.__init__": 0.45}
    ran = execution.ran_by_function(found)
    assert known(execution.lines(found, graph, ran)) == {"Price.parse": 1.0, "convert": 0.71, "Price.__init__": 0.45}
    assert execution.ochiai(0, 3, 0) == execution.ochiai(1, 0, 0) == 0.0


def test_what_the_test_uses_counts_more_than_what_that_uses(graph: Graph) -> None:
    used = known(calls.used(clues.of(made.task()), graph))
    assert used["Price.parse"] == 1.0
    assert used["convert"] == 0.5
    assert "convert" not in known(calls.used(clues.of(made.task()), graph, hops=1))
    assert "unrelated" not in used


def test_names_in_the_error_and_in_the_tests_name_count(graph: Graph) -> None:
    among = graph.definitions(PRICE)
    assert known(words.said(Clues("t", crash=False, words=("convert() failed",)), among)) == {"convert": 1.0}
    named = known(words.in_the_name(clues.of(made.task()), among))
    assert named["Price.parse"] == 1.0
    assert "convert" not in named


def test_a_module_named_like_the_tests_file_counts_more_the_fewer_there_are() -> None:
    def valued(test: str, *paths: str) -> dict[str, float]:
        among = [Definition(path, "f", "function", 1, 2) for path in paths]
        values = words.in_like_named_file(Clues(f"{test}::test_it", crash=False), among)
        return {d.path: round(value, 2) for d, value in values.items()}

    assert valued("tests/test_price.py", "shop/price.py", "shop/cart.py") == {"shop/price.py": 1.0}
    assert valued("tests/price/test_all.py", "price/__init__.py", "cart.py", "tax.py") == {"price/__init__.py": 1.0}
    assert valued("tests/test_filesink.py", "_file_sink.py", "sink.py", "file.py") == {"_file_sink.py": 1.0}
    assert valued("price_rules_test.py", "rules.py", "price_rules.py", "x_rules.py", "y.py") == {
        "rules.py": 0.5, "price_rules.py": 0.5, "x_rules.py": 0.1,
    }  # fmt: skip
    assert valued("tests/test_price.py", "price.py") == {}, "all there is"
    assert valued("tests/test.py", "tests/__init__.py", "a.py") == {}


def test_a_name_that_is_not_there_points_to_those_nearly_like_it(graph: Graph) -> None:
    def valued(said: str) -> dict[str, float]:
        found = Clues("t", crash=False, words=(said,))
        return known(words.nearly_said(found, graph.definitions(PRICE)))

    assert valued("cannot import name 'convert_all' from 'shop.price' (shop/price.py)") == {"convert": 1.0}
    assert valued("module 'shop.price' has no attribute 'konvert'") == {"convert": 0.86}
    assert valued("name 'parsed' is not defined") == {"Price.parse": 1.0}
    assert valued("name 'convert' is not defined") == {}
    assert valued("'Price' object has no attribute 'parsed'") == {}, "objects of the test's own have attributes too"


def test_functions_beside_likely_ones_are_likelier() -> None:
    first, beside, elsewhere = (Definition(path, name, "function", 1, 2) for path, name in ("af", "ag", "bh"))
    found = neighbours.likely({first: 3.0, beside: 0.0, elsewhere: 0.0})
    assert found[beside] == pytest.approx(0.9526, abs=1e-3)  # e^3 / (e^3 + 1)
    assert found[first] == pytest.approx(0.5)
    assert found[elsewhere] == 0.0
    assert neighbours.likely({}) == neighbours.likely({first: 1.0}) == {}


def test_what_shows_an_object_is_seldom_to_blame(graph: Graph) -> None:
    plain = known(shape.plain(graph.definitions(PRICE)))
    assert plain["Price.__init__"] == 0.0
    assert plain["convert"] == 1.0
    size = known(shape.size(graph.definitions(PRICE)))
    assert size["Price.parse"] > size["convert"] > 0


def test_what_was_changed_lately_counts_if_it_was_with_the_test(tmp_path: Path) -> None:
    folder = made.project(tmp_path / "project")
    for name, before, after, test in (
        ("first", "return x", "return  x", ""),
        ("second", "+ 1", "+ 2", "\n\ndef test_parse_numbers():\n    assert True\n"),
    ):
        if name == "first":
            commit(folder, "all")
        source = folder / PRICE
        source.write_text(source.read_text().replace(before, after))
        with (folder / "tests" / "test_price.py").open("a") as file:
            file.write(test)
        commit(folder, name)
    with code_graph.opened(folder, None) as graph:
        commits, among = graph.commits(), graph.definitions(PRICE)
        assert [sorted(c.functions) for c in commits[:2]] == [
            [(PRICE, "convert"), ("tests/test_price.py", "test_parse_price")],
            [(PRICE, "unrelated")],
        ]
        assert known(history.changed_together(commits, "tests/test_price.py", among)) == {"convert": 1.0}
        assert known(history.changed_with_like_tests(commits, clues.of(made.task()), among)) == {"convert": 1.0}
        assert set(known(history.in_recent_file(commits, among)).values()) == {1.0}


def commit(folder: Path, message: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", message]):
        subprocess.run(["git", *command], cwd=folder, check=True)  # noqa: S607 - the one on the path


def test_odd_documents_are_no_error(graph: Graph) -> None:
    task = made.task()
    for detail in ({}, {"failure": None}, {"failure": {"frames": [[], ["source"], None], "evidence": {}}}):
        task["detail"] = detail
        assert ranking.rank(clues.of(task), graph)
