"""What is known of a model: its layers, sizes and limits, from Ollama's `/api/show` or from a `.gguf` file.

`model_info` of `/api/show` is the metadata of the model's GGUF file, so both sources are read alike. Long arrays come
as null or [] there unless asked for (`verbose`); the shapes of the tensors always come, from servers of 2025 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from typing import NamedTuple

from dispatcher.errors import InvalidInput
from dispatcher.llm import gguf
from dispatcher.llm.gguf import Tensor
from dispatcher.llm.layers import Keys, Layer, State, heads_of, layers_of, state_of, window_of

_MOST_TOKENS = 1 << 31
_LARGEST_VOCABULARY = 1 << 24
_WIDEST = 1 << 20
_MOST_PARAMETERS = 1 << 50
_MOST_DIMENSIONS = 4

_INPUTS = frozenset({"token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight"})
"""Tensors that are looked up, not multiplied with: llama.cpp keeps them in main memory (LLM_TENSOR_LAYER_INPUT)."""

_BITS = {
    "f32": 32.0, "f16": 16.0, "bf16": 16.0, "q8_0": 8.5, "q6_k": 6.57, "q5_1": 6.0, "q5_k_m": 5.71, "q5_k_s": 5.57,
    "q5_0": 5.57, "q4_1": 5.12, "q4_k_m": 4.9, "q4_k_s": 4.67, "q4_0": 4.67, "mxfp4": 4.6, "iq4_nl": 4.68,
    "iq4_xs": 4.46, "q3_k_l": 4.3, "q3_k_m": 4.0, "q3_k_s": 3.65, "q2_k": 3.17,
}  # fmt: skip
"""Bits of a parameter on the average, of Llama 3.1 8B (the table of llama.cpp's quantize tool): some of its tensors
always stay larger than the name says."""

_MARGIN = 1.0
"""Bits added to the number in an unknown quantization's name, more than any in the table has."""

_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model's facts. Lengths are in tokens or elements, sizes in bytes.

    Attributes:
        name: what it is called by its server, or its file.
        digest: tells it from others of the same name; "" when its source has none.
        architecture: as its metadata has it, such as "gemma3".
        context_length: the longest window it was trained for.
        embedding_length: elements of a token's vector.
        feed_forward_length: the widest inner layer of the feed-forward part; 0 when not known.
        vocabulary: number of tokens, or None.
        heads: attention heads of the layer that has most.
        layers: what each layer keeps.
        window: width of the sliding window, 0 without one.
        state: what each recurrent layer keeps of a sequence.
        weights: what all tensors take, or None.
        input_weights: the part of these that stays in main memory when layers are on a GPU.
        parameters: their number, or None.
        bits: of a parameter on the average, as far as the name of the quantization tells; or None.
        num_ctx: the window that its Modelfile asks for, or None.
        capabilities: as Ollama names them: completion, tools, thinking, vision, embedding, ...
        exact: whether the sizes of weights and cache follow from these facts exactly.
    """

    name: str
    digest: str
    architecture: str
    context_length: int
    embedding_length: int
    feed_forward_length: int
    vocabulary: int | None
    heads: int
    layers: tuple[Layer, ...]
    window: int
    state: State
    weights: int | None
    input_weights: int
    parameters: int | None
    bits: float | None
    num_ctx: int | None
    capabilities: tuple[str, ...]
    exact: bool


class _Source(NamedTuple):
    """What a source says beside the metadata."""

    tensors: tuple[Tensor, ...]
    tokens: int | None
    parameters: int | None
    digest: str = ""
    bits: float | None = None
    num_ctx: int | None = None
    capabilities: tuple[str, ...] = ()


def from_show(name: str, answer: Mapping[str, object], digest: str = "") -> ModelFacts:
    """Read the facts from an answer of Ollama's `/api/show`.

    Raises InvalidInput, which names the key, when one that is needed is missing or absurd.
    """
    info, details = _mapping(answer.get("model_info")), _mapping(answer.get("details"))
    tokens, capabilities = info.get("tokenizer.ggml.tokens"), answer.get("capabilities")
    source = _Source(
        tuple(_shown_tensors(name, answer.get("tensors"))),
        len(tokens) if isinstance(tokens, list) else None,
        _parameters(info.get("general.parameter_count")) or _parameters(details.get("parameter_size")),
        digest,
        _bits(details.get("quantization_level")),
        _num_ctx(answer.get("parameters")),
        tuple(map(str, capabilities)) if isinstance(capabilities, list) else (),
    )
    return _facts(Keys(name, info), source)


def from_gguf(path: Path) -> ModelFacts:
    """Read the facts from a file. Raises InvalidInput when it is no GGUF file or lacks what is needed."""
    header = gguf.read(path)
    keys = Keys(path.name, header.metadata)
    parameters = _parameters(header.metadata.get("general.parameter_count"))
    tokens = header.lengths.get("tokenizer.ggml.tokens")
    return _facts(keys, _Source(header.tensors, tokens, parameters, gguf.digest(path, header)))


def _facts(keys: Keys, source: _Source) -> ModelFacts:
    weights, inputs = _weights(source.tensors)
    parameters = sum(gguf.elements(tensor.shape) for tensor in source.tensors) or source.parameters
    if parameters and parameters > _MOST_PARAMETERS:
        raise InvalidInput(what=keys.name, problem="says that it has more parameters than can be")
    vocabulary = _vocabulary(keys, source)
    layers = layers_of(keys)
    return ModelFacts(
        name=keys.name,
        digest=source.digest,
        architecture=keys.architecture,
        context_length=keys.number("context_length", 1, _MOST_TOKENS),
        embedding_length=keys.number("embedding_length", 1, _WIDEST),
        feed_forward_length=max(keys.per_layer("feed_forward_length", len(layers), _MOST_TOKENS, [0])),
        vocabulary=vocabulary,
        heads=max(heads_of(keys)),
        layers=layers,
        window=window_of(keys),
        state=state_of(keys),
        weights=weights,
        input_weights=inputs,
        parameters=parameters,
        bits=source.bits,
        num_ctx=source.num_ctx,
        capabilities=source.capabilities,
        # An indexer keeps keys of its own, which are not counted.
        exact=weights is not None and vocabulary is not None and keys.get("attention.indexer.key_length") is None,
    )


def _weights(tensors: Iterable[Tensor]) -> tuple[int | None, int]:
    """Return what the tensors take, or None if a type is not known, and how much of that stays in main memory.

    Without a separate `output.weight` the token embeddings are the output too, and a copy of them goes to the GPU.
    """
    sizes = {tensor.name: gguf.size_of(tensor.shape, tensor.type) for tensor in tensors}
    known = [size for size in sizes.values() if size is not None]
    if not sizes or len(known) < len(sizes):
        return None, 0
    inputs = _INPUTS if "output.weight" in sizes else _INPUTS - {"token_embd.weight"}
    return sum(known), sum(sizes[name] or 0 for name in inputs if name in sizes)


def _vocabulary(keys: Keys, source: _Source) -> int | None:
    """Return the number of tokens: the rows of the embeddings, which may be padded, decide what is computed."""
    embeddings = [gguf.elements(tensor.shape) for tensor in source.tensors if tensor.name == "token_embd.weight"]
    rows = sum(embeddings) // keys.number("embedding_length", 1, _WIDEST)
    found = rows or source.tokens or keys.number("vocab_size", 1, _LARGEST_VOCABULARY, 0)
    if found > _LARGEST_VOCABULARY:
        raise keys.wrong("token_embd.weight" if rows else "tokenizer.ggml.tokens", f"has {found} tokens")
    return found or None


def _shown_tensors(name: str, tensors: object) -> Iterable[Tensor]:
    """Yield the tensors of `/api/show`: a list of name, type and shape, or null."""
    for tensor in tensors if isinstance(tensors, list) else ():
        shown = _mapping(tensor)
        shape = shown.get("shape")
        called, kind = shown.get("name"), shown.get("type")
        if (
            not isinstance(shape, list)
            or len(shape) > _MOST_DIMENSIONS
            or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
        ):
            raise InvalidInput(what=name, problem=f"key tensors has no shape for {brief(called):.60}")
        if not isinstance(called, str) or not isinstance(kind, str):
            raise InvalidInput(what=name, problem="key tensors has one without a name or a type")
        yield Tensor(called, tuple(shape), kind.lower())


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _parameters(value: object) -> int | None:
    """Return a number of parameters, from a number or from words like "8.2B"."""
    if isinstance(value, int):
        return value if value > 0 else None
    words = value.strip().upper() if isinstance(value, str) else ""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*([KMBT])", words)
    return round(float(found[1]) * _UNITS[found[2]]) or None if found else None


def _bits(level: object) -> float | None:
    """Return the bits of a parameter, from the name of a quantization such as "Q4_K_M"."""
    if not isinstance(level, str):
        return None
    digits = re.search(r"\d{1,2}", level)
    return _BITS.get(level.lower()) or (int(digits[0]) + _MARGIN if digits else None)


def _num_ctx(parameters: object) -> int | None:
    """Return the window that the Modelfile asks for, from lines of names and values."""
    for line in parameters.splitlines() if isinstance(parameters, str) else ():
        match line.split():
            case ["num_ctx", value] if re.fullmatch("[1-9][0-9]{0,8}", value):
                return int(value)
    return None
