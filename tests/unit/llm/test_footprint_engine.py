"""What models take, against the buffers that llama-server b11434 printed on a CPU, in MiB, for one request at a time.

The small model was a real one (gemma3 270m, q4_k_m); of the larger ones a file had the shapes, without weights. The
server ran by itself, and under Ollama 0.32.15 as this starts it, which also told sizes of its own.
"""

from __future__ import annotations

import pytest

from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import (
    KvType,
    Setup,
    compute_bytes,
    kv_bytes,
    told_bytes,
    untold_bytes,
    weight_bytes,
)
from tests.unit.llm.test_footprint import BARE, BEFORE, GEMMA, LLAMA, MIB, model

OLLAMA = Setup(gpus=0, version=(0, 32, 15))
WEIGHTS, OUTPUT = 235.17, 1.0
"""What the small model's tensors take, and the scores of one token, which are not counted here."""

PLAIN = BARE._replace(flash_attention=False)
SMALL = model(
    "gemma3", 18, 4, 1, 256, width=640, feed_forward_length=2048, vocab_size=262144, attention__sliding_window=512,
    context_length=32768,
)  # fmt: skip
DENSE = [
    (model("llama", 32, 32, 8, 128, feed_forward_length=14336), 1024, 132.02, 528.07, 580.01),
    (model("qwen3", 36, 32, 8, 128, feed_forward_length=12288, vocab_size=151936), 1152, 120.02, 480.07, 580.01),
    (model("qwen2", 36, 16, 2, 128, width=2048, feed_forward_length=11008, vocab_size=151936), 288, 92.52, 370.07, 297.01),
]  # fmt: skip


@pytest.mark.parametrize(
    ("num_ctx", "kv_type", "cache", "compute"),
    [
        (2048, "f16", (6.00, 15.00), 21.28), (2048, "q8_0", (3.19, 7.97), 21.81), (2048, "q4_0", (1.69, 4.22), 21.81),
        (4096, "f16", (12.00, 15.00), 23.28), (4096, "q8_0", (6.38, 7.97), 23.81), (4096, "q4_0", (3.38, 4.22), 23.81),
        (8192, "f16", (24.00, 15.00), 27.28), (8192, "q8_0", (12.75, 7.97), 27.81), (8192, "q4_0", (6.75, 4.22), 27.81),
        (32768, "f16", (96.00, 15.00), 51.28), (32768, "q8_0", (51.00, 7.97), 51.81),
        (32768, "q4_0", (27.00, 4.22), 51.81),
    ],
)  # fmt: skip
def test_a_real_engine_reserves_as_much(
    num_ctx: int, kv_type: KvType, cache: tuple[float, float], compute: float
) -> None:
    setup = BARE._replace(kv_type=kv_type)
    assert kv_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(sum(cache), abs=0.01)
    assert compute_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(compute, rel=0.03)


@pytest.mark.parametrize(
    ("ubatch", "num_ctx", "wide", "narrow", "compute", "plain"),
    [(2048, 2048, 6, 30, 89.11, 145.08), (2048, 4096, 12, 37.5, 99.11, 229.08), (2048, 32768, 96, 37.5, 211.11, 1349.08)],
)  # fmt: skip
def test_a_real_engine_reserves_as_much_for_large_batches(
    ubatch: int, num_ctx: int, wide: float, narrow: float, compute: float, plain: float
) -> None:
    assert kv_bytes(SMALL, num_ctx, BARE._replace(ubatch=ubatch)) == (wide + narrow) * MIB
    assert compute_bytes(SMALL, num_ctx, BARE._replace(ubatch=ubatch)) / MIB == pytest.approx(compute, rel=0.01)
    assert compute_bytes(SMALL, num_ctx, PLAIN._replace(ubatch=ubatch)) / MIB == pytest.approx(plain, rel=0.09)


@pytest.mark.parametrize(("found", "cache", "compute", "large", "plain"), DENSE)
def test_a_real_engine_reserves_as_much_for_the_shapes_of_larger_models(
    found: ModelFacts, cache: int, compute: float, large: float, plain: float
) -> None:
    assert kv_bytes(found, 8192, BARE) == cache * MIB
    assert compute_bytes(found, 8192, BARE) / MIB == pytest.approx(compute, abs=0.05)
    assert compute_bytes(found, 8192, BARE._replace(ubatch=2048)) / MIB == pytest.approx(large, abs=0.1)
    assert compute_bytes(found, 8192, PLAIN) / MIB == pytest.approx(plain, abs=0.05)


