"""Texts to count: 400 of each of six kinds, the same on every machine and Python.

All chance comes from `Random.random()` with a number as its seed, whose results no version of Python changes; words,
templates and ranges of characters are written out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import TypeVar

KINDS = ("source", "traceback", "json", "prose", "unicode", "junk")
EACH = 400
"""So many texts of each kind."""

_LONG_EVERY = 40
_T = TypeVar("_T")

_NAMES = (  # noqa: SIM905 - easier to read
    "window budget parser tokens journal lease claim path rows limit scan graph node index cursor buffer frame reader "
    "writer segment record checksum total offset payload header footer value key result retry_count max_items isReady "
    "HTTPServer parseLine XMLNode kv_cache user_id getattr lru x y i n self cls ctx tmp2 utf8 b64 io_error _private __init__"
).split()
_TYPES = "int str bytes float list[str] dict[str,int] Path None Iterator[bytes] tuple[int,...] Callable[[int],bool] Any".split()  # noqa: SIM905 - easier to read
_PROSE = (  # noqa: SIM905 - easier to read
    "the a of and to in that it is was for on are with as his they be at one have this from or had by hot but some what "
    "there we can out other were all your when up use word how said an each she which do their time if will way about many "
    "then them would write like so these her long make thing see him two has look more day could go come did my sound no "
    "most number who over know water than call first people may down side been now find any new work part take get place "
    "made where after back little only round man year came show every good me give our under name very through just form "
    "sentence great think say help low line differ turn cause much mean before move right boy old too same tell does set "
    "three want air well also play small end put home read hand port large spell add even land here must big high such "
    "follow act why ask men change went light kind off need house picture try us again animal point mother world near build "
    "unbelievably counterintuitive refactoring idempotent misconfiguration self-contained state-of-the-art"
).split()
_SIGNS = (
    ", ",
    ". ",
    "; ",
    ": ",
    " — ",
    "... ",
    "! ",
    "? ",
    " (",
    ") ",
    " “",
    "” ",
    " 'tis ",
    "'s ",
    "'ll ",
    "n't ",
    "\n",
    "\n\n",
    "  ",
)
_ERRORS = "ValueError TypeError KeyError AssertionError IndexError ZeroDivisionError ConnectionResetError UnicodeDecodeError".split()  # noqa: SIM905 - easier to read
_RANGES = (
    (0xA1, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58A), (0x591, 0x5F4),
    (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF), (0xE01, 0xE5B), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF),
    (0x2000, 0x206F), (0x20A0, 0x20C0), (0x2100, 0x22FF), (0x2460, 0x27BF), (0x2800, 0x28FF), (0x3000, 0x30FF),
    (0x3100, 0x312F), (0x4E00, 0x9FFF), (0xA640, 0xA69F), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFB4F),
    (0xFE00, 0xFE0F), (0xFF01, 0xFFEE), (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF),
    (0x20000, 0x2A6DF), (0xE0100, 0xE01EF), (0, 0x10FFFF),
)  # fmt: skip
_SPACES = (" ", " ", " ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200d", "  ", "\x0b")
_LETTERS = "etaoinshrdlucmfwypvbgkjqxzETAOINSHR0123456789_-./"

_TEMPLATES = (
    "<|im_start|>system\nYou fix tests.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<s>[INST] <<SYS>>\nYou fix tests.\n<</SYS>>\n\n{} [/INST]",
    "[SYSTEM_PROMPT]You fix tests.[/SYSTEM_PROMPT][INST]{}[/INST]</s>",
    "<|user|>\n{}<|end|>\n<|assistant|>\n",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>{}<\uff5cAssistant\uff5c>",
    "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    "<|start|>user<|message|>{}<|end|><|start|>assistant<|channel|>analysis<|message|>",
    "<|turn>user\n{}<turn|>\n<|turn>model\n<|channel>thought\n",
    "<fim_prefix>{}<fim_suffix>\n<fim_middle><|endoftext|>",
    "<unk>  {}</s> \n<|end_of_text|>\t<pad><0x0A><unused7>[gMASK]<sop>",
)


@cache
def texts(kind: str) -> tuple[str, ...]:
    """Return the texts of one of KINDS."""
    chance = Random(1000 + KINDS.index(kind))  # noqa: S311 - texts, the same each time
    return tuple(text(kind, chance, long=number % _LONG_EVERY == 0) for number in range(EACH))


def everything() -> tuple[str, ...]:
    """Return all texts, by kind."""
    return tuple(one for kind in KINDS for one in texts(kind))


def rendered(number: int, one: str) -> str:
    """Return the text with this number as chat templates put it, with special tokens around it and sometimes in it."""
    template = _TEMPLATES[number % len(_TEMPLATES)]
    if number % 7 == 0:
        middle = len(one) // 2
        one = one[:middle] + _TEMPLATES[number // 7 % len(_TEMPLATES)].format(" ") + one[middle:]
    return template.replace("{}", one)


def text(kind: str, chance: Random, *, long: bool = False) -> str:
    """Return a text of one of KINDS: 20 to 600 characters, 2,000 to 4,000 if it is to be long."""
    size = _between(chance, 2000, 4000) if long else _between(chance, 20, 600)
    return _MAKERS[kind](chance, size)[:size]


def _between(chance: Random, low: int, high: int) -> int:
    return low + int(chance.random() * (high - low + 1))


def _pick(chance: Random, given: Sequence[_T]) -> _T:
    return given[int(chance.random() * len(given))]


def _name(chance: Random) -> str:
    name = _pick(chance, _NAMES)
    return name if chance.random() < 0.7 else f"{name}_{_pick(chance, _NAMES)}"


def _source(chance: Random, size: int) -> str:
    made = ""
    while len(made) < size:
        made += _function(chance) if chance.random() < 0.8 else _module(chance)
    return made


def _module(chance: Random) -> str:
    return (
        f"from {_name(chance)}.{_name(chance)} import {_name(chance)}, {_name(chance)} as {_name(chance)}\n"
        f'{_name(chance).upper()} = re.compile(r"^\\s*({_name(chance)}|[^\\d]{{1,{_between(chance, 2, 99)}}})$")\n\n\n'
    )


def _function(chance: Random) -> str:
    indent = _pick(chance, ("    ", "    ", "\t", "  "))
    lines = [f"def {_name(chance)}(self, {_name(chance)}: {_pick(chance, _TYPES)}) -> {_pick(chance, _TYPES)}:"]
    lines.append(f'{indent}"""{_sentence(chance)}"""')
    for _ in range(_between(chance, 1, 6)):
        deep = indent * _between(chance, 1, 3)
        lines.append(deep + _statement(chance))
    return "\n".join(lines) + "\n\n"


def _statement(chance: Random) -> str:
    a, b, c, n = _name(chance), _name(chance), _name(chance), _between(chance, 0, 99_999)
    return _pick(
        chance,
        (
            f"{a} = {b}.{c}({n}, {a}={b!r})",
            f"if {a} is not None and {b}[{n}] >= {c}[-1]:",
            f"return {{{a}: {b} for {a}, {b} in {c}.items() if {a} % {n} == 0}}",
            f"raise {_pick(chance, _ERRORS)}(f'{a} of {{{b}!r}} is not {n:#x}')  # {_sentence(chance)}",
            f"for {a}, {b} in enumerate(sorted({c}, key=lambda {a}: -{a}.{b})):",
            f"self._{a} += {b} << {n % 64} | ~{c} & 0b{n:b}",
            f"with open({a} / '{b}.json', 'rb') as {c}: pass",
            f"assert {a}({b}) == [{n}, -{n}.5e-3, '{c}\\n', b'\\x{n % 256:02x}'], \"{_sentence(chance)}\"",
        ),
    )


def _traceback(chance: Random, size: int) -> str:
    made = ""
    while len(made) < size:
        made += _pick(
            chance, ("Traceback (most recent call last):\n", f"{'_' * 30} test_{_name(chance)} {'_' * 30}\n\n")
        )
        for _ in range(_between(chance, 1, 5)):
            path = f"/home/{_name(chance)}/src/{_name(chance)}/{_name(chance)}.py"
            made += f'  File "{path}", line {_between(chance, 1, 2500)}, in {_name(chance)}\n    {_statement(chance)}\n'
            made += (
                f"    {'~' * _between(chance, 1, 12)}{'^' * _between(chance, 1, 30)}\n" if chance.random() < 0.5 else ""
            )
        made += f"{_pick(chance, _ERRORS)}: {_sentence(chance)} 0x{_between(chance, 0, 1 << 40):016x}\n"
        made += f"E       assert {_between(chance, 0, 999)} == {_between(chance, 0, 999)}\nE        +  where {_name(chance)}\n\n"
    return made


def _json(chance: Random, size: int) -> str:
    made = ""
    while len(made) < size:
        made += _value(chance, 0, _pick(chance, ("", "\n", "\n"))) + "\n"
    return made


def _value(chance: Random, depth: int, gap: str) -> str:
    kind = _between(chance, 0, 5 if depth < 4 else 3)
    if kind < 3:
        scalars = (
            f'"{_sentence(chance)}"',
            str(_between(chance, -1000, 10**9)),
            f"{chance.random():.6f}",
            "null",
            "true",
        )
        return _pick(chance, scalars)
    if kind == 3:
        return f'"\\u{_between(chance, 0, 0xFFFF):04x}\\n\\"{_name(chance)}\\""'
    inside = [_value(chance, depth + 1, gap) for _ in range(_between(chance, 0, 4))]
    before, after = (gap + "  " * (depth + 1), gap + "  " * depth) if gap else ("", "")
    if kind == 4:
        return "[" + ",".join(before + one for one in inside) + after + "]"
    return "{" + ",".join(f'{before}"{_name(chance)}": {one}' for one in inside) + after + "}"


def _sentence(chance: Random) -> str:
    return " ".join(_pick(chance, _PROSE) for _ in range(_between(chance, 2, 8)))


def _prose(chance: Random, size: int) -> str:
    made = ""
    while len(made) < size:
        word = _pick(chance, _PROSE)
        made += (
            word
            if chance.random() < 0.8
            else _pick(chance, (word.capitalize(), word.upper(), f"{word}s", str(_between(chance, 0, 2100))))
        )
        made += " " if chance.random() < 0.8 else _pick(chance, _SIGNS)
    return made


def _unicode(chance: Random, size: int) -> str:
    made = ""
    first, second = _pick(chance, _RANGES), _pick(chance, _RANGES)
    while len(made) < size:
        code = _between(chance, *(first if chance.random() < 0.7 else second))
        if 0xD800 <= code <= 0xDFFF:
            continue
        made += chr(code) if chance.random() < 0.85 else _pick(chance, _SPACES)
        made += _pick(chance, _LETTERS) if chance.random() < 0.1 else ""
    return made


def _junk(chance: Random, size: int) -> str:
    """Return bytes of chance, half of them ASCII in some texts, with what is not UTF-8 replaced."""
    ascii_share = _pick(chance, (0.0, 0.5, 0.9))
    values = bytes(_between(chance, 0, 127 if chance.random() < ascii_share else 255) for _ in range(size))
    return values.decode("utf-8", "replace")


_MAKERS = {
    "source": _source,
    "traceback": _traceback,
    "json": _json,
    "prose": _prose,
    "unicode": _unicode,
    "junk": _junk,
}
