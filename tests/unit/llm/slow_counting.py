"""Small vocabularies of each kind, and counting with them slowly and plainly: what the quick way must agree with."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from dispatcher.llm import pretokens
from dispatcher.llm.vocabulary import Vocabulary

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
TRAINED_ON = (
    "def parse(self, text: str) -> int:\n    return self.value[text]\n\n\nfor line in the_lines:\n        print(line)\n"
    "the cat and the hat on the mat, then that other thing: it's 1234 or 12345 times 99!\n\n\n  they're there  "
) * 3 + "Stra\u00dfe caf\u00e9 na\u00efve \u65e5\u672c\u8a9e \u65e5\u672c \U0001f600\U0001f600 \u00e9\u00e9"
SPECIALS = {"<|im_start|>": CONTROL, "<|im_end|>": CONTROL, "<tool>": USER_DEFINED, "<tool><tool>": USER_DEFINED}


def _letters() -> list[str]:
    """Return the letter of GPT-2's writing for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


LETTERS = _letters()


@cache
def trained(words: tuple[str, ...], merges: int) -> list[tuple[str, str]]:
    """Return so many merges, each of the pair that comes most often."""
    found: list[tuple[str, str]] = []
    now = [list(word) for word in words]
    while len(found) < merges:
        tally = Tally(pair for word in now for pair in pairwise(word))
        pair = max(sorted(tally), key=tally.__getitem__)
        found.append(pair)
        now = [joined(word, pair) for word in now]
    return found


def joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    """Return a word with a pair as one symbol, wherever it is."""
    made: list[str] = []
    for symbol in word:
        if made and (made[-1], symbol) == pair:
            made[-1] += symbol
        else:
            made.append(symbol)
    return made


def in_bytes(kind: str = "qwen2", *, lacking: str = "", **more: object) -> dict[str, Any]:
    """Return the metadata of a byte-pair vocabulary with special tokens, without the tokens in `lacking`."""
    words = ("".join(LETTERS[byte] for byte in word.encode()) for word in pretokens.split("qwen2", TRAINED_ON))
    merges = [*trained(tuple(words), 90)]
    # A token that no merge leads to, one that a merge of a higher rank would make, and merges that make none.
    merges += [("q", "zz"), ("z", "q"), ("Q", "Q"), ("\u0120", "Q")]
    tokens = [
        t for t in [*LETTERS, *(a + b for a, b in merges[:-2]), "unmerged", "\u0120whole"] if t not in lacking.split()
    ]
    return metadata("gpt2", tokens, pre=kind, merges=[f"{a} {b}" for a, b in merges], **more)


def in_characters(**more: object) -> dict[str, Any]:
    """Return the metadata of a byte-pair vocabulary of characters, as Gemma 4 has it, with a space inside a token."""
    words = tuple(TRAINED_ON.replace(" ", SPACE).splitlines(keepends=True))
    merges = [*trained(words, 80), (">", SPACE), (f">{SPACE}", "<"), ("\n", "\n\n")]
    tokens = ["<unk>", *_byte_tokens(), *sorted(set(TRAINED_ON.replace(" ", SPACE)) | set("<>xyz_"))]
    tokens += [*(a + b for a, b in merges), "\n\n\n\n", f"{SPACE}{SPACE}{SPACE}"]
    return metadata("gemma4", list(dict.fromkeys(tokens)), merges=[f"{a} {b}" for a, b in merges], **more)


