"""What is measured of a context: bodies, lines, ranks, and why a function is not in it."""

from __future__ import annotations

from dispatcher.context.builder import Context
from dispatcher.context.fit import Fitted
from dispatcher.context.pieces import Chosen, Piece, Tier
from dispatcher.context.ranking import Ranked
from dispatcher.evaluate import measures
from dispatcher.evaluate.truth import Place, Truth
from dispatcher.graph.definition import Definition
from dispatcher.llm.tokens import Count


def context(shown: dict[str, tuple[str, int, int]], ranked: list[str]) -> Context:
    """A context that shows functions of a.py: the form and lines of each; and the order of suspicion."""
    chosen = [
        Chosen(Piece("code", Tier.HIGH, name, (), path="a.py", name=name), form, "", ((first, last),), 1)
        for name, (form, first, last) in shown.items()
    ]
    order = [Ranked(Definition("a.py", name, "function", 1, 2), 0.0, {}) for name in ranked]
    return Context(Fitted("", Count(7, "exact", "test", 7), chosen, []), order)


def truth(*names: str, lines: tuple[tuple[int, ...], ...] = ()) -> Truth:
    return Truth(tuple(("a.py", name) for name in names), tuple(Place("a.py", each, "") for each in lines))


def test_bodies_lines_and_ranks_are_told() -> None:
    found = context({"f": ("full", 1, 5), "g": ("excerpt", 11, 12), "h": ("signature", 20, 20)}, ["g", "f", "g", "h"])
    told = measures.measure(truth("f", "h", lines=((5,), (6, 11), (13,), (20,))), found, 0.25)
    assert (told["any_function"], told["all_functions"], told["lines"], told["rank"]) == (True, False, 0.75, 2)
    assert (told["shown"], told["tokens"], told["seconds"]) == (2, 7, 0.25)
    assert told["missed"] == [{"path": "a.py", "name": "h", "cause": "ranked too low"}]


def test_each_function_that_is_missed_has_a_cause() -> None:
    found = context({"b": ("full", 1, 2), "d": ("full", 5, 6), "c": ("signature", 3, 3)}, ["b", "c", "d", "e"])
    told = measures.measure(truth("c", "e", "x"), found, 0)
    assert [missed["cause"] for missed in told["missed"]] == ["no room", "ranked too low", "not ranked"]
    assert (told["any_function"], told["rank"], told["lines"]) == (False, 2, None)


def test_a_fix_without_functions_counts_for_its_lines() -> None:
    found = context({"f": ("full", 1, 2)}, ["f"])
    with_it, without = measures.measure(truth("f"), found, 0), measures.measure(truth(lines=((2,), (3,))), found, 0)
    assert (without["any_function"], without["all_functions"], without["rank"]) == (None, None, None)
    total = measures.total([with_it, without])
    assert (total["bugs"], total["with_functions"]) == (2, 1)
    assert (total["any_function"], total["first"], total["lines"]) == (1.0, 1.0, 0.5)
    assert measures.total([without])["top_3"] is None


def test_shares_of_ranks_are_of_all_bugs_that_change_a_function() -> None:
    found = context({}, list("abcdefghijkl"))
    total = measures.total([measures.measure(truth(name), found, 0) for name in ("a", "c", "j", "l", "none")])
    assert (total["first"], total["top_3"], total["top_5"], total["top_10"]) == (0.2, 0.4, 0.4, 0.6)
