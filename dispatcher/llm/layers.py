"""What each layer of a model keeps while it reads and writes, told from the keys of its GGUF metadata. Pure.

The rules are those of llama.cpp (`load_hparams`, each model's `load_arch_hparams`, `create_memory`; b11434), which is
Ollama's engine from 0.30 on. Where a rule is not known, a layer counts as full attention, which is never too little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr as brief
from typing import Literal, NamedTuple, get_args

from dispatcher.errors import InvalidInput

Kind = Literal["full", "sliding", "recurrent", "both", "none"]
"""Attention to everything or to a sliding window, a state of fixed size, full attention beside such a state, or
nothing of its own, as where layers share what an earlier one keeps."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_MOST_LAYERS = 4096
_MOST_HEADS = 1 << 16
_LONGEST = 1 << 20

_SLIDING = {
    "gemma2": (2, False, 4096),
    "gemma3": (6, False, 0),
    "gemma3n": (5, False, 0),
    "gemma-embedding": (6, False, 0),
    "gptoss": (2, False, 0),
    "gpt-oss": (2, False, 0),
    "cohere2": (4, False, 0),
    "cohere2moe": (4, True, 0),
    "llama4": (4, False, 8192),
    "olmo2": (4, False, 0),
    "exaone4": (4, False, 0),
    "exaone-moe": (4, False, 128),
    "smallthinker": (4, True, 4096),
    "afmoe": (4, False, 0),
    "plamo3": (8, False, 0),
    "mellum": (4, False, 0),
    "laguna": (4, True, 0),
    "muse-glimmer": (4, False, 0),
}
"""Architectures whose pattern may go without saying: one layer of so many is full, the first of them or else the last,
and the window where that goes without saying too."""

_WITHOUT_WINDOW = frozenset({"phi3"})
"""They name a window that llama.cpp does not use."""

_RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
_INTERVAL = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
_KV_FROM_START = {"gemma3n": 20}


class Layer(NamedTuple):
    """A layer: how many heads keep keys and values, and how many elements these have in one head."""

    kind: Kind
    kv_heads: int
    key_length: int
    value_length: int


class State(NamedTuple):
    """What a recurrent layer keeps of one sequence whatever its length, in elements of four bytes."""

    convolution: int
    recurrent: int


class Keys:
    """The metadata of a model, whose numbers are checked as they are asked for."""

    def __init__(self, name: str, metadata: Mapping[str, object]) -> None:
        """Take a model's name, for messages, and its metadata. Raises InvalidInput if it names no architecture."""
        self.name = name
        self.metadata = metadata
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise self.wrong("general.architecture", "is missing")
        self.architecture = architecture

    def get(self, key: str) -> object:
        """Return what the architecture's key has, or None; an empty list is None, as Ollama sends either."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return None if value == [] else value

    def number(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number. Raises InvalidInput when it is missing without a default, or out of bounds."""
        value = self.get(key)
        if value is None:
            if default is None:
                raise self.wrong(f"{self.architecture}.{key}", "is missing")
            return default
        return self._checked(key, value, least, most)

    def per_layer(self, key: str, count: int, most: int, default: Sequence[int] | None = None) -> list[int]:
        """Return a number for each of `count` layers, from a list or from one number that holds for all."""
        value = self.get(key)
        if value is None and default is not None:
            return list(default)
        if not isinstance(value, list):
            return [self.number(key, 0, most)] * count
        if len(value) < count:
            raise self.wrong(f"{self.architecture}.{key}", f"has {len(value)} values for {count} layers")
        return [self._checked(key, each, 0, most) for each in value[:count]]

    def wrong(self, key: str, problem: str) -> InvalidInput:
        """Return the error that says what is wrong with a key."""
        return InvalidInput(what=self.name, problem=f"key {key} {problem}")

    def _checked(self, key: str, value: object, least: int, most: int) -> int:
        if not isinstance(value, int | float) or not least <= value <= most or value != int(value):
            problem = f"is {brief(value):.60}, not a whole number from {least} to {most}"
            raise self.wrong(f"{self.architecture}.{key}", problem)
        return int(value)


def heads_of(keys: Keys) -> list[int]:
    """Return the attention heads of each layer; recurrent models have none."""
    count = layer_count(keys)
    default = [0] * count if keys.architecture in _RECURRENT else None
    return keys.per_layer("attention.head_count", count, _MOST_HEADS, default)


def layer_count(keys: Keys) -> int:
    """Return how many layers take part, less those that only draft (`nextn_predict_layers`)."""
    blocks = keys.number("block_count", 1, _MOST_LAYERS)
    return blocks - keys.number("nextn_predict_layers", 0, blocks - 1, 0)