@pytest.mark.parametrize(
    ("num_ctx", "kv_type", "cache", "compute", "told"),
    [
        (2048, "f16", (6.00, 15.00), 21.28, 272.45), (2048, "q8_0", (3.19, 7.97), 21.81, 265.95),
        (2048, "q4_0", (1.69, 4.22), 21.81, 262.20), (4096, "f16", (12.00, 15.00), 23.28, 274.45),
        (4096, "q8_0", (6.38, 7.97), 23.81, 267.95), (4096, "q4_0", (3.38, 4.22), 23.81, 264.20),
        (8192, "f16", (24.00, 22.50), 55.55, 314.22), (8192, "q8_0", (12.75, 11.95), 56.09, 304.21),
        (8192, "q4_0", (6.75, 6.33), 56.09, 298.59), (32768, "f16", (96.00, 22.50), 103.55, 362.22),
        (32768, "q8_0", (51.00, 11.95), 104.09, 352.21), (32768, "q4_0", (27.00, 6.33), 104.09, 346.59),
    ],
)  # fmt: skip
def test_a_real_ollama_reserves_as_much_and_tells_less(
    num_ctx: int, kv_type: KvType, cache: tuple[float, float], compute: float, told: float
) -> None:
    """`size` of /api/ps lacks the cache of the layers without a window."""
    setup = OLLAMA._replace(kv_type=kv_type)
    assert kv_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(sum(cache), abs=0.01)
    assert compute_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(compute, rel=0.03)
    assert untold_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(cache[0], abs=0.01)
    buffers = told_bytes(SMALL, num_ctx, setup) - weight_bytes(SMALL, setup)
    assert WEIGHTS + OUTPUT + buffers / MIB == pytest.approx(told, rel=0.003)


@pytest.mark.parametrize(
    ("parallel", "num_ctx", "cache", "compute"),
    [(2, 2048, 42, 21.28), (2, 4096, 69, 47.55), (2, 8192, 93, 55.55), (4, 2048, 114, 43.55), (4, 4096, 138, 47.55)],
)
def test_a_real_ollama_reserves_as_much_for_requests_at_the_same_time(
    parallel: int, num_ctx: int, cache: int, compute: float
) -> None:
    """OLLAMA_NUM_PARALLEL: each has a cache of its own, and all their windows decide on the size of a batch."""
    setup = OLLAMA._replace(parallel=parallel)
    assert kv_bytes(SMALL, num_ctx, setup) == cache * MIB
    assert compute_bytes(SMALL, num_ctx, setup) / MIB == pytest.approx(compute, rel=0.005)


@pytest.mark.parametrize(("num_ctx", "plain"), [(2048, 34.27), (4096, 54.27), (8192, 190.54), (32768, 670.54)])
def test_a_real_ollama_reserves_as_much_without_flash_attention(num_ctx: int, plain: float) -> None:
    found = compute_bytes(SMALL, num_ctx, OLLAMA._replace(flash_attention=False))
    assert found / MIB == pytest.approx(plain, rel=0.09)


def test_only_the_first_release_with_llama_server_scores_all_tokens() -> None:
    one = compute_bytes(SMALL, 4096, OLLAMA)
    assert one == compute_bytes(SMALL, 4096, BARE) == compute_bytes(SMALL, 4096, Setup(version=(0, 30, 1)))
    assert compute_bytes(SMALL, 4096, Setup(version=(0, 30, 0))) == compute_bytes(SMALL, 4096, BEFORE) > 20 * one


def test_larger_windows_than_the_model_has_change_nothing() -> None:
    assert kv_bytes(SMALL, 131_072, OLLAMA) == kv_bytes(SMALL, 32_768, OLLAMA)
    assert compute_bytes(SMALL, 131_072, OLLAMA) == compute_bytes(SMALL, 32_768, OLLAMA)


def test_all_is_told_where_nothing_has_the_same_name() -> None:
    assert (
        untold_bytes(LLAMA, 8192, OLLAMA) == untold_bytes(GEMMA, 8192, BEFORE) == untold_bytes(GEMMA, 8192, BARE) == 0
    )
    on_gpu = OLLAMA._replace(gpus=1)
    assert told_bytes(LLAMA, 8192, on_gpu) == told_bytes(LLAMA, 8192, OLLAMA), "not what the GPU's runtime takes"
