"""SC4: a masked message is the same whatever varies from run to run, and masking it again changes nothing."""

from __future__ import annotations

import string
from datetime import datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.domain.fingerprint import LENGTH, digest, mask
from tests.property.world import examples

WORD = st.text(string.ascii_letters, min_size=1, max_size=8).filter(lambda word: word not in ("N", "S", "P"))
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True)

NUMBERS = st.one_of(
    st.integers().map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers().map("{:,}".format)
)
ADDRESSES = st.integers(0, 2**64 - 1).map(hex)
UUIDS = st.uuids().map(str)
HASHES = st.binary(min_size=16, max_size=20).map(bytes.hex)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(str)  # noqa: DTZ001 - as a program prints them
STAMPS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.isoformat(timespec="seconds") + "Z")  # noqa: DTZ001
PATHS = st.lists(NAMES, min_size=2, max_size=5).map(lambda parts: str(PurePosixPath("/", *parts)))
QUOTED = st.tuples(st.sampled_from("'\""), st.text(string.printable.replace("\\", ""), max_size=12)).map(
    lambda pair: pair[0] + "".join(c for c in pair[1] if c not in "'\"\n\r\x0b\x0c") + pair[0]
)
VOLATILE = {
    "numbers": NUMBERS, "addresses": ADDRESSES, "uuids": UUIDS, "hashes": HASHES, "times": TIMES, "stamps": STAMPS,
    "paths": PATHS, "quoted values": QUOTED,
}  # fmt: skip


@st.composite
def twins(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(VOLATILE)) -> tuple[str, str]:
    """Two messages of the same words that differ in every value."""
    first: list[str] = []
    second: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        word = draw(WORD)
        kind = VOLATILE[draw(st.sampled_from(kinds))]
        first += [word, draw(kind)]
        second += [word, draw(kind)]
    return " ".join(first), " ".join(second)


@pytest.mark.parametrize("kind", VOLATILE)
def test_values_make_no_difference(kind: str) -> None:
    @examples(60)
    @given(twins((kind,)))
    def check(pair: tuple[str, str]) -> None:
        if max(map(len, pair)) <= 250:  # longer ones are cut before they are masked
            assert mask(pair[0]) == mask(pair[1])

    check()


@examples(200)
@given(twins())
def test_values_of_all_kinds_make_no_difference(pair: tuple[str, str]) -> None:
    if max(map(len, pair)) <= 250:
        assert mask(pair[0]) == mask(pair[1])


@examples(100)
@given(st.lists(WORD, min_size=1, max_size=8).map(" ".join))
def test_words_are_kept(words: str) -> None:
    assert mask(words) == words


@examples(200)
@given(st.text())
@example("'S")
@example("1_000.e5 0x 0xg \x1b[31m")
@example("a" * 299 + "'b'")
def test_any_text_can_be_masked_and_is_the_same_when_it_is_masked_again(text: str) -> None:
    for keep_names in (False, True):
        once = mask(text, keep_names=keep_names)
        assert mask(once, keep_names=keep_names) == once
        assert "\n" not in once
        assert len(once) <= 300


@examples(150)
@given(st.text(st.sampled_from("'\"\\0123456789abcdefxNSP/._-+,: Zé\x1b[m")))
def test_texts_of_all_that_is_looked_for_are_the_same_when_they_are_masked_again(text: str) -> None:
    for keep_names in (False, True):
        once = mask(text, keep_names=keep_names)
        assert mask(once, keep_names=keep_names) == once


@examples(100)
@given(twins(), st.text())
def test_only_the_first_line_counts(pair: tuple[str, str], more: str) -> None:
    assert mask(f"\n  {pair[0]}\n{more}") == mask(pair[0])


@examples(100)
@given(WORD, WORD)
def test_a_name_is_kept_where_it_is_the_point(first: str, second: str) -> None:
    said = f"module '{first}' has no attribute '{second}'"
    assert mask(said, keep_names=True) == said
    assert mask(said) == "module S has no attribute S"


@examples(200)
@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_digests_tell_texts_apart_and_never_fail(first: list[str], second: list[str]) -> None:
    if "\0" not in "".join([*first, *second]):
        assert (digest(*first) == digest(*second)) == (first == second)
    assert len(digest(*first)) == len(digest("\ud800")) == LENGTH


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            "'Order' object has no attribute 'total'",
            "'Order' object has no attribute 'total' and no __dict__ for setting new attributes",
        ),
        (
            "local variable 'total' referenced before assignment",
            "cannot access local variable 'total' where it is not associated with a value",
        ),
    ],
    ids=["3.13", "3.11"],
)
def test_what_newer_pythons_say_otherwise_is_the_same(older: str, newer: str) -> None:
    for keep_names in (True, False):
        assert mask(older, keep_names=keep_names) == mask(newer, keep_names=keep_names)
