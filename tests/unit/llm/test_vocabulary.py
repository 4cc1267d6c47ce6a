"""What is read from a model's metadata, and what is refused because it could not be counted exactly."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.llm import lexicon_file
from dispatcher.llm.counting import Counter
from dispatcher.llm.lexicon import Lexicon, NotExact
from dispatcher.llm.vocabulary import Special, of_metadata
from tests.unit.llm import slow_counting as slow

OWN = "tokenizer.ggml."


def changed(info: dict[str, Any], **more: object) -> dict[str, Any]:
    return info | {OWN + key: value for key, value in more.items()}


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({}, "the model's metadata name no vocabulary"),
        (changed(slow.in_bytes(), model="bert"), "the vocabulary is of the model 'bert', whose rules are not known"),
        (changed(slow.in_bytes(), model="t5"), "the vocabulary is of the model 't5', whose rules are not known"),
        (slow.in_bytes("newest"), "the vocabulary is of the kind 'newest', whose rules are not known"),
        (changed(slow.in_bytes(), tokens=None), "the model's metadata hold no tokens"),
        (changed(slow.in_bytes(), tokens=[]), "the model's metadata hold no tokens"),
        (changed(slow.in_bytes(), tokens=[1, 2]), "the model's metadata hold no tokens"),
        (changed(slow.in_bytes(), merges=None), "the model's metadata hold no merges"),
        (changed(slow.in_characters(), merges=[]), "the model's metadata hold no merges"),
        (changed(slow.by_score(), scores=None), "the model's metadata hold no scores"),
        (changed(slow.by_score(), scores=[0.0]), "the model's metadata do not have a number in scores for each token"),
        (
            changed(slow.by_score(), scores=[float("nan")] * len(slow.by_score()[OWN + "tokens"])),
            "the model's metadata do not have a number in scores for each token",
        ),
        (
            changed(slow.in_bytes(), token_type=[1]),
            "the model's metadata do not have a number in token_type for each token",
        ),
        (
            slow.metadata("llama", ["a"], scores=[0.0] * 5),
            "the vocabulary has no tokens for single bytes, so what a character costs is not known",
        ),
    ],
)
def test_what_cannot_be_counted_exactly_is_refused_in_a_sentence(info: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotExact) as caught:
        of_metadata(info)
    assert str(caught.value) == reason


def test_a_name_from_a_server_is_shown_safely() -> None:
    with pytest.raises(NotExact) as caught:
        of_metadata(slow.in_bytes("\x1b]0;title\x07" + "x" * 500))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


def test_a_token_that_no_record_can_hold_is_refused() -> None:
    with pytest.raises(NotExact, match="65,535 bytes"):
        lexicon_file.data(of_metadata(slow.metadata("gpt2", ["a" * 70_000], merges=["a b"])), 0)


def test_texts_may_be_bytes_that_are_not_utf_8() -> None:
    as_bytes = {
        key: [text.encode() for text in value] if key in (OWN + "tokens", OWN + "merges") else value
        for key, value in slow.in_bytes().items()
    }
    assert of_metadata(as_bytes) == of_metadata(slow.in_bytes())
    with_junk = changed(slow.by_score(), tokens=[*slow.by_score()[OWN + "tokens"][:-1], b"\xff\xfe"])
    assert Counter(Lexicon(lexicon_file.data(of_metadata(with_junk), 0))).count("the") > 0


def test_special_tokens_are_told_by_their_types_and_the_longest_goes_first() -> None:
    found = of_metadata(slow.in_bytes()).specials
    assert [special.text for special in found] == ["<|im_start|>", "<tool><tool>", "<|im_end|>", "<tool>"]
    assert [special.text for special in found if special.control] == ["<|im_start|>", "<|im_end|>"]
    assert not any(special.strips for special in found)


def test_some_are_control_tokens_by_their_names_whatever_their_types() -> None:
    info = slow.metadata("gpt2", ["<|endoftext|>", "<|message|>", "plain"], merges=["a b"])
    assert Special("<|endoftext|>", control=True, strips=False) in of_metadata(info).specials
    assert Special("<|message|>", control=False, strips=False) in of_metadata(info).specials
    untyped = of_metadata(changed(info, token_type=None)).specials
    assert {special.text for special in untyped} == {"<|endoftext|>", "<|message|>", "<|im_end|>"}


def test_harmonys_end_of_a_message_is_no_control_token() -> None:
    harmony = slow.metadata("gpt2", ["<|end|>", "<|return|>", "<|call|>"], merges=["a b"])
    assert Special("<|end|>", control=False, strips=False) in of_metadata(harmony).specials
    plain = slow.metadata("gpt2", ["<|end|>"], merges=["a b"])
    assert Special("<|end|>", control=True, strips=False) in of_metadata(plain).specials


@pytest.mark.parametrize(
    ("info", "ends", "prefix"),
    [
        (slow.in_bytes("qwen2"), 0, False),
        (slow.in_bytes("llama-bpe"), 1, False),
        (slow.in_bytes("llama-bpe", add_bos_token=False), 0, False),
        (slow.in_bytes("glm4"), 0, False),
        (slow.in_bytes("tekken", add_eos_token=True), 2, False),
        (slow.by_score(), 1, True),
        (slow.by_score(add_bos_token=False, add_space_prefix=False), 0, False),
        (slow.in_characters(add_bos_token=False), 1, False),
    ],
)
def test_what_goes_around_a_prompt_and_before_a_text(info: dict[str, Any], ends: int, prefix: bool) -> None:
    found = of_metadata(info)
    assert (found.ends, found.prefix) == (ends, prefix)


def test_more_merges_than_a_record_has_room_for_are_not_exact() -> None:
    info = slow.in_bytes()
    merges = [*info[f"{OWN}merges"], *[info[f"{OWN}merges"][0]] * 70_000]
    with pytest.raises(NotExact, match="more than 65,535 merges"):
        lexicon_file.data(of_metadata(changed(info, merges=merges)), 0)


@pytest.mark.parametrize("special", ["\0", "a\0b"])
def test_a_special_token_that_the_file_cannot_hold_is_not_exact(special: str) -> None:
    info = slow.in_bytes()
    more = {"tokens": [*info[f"{OWN}tokens"], special], "token_type": [*info[f"{OWN}token_type"], 4]}
    with pytest.raises(NotExact, match="NUL"):
        lexicon_file.data(of_metadata(changed(info, **more)), 0)
