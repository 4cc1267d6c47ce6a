"""Which lines of the suspects are shown, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.context import clues, lines, surroundings
from dispatcher.context.allotment import Size, allot, likelihoods
from dispatcher.context.code import Code
from dispatcher.context.excerpt import Excerpt
from dispatcher.context.ranking import Ranked
from dispatcher.context.signals import words
from dispatcher.graph import graph as code_graph
from dispatcher.graph.definition import Definition
from dispatcher.graph.graph import Graph
from tests.property.world import examples
from tests.unit.context import made

PRICE = "shop/price.py"


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with code_graph.opened(made.project(tmp_path / "project"), None) as found:
        yield found


def weights_of(graph: Graph, name: str, kind: str = "assertion", *, line: int | None = None) -> dict[int, float]:
    frames = [] if line is None else [["source", PRICE, line, name, ""]]
    found = clues.of(made.task(kind, frames=frames))
    definition = graph.find(PRICE, name)
    assert definition is not None
    return lines.weights(found, graph, definition, words.query(found, graph))


def test_docstrings_weigh_least_and_what_is_executed_more(graph: Graph) -> None:
    weights = weights_of(graph, "Price.parse")
    assert max(weights.values()) == 1.0
    docstring = made.line_of('"""Parse it."""')
    assert weights[docstring] == min(weights.values())
    assert weights[made.line_of("found = _NUMBER")] > weights[made.line_of("raise ValueError")]


def test_the_way_of_the_exception_weighs_more_than_the_same_line_without(graph: Graph) -> None:
    line = made.line_of("raise ValueError")
    assert weights_of(graph, "Price.parse", "exception", line=line)[line] > weights_of(graph, "Price.parse")[line]


def test_the_class_and_the_names_that_a_function_uses_stand_around_it(graph: Graph) -> None:
    source, others = graph.lines(PRICE), graph.definitions(PRICE)
    parse = graph.find(PRICE, "Price.parse")
    price = graph.find(PRICE, "Price")
    assert parse is not None
    assert price is not None
    assert surroundings.names_used(source, parse, others) == [(made.line_of("_NUMBER ="),) * 2]
    own = surroundings.own_lines(source, price, others)
    assert own == [(made.line_of("class Price"),) * 2, (made.line_of("digits = 2"),) * 2]


def test_an_assignment_of_several_lines_is_shown_to_its_end() -> None:
    source = ["NAMES = [", "    'a',", "", "    'b',", "]", "other = 1", "def f():", "    return NAMES"]
    with_f = [Definition("m.py", "f", "function", 7, 8)]
    assert surroundings.names_used(source, with_f[0], with_f) == [(1, 5)]


def test_of_a_parametrized_test_the_cases_are_left_out(tmp_path: Path) -> None:
    folder = made.project(tmp_path / "project")
    cases = "\n".join(f'    ("{n}", {n}),' for n in range(300))
    test = folder / "tests" / "test_price.py"
    test.write_text(test.read_text().replace("def test", f"@pytest.mark.parametrize('a', [\n{cases}\n])\ndef test"))
    with code_graph.opened(folder, None) as graph:
        pieces = Code(clues.of(made.task()), graph, [], 2048).pieces()
        shown = next(piece for piece in pieces if piece.kind == "test").forms[0].content
    assert isinstance(shown, Excerpt)
    assert shown.text.startswith("def test_parse_price():")
    assert shown.shown == ((306, 308),)


def test_a_helper_inside_another_helper_is_shown_once(tmp_path: Path) -> None:
    folder = made.project(tmp_path / "project")
    (folder / "tests" / "conftest.py").write_text(
        "def outer(a):\n    def inner(b):\n        return b\n    return inner\n"
    )
    with code_graph.opened(folder, None) as graph:
        found = [graph.find("tests/conftest.py", name) for name in ("outer.<locals>.inner", "outer")]
        ranked = [Ranked(each, 1.0, {}) for each in found if each is not None]
        pieces = Code(clues.of(made.task()), graph, ranked, 2048).pieces()
        assert [piece.name for piece in pieces if piece.kind == "code" and piece.name] == ["outer.<locals>.inner"]
    assert len(ranked) == 2


SCORES = st.lists(st.floats(0, 15), min_size=1, max_size=30)


SIZES = st.builds(
    lambda header, body, docstring: Size(header + body + docstring, header, body),
    st.integers(1, 200), st.integers(0, 6000), st.integers(0, 900),
)  # fmt: skip


@examples(60)
@given(SCORES, st.integers(0, 3000), st.lists(SIZES, min_size=30, max_size=30))
def test_rooms_are_within_what_there_is_and_the_likelier_of_two_alike_has_no_less(
    scores: list[float], room: int, sizes: list[Size]
) -> None:
    scores.sort(reverse=True)
    likely = likelihoods(scores)
    rooms = allot(likely, sizes[: len(scores)], room, 45, 25)
    assert sum(likely) == pytest.approx(1.0)
    assert sum(rooms) <= room
    for each, size in zip(rooms, sizes, strict=False):
        assert each <= size.whole + 45
        assert each == 0 or each >= min(size.whole, size.header + 25) + 45, "its name alone is worth no room"
    alike = allot(likely, [sizes[0]] * len(scores), room, 45, 25)
    assert alike == sorted(alike, reverse=True)


def test_one_that_is_surely_to_blame_has_all_that_it_needs() -> None:
    assert allot([0.98, 0.01, 0.01], [Size(300, 20, 280)] * 3, 400, 45, 25)[0] == 345
    assert allot([], [], 100, 45, 25) == []


def test_a_giant_that_is_likely_shows_some_of_its_body() -> None:
    rooms = allot([0.3, 0.2, 0.2, *[0.05] * 6], [Size(6000, 60, 5800), *[Size(200, 20, 180)] * 8], 1600, 45, 45)
    assert rooms[0] >= 60 + 45 + 45
    assert all(rooms[1:3])


def test_single_lines_around_are_whole_lines_however_little_room_there_is(tmp_path: Path) -> None:
    folder = made.project(tmp_path / "project")
    source = folder / "shop" / "price.py"
    names = [f"LIMIT_{n}" for n in range(30)]
    used = "\n".join(f"    print({name})" for name in names)
    source.write_text(
        source.read_text() + "\n".join(f"{n} = {'7' * 40}" for n in names) + f"\n\ndef limits():\n{used}\n"
    )
    with code_graph.opened(folder, None) as graph:
        limits = graph.find("shop/price.py", "limits")
        assert limits is not None
        pieces = Code(clues.of(made.task()), graph, [Ranked(limits, 1.0, {})], 1000).pieces()
        (around,) = [piece for piece in pieces if piece.title == "Around it"]
        full, part = (form.content for form in around.forms)
        assert not callable(full)
        assert callable(part)
        assert len(full.text.splitlines()) == 12, "of one function"
        some = part(lambda text: len(text) < 200)
        assert full.text.startswith(some.text + "\n")
        assert len(some.shown) == len(some.text.splitlines()) == 3
        assert len(part(lambda _text: False).shown) == 1


def test_what_it_seems_to_use_but_the_test_does_not_execute_is_not_shown(tmp_path: Path) -> None:
    folder = made.project(tmp_path / "project")
    with code_graph.opened(folder, None) as graph:
        parse = graph.find("shop/price.py", "Price.parse")
        assert parse is not None
        for executed, shown in ((True, ["convert"]), (False, [])):
            found = clues.of(made.task())
            ran = {unit: told for unit, told in found.executed.items() if executed or unit[1] != "convert"}
            pieces = Code(found._replace(executed=ran), graph, [Ranked(parse, 1.0, {})], 1000).pieces()
            texts = [form.content for piece in pieces if piece.title == "Used there" for form in piece.forms]
            assert [name for name in shown if any(not callable(t) and name in t.text for t in texts)] == shown
            assert bool(texts) is executed
