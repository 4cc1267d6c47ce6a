"""How far counts of tokens are off, by kind of text: characters / 4, tiktoken, tiktoken with a learnt ratio, and ours.

The truth is what llama.cpp counted (tests/data/tokens). The ratio is learnt from the first five texts of a kind, as
`tokens --check` learns it. "ours" needs the vocabularies that scripts/llama-server installs. Each cell has the mean,
the 95th percentile and the worst error in percent, and how many of the texts were counted too low. Run it with
scripts/bench-tokens.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dispatcher.llm import estimate
from dispatcher.llm.counting import Counter
from dispatcher.llm.lexicon import Lexicon
from dispatcher.llm.lexicon_file import data
from tests.data.tokens import corpus, golden, vocabularies

LEARNT_FROM = 5
Count = Callable[[str], float]


def errors(counts: Sequence[float], truths: Sequence[int]) -> str:
    """Return a cell of the table."""
    off = sorted(100 * abs(count - true) / true for count, true in zip(counts, truths, strict=True) if true)
    low = sum(round(count) < true for count, true in zip(counts, truths, strict=True))
    return f"{statistics.mean(off):.0f}/{off[int(0.95 * len(off))]:.0f}/{off[-1]:.0f}, {100 * low // len(counts)} % low"


def learnt(texts: Sequence[str], truths: Sequence[int], reference: Callable[[str], int]) -> Count:
    """Return cl100k's count times the ratio that the first texts teach."""
    ratios: dict[str, Any] = {}
    for text, true in zip(texts[:LEARNT_FROM], truths, strict=False):
        ratios |= estimate.learn(ratios, text, true, reference)
    return lambda text: reference(text) * ratios.get(estimate.kind_of(text), {"ratio": 1.0})["ratio"]


def main() -> None:
    """Measure and print one table for each vocabulary that is named, else for some of each family."""
    names = sys.argv[1:] or ["qwen2", "llama-bpe", "tekken", "gemma3", "gpt-4o", "llama-spm"]
    there = {vocabularies.name(path): path for path in vocabularies.found()}
    reference = estimate.reference()
    for name in names:
        recorded = golden.load(name)
        ours = Counter(Lexicon(data(vocabularies.read(there[name]), 0))).count if name in there else None
        print(
            f"\n| {name} ({recorded.judge}) | characters / 4 | cl100k | cl100k, ratio learnt | ours |\n|---|---|---|---|---|"
        )
        for number, kind in enumerate(corpus.KINDS):
            texts = corpus.texts(kind)
            truths = recorded.plain[number * corpus.EACH : (number + 1) * corpus.EACH]
            counts: list[Count | None] = [lambda text: len(text) / 4, reference, learnt(texts, truths, reference), ours]
            cells = [
                "not installed" if count is None else errors([count(text) for text in texts], truths)
                for count in counts
            ]
            print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
