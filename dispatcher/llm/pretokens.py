"""Where a byte-pair vocabulary may not merge: texts cut into words, by the rules that llama.cpp has for each kind.

A kind is what a model's `tokenizer.ggml.pre` names. Its expressions are applied one after another, each to the pieces
that the one before has left; what an expression does not match is a piece as well. As in llama.cpp, characters
beyond ASCII are first replaced by one that stands for their class, so that the expressions need to know no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

_NUMBER, _LETTER, _PUNCTUATION, _MARK, _SYMBOL, _OTHER, _SPACE = "\xd1", "\xd2", "\xd3", "\xd4", "\xd5", "\xd0", "\x0b"
_STANDS_FOR = {"n": _NUMBER, "l": _LETTER, "p": _PUNCTUATION, "m": _MARK, "s": _SYMBOL, "o": _OTHER, "w": _SPACE}
_CLASSES = {
    r"\p{N}": f"0-9{_NUMBER}",
    r"\p{L}": f"A-Za-z{_LETTER}",
    r"\p{P}": rf"!-#%-*,-/:-;?-@\[-\]_\{{\}}{_PUNCTUATION}",
    r"\p{M}": _MARK,
    r"\p{S}": rf"\$\+<->^`\|~{_SYMBOL}",
}
_CONTRACTED = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_LEAD = r"[^\r\n\p{L}\p{N}]?"


def _words(digits: str, letters: str = r"\p{L}", after: str = r"[\r\n]*", rest: str = _REST) -> str:
    """The expression that most newer vocabularies share: contractions, words, digits, signs, white space."""
    return rf"{_CONTRACTED}|{_LEAD}[{letters}]+|{digits}| ?[^\s{letters}\p{{N}}]+{after}|{rest}"


def _cased(digits: str, contracted: str = "") -> str:
    """The same for vocabularies that part words where a capital letter begins."""
    cased = r"(?:(?=[\p{L}])[^a-z])*(?:(?=[\p{L}])[^A-Z])+"
    capital = r"(?:(?=[\p{L}])[^a-z])+(?:(?=[\p{L}])[^A-Z])*"
    return rf"{_LEAD}{cased}{contracted}|{_LEAD}{capital}{contracted}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}"


_DEEPSEEK_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-"
    "\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
    "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-"
    "\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
    "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17"
    "\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
    "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_SIGNS = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LINES = r"[^\n]+|[\n]+"
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")
_LLAMA3, _QWEN2, _DIGITS = (_words(r"\p{N}{1,3}"),), (_words(r"\p{N}"),), (r"\p{N}", _GPT2)
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    rf"{_SIGNS}|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_REST}",
)
_BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"

_KINDS: dict[str, tuple[str, ...]] = {
    "default": _DEFAULT,
    **dict.fromkeys(
        ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"), _LLAMA3
    ),
    **dict.fromkeys(("dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "glm5"), _LLAMA3),
    "jais-2": (
        _words(
            r"\p{N}{1,3}",
            rest=r"\s*[\r\n]+|"
            + "".join(rf"\s{{{n}}}(?!\S)|" for n in (512, 256, 128, 64, 32, 16, 8, 4, "1,2"))
            + r"\s{1}",
        ),
    ),
    "deepseek-llm": (
        r"[\r\n]",
        rf"\s?[{_DEEPSEEK_LETTERS}]+",
        "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
        r"\s+\Z",
        "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
        r"\p{N}+",
    ),
    "deepseek-coder": (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"), _DEEPSEEK3),
    "falcon": (r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, "[0-9][0-9][0-9]"),
    **dict.fromkeys(
        ("starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"), _DIGITS
    ),
    **dict.fromkeys(
        (
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "exaone4",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
        ),
        (_GPT2,),
    ),
    **dict.fromkeys(
        ("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"),
        _QWEN2,
    ),
    "qwen35": (_words(r"\p{N}", r"\p{L}\p{M}"),),
    **dict.fromkeys(("poro-chat", "bloom", "gpt3-finnish"), (_BLOOM,)),
    "viking": (_BLOOM, r"\p{N}"),
    "tekken": (_cased(r"\p{N}"),),
    **dict.fromkeys(
        ("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), (_cased(r"\p{N}{1,3}", _CONTRACTED + "?"),)
    ),
    "seed-coder": (rf"{_CONTRACTED}|{_LEAD}\p{{L}}+|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_REST}",),
    "ufakzeka": (rf"{_LEAD}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}",),
    "laguna": (_LINES, *_QWEN2),
    "minicpm5": (r"\p{N}{1,3}", _words(r"\p{N}+")),
    **dict.fromkeys(("gemma4", "sarvam-moe"), (_LINES,)),
}
"""The expressions of each kind. Those that llama.cpp has code for instead of expressions are not here."""


_LOOKING_AROUND = ("(?", "$", "\\b", "\\B", "\\Z")
"""In an expression that may match a part of a text where it does not match the whole."""


def kinds() -> frozenset[str]:
    """Return the kinds whose rules are known; a vocabulary of another kind cannot be counted exactly."""
    return frozenset(_KINDS)


def split(kind: str, text: str) -> list[str]:
    """Return the pieces of a text within which a vocabulary of a kind merges. Raises KeyError for a kind that is not known."""
    expressions = _compiled(kind)
    if len(expressions) == 1 and not expressions[0][0].groups and text.isascii():
        # Most texts, and most kinds: at a third of what spans take, unless something lies between the matches.
        pieces: list[str] = expressions[0][0].findall(text)
        if sum(map(len, pieces)) == len(text):
            return [piece for piece in pieces if piece]
    spans = [(0, len(text))] if text else []
    for expression, table in expressions:
        where = text if text.isascii() else text.translate(table)
        if not any(sign in expression.pattern for sign in _LOOKING_AROUND) and not expression.search(where):
            continue  # what is nowhere in the text is in none of its parts
        # Nothing is parted further that is one character long, and most are after the first expression.
        spans = [
            part for span in spans for part in (_parts(expression, where, *span) if span[1] - span[0] > 1 else (span,))
        ]
    return [text[start:end] for start, end in spans]


def _parts(expression: re.Pattern[str], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in expression.finditer(text, start, end):
        found, stop = match.span()
        if found == stop:
            continue
        if start < found:
            yield start, found
        yield found, stop
        start = stop
    if start < end:
        yield start, end


@cache
def _compiled(kind: str) -> Sequence[tuple[re.Pattern[str], Mapping[int, str]]]:
    """Return each expression with what it takes characters for."""
    classes, spaces = _Classes(), _Spaces()
    return [(re.compile(_plain(e), re.ASCII), classes if r"\p{" in e else spaces) for e in _KINDS[kind]]


def _plain(expression: str) -> str:
    """Return an expression with its classes written out, inside of brackets or with brackets of their own."""
    parts, inside = [], False
    for part in re.findall(r"\\p\{\w\}|\\.|.", expression, re.DOTALL):
        if part in _CLASSES:
            parts.append(_CLASSES[part] if inside else f"[{_CLASSES[part]}]")
            continue
        if part in "[]":
            inside = part == "["
        parts.append(part)
    return "".join(parts)


class _Classes(dict[int, str]):
    """Maps a character to one that stands for its class; those of ASCII stand for themselves."""

    def __missing__(self, code: int) -> str:
        found = chr(code) if code < 0x80 else _STANDS_FOR[_class_of(chr(code))]
        self[code] = found
        return found


class _Spaces(dict[int, str]):
    """Maps white space beyond ASCII to one of ASCII, as the expressions know no other, and all else to itself."""

    def __missing__(self, code: int) -> str:
        found = _SPACE if code >= 0x80 and _class_of(chr(code)) == "w" else chr(code)
        self[code] = found
        return found


def _class_of(character: str) -> str:
    from dispatcher.llm.characters import class_of  # a large table, which English texts have no need of

    return class_of(character)
