"""Which pieces are in a prompt, in which form, and what is said of those that are not."""

from __future__ import annotations

import pytest

from dispatcher.context.candidates import Rules
from dispatcher.context.excerpt import Excerpt
from dispatcher.context.fit import Fitted, fit
from dispatcher.context.markdown import Head, request
from dispatcher.context.pieces import Form, Kind, Piece, Tier, code_forms, text_forms
from dispatcher.errors import InvalidInput
from dispatcher.llm import estimate
from dispatcher.llm.tokens import Count

HEAD = Head("task-1", "PENDING", "tests/test_a.py::test_a")
C, H, M, L = Tier


def words(text: str) -> Count:
    """Count four bytes as a token."""
    tokens = (len(text.encode()) + 3) // 4
    return Count(tokens, "exact", "fours", tokens)


def real(text: str) -> Count:
    tokens = estimate.reference()(text)
    return Count(tokens, "exact", "cl100k", tokens)


def code(tier: Tier, name: str, lines: int = 10) -> Piece:
    source = [f"def {name}(self, a):", *(f"    a = step_{n}(a, {n})" for n in range(lines - 2)), "    return a"]
    return Piece("code", tier, name, code_forms(source, 1, {lines // 2: 1.0}.copy), language="python")


def note(kind: Kind, tier: Tier, title: str, text: str) -> Piece:
    return Piece(kind, tier, title, text_forms(text))


ERROR = note("error", C, "The failure", "ValueError: no")


def forms(fitted: Fitted) -> dict[str, str]:
    return {each.piece.title: each.form for each in fitted.chosen}


def test_all_is_there_in_full_where_there_is_room() -> None:
    pieces = [ERROR, code(L, "d"), code(H, "b"), code(C, "a"), code(M, "c")]
    fitted = fit(HEAD, pieces, 2048, words)
    assert forms(fitted) == {"a": "full", "The failure": "full", "b": "full", "c": "full", "d": "full"}
    assert list(forms(fitted)) == ["a", "The failure", "b", "c", "d"]
    assert fitted.left_out == []
    assert fitted.tokens == words(fitted.prompt)
    assert [each.lines for each in fitted.chosen if each.piece.kind == "code"] == [((1, 10),)] * 4


def test_what_has_no_room_in_full_is_an_excerpt_and_then_a_signature() -> None:
    pieces = [ERROR, code(C, "a", 100)]
    assert forms(fit(HEAD, pieces, 1000, words))["a"] == "full"
    cut = fit(HEAD, pieces, 400, words)
    assert forms(cut)["a"] == "excerpt"
    assert "step_49" in cut.prompt
    assert cut.tokens.bound > 380
    assert forms(fit(HEAD, pieces, 66, words))["a"] == "signature"


def test_low_goes_first() -> None:
    pieces = [ERROR, code(C, "a", 20), code(H, "b", 20), code(M, "c", 20), code(L, "d", 20)]
    seen = [set(forms(fit(HEAD, pieces, budget, words))) for budget in range(66, 300, 2)]
    assert all({"a", "The failure"} <= each for each in seen)
    assert {"a", "The failure", "b"} in seen
    assert {"a", "The failure", "b", "c"} in seen
    assert {"a", "The failure", "b", "d"} not in seen
    assert "d" in seen[-1]


def test_what_is_left_out_says_how_much_room_there_was() -> None:
    fitted = fit(HEAD, [ERROR, *(code(L, f"f{n}", 30) for n in range(40))], 512, words)
    left = fitted.left_out[-1]
    assert left.piece.title == "f39"
    assert left.why.startswith("no room: needs 11 tokens, ")
    assert int(left.why.split()[5]) < 11
    assert len(fitted.left_out) + len(fitted.chosen) == 41


def test_code_is_cut_before_it_takes_more_than_its_share() -> None:
    pieces = [ERROR, code(C, "a", 150), *(code(H, f"b{n}", 60) for n in range(6))]
    fitted = fit(HEAD, pieces, 2048, words, Rules(tiers=(1000, 800, 200, 48), first=0.3, later=0.1))
    tokens = {each.piece.title: each.tokens for each in fitted.chosen}
    assert forms(fitted)["a"] == forms(fitted)["b0"] == "excerpt"
    assert 500 < tokens["a"] <= 614 + 220
    assert tokens["b5"] <= 204


def test_room_that_is_left_improves_what_was_cut_in_order_of_rank() -> None:
    pieces = [ERROR, code(C, "a", 100), code(H, "b", 100)]
    fitted = fit(HEAD, pieces, 1100, words, Rules(first=0.1, later=0.1))
    assert forms(fitted)["a"] == "full"
    assert forms(fitted)["b"] == "excerpt"
    assert fitted.tokens.bound > 1060


def test_pieces_of_the_second_tier_can_have_more_before_the_next_is_let_in() -> None:
    pieces = [ERROR, code(C, "a"), *(code(H, f"b{n}", 40) for n in range(30))]
    many = fit(HEAD, pieces, 1024, words)
    few = fit(HEAD, pieces, 1024, words, Rules(least=150))
    assert len(few.chosen) < len(many.chosen)
    assert all(each.tokens >= 100 for each in few.chosen if each.piece.tier == H)


def test_too_small_a_budget_names_the_least_that_would_do() -> None:
    pieces = [ERROR, code(C, "a", 100)]
    with pytest.raises(InvalidInput, match=r"^a budget of 20 tokens: the least that would do is \d+$") as caught:
        fit(HEAD, pieces, 20, words)
    least = int(str(caught.value).split()[-1])
    assert set(forms(fit(HEAD, pieces, least, words))) == {"a", "The failure"}
    with pytest.raises(InvalidInput):
        fit(HEAD, pieces, least - 1, words)


def test_the_longest_texts_are_within_256_tokens_of_a_real_vocabulary() -> None:
    long = "assert {'key': [1.5, 'Ünï', None]} == {'key': [2.5]}  # " * 9000
    pieces = [
        note("error", C, "ValueError: " + long, long),
        note("test", C, "tests/" + "deep/" * 100 + "test_a.py", "\n".join([long] * 5)),
        code(C, "f" * 5000),
        Piece(
            "code",
            C,
            "日本語" * 1000,
            code_forms(["def g(", *(f"  p{n}=`{n}`," for n in range(999)), "): pass"], 1, dict),
        ),
    ]
    fitted = fit(Head("id-" * 500, "PENDING", long), pieces, 256, real)
    assert fitted.tokens.bound <= 256
    assert len(fitted.chosen) == 4
    assert "more characters)" in fitted.prompt


def test_each_larger_budget_keeps_what_the_one_before_had() -> None:
    """Also from where texts are cut further than usual to where they are not."""
    pieces = [note("error", C, "E" * 150, "long " * 99), code(C, "a", 30), *(code(H, f"b{n}", 9) for n in range(5))]
    before: set[str] = set()
    for budget in range(76, 212, 2):
        found = {each.piece.title[:2] for each in fit(HEAD, pieces, budget, words).chosen}
        assert before <= found
        before = found
    assert len(before) == len(pieces)


def test_what_is_critical_is_there_by_the_bytes_too() -> None:
    def bytes_of(text: str) -> Count:
        return Count(len(text), "estimated", "characters", estimate.bound(text))

    for error in ("ValueError: no", "x = 'é' " * 900):
        critical = [note("error", C, "The failure", error), code(C, "a", 100)]
        fitted = fit(Head("id-" * 60, "PENDING", "f" * 150), critical, 420, bytes_of)
        assert fitted.tokens.label == "bounded"
        assert set(forms(fitted)) == {"a", "The failure"}


def test_the_whole_is_counted_for_parts_do_not_add_up() -> None:
    def grudging(text: str) -> Count:
        tokens = len(text) // 4 + len(text) ** 2 // 40_000
        return Count(tokens, "exact", "grudging", tokens)

    pieces = [ERROR, code(C, "a", 50), *(code(H, f"b{n}", 30) for n in range(9)), *(code(M, f"c{n}") for n in range(9))]
    for budget in (300, 500, 900, 2048):
        fitted = fit(HEAD, pieces, budget, grudging)
        assert fitted.tokens.bound <= budget
        assert fitted.tokens.bound > budget * 0.6


def test_the_rendering_is_what_is_counted() -> None:
    fitted = fit(HEAD, [ERROR], 300, words, Rules(render=request))
    assert fitted.prompt == request(HEAD, fitted.chosen)


def test_texts_are_counted_few_times() -> None:
    asked: list[str] = []

    def noted(text: str) -> Count:
        asked.append(text)
        return words(text)

    pieces = [
        ERROR,
        code(C, "a", 60),
        *(code(H, f"b{n}", 40) for n in range(20)),
        *(code(L, f"d{n}") for n in range(20)),
    ]
    fit(HEAD, pieces, 1000, noted)
    assert len(asked) == len(set(asked))
    assert len(asked) < 4 * len(pieces)
    assert sum(map(len, asked)) < 3 * sum(
        len(each.forms[0].content.text) for each in pieces if isinstance(each.forms[0].content, Excerpt)
    )


def test_a_giant_is_not_counted_as_a_whole() -> None:
    longest = 0

    def noted(text: str) -> Count:
        nonlocal longest
        longest = max(longest, len(text))
        return words(text)

    giant = [f"    table[{n}] = {'x' * 80!r}" for n in range(10_000)]
    pieces = [ERROR, Piece("code", C, "a", code_forms(["def f():", *giant], 1, {5000: 1.0}.copy))]
    fitted = fit(HEAD, [*pieces, note("note", L, "n", "y" * 500_000)], 1000, noted)
    assert "table[4998]" in fitted.prompt
    assert longest < 20_000


def test_without_pieces_the_head_is_the_prompt() -> None:
    assert fit(HEAD, [], 100, words).prompt.startswith("# task-1 (PENDING)")


def test_a_piece_without_a_whole_form_is_made_for_its_room() -> None:
    made = Piece("note", M, "n", (Form("some", lambda fits: Excerpt("long" * 20 if fits("long" * 20) else "no", ())),))
    assert "longlong" in fit(HEAD, [ERROR, made], 500, words).prompt


def test_of_a_text_that_is_cut_no_lines_are_said_to_be_shown() -> None:
    rows = [f"ATTRIBUTE_{n} = {n} * 1000" for n in range(90)]
    around = Piece("code", H, "Around it", (Form("full", Excerpt("\n".join(rows), ((1, 90),))),), "a.py")
    fitted = fit(HEAD, [ERROR, around], 300, words)
    (shown,) = [each for each in fitted.chosen if each.piece.kind == "code"]
    assert "more characters" in shown.text
    assert shown.lines == ()
