"""Our counts are llama.cpp's: golden ones for real vocabularies, where this machine has them.

The vocabularies are in the engine's folder: $DISPATCHER_ENGINE, or one in the user's cache. What is made of them is
kept beside them, so that only the first run takes long.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
from tests.data.tokens import corpus, golden, vocabularies
from tests.engine.place import usual

FOUND = vocabularies.found()
NAMES = [vocabularies.name(path) for path in FOUND]
USUAL = ("qwen2", "llama-bpe", "gemma3", "llama-spm", "deepseek-coder", "tekken")
"""One of each kind of rules; the others come with the campaign."""

SAMPLE = 40

pytestmark = pytest.mark.skipif(
    not FOUND, reason=f"no vocabularies in {usual().vocabularies}; scripts/llama-server puts them there"
)


def counter(path: Path) -> Counter:
    """Return a counter with a lexicon that the present code has made."""
    folder = usual().folder / "lexicons" / vocabularies.name(path)
    return Counter(lexicons.opened(vocabularies.key(path), lambda: vocabularies.read(path), str(folder)))


def assert_equal(path: Path, step: int) -> None:
    recorded, count, texts = golden.load(vocabularies.name(path)), counter(path).count, corpus.everything()
    for number in range(0, len(texts), step):
        text = texts[number]
        assert count(text) == recorded.plain[number], (number, text)
        put = corpus.rendered(number, text)
        assert count(put, rendered=True) == recorded.rendered[number], (number, put)


@pytest.mark.parametrize("path", [path for path in FOUND if vocabularies.name(path) in USUAL], ids=vocabularies.name)
def test_counts_equal_the_engines(path: Path) -> None:
    assert_equal(path, len(corpus.everything()) // SAMPLE - 1)  # a step that meets all kinds and templates


@pytest.mark.campaign
@pytest.mark.parametrize("path", FOUND, ids=NAMES)
def test_all_counts_equal_the_engines(path: Path) -> None:
    assert_equal(path, 1)
