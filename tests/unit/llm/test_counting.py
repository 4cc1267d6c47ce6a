"""Counts with small vocabularies of every kind equal those of a slow and plain way of counting."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.llm import lexicon_file
from dispatcher.llm.counting import Counter
from dispatcher.llm.lexicon import Lexicon
from dispatcher.llm.merging import NEVER, merged
from dispatcher.llm.vocabulary import Vocabulary, of_metadata
from tests.property.world import examples
from tests.unit.llm import slow_counting as slow

VOCABULARIES = {
    "bytes": of_metadata(slow.in_bytes()),
    "whole words": of_metadata(slow.in_bytes("llama-bpe")),
    "without some bytes": of_metadata(slow.in_bytes("gpt-2", lacking="\u0100 z Q \u00c3", add_eos_token=True)),
    "characters": of_metadata(slow.in_characters()),
    "scores": of_metadata(slow.by_score()),
    "scores, no prefix": of_metadata(slow.by_score(add_space_prefix=False, add_eos_token=True)),
    "scores, phi-3": of_metadata(slow.by_score() | {"general.name": "Phi-3 mini"}),
}
COUNTERS = {name: Counter(Lexicon(lexicon_file.data(vocabulary, 0))) for name, vocabulary in VOCABULARIES.items()}

PARTS = [
    *slow.SPECIALS, "<", ">", "> </", "</", " ", "  ", "   ", "\n", "\n\n", "\n\n\n\n", "\t", "\r\n", "the", " the", "aab", "abc",
    "ab", "aa", "unmerged", " whole", "qzz", "zq", "QQ", "QQQQ", " Q", "1234", "it's", "they're", "\u00e9", "\u65e5\u672c", "\U0001f600",
    "\u2581", "\u00a0", "\u3000", "\x00", "\ufffd", "<0x41>", "return self.value[text]", "<unk>", "_", "xyz",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=25).map("".join)


@pytest.mark.parametrize("name", VOCABULARIES)
@given(text=TEXTS, rendered=st.booleans())
@examples(20)
def test_every_text_counts_as_when_it_is_done_slowly(name: str, text: str, rendered: bool) -> None:
    assert COUNTERS[name].count(text, rendered=rendered) == slow.count(VOCABULARIES[name], text, rendered=rendered)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_token_counts_as_when_it_is_done_slowly(name: str) -> None:
    vocabulary, counter = VOCABULARIES[name], COUNTERS[name]
    for token in vocabulary.tokens:
        assert counter.count(token) == slow.count(vocabulary, token), token


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_text_counts_the_same_a_second_time_and_with_another_counter(name: str) -> None:
    again = Counter(Lexicon(lexicon_file.data(VOCABULARIES[name], 1)))
    first = [COUNTERS[name].count(part) for part in PARTS]
    assert [COUNTERS[name].count(part) for part in PARTS] == first
    assert [again.count(part) for part in reversed(PARTS)] == first[::-1]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_long_runs_count_as_when_it_is_done_slowly(name: str) -> None:
    chance = random.Random(5)  # noqa: S311 - a test case
    for letters in ("ab", "the \u65e5\u672c\u8a9e"):
        text = "".join(chance.choices(letters, k=120))
        assert COUNTERS[name].count(text) == slow.count(VOCABULARIES[name], text)


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("text", ["\ud800", "a\udc80b", "\udfff\ud800 the", "\ud800\ud800", "the \ud83d"])
def test_a_lone_surrogate_counts_as_the_character_that_stands_for_it(name: str, text: str) -> None:
    instead = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert COUNTERS[name].count(text) == slow.count(VOCABULARIES[name], instead)


def test_an_empty_text_has_no_tokens_and_a_rendered_one_those_around_it() -> None:
    assert COUNTERS["scores"].count("") == 0
    assert COUNTERS["scores"].count("", rendered=True) == 1
    assert COUNTERS["scores, no prefix"].count("", rendered=True) == 2
    assert COUNTERS["whole words"].count("", rendered=True) == 1
    assert COUNTERS["bytes"].count("", rendered=True) == 0


def test_what_users_write_is_no_control_token() -> None:
    counter = COUNTERS["bytes"]
    assert counter.count("<|im_start|>", rendered=True) == 1
    assert counter.count("<|im_start|>") > 1
    assert counter.count("<tool>") == counter.count("<tool>", rendered=True) == 1
    assert counter.count("<tool><tool>") == 1  # the longest first
    assert counter.count("<tool><tool><tool>") == 2


def test_phi_3_drops_the_space_behind_its_special_tokens() -> None:
    stripped, plain = COUNTERS["scores, phi-3"], COUNTERS["scores"]
    assert stripped.count("<tool>\n\n  the") == 1 + stripped.count("the")
    assert plain.count("<tool>\n\n  the") > 1 + plain.count("the")


def test_a_whole_word_is_one_token_only_where_the_kind_says_so() -> None:
    assert COUNTERS["whole words"].count("unmerged") == 1
    assert COUNTERS["bytes"].count("unmerged") > 1


def test_a_forgotten_piece_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from dispatcher.llm import counting

    monkeypatch.setattr(counting, "_MOST_KNOWN", 3)
    counter = Counter(Lexicon(lexicon_file.data(VOCABULARIES["bytes"], 0)))
    assert [counter.count(part) for part in PARTS] == [COUNTERS["bytes"].count(part) for part in PARTS]


@given(letters=st.lists(st.sampled_from(b"abc"), min_size=101, max_size=120), ranks=st.permutations(range(12)))
@examples(10)
def test_the_heap_merges_as_looking_at_all_pairs_does(letters: list[int], ranks: list[int]) -> None:
    pairs = [(a, b) for a in (b"a", b"b", b"ab", b"c") for b in (b"a", b"b", b"ca")]
    known = dict(zip(pairs, ranks, strict=True))

    def rank(left: bytes, right: bytes) -> int:
        return known.get((left, right), NEVER)

    symbols = [bytes([letter]) for letter in letters]
    expected = list(symbols)
    while (best := min((rank(*expected[n : n + 2]), n) for n in range(len(expected) - 1)))[0] < NEVER:
        expected[best[1] : best[1] + 2] = [expected[best[1]] + expected[best[1] + 1]]
    assert merged(list(symbols), rank) == expected
    assert merged(symbols[:100], rank) != []


def test_these_vocabularies_have_what_is_hard() -> None:
    assert any(slow.SPACE in token[1:-1] and token[0] == ">" for token in VOCABULARIES["scores"].tokens)
    bytewise: Vocabulary = VOCABULARIES["without some bytes"]
    assert "z" not in bytewise.tokens
    assert "QQ" not in bytewise.tokens
    assert "Q Q" in bytewise.merges
    assert len(set(VOCABULARIES["scores"].scores)) < len(VOCABULARIES["scores"].tokens)
