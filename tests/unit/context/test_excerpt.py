"""A function cut to the lines that matter: what is shown first, and how the rest is told of."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping

import pytest

from dispatcher.context.excerpt import Fits, cut, excerpt, signature

FEED = textwrap.dedent('''\
    @cached(
        size=10,
    )
    def feed(
        self, data: dict[str, int], *, sep: str = ":"
    ) -> list[str]:
        """Take data in.

        A long story
        about data.
        """
        first = prepare(data)
        second = prepare(first, sep)
        for key, value in data.items():
            if value is None:
                self.log("nothing for a key", key)
                self.skipped.append(key)
            elif value < 0:
                self.log("below nothing", key, value)
                raise ValueError(key)
            else:
                self.total += value
                self.items.append(key)
        finish_all_of_it(first)
        finish_all_of_it(second)
        report_what_was_done(first, second)
        return self.items
''').splitlines()


def up_to(length: int) -> Fits:
    return lambda text: len(text) <= length


def shown(length: int, weights: Mapping[int, float]) -> str:
    return excerpt(FEED, 1, weights, up_to(length)).text


HEADER = "\n".join(FEED[:6])


def test_the_header_is_shown_even_without_room() -> None:
    found = excerpt(FEED, 101, {}, up_to(0))
    assert found.text == HEADER + "\n    # ..."
    assert found.shown == ((101, 106),)


def test_all_is_shown_where_there_is_room() -> None:
    found = excerpt(FEED, 101, {}, up_to(10_000))
    assert found.text == "\n".join(FEED)
    assert found.shown == ((101, 127),)


def test_the_heaviest_line_comes_with_the_headers_that_enclose_it() -> None:
    found = excerpt(FEED, 1, {22: 1.0}, up_to(360))
    assert found.text.removeprefix(HEADER).splitlines()[1:] == [
        "    # ...",
        *FEED[13:15],
        "            # ...",
        *FEED[20:23],
        "    # ...",
        FEED[26],
    ]
    assert found.shown == ((1, 6), (14, 15), (21, 23), (27, 27))


def test_lines_around_a_heavy_one_come_before_distant_ones() -> None:
    found = shown(300, {25: 1.0})
    assert "finish_all_of_it(first)\n    finish_all_of_it(second)\n    report_what_was_done(first, second)" in found
    assert "prepare" not in found


def test_without_weights_the_beginning_and_the_ways_out_are_shown() -> None:
    found = shown(400, {})
    assert "first = prepare(data)" in found
    assert "return self.items" in found
    assert "raise ValueError(key)" in found
    assert "finish_all_of_it(second)" not in found


def test_the_docstring_goes_first_and_one_line_of_it_stays() -> None:
    whole = len("\n".join(FEED))
    found = shown(whole - 1, {20: 1.0})
    assert '"""Take data in."""\n    # ...\n    first' in found
    assert [line for line in FEED[11:] if line not in found.splitlines()] == []
    assert "Take data" not in shown(whole - 60, {20: 1.0})


def test_a_gap_of_one_short_line_is_shown_instead() -> None:
    lines = ["def f():", "    a = one_thing()", "    x = 1", "    b = another_thing()", f"    call({'x' * 99})"]
    found = excerpt(lines, 1, {2: 1, 4: 1}, up_to(90))
    assert found.text == "\n".join([*lines[:4], "    # ..."])
    assert found.shown == ((1, 4),)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["x = ("],
        ["def f(a, b"],
        ["def f(:", "\tif x", "\t\treturn [", "  }", "else:"],
        ["@only", "@decorators"],
        ['def f(): "one line'],
        ["def f():", '    """never closed', "    a = 1"],
        ["print 'old'", "exec code in space", "    raise E, 'x'"],
        ["class A:", "    x = 1", "", "    def f(self):", "        return 1"],
        ["def f():\x0c", "\x0c", "    \u2028return 1\r"],
    ],
)
def test_no_source_is_too_odd(lines: list[str]) -> None:
    for room in (0, 20, 40, 10_000):
        found = excerpt(lines, 5, {6: 1.0}, up_to(room))
        assert all(5 <= a <= b < 5 + max(1, len(lines)) for a, b in found.shown)
    assert len(signature(lines).text) <= sum(map(len, lines)) + 10


def test_a_huge_line_and_thousands_of_lines_are_cheap() -> None:
    data = ["def f():", f"    table = {'[1, ' * 125_000}", "    return table"]
    many = ["def f(x):", *(f"    if x == {n}:\n        return g({n})" for n in range(5000))]
    many = "\n".join(many).split("\n")
    began = time.process_time()
    found = excerpt(data, 1, {2: 1.0}, up_to(600))
    assert "[1, [1," in found.text
    assert "more characters" in found.text
    assert found.shown == ((1, 3),)
    assert "g(2500)" in excerpt(many, 1, {5003: 1.0}, up_to(300)).text
    assert time.process_time() - began < 2


def test_what_is_tried_is_not_much_longer_than_the_room() -> None:
    many = ["def f(x):", *(f"    step_{n}(x)" for n in range(9000))]
    tried: list[int] = []

    def fits(text: str) -> bool:
        tried.append(len(text))
        return len(text) <= 500

    assert excerpt(many, 1, {4000: 1.0}, fits).shown != ((1, 1),)
    assert max(tried) < 2000
    assert len(tried) < 15


def test_text_around_a_string_that_is_not_indented_is_no_header() -> None:
    lines = ["def f():", '    a = """', "if this:", 'is text"""', "    b = compute(a)", "    c = compute(b)"]
    found = excerpt(lines, 1, {6: 1.0}, up_to(60)).text
    assert "if this" not in found
    assert "c = compute(b)" in found


def test_a_signature_is_one_line_if_it_is_short() -> None:
    assert signature(FEED, 11).text == (
        '@cached(\n    size=10,\n)\ndef feed(self, data: dict[str, int], *, sep: str = ":") -> list[str]: ...'
    )
    assert signature(FEED, 11).shown == ((11, 16),)
    assert signature(["def f(x): return x"]).text == "def f(x): ..."
    assert signature(["class A(B):", "    x = 1"]).text == "class A(B): ..."


def test_a_long_signature_keeps_its_lines() -> None:
    lines = ["def f(", *(f"    parameter_{n}: int," for n in range(10)), ") -> None:", "    pass"]
    assert signature(lines).text == "\n".join(lines[:-1]) + " ..."


def test_a_signature_with_a_comment_keeps_its_lines() -> None:
    lines = ["def f(a,  # why: it is", "      b):", "    pass"]
    assert signature(lines).text == "def f(a,  # why: it is\n      b): ..."


def test_a_text_is_cut_with_a_note_of_how_much_is_gone() -> None:
    assert cut("short", up_to(5)) == "short"
    found = cut("x" * 5000, up_to(100))
    assert found == "x" * 75 + "… (4,925 more characters)"
    assert cut("x" * 50, up_to(0)) == "… (50 more characters)"
