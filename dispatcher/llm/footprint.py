"""How much memory a model takes with a window of some size: weights, cache, compute buffer. Pure; sizes in bytes.

Cache: the cells of each layer times what one keeps (llama-kv-cache.cpp, llama-kv-cache-iswa.cpp,
llama-memory-recurrent.cpp; b11434). Compute buffer: the largest of what one batch needs at once, as Ollama's own
estimate had it (`GraphSize` in fs/ggml/ggml.go, 0.11.4), which agrees with what users have reported; for llama-server,
bare or under Ollama since 0.30, as b11434 was seen to reserve it on a CPU. The tests hold both. Two formulas that are
often repeated are wrong and not used here: one forgets that heads share keys and values, the other takes a constant
for all models.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from dispatcher.errors import InvalidInput
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.gguf import BLOCKS
from dispatcher.llm.layers import Kind, Layer

KvType = Literal["f16", "q8_0", "q4_0"]
KV_TYPES: tuple[KvType, ...] = get_args(KvType)

STEP = 256
"""Windows are padded to multiples of this (llama-context.cpp), so sizes in between save nothing."""

UPSTREAM = (0, 30)
"""The version of Ollama from which its engine is llama.cpp's own server."""

_SCORES_ALL = (0, 30, 0)
"""The one version of Ollama whose llama-server (b9452) still made room for the scores of all tokens of a batch; the
next (b9479) has ggml-org/llama.cpp#23861."""

_UBATCHES = ((4096, 512), (32768, 1024))
_LARGEST_UBATCH = 2048
_USUAL_UBATCH = 512

_PER_GPU = 400 << 20
"""What a GPU's runtime takes before any buffer: 0.3 to 0.5 GiB as measured by users."""

_LARGEST_VOCABULARY = 262_144
"""Taken where a vocabulary is not known: no model that is served has a larger one."""

_BITS = 16.0
"""Taken where not even a quantization is known."""


class Setup(NamedTuple):
    """How a server loads a model.

    `version` is Ollama's, or None for a bare llama-server. `ubatch` is how many tokens are computed at once, None for
    what the server chooses. A cache that is not f16 needs flash attention. `gpus` is how many share the layers, 0 for
    a model that stays in main memory.
    """

    kv_type: KvType = "f16"
    parallel: int = 1
    ubatch: int | None = None
    flash_attention: bool = True
    gpus: int = 1
    version: tuple[int, ...] | None = UPSTREAM

    def having(self, kv_type: KvType) -> Setup:
        """Return the same with another type of cache, and flash attention where that needs it."""
        return self._replace(kv_type=kv_type, flash_attention=self.flash_attention or kv_type != "f16")


class Footprint(NamedTuple):
    """What a loaded model takes; `estimated` when a part is a guess, not counted and not measured."""

    weights: int
    kv: int
    compute: int
    fixed: int
    estimated: bool

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.compute + self.fixed


class Calibration(NamedTuple):
    """What a server has been seen to take, weights included: `fixed` bytes, and `per_token` more of the window.

    It was measured while `ubatch` tokens were computed at once; more of them take more.
    """

    per_token: float
    fixed: int
    ubatch: int


def calibrate(small: tuple[int, int], large: tuple[int, int], setup: Setup) -> Calibration:
    """Return the line through two loads, each a num_ctx and the bytes that its server tells, with `untold_bytes`.

    Raises InvalidInput unless the second is the larger and both were computed in batches of one size.
    """
    (first, less), (second, more) = small, large
    ubatch = ubatch_of(first, setup)
    per_token = (more - less) / (second - first) if first != second else 0.0
    fixed = round(less - per_token * first)
    if not 0 < first < second or not 0 < less <= more or fixed <= 0 or ubatch_of(second, setup) != ubatch:
        problem = f"{less} bytes at {first} and {more} at {second} tokens tell nothing"
        raise InvalidInput(what="calibration", problem=problem)
    return Calibration(per_token, fixed, ubatch)