def by_score(**more: object) -> dict[str, Any]:
    """Return the metadata of a SentencePiece vocabulary; many tokens have one score, and one has a space inside."""
    pieces = [a + b for a, b in trained(tuple(TRAINED_ON.replace(" ", f" {SPACE}").split()), 120)]
    pieces += [f">{SPACE}</", f">{SPACE}", "</", f"{SPACE}{SPACE}", f"{SPACE}{SPACE}{SPACE}", "aab", "ab", "aa", "bc"]
    letters = sorted(set("".join(pieces)) | set("abcxyz<>/.,"))
    tokens = list(dict.fromkeys(["<unk>", *_byte_tokens(), *pieces, *letters]))
    scores = [-float(number // 3) for number in range(len(tokens) + len(SPECIALS))]
    return metadata("llama", tokens, scores=scores, **more)


def _byte_tokens() -> list[str]:
    return [f"<0x{byte:02X}>" for byte in range(256)]


def metadata(model: str, tokens: Sequence[str], **more: object) -> dict[str, Any]:
    """Return a model's metadata with these tokens, and SPECIALS."""
    types = [UNKNOWN if token == "<unk>" else BYTE if token.startswith("<0x") else NORMAL for token in tokens]
    own = {"model": model, "tokens": [*tokens, *SPECIALS], "token_type": [*types, *SPECIALS.values()], **more}
    return {"general.name": "tiny"} | {f"tokenizer.ggml.{key}": value for key, value in own.items()}


def count(vocabulary: Vocabulary, text: str, *, rendered: bool = False) -> int:
    """Return how many tokens a text is."""
    total, at_start = vocabulary.ends if rendered else 0, True
    for part in _parts(vocabulary, text, rendered=rendered):
        if isinstance(part, tuple):
            total += 1
        elif vocabulary.in_bytes:
            total += sum(_of_bytes(vocabulary, piece) for piece in pretokens.split(vocabulary.kind, part))
        else:
            spaced = (" " * (vocabulary.prefix and at_start) + part).replace(" ", SPACE)
            total += _of_characters(vocabulary, spaced)
        at_start = isinstance(part, tuple)
    return total


def _parts(vocabulary: Vocabulary, text: str, *, rendered: bool) -> list[str | tuple[str]]:
    """Return what lies between special tokens, and these as tuples."""
    for special in vocabulary.specials:
        before, found, after = text.partition(special.text)
        if found and (rendered or not special.control):
            # Longer ones are not in what lies around: they would have been found before.
            after = after.lstrip(" \t\n\r\f\v") if special.strips else after
            sides = (_parts(vocabulary, side, rendered=rendered) for side in (before, after))
            left, right = sides
            return [*left, (special.text,), *right]
    return [text] if text else []


def _of_bytes(vocabulary: Vocabulary, piece: str) -> int:
    written = "".join(LETTERS[byte] for byte in piece.encode())
    if vocabulary.whole_words and written in vocabulary.tokens:
        return 1
    left = _by_rank(vocabulary, list(written))
    return sum(1 if symbol in vocabulary.tokens else sum(_loose(vocabulary, s) for s in symbol) for symbol in left)


def _loose(vocabulary: Vocabulary, letter: str) -> int:
    """A letter of what is no token counts if it is one and stands for itself: others are looked for by UTF-8 byte."""
    return letter in vocabulary.tokens and letter.isascii()


def _of_characters(vocabulary: Vocabulary, text: str) -> int:
    if vocabulary.merging == "scores":
        left = _by_score(vocabulary, list(text))
    else:
        left = []
        for line in pretokens.split(vocabulary.kind, text):
            whole = not line.strip("\n") and line in vocabulary.tokens
            left += [line] if whole else _by_rank(vocabulary, list(line))
    return sum(1 if symbol in vocabulary.tokens else len(symbol.encode()) for symbol in left)


def _by_rank(vocabulary: Vocabulary, symbols: list[str]) -> list[str]:
    merges = vocabulary.merges
    while True:
        offers = [(merges.index(f"{a} {b}"), at) for at, (a, b) in enumerate(pairwise(symbols)) if f"{a} {b}" in merges]
        if not offers:
            return symbols
        at = min(offers)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


def _by_score(vocabulary: Vocabulary, symbols: list[str]) -> list[str]:
    tokens, scores = vocabulary.tokens, vocabulary.scores
    while True:
        offers = [(-scores[tokens.index(a + b)], at) for at, (a, b) in enumerate(pairwise(symbols)) if a + b in tokens]
        if not offers:
            return symbols
        at = min(offers)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
