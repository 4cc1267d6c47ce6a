"""How texts are cut before merging: by examples that were worked out by hand, and what holds for every kind."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.llm.characters import class_of
from dispatcher.llm.pretokens import kinds, split
from tests.property.world import examples

KINDS = sorted(kinds())
TEXT = "It's 12345 caf\u00e9s:\n\n  x_1 != 'y'"


@pytest.mark.parametrize(
    ("kind", "pieces"),
    [
        ("gpt-2", ["It", "'s", " 12345", " caf\u00e9s", ":", "\n\n ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("starcoder", ["It", "'s", " ", "1", "2", "3", "4", "5", " caf\u00e9s", ":", "\n\n ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("llama-bpe", ["It", "'s", " ", "123", "45", " caf\u00e9s", ":\n\n", " ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("qwen2", ["It", "'s", " ", "1", "2", "3", "4", "5", " caf\u00e9s", ":\n\n", " ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("gpt-4o", ["It's", " ", "123", "45", " caf\u00e9s", ":\n\n", " ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("deepseek-v3", ["It", "'s", " ", "123", "45", " caf\u00e9s", ":\n\n", " ", " x", "_", "1", " !=", " '", "y", "'"]),
        ("gemma4", ["It's 12345 caf\u00e9s:", "\n\n", "  x_1 != 'y'"]),
    ],
)  # fmt: skip
def test_a_text_is_cut_as_its_kind_says(kind: str, pieces: list[str]) -> None:
    assert split(kind, TEXT) == pieces


@pytest.mark.parametrize(
    ("kind", "text", "pieces"),
    [
        ("gpt-4o", "HTTPServer parseLine", ["HTTPServer", " parse", "Line"]),
        ("tekken", "parseLine's", ["parse", "Line", "'s"]),
        ("qwen2", "e\u0301a", ["e", "\u0301a"]),  # a mark is no letter
        ("qwen35", "e\u0301a", ["e\u0301a"]),
        ("qwen2", "a\u3000b\u00a0c", ["a", "\u3000b", "\u00a0c"]),
        ("qwen2", "\u0664\u0665x", ["\u0664", "\u0665", "x"]),
        ("llama-bpe", "\u0664\u0665\u0666\u0667", ["\u0664\u0665\u0666", "\u0667"]),
        ("deepseek-v3", "a\u65e5\u672cb", ["a", "\u65e5\u672c", "b"]),
        ("deepseek-llm", "a b  ", ["a", " b", "  "]),
        ("default", "a1234.5", ["a", "123", "4", ".", "5"]),
        ("qwen2", "\n \n\t x", ["\n \n", "\t", " x"]),
        ("bloom", "a, b", ["a", ",", " b"]),
    ],
)  # fmt: skip
def test_the_hard_places(kind: str, text: str, pieces: list[str]) -> None:
    assert split(kind, text) == pieces


@pytest.mark.parametrize("kind", KINDS)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.text("aB1 '\n\t.,\u00e9\u0301\u65e5", max_size=30)
)
@examples(8)
def test_the_pieces_of_a_text_are_the_text(kind: str, text: str) -> None:
    pieces = split(kind, text)
    assert "".join(pieces) == text
    assert "" not in pieces


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError):
        split("wordpiece", "a")


def test_characters_are_of_the_class_that_unicode_gives_them() -> None:
    """Python's table is older or newer than ours; what both know differs in a handful of characters at most."""
    names = {"L": "l", "N": "n", "P": "p", "S": "s", "M": "m"}
    known = [chr(code) for code in range(0x80, 0x12000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    wrong = [
        character
        for character in known
        if class_of(character) != ("w" if character.isspace() else names.get(unicodedata.category(character)[0], "o"))
    ]
    assert len(wrong) < 20, [hex(ord(character)) for character in wrong]
    assert len(known) > 60_000
