"""Foreign text made harmless: what may never come out, and what must not change."""

from __future__ import annotations

import unicodedata

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher import text
from tests.property.world import examples

REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
HARMFUL = st.sampled_from(
    "\x00\x07\x08\r\x1b\x7f\x85\x9b\u061c\u200b\u200e\u200f\u2028\u2029\u202e\u2066\ufeff\U000e0041"
)
FOREIGN = st.text(st.one_of(HARMFUL, st.characters(), st.sampled_from("\n\t\ud800\udcff")))
WELL_FORMED = st.text(st.characters(exclude_categories=["Cs"]))


def is_harmful(char: str) -> bool:
    """Tell by Unicode's own tables, not by a list, whether a character moves, hides or reorders what is around it."""
    return (
        (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char not in "\n\t")
        or unicodedata.bidirectional(char) in REORDERING
        or char in "\u200e\u200f\u061c\ufeff"
    )


@examples(300)
@given(FOREIGN)
def test_clean_leaves_nothing_harmful(foreign: str) -> None:
    cleaned = text.clean(foreign)
    assert not [hex(ord(c)) for c in cleaned if is_harmful(c)]
    assert cleaned.count("\n") == foreign.count("\n")
    assert cleaned.count("\t") == foreign.count("\t")
    assert text.clean(cleaned) == cleaned


@examples(300)
@given(FOREIGN)
def test_clean_line_leaves_one_line(foreign: str) -> None:
    cleaned = text.clean_line(foreign)
    assert not [hex(ord(c)) for c in cleaned if is_harmful(c) or c in "\n\t"]
    assert len(cleaned.splitlines()) <= 1
    assert text.clean_line(cleaned) == cleaned


@examples(100)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_harmless_text_is_not_changed(harmless: str) -> None:
    assert text.clean(harmless) == text.clean_line(harmless) == text.well_formed(harmless) == harmless


def test_every_harmful_character_is_shown_as_an_escape() -> None:
    """All of Unicode, one by one: an escape names its code, and two characters never look the same."""
    harmful = [chr(code) for code in range(0x110000) if is_harmful(chr(code)) and not 0xD800 <= code <= 0xDFFF]
    shown = {char: text.clean(char) for char in harmful}
    assert all(
        form.isascii() and form.startswith("\\") and int(form.lstrip("\\xuU"), 16) == ord(c)
        for c, form in shown.items()
    )
    assert len(set(shown.values())) == len(harmful) > 70


@examples(300)
@given(FOREIGN)
def test_well_formed_text_fits_a_file(foreign: str) -> None:
    kept = text.well_formed(foreign)
    assert kept.encode().decode() == kept
    if not any("\ud800" <= c <= "\udfff" for c in foreign):
        assert kept == foreign


@examples(100)
@given(WELL_FORMED)
def test_bytes_that_python_hid_in_surrogates_are_read_as_the_utf8_they_are(words: str) -> None:
    """An argument under LC_ALL=C comes like that."""
    assert text.well_formed(words.encode().decode("ascii", "surrogateescape")) == words


@examples(200)
@given(WELL_FORMED, st.integers(0, 60))
def test_cut_keeps_the_longest_whole_beginning(words: str, limit: int) -> None:
    kept = text.cut(words, limit)
    assert words.startswith(kept)
    assert len(kept.encode()) <= limit
    assert kept == words or len(words[: len(kept) + 1].encode()) > limit


@pytest.mark.parametrize(
    ("words", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("🙂!", 3), ("\uff46", 2), ("é…", 2)]
)
def test_wide_characters_take_two_columns_and_combining_ones_none(words: str, columns: int) -> None:
    assert text.width(words) == columns


@examples(200)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(1, 30))
def test_fit_keeps_within_the_columns(words: str, columns: int) -> None:
    fitted = text.fit(words, columns)
    assert text.width(fitted) <= columns
    if text.width(words) <= columns:
        assert fitted == words
    else:
        assert fitted.endswith("…")
        assert words.startswith(fitted[:-1])
        assert text.width(words[: len(fitted)]) + 1 > columns, "one more would not have fitted"


@examples(100)
@given(FOREIGN)
def test_one_line_keeps_the_words(foreign: str) -> None:
    folded = text.one_line(foreign)
    assert folded.split() == foreign.split()
    assert folded == folded.strip()
    assert "  " not in folded
    assert not [c for c in folded if c.isspace() and c != " "]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
    | st.text(st.one_of(HARMFUL, st.characters(exclude_categories=["Cs"]))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(HARMFUL | st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


@examples(200)
@given(JSON, st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_a_json_document_is_made_harmless_and_says_the_same(value: object, option: int) -> None:
    data = orjson.dumps(value, option=option)
    safe = text.json_line_safe(data)
    assert orjson.loads(safe) == value
    assert not [hex(ord(c)) for c in safe.decode() if is_harmful(c)]
    assert text.json_line_safe(safe) == safe
    assume(option == 0)
    assert b"\n" not in safe


def test_every_harmful_character_is_harmless_in_json() -> None:
    harmful = [chr(code) for code in range(0x110000) if is_harmful(chr(code)) and not 0xD800 <= code <= 0xDFFF]
    invisible = [chr(code) for code in (0x200B, 0x2060, 0xE0001, 0xE0041, 0xE007F)]
    safe = text.json_line_safe(orjson.dumps(harmful + invisible))
    assert orjson.loads(safe) == harmful + invisible
    assert safe.isascii()