def ubatch_of(num_ctx: int, setup: Setup) -> int:
    """Return how many tokens a server computes at once: from 0.30 on, Ollama takes more for larger windows.

    What counts is the window of all parallel requests together (`automaticGenerationBatch` in server/sched.go). It
    takes fewer where a GPU has little room left, which is not told here.
    """
    if setup.ubatch is not None:
        return setup.ubatch
    if setup.version is None or setup.version < UPSTREAM:
        return _USUAL_UBATCH
    return next((ubatch for most, ubatch in _UBATCHES if num_ctx * setup.parallel <= most), _LARGEST_UBATCH)


def kv_bytes(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return what all layers keep of `num_ctx` tokens for each of the parallel requests."""
    cells = _cells(facts, num_ctx, setup)
    narrow = _narrow(facts, num_ctx, setup)
    states = sum(layer.kind in ("recurrent", "both") for layer in facts.layers)
    widest = _widest(facts, setup)
    kept = sum(
        (narrow if layer.kind == "sliding" else cells) * _cell(layer, setup, widest) for layer in _attending(facts)
    )
    return kept + 4 * states * sum(facts.state) * setup.parallel


def compute_bytes(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return the buffer for what is computed of one batch, whichever is most: the scores of all tokens, the inside of
    a layer's feed-forward part, or without flash attention the weights of attention. Masks come on top.

    llama-server scores the last token of each request only, Ollama up to 0.30.0 every token of a batch.
    """
    streams = setup.parallel if _is_apart(setup) else 1
    cells = _cells(facts, num_ctx, setup) // streams
    narrow = _narrow(facts, num_ctx, setup) // streams if "sliding" in _kinds(facts) else 0
    ubatch, width = _ubatch(facts, num_ctx, setup), facts.embedding_length
    scored = setup.parallel if _is_apart(setup) and setup.version != _SCORES_ALL else ubatch
    scores = 4 * (ubatch * width + scored * (facts.vocabulary or _LARGEST_VOCABULARY))
    inside = 4 * ubatch * (3 * facts.feed_forward_length + 5 * width)
    if setup.flash_attention:
        return max(scores, inside) + 2 * ubatch * (cells + narrow)
    return max(scores, inside, 4 * ubatch * (_beside(facts, setup) + narrow + cells * (1 + facts.heads)))


def _beside(facts: ModelFacts, setup: Setup) -> int:
    """Return how many elements of a token are held while its attention is weighed."""
    if _is_apart(setup):
        rows = (layer.key_length * (facts.heads + 2 * layer.kv_heads) for layer in facts.layers)
        return 5 * facts.embedding_length + max(rows)
    copies = 2 if facts.architecture.startswith(("qwen", "gemma")) else 4
    return 1 + copies * facts.embedding_length


def weight_bytes(facts: ModelFacts, setup: Setup) -> int:
    """Return what the weights take where the layers are: from the tensors, else parameters times bits / 8.

    Raises InvalidInput when neither is known.
    """
    if facts.weights is not None:
        return facts.weights - (facts.input_weights if setup.gpus else 0)
    if facts.parameters is None:
        raise InvalidInput(what=facts.name, problem="neither its tensors nor the number of its parameters are known")
    return round(facts.parameters * (facts.bits or _BITS) / 8)


def told_bytes(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return what Ollama's `/api/ps` tells of a loaded model (`size`): nothing of the GPU's runtime, and from 0.30 on
    not all of the cache, for which see `untold_bytes`.
    """
    taken = footprint(facts, num_ctx, setup)
    return taken.total - taken.fixed - untold_bytes(facts, num_ctx, setup)


def untold_bytes(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return what `/api/ps` leaves out: the cache of the full layers of a model that has layers with a sliding window.

    Ollama sums up what its llama-server logs of buffers, and keeps one of each name (`memoryBufferKey` in
    llm/llama_server.go, 0.30.0 to 0.33-rc): the two caches of such a model have the same, and the second is the
    narrow one. Add this before sizes are compared or used for a calibration.
    """
    if setup.version is None or setup.version < UPSTREAM or "sliding" not in _kinds(facts):
        return 0
    layers = tuple(layer for layer in facts.layers if layer.kind in ("full", "both"))
    return sum(_cells(facts, num_ctx, setup) * _cell(layer, setup, _widest(facts, setup)) for layer in layers)


def footprint(facts: ModelFacts, num_ctx: int, setup: Setup, calibration: Calibration | None = None) -> Footprint:
    """Return what a model takes with a window of `num_ctx` tokens.

    Each GPU has a compute buffer of its own: those of the others, at most as large, are in `fixed`. A calibration
    overrides the formulas, and then `weights` is all that does not grow with the window, `kv` all that does, and
    `compute` what the formulas add for a larger batch than it was measured with.
    """
    fixed = _PER_GPU * setup.gpus
    if calibration is None:
        weights, kv = weight_bytes(facts, setup), kv_bytes(facts, num_ctx, setup)
        compute = compute_bytes(facts, num_ctx, setup)
        return Footprint(weights, kv, compute, fixed + compute * max(0, setup.gpus - 1), estimated=not facts.exact)
    grown = round(calibration.per_token * _padded(min(num_ctx, facts.context_length)))
    then = setup._replace(ubatch=min(calibration.ubatch, ubatch_of(num_ctx, setup)))
    more = sum(part(facts, num_ctx, setup) - part(facts, num_ctx, then) for part in (kv_bytes, compute_bytes))
    return Footprint(calibration.fixed, grown, more, fixed, estimated=False)


def largest_window(facts: ModelFacts, free_bytes: int, setup: Setup, calibration: Calibration | None = None) -> int:
    """Return the largest num_ctx, in steps of 256 and within what the model was trained for, whose footprint fits.

    0 when not even the smallest does.
    """
    fits, over = 0, facts.context_length // STEP + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if footprint(facts, middle * STEP, setup, calibration).total <= free_bytes:
            fits = middle
        else:
            over = middle
    return fits * STEP


def _kinds(facts: ModelFacts) -> set[Kind]:
    return {layer.kind for layer in facts.layers}


def _attending(facts: ModelFacts) -> list[Layer]:
    return [layer for layer in facts.layers if layer.kind in ("full", "sliding", "both")]


def _widest(facts: ModelFacts, setup: Setup) -> int:
    """Return the elements of the widest values: without flash attention they lie crosswise, and all have that room."""
    if setup.flash_attention:
        return 0
    return max((layer.kv_heads * layer.value_length for layer in _attending(facts)), default=0)


def _is_apart(setup: Setup) -> bool:
    """Tell whether parallel requests have caches of their own: in llama-server, told their number (`kv_unified`)."""
    return setup.version is None or setup.version >= UPSTREAM


def _ubatch(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return how many tokens are computed at once, at most as many as there is room for."""
    return min(ubatch_of(min(num_ctx, facts.context_length), setup), _cells(facts, num_ctx, setup))


def _cells(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return how many tokens the cache has room for."""
    return _padded(min(num_ctx, facts.context_length)) * setup.parallel


def _narrow(facts: ModelFacts, num_ctx: int, setup: Setup) -> int:
    """Return how many tokens a layer with a sliding window has room for: windows and a batch for each cache."""
    cells, ubatch = _cells(facts, num_ctx, setup), _ubatch(facts, num_ctx, setup)
    if _is_apart(setup):
        return setup.parallel * min(cells // setup.parallel, _padded(facts.window + ubatch))
    return min(cells, _padded(facts.window * setup.parallel + ubatch))


def _padded(tokens: int) -> int:
    return -(-tokens // STEP) * STEP


def _cell(layer: Layer, setup: Setup, widest: int) -> int:
    """Return what a layer keeps of one token: a row of keys and one of values, each in whole blocks."""
    elements, size = BLOCKS[setup.kv_type]
    rows = layer.kv_heads * layer.key_length, max(widest, layer.kv_heads * layer.value_length)
    return sum(-(-row // elements) * size for row in rows)