def window_of(keys: Keys) -> int:
    """Return the width of the sliding window in tokens, 0 without one."""
    if keys.architecture in _WITHOUT_WINDOW:
        return 0
    default = _SLIDING.get(keys.architecture, (0, False, 0))[2]
    return keys.number("attention.sliding_window", 0, 1 << 31, default)


def layers_of(keys: Keys) -> tuple[Layer, ...]:
    """Return what each layer keeps. Raises InvalidInput that names the key that is missing or absurd."""
    count = layer_count(keys)
    heads = heads_of(keys)
    kv_heads = keys.per_layer("attention.head_count_kv", count, _MOST_HEADS, heads)
    sliding, recurrent = _sliding(keys, count), _recurrent(keys, kv_heads)
    feeds = keys.per_layer("feed_forward_length", count, 1 << 31, [0] * count)
    last = _KV_FROM_START.get(keys.architecture, count) - keys.number("attention.shared_kv_layers", 0, count, 0)
    full, narrow = _lengths(keys, heads)
    found = []
    for i, kv in enumerate(kv_heads):
        kind: Kind = "sliding" if sliding[i] else "full"
        if keys.architecture == "falcon-h1":
            kind = "both"
        elif i >= last or (kv == 0 and (not recurrent[i] or (feeds[i] and keys.architecture.startswith("nemotron_h")))):
            kind = "none"
        elif recurrent[i]:
            kind = "recurrent"
        found.append(Layer(kind, kv, *(narrow if sliding[i] else full)))
    return tuple(found)


def state_of(keys: Keys) -> State:
    """Return the state of a recurrent layer, as `n_embd_r` and `n_embd_s` in llama-hparams.cpp tell it."""
    width = keys.number("embedding_length", 1, _LONGEST)
    convolution = max(keys.number("ssm.conv_kernel", 0, _LONGEST, 0) - 1, 0)
    if head := keys.number("wkv.head_size", 0, _LONGEST, 0):
        return State(keys.number("token_shift_count", 0, 16, 2) * width, width * head)
    if cache := keys.number("shortconv.l_cache", 0, _LONGEST, 0):
        return State(width * (cache - 1), 0)
    if head := keys.number("kda.head_dim", 0, _LONGEST, 0):
        inner = max(heads_of(keys)) * head
        return State(3 * (convolution or 3) * inner, head * inner)
    inner, state = keys.number("ssm.inner_size", 0, _LONGEST, 0), keys.number("ssm.state_size", 0, _LONGEST, 0)
    groups = keys.number("ssm.group_count", 0, _LONGEST, 0)
    return State(convolution * (inner + 2 * groups * state), state * inner)


def _sliding(keys: Keys, count: int) -> list[bool]:
    """Tell of each layer whether it attends to a sliding window only."""
    pattern = keys.get("attention.sliding_window_pattern")
    period, first, _ = _SLIDING.get(keys.architecture, (0, False, 0))
    if not window_of(keys) or (pattern is None and not period):
        return [False] * count
    if isinstance(pattern, list):
        return [bool(value) for value in keys.per_layer("attention.sliding_window_pattern", count, 1)]
    period = keys.number("attention.sliding_window_pattern", 0, _MOST_LAYERS, period)
    return [period == 0 or i % period != (0 if first else period - 1) for i in range(count)]


def _recurrent(keys: Keys, kv_heads: Sequence[int]) -> list[bool]:
    """Tell of each layer whether it keeps a state instead of keys and values."""
    count = len(kv_heads)
    if keys.architecture in _RECURRENT:
        return [True] * count
    if keys.get("attention.recurrent_layers") is not None:
        return [bool(value) for value in keys.per_layer("attention.recurrent_layers", count, 1)]
    interval = keys.number("full_attention_interval", 1, _MOST_LAYERS, _INTERVAL.get(keys.architecture, 1))
    stateful = any(state_of(keys))
    return [stateful and (kv == 0 or (i + 1) % interval != 0) for i, kv in enumerate(kv_heads)]


def _lengths(keys: Keys, heads: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the elements of a key and of a value in one head, in full layers and in sliding ones.

    Multi-head latent attention keeps one compressed vector, of `key_length` elements, and no values.
    """
    some = heads[0] or max(heads)
    default = keys.number("embedding_length", 1, _LONGEST) // some if some else 0
    key = keys.number("attention.key_length", 1, _LONGEST, default)
    value = keys.number("attention.value_length", 1, _LONGEST, default)
    narrow_key = keys.number("attention.key_length_swa", 1, _LONGEST, key)
    narrow_value = keys.number("attention.value_length_swa", 1, _LONGEST, value)
    if keys.number("attention.key_length_mla", 0, _LONGEST, 0):
        return (key, 0), (narrow_key, 0)
    return (key, value), (narrow_key, narrow_value)
