"""A model's vocabulary, read from its metadata: what exact counts are made from.

The rules are llama.cpp's (llama-vocab.cpp of b11434), which is Ollama's engine from 0.30 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Literal, NamedTuple

from dispatcher.llm import pretokens
from dispatcher.llm.lexicon import NotExact, NotTold
from dispatcher.text import clean_line

_OWN = "tokenizer.ggml."
_LONGEST_SHOWN = 60
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
_IN_CHARACTERS = frozenset(("spm", "gemma4", "sarvam-moe"))
_WHOLE_WORDS = frozenset(
    (
        "llama3",
        "llama-v3",
        "llama-bpe",
        "falcon3",
        "falcon-h1",
        "pixtral",
        "midm-2.0",
        "lfm2",
        "tekken",
        "glm4",
        "glm5",
        "minicpm5",
    )
)
_WITH_BOS = _WHOLE_WORDS - {"glm4", "glm5", "minicpm5"}
_ALWAYS_USER_DEFINED = frozenset(("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"))
# What llama.cpp takes for control tokens whatever the file says, as their names tell.
_ALWAYS_CONTROL = frozenset(
    [
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<turn|>",
        "<|tool_response>",
        "[e~[",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<|fim_prefix|>",
        "<fim-prefix>",
        "<fim_prefix>",
        "<\uff5cfim\u2581begin\uff5c>",
        "<PRE>",
        "\u2581<PRE>",
        "<|code_prefix|>",
        "<|prefix|>",
        "<|fim_suffix|>",
        "<fim-suffix>",
        "<fim_suffix>",
        "<\uff5cfim\u2581hole\uff5c>",
        "<SUF>",
        "\u2581<SUF>",
        "<|code_suffix|>",
        "<|suffix|>",
        "<|fim_middle|>",
        "<fim-middle>",
        "<fim_middle>",
        "<\uff5cfim\u2581end\uff5c>",
        "<MID>",
        "\u2581<MID>",
        "<|code_middle|>",
        "<|middle|>",
        "<|fim_pad|>",
        "<fim-pad>",
        "<fim_pad>",
        "<PAD>",
        "[PAD]",
        "<|fim_repo|>",
        "<|repo_name|>",
        "<fim-repo>",
        "<REPO>",
        "<reponame>",
        "<|file_sep|>",
    ]
)


class Special(NamedTuple):
    """A token that is cut out of a text before anything is merged.

    `control`: only out of rendered prompts, not out of what users write. `strips`: the white space behind it goes with it.
    """

    text: str
    control: bool
    strips: bool


class Vocabulary(NamedTuple):
    """The tokens, and how texts become tokens.

    `merging` is "ranks" (byte pairs, by the rank of `merges`) or "scores" (SentencePiece, by `scores`). `kind` names the
    rules of `pretokens`. `in_bytes`: tokens are bytes written as GPT-2 does; else characters, with U+2581 for a space.
    `whole_words`: a word that is a token is not merged. `prefix`: a space goes before the text. `ends`: how many tokens
    are put around a prompt.
    """

    merging: Literal["ranks", "scores"]
    kind: str
    tokens: Sequence[str]
    scores: Sequence[float]
    merges: Sequence[str]
    specials: Sequence[Special]
    in_bytes: bool
    whole_words: bool
    prefix: bool
    ends: int


def of_metadata(info: Mapping[str, Any]) -> Vocabulary:
    """Return the vocabulary in a model's metadata, as /api/show (verbose) or a .gguf file gives it; texts may be bytes.

    Raises NotExact.
    """
    known = {key.removeprefix(_OWN): value for key, value in info.items() if key.startswith(_OWN)}
    kind, tokens = _kind(known), _texts(known, "tokens")
    merges = _texts(known, "merges") if kind != "spm" else []
    in_bytes = kind not in _IN_CHARACTERS
    if not in_bytes and not _BYTES.issubset(tokens):
        raise NotExact("the vocabulary has no tokens for single bytes, so what a character costs is not known")
    begins, prefix = known.get("add_bos_token"), known.get("add_space_prefix")
    begins = kind == "spm" or kind in _WITH_BOS if begins is None else bool(begins)
    types = _numbers(known, "token_type", len(tokens)) if known.get("token_type") else [_NORMAL] * len(tokens)
    return Vocabulary(
        merging="scores" if kind == "spm" else "ranks",
        kind=kind,
        tokens=tokens,
        scores=_numbers(known, "scores", len(tokens)) if kind == "spm" else (),
        merges=merges,
        specials=_specials(tokens, types, _text(info.get("general.name")).lower()),
        in_bytes=in_bytes,
        whole_words=kind in _WHOLE_WORDS,
        prefix=kind == "spm" if prefix is None else bool(prefix),
        ends=(begins or kind == "gemma4") + bool(known.get("add_eos_token")),
    )


def _kind(known: Mapping[str, Any]) -> str:
    """Return which rules a vocabulary follows."""
    model, pre = _text(known.get("model")), _text(known.get("pre"))
    if model == "llama":
        return "spm"
    if model == "gemma4":
        return model
    if not model:
        raise NotTold("the model's metadata name no vocabulary")
    if model != "gpt2":
        raise NotExact(f"the vocabulary is of the model '{_shown(model)}', whose rules are not known")
    kind = pre or "default"
    if kind not in pretokens.kinds():
        raise NotExact(f"the vocabulary is of the kind '{_shown(kind)}', whose rules are not known")
    return kind


def _shown(name: str) -> str:
    return clean_line(name)[:_LONGEST_SHOWN]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else ""


def _texts(known: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts. Raises NotExact when there is none."""
    values = known.get(name)
    if not isinstance(values, Sequence) or not values or not all(isinstance(value, str | bytes) for value in values):
        raise NotTold(f"the model's metadata hold no {name}")
    return [_text(value) for value in values]


def _numbers(known: Mapping[str, Any], name: str, count: int) -> Sequence[float]:
    """Return one number for each token. Raises NotExact when there are none, or not as many."""
    values = known.get(name)
    if not isinstance(values, Sequence) or not values:
        raise NotTold(f"the model's metadata hold no {name}")
    if len(values) != count or not all(isinstance(value, int | float) and not isnan(value) for value in values):
        raise NotExact(f"the model's metadata do not have a number in {name} for each token")
    return values


def _specials(tokens: Sequence[str], types: Sequence[float], name: str) -> list[Special]:
    """Return the tokens to be cut out, the longest first: in that order they are looked for, each in what is left."""
    named = dict(zip(tokens, types, strict=True))
    harmony = {"<|return|>", "<|call|>"} <= named.keys() or {"<|calls|>", "<|flush|>"} <= named.keys()
    plain = {"</s>"} if "<|tool_response>" in named else set()
    users = _ALWAYS_USER_DEFINED | ({"<|end|>"} if harmony else set())
    phi3 = "phi-3" in name or "phi3" in name
    found = []
    for text, kind in named.items():
        control = text not in users and (kind in (_UNKNOWN, _CONTROL) or text in _ALWAYS_CONTROL)
        if text and text not in plain and (control or kind == _USER_DEFINED or text in users):
            found.append(Special(text, control, phi3 and text not in ("<unk>", "<s>", "<|endoftext|>")))
    return sorted(found, key=lambda special: -len(special.text.encode("utf-8", "surrogateescape")))
