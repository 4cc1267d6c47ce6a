"""Who is linked to whom, and why, in small projects; and what a search of their text finds."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dispatcher.graph import searching
from dispatcher.graph.definition import Definition, Link
from dispatcher.graph.graph import Graph, opened
from dispatcher.graph.terms import terms_of
from tests.unit.graph.written import graph_of

SHOP = {
    "src/shop/__init__.py": "from .cart import Cart as Basket, total\n",
    "src/shop/cart.py": """
        import json
        from shop.errors import Empty

        class Base:
            def price(self): return 1

        class Cart(Base):
            def add(self, item):
                self.items.append(item)
                return self.price()

            def checked(self):
                if not self.items:
                    raise Empty("nothing")

        def total(cart):
            return sum(cart.checked())
    """,
    "src/shop/errors.py": """
        class Empty(Exception):
            def told(self): pass
    """,
    "src/shop/late.py": """
        def run():
            from . import cart
            return cart.total(cart.Cart())
    """,
    "tests/test_cart.py": """
        import pytest
        import shop
        from shop import Basket, total as summed

        def made(): return Basket()

        class TestCart:
            def test_total(self):
                cart = made()
                assert summed(cart) == 0
                shop.total(cart)
    """,
}
CART = "src/shop/cart.py"


@pytest.fixture
def shop(tmp_path: Path) -> Graph:
    return graph_of(tmp_path, SHOP)


def linked(graph: Graph, node: str, kind: str) -> list[str]:
    return [link.node for link in graph.links(node) if link.kind == kind]


def defined(graph: Graph, path: str, name: str) -> Definition:
    found = graph.find(path, name)
    assert found
    return found


def test_names_are_followed_through_imports_renamings_and_packages(shop: Graph) -> None:
    test = "test:tests/test_cart.py::TestCart::test_total"
    assert [link for link in shop.links(test) if link.kind != "part_of"] == [
        Link("calls", "function:tests/test_cart.py::made", "refers to `made`, defined in the same file"),
        Link("tests", f"function:{CART}::total", "refers to `summed`, imported from shop"),
    ]
    assert linked(shop, "function:tests/test_cart.py::made", "calls") == [f"class:{CART}::Cart"]
    assert linked(shop, f"function:{CART}::total", "tested_by") == [test]
    assert linked(shop, f"class:{CART}::Cart", "called_by") == [
        "function:src/shop/late.py::run", "function:tests/test_cart.py::made",
    ]  # fmt: skip


def test_methods_are_those_of_the_class_or_its_bases_else_of_the_few_that_have_the_name(shop: Graph) -> None:
    assert linked(shop, f"function:{CART}::Cart.add", "calls") == [f"function:{CART}::Base.price"]
    assert shop.links(f"function:{CART}::total")[0] == Link(
        "calls", f"function:{CART}::Cart.checked", "refers to `checked`, the only `checked`"
    )
    assert linked(shop, f"class:{CART}::Cart", "depends_on") == [f"class:{CART}::Base"]
    assert linked(shop, f"class:{CART}::Base", "used_by") == [f"class:{CART}::Cart"]


def test_a_name_that_many_have_links_to_none(tmp_path: Path) -> None:
    many = {f"m{i}.py": f"class C{i}:\n    def run(self): pass\n" for i in range(6)}
    with graph_of(tmp_path, {**many, "user.py": "def f(x): x.run()\n"}) as graph:
        assert linked(graph, "function:user.py::f", "calls") == []
    (tmp_path / "m5.py").unlink()
    with graph_of(tmp_path, {}) as graph:
        assert linked(graph, "function:user.py::f", "calls") == [f"function:m{i}.py::C{i}.run" for i in range(5)]


def test_code_does_not_use_attributes_of_its_tests(tmp_path: Path) -> None:
    files = {"tests/helper.py": "class H:\n    def check(self): pass\n", "a.py": "def f(x): x.check()\n"}
    with graph_of(tmp_path, {**files, "tests/test_a.py": "def test_a(x): x.check()\n"}) as graph:
        assert linked(graph, "function:a.py::f", "calls") == []
        assert linked(graph, "test:tests/test_a.py::test_a", "calls") == ["function:tests/helper.py::H.check"]


def test_modules_and_libraries_are_linked_with_the_line_that_imports(shop: Graph) -> None:
    assert shop.imports("tests/test_cart.py") == ["src/shop/__init__.py"]
    assert shop.importers(CART) == ["src/shop/__init__.py", "src/shop/late.py"]
    assert shop.links("library:json") == [Link("used_by", f"module:{CART}", "line 2: import json")]
    assert Link("depends_on", "library:pytest", "line 2: import pytest") in shop.links("module:tests/test_cart.py")
    assert linked(shop, f"module:{CART}", "contains") == [
        f"class:{CART}::Base", f"class:{CART}::Cart", f"function:{CART}::total",
    ]  # fmt: skip


def test_exceptions_are_linked_with_who_raises_them(shop: Graph) -> None:
    assert shop.links("error:Empty") == [Link("raised_in", f"function:{CART}::Cart.checked", "raise Empty")]
    assert linked(shop, f"function:{CART}::Cart.checked", "raises") == ["error:Empty"]


def test_of_modules_of_one_name_the_nearest_is_meant(tmp_path: Path) -> None:
    files = {f"{folder}/util.py": "def f(): pass\n" for folder in ("one", "two", "deep/three")}
    files |= {f"{folder}/main.py": "import util, json\ndef g(): util.f()\n" for folder in ("one", "two", "deep/three")}
    with graph_of(tmp_path, {**files, "tests/json.py": ""}) as graph:
        for folder in ("one", "two", "deep/three"):
            assert graph.imports(f"{folder}/main.py") == [f"{folder}/util.py"]
            assert linked(graph, f"function:{folder}/main.py::g", "calls") == [f"function:{folder}/util.py::f"]


def test_definitions_are_found_by_line_name_and_qualified_name(shop: Graph) -> None:
    add = defined(shop, CART, "Cart.add")
    assert (shop.at(CART, 10), shop.at(CART, 8), shop.at(CART, 1)) == (add, defined(shop, CART, "Cart"), None)
    assert shop.named("add") == [add]
    assert shop.find(CART, "<module>") == Definition(CART, "<module>", "module", 1, 18)
    assert (shop.find(CART, "gone"), shop.find("gone.py", "<module>"), shop.definitions("gone.py")) == (None, None, [])
    assert shop.lines(CART)[add.first - 1].strip() == "def add(self, item):"


def test_of_definitions_of_one_name_the_longest_is_found(tmp_path: Path) -> None:
    with graph_of(tmp_path, {"a.py": "@overload\ndef f(x): ...\ndef f(x):\n    y = x\n    return y\n"}) as graph:
        assert defined(graph, "a.py", "f").first == 3


def test_a_file_that_changed_since_has_no_lines(shop: Graph, tmp_path: Path) -> None:
    (tmp_path / CART).write_text("x = 1\n")
    assert shop.lines(CART) == []


def test_a_walk_is_breadth_first_ends_in_circles_and_stops_in_time(tmp_path: Path) -> None:
    files = {f"m{i}.py": f"import m{(i + 1) % 6}\n" for i in range(6)}
    with graph_of(tmp_path, files) as graph:
        walked = list(graph.walk(["module:m0.py"], ["depends_on", "used_by"], 100))
        assert walked == [(f"module:m{i}.py", min(i, 6 - i)) for i in (0, 1, 5, 2, 4, 3)]
        assert list(graph.walk(["module:m0.py"], ["depends_on"], 3)) == [(f"module:m{i}.py", i) for i in range(3)]
        assert graph.cycles() == [[f"m{i}.py" for i in range(6)]]


def test_text_is_found_by_its_own_terms_and_rare_ones_count_more(shop: Graph) -> None:
    found = shop.search(terms_of("the cart is Empty, nothing checked"), 3)
    assert found[0][0] == defined(shop, CART, "Cart.checked")
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    every = [each for path in shop.files() for each in shop.definitions(path)]
    scores = shop.score(terms_of("the cart is Empty, nothing checked"), every)
    assert all(scores[each] == score for each, score in found)
    assert shop.search({"nothing": 0.0, "nowhere": 1.0}, 5) == []


def test_the_score_is_that_of_bm25(tmp_path: Path) -> None:
    with graph_of(
        tmp_path, {"a.py": "def one(): rare.Rare\n", "b.py": "def two(): more\ndef three(): more\n"}
    ) as graph:
        (found,) = graph.search({"rare": 2.0}, 5)
    # ln(1 + (3 - 1 + 0.5) / (1 + 0.5)) for one document in three; lengths 3, 2, 2.
    idf, norm = 0.9808292530117262, 1.2 * (0.25 + 0.75 * 3 / (7 / 3))
    assert found[1] == pytest.approx(2 * idf * 2 * 2.2 / (2 + norm))


def test_terms_that_cannot_lift_a_text_to_the_best_are_looked_up_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Terms from the rarest to what nearly all have, in texts of many lengths.
    chance = Random(5)  # noqa: S311 - no secret
    shares = [chance.random() ** 2 for _ in range(12)]
    texts = [
        "  ".join(f"w{k}x " * chance.randint(1, 3) for k in range(12) if chance.random() < shares[k])
        for _ in range(120)
    ]
    graph_of(tmp_path, {"a.py": "".join(f"def f{n}(): '{text}'\n" for n, text in enumerate(texts))}).close()
    queries = [({f"w{k}x": chance.random() ** 3 for k in range(12)}, chance.randint(1, 9)) for _ in range(60)]
    found = []
    for first in (10**9, 1):
        monkeypatch.setattr(searching, "_FIRST", first)
        monkeypatch.setattr(searching, "_CLEAR", 1)
        with opened(tmp_path, None) as graph:
            every = graph.definitions("a.py")
            found.append([(graph.search(terms, most), graph.score(terms, every)) for terms, most in queries])
    assert found[0] == found[1]
    for (best, scores), (_, most) in zip(found[1], queries, strict=True):
        assert [score for _, score in best] == sorted(scores.values(), reverse=True)[:most]


def test_terms_are_names_and_their_parts() -> None:
    assert terms_of("parseHTML_2 for x in HTMLParser.get2('It''s 404')") == {
        "parsehtml_2": 1, "parse": 1, "html": 2, "htmlparser": 1, "parser": 1, "get2": 1, "get": 1, "it": 1,
    }  # fmt: skip


def test_links_of_what_is_not_there_are_none(shop: Graph) -> None:
    for node in ("module:gone.py", "function:src/shop/cart.py::gone", "library:gone", "error:", "gone", "", "x:y::z"):
        assert shop.links(node) == []
    stranger = Definition("gone.py", "f", "function", 1, 2)
    assert (shop.callees(stranger), shop.callers(stranger), shop.score({"cart": 1.0}, [stranger])) == (
        [],
        [],
        {stranger: 0.0},
    )
