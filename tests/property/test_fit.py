"""Prompts of random pieces: never over their budget, and always to be read back as what was put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.context.candidates import Rules
from dispatcher.context.excerpt import Excerpt, excerpt
from dispatcher.context.fit import Fitted, fit
from dispatcher.context.markdown import Head, ordered, request
from dispatcher.context.pieces import Kind, Piece, Tier, code_forms, text_forms
from dispatcher.errors import InvalidInput
from dispatcher.llm import estimate
from dispatcher.llm.tokens import Count
from dispatcher.text import clean
from tests.property.world import examples

TRIES = settings(parent=examples(140), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MANY = settings(parent=TRIES, max_examples=2000)


# Counts


def by_bytes(text: str) -> Count:
    return Count(len(text) // 4, "estimated", "bytes", estimate.bound(text))


def by_words(text: str) -> Count:
    """Count words, and some more the longer the text is: the whole has more tokens than its parts."""
    tokens = len(re.findall(r"\w{1,5}|[^\w\s]|\s+", text)) + len(text) ** 2 // 400_000
    return Count(tokens, "exact", "words", tokens)


def by_cl100k(text: str) -> Count:
    tokens = estimate.reference()(text)
    return Count(tokens, "exact", "cl100k", tokens)


COUNTS: list[Callable[[str], Count]] = [by_bytes, by_words, by_cl100k]


# Pieces

ODD_LINES = [
    "", "    ", "\t", "    return x", "        raise ValueError('ünï 日本語 🎉')", "    if a:", "\tif a:", "    else:",
    "    x = '''", "'''", '    """Doc', '    """', "```", "    ```python", "~~~", "~~~~~~~~", "# heading", "## f in a.py",
    "    a = 1\r", "    b\u2028# not a heading", "\x0c", "``\u200b`", "    c = `d`  # \u202eevil", "</details><!--", "`" * 40,
    "    table = [" + "1, " * 300 + "]", "=======", "---", "def g(", "    x,", ") -> None:", "@decorated", "\ud800",
]  # fmt: skip
HEADERS = [
    "def f(a, b=1):",
    "async def f(",
    "    def method(self):",
    "class A:",
    "x = (",
    "",
    "@deco",
    "def f(a: '```'):",
]
GIANTS = [
    ["def giant():", *(f"    step_{n}(a, 'b', {n})" for n in range(700)), "    return a"],
    ["def long():", f"    data = '{'x' * 50_000}'", "    return data"],
    ["def wide(", *(f"    p{n}: int = {n}," for n in range(200)), "):", '    """Doc."""', "    return p1"],
    ["`" * 3000],
]
WORDS = st.one_of(st.text(max_size=9), st.sampled_from([*ODD_LINES, "id-" * 400, "assert a == b", "日本語" * 90]))
LINES = st.builds(
    lambda head, body: [head, *body], st.sampled_from(HEADERS), st.lists(st.sampled_from(ODD_LINES), max_size=14)
)
SOURCES = st.one_of(LINES, LINES, LINES, st.sampled_from(GIANTS), st.just([]), st.lists(WORDS, max_size=4))
WEIGHTS = st.dictionaries(st.integers(1, 40), st.floats(0, 1), max_size=5)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\x0c\n"])


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    kind: Kind = draw(st.sampled_from(["code", "code", "code", "error", "test", "attempt", "note"]))
    tier = draw(st.sampled_from([Tier.CRITICAL, *Tier, *Tier, *Tier][1:]))
    lines = draw(SOURCES)
    if draw(st.booleans()) or kind == "code":
        forms = code_forms(lines, draw(st.integers(1, 9)), draw(WEIGHTS).copy)
    else:
        forms = text_forms(draw(ENDS).join(lines))
    reasons = tuple(draw(st.lists(WORDS, max_size=2)))
    language = draw(st.sampled_from(["python", "", "```", "a b\n"]))
    return Piece(kind, tier, draw(WORDS), forms, draw(st.none() | WORDS), 0.5, reasons, language)


class Given(NamedTuple):
    """What a prompt is made of, with a budget that may be too small, and how much larger another one is."""

    head: Head
    pieces: list[Piece]
    budget: int
    more: int
    counted: Callable[[str], Count]
    rules: Rules


INPUTS = st.builds(
    Given,
    st.builds(Head, WORDS, WORDS, WORDS),
    st.lists(pieces(), max_size=9),
    st.integers(0, 400) | st.integers(256, 4096),
    st.integers(1, 40) | st.integers(1, 2000),
    st.sampled_from(COUNTS),
    st.sampled_from([Rules(), Rules(least=100), Rules(first=0.1, render=request)]),
)


# What must hold


def made(of: Given, budget: int) -> Fitted | None:
    """Return the prompt, None where the budget is too small; a budget that is said to do does."""
    try:
        return fit(of.head, of.pieces, budget, of.counted, of.rules)
    except InvalidInput as error:
        least = int(str(error).rpartition(" ")[2].replace(",", ""))
        assert least > budget
        assert len(fit(of.head, of.pieces, least, of.counted, of.rules).chosen) >= len(critical(of.pieces))
        return None


def critical(among: list[Piece]) -> list[Piece]:
    return [piece for piece in among if piece.tier == Tier.CRITICAL]


def is_sound(fitted: Fitted, of: Given, budget: int) -> None:
    """Tell that a prompt is within its budget, and reads back as what is said to be in it."""
    assert of.counted(fitted.prompt).bound == fitted.tokens.bound <= budget
    tiers = [each.piece.tier for each in fitted.chosen]
    assert tiers.count(Tier.CRITICAL) == len(critical(of.pieces)), "what is critical is there"
    assert len(fitted.chosen) + len(fitted.left_out) == len(of.pieces)
    assert fitted.prompt.startswith("# ")
    assert blocks(fitted.prompt) == [as_shown(each.text) for each in fitted.chosen]
    headings = [line for line in outside(fitted.prompt) if line.startswith("#")]
    assert [line[:3] for line in headings[1:]] == ["## "] * len(fitted.chosen)
    ranked = sorted(fitted.chosen, key=lambda each: of.pieces.index(each.piece) if each.piece in of.pieces else 0)
    assert [c.piece.kind for c in ordered(sorted(ranked, key=lambda c: c.piece.tier))] == [
        c.piece.kind for c in fitted.chosen
    ]


def holds(of: Given) -> None:
    less, more = made(of, of.budget), made(of, of.budget + of.more)
    for fitted, budget in ((less, of.budget), (more, of.budget + of.more)):
        if fitted is not None:
            is_sound(fitted, of, budget)
    if less is not None:
        assert more is not None
        for tier in (Tier.CRITICAL, Tier.HIGH):
            before, after = ([each.piece.forms for each in f.chosen if each.piece.tier == tier] for f in (less, more))
            assert [forms for forms in before if forms not in after] == [], "more budget loses no piece of these"


@TRIES
@given(INPUTS)
def test_prompts_are_within_their_budgets_and_read_back_as_their_pieces(of: Given) -> None:
    holds(of)


@pytest.mark.campaign
@MANY
@given(INPUTS)
def test_two_thousand_prompts_and_as_many_with_more_budget(of: Given) -> None:
    holds(of)


@TRIES
@given(SOURCES, WEIGHTS, st.integers(0, 600), st.integers(0, 600))
def test_more_room_never_shows_less(lines: list[str], weights: dict[int, float], room: int, more: int) -> None:
    less, larger = (excerpt(lines, 1, weights, lambda text, n=n: len(text) <= n) for n in (room, room + more))  # type: ignore[misc]
    assert set(numbers(less)) <= set(numbers(larger))
    assert [n for n in numbers(less) if not 1 <= n <= len(lines)] == []
    assert len(less.text) <= room or less == excerpt(lines, 1, weights, lambda _: False), "it fits, or is the least"


def numbers(of: Excerpt) -> list[int]:
    return [n for a, b in of.shown for n in range(a, b + 1)]


# A reader of fences, as CommonMark has them


def as_shown(text: str) -> str:
    shown = clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    return shown if not shown or shown.endswith("\n") else shown + "\n"


def parsed(markdown: str) -> Iterator[tuple[bool, str]]:
    """Yield each line, and whether it is inside of a fence; the fences themselves as what is inside, empty."""
    fence = ""
    for line in re.split("\r\n|\n|\r", markdown):
        found = re.fullmatch(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if fence and found and found[1].startswith(fence) and not found[2].strip():
            fence = ""
            yield True, "\0end"
        elif not fence and found and not (found[1][0] == "`" and "`" in found[2]):
            fence = found[1]
            yield True, "\0begin"
        else:
            yield bool(fence), line
    assert not fence, "a fence is left open"


def blocks(markdown: str) -> list[str]:
    found: list[str] = []
    for inside, line in parsed(markdown):
        if line == "\0begin":
            found.append("")
        elif inside and line != "\0end":
            found[-1] += line + "\n"
    return found


def outside(markdown: str) -> list[str]:
    return [line for inside, line in parsed(markdown) if not inside]
