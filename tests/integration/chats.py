"""Random chats as an agent has them: sources, tracebacks, prose, JSON, unicode, and the names of special tokens."""

from __future__ import annotations

import inspect
import json
import random
import tarfile
import textwrap
import traceback
from collections.abc import Iterator

Message = dict[str, str]

_SOURCES = [inspect.getsource(module) for module in (random, textwrap, traceback, tarfile, json)]
_PROSE = (
    "The test expects a rounded price, but the discount is applied before the tax. ",
    "Bitte den Fehler nur dort beheben, wo er entsteht, nicht in der Ausgabe. ",
    "単体テストが失敗する原因を一行で説明してください。",
    "Исправьте функцию, не меняя её подпись. ",
    "🙂🧪 naïve café Ǆ \u200b\ufeff e\u0301 ½ ﷽ ",
    "<start_of_turn>user <eos> </s> <bos> [INST] <|im_end|> <unused1> <table> <mask>\n",
)
_ROLES = ("user", "assistant")


def chats(number: int, seed: int) -> list[list[Message]]:
    """Return so many chats, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return [list(_chat(chance)) for _ in range(number)]


def source(chance: random.Random, lines: int) -> str:
    """Return so many lines from the middle of some module."""
    text = chance.choice(_SOURCES).splitlines()
    start = chance.randrange(max(1, len(text) - lines))
    return "\n".join(text[start : start + lines])


def _chat(chance: random.Random) -> Iterator[Message]:
    if chance.random() < 0.5:
        yield {"role": "system", "content": _text(chance)}
    for n in range(chance.choice((1, 1, 3, 5))):
        yield {"role": _ROLES[n % 2], "content": _text(chance)}


def _text(chance: random.Random) -> str:
    kinds = (_a_source, _a_traceback, _some_json, _prose, _junk)
    return "\n".join(chance.choice(kinds)(chance) for _ in range(chance.randint(1, 3)))


def _a_source(chance: random.Random) -> str:
    return source(chance, chance.randint(1, 40))


def _a_traceback(chance: random.Random) -> str:
    def fall(depth: int) -> float:
        return fall(depth - 1) if depth else 1 / depth

    try:
        fall(chance.randint(0, 6))
    except ZeroDivisionError:
        return traceback.format_exc()
    raise AssertionError


def _some_json(chance: random.Random) -> str:
    told = {f"key_{n}": [chance.random(), chance.randrange(10**9), None, "ü" * n] for n in range(chance.randint(1, 8))}
    return json.dumps(told, indent=chance.choice((None, 2)), ensure_ascii=chance.random() < 0.5)


def _prose(chance: random.Random) -> str:
    return "".join(chance.choices(_PROSE, k=chance.randint(1, 6)))


def _junk(chance: random.Random) -> str:
    points = (*range(1, 128), 0x85, 0xA0, 0x2028, 0x2581, 0x3000, 0xFFFD, *range(0x1F600, 0x1F620))
    return "".join(map(chr, chance.choices(points, k=chance.randint(1, 80))))
