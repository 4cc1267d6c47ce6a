"""What models take, against figures from arithmetic and from reports of users."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import InvalidInput
from dispatcher.llm import facts, footprint
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import Calibration, KvType, Setup, compute_bytes, kv_bytes, largest_window

MIB, GIB = 1 << 20, 1 << 30
BEFORE = Setup(version=(0, 24))
BARE = Setup(version=None, gpus=0)


def model(
    architecture: str, layers: int, heads: int, kv: int, head: int, *, width: int = 4096, **keys: int
) -> ModelFacts:
    """Facts as from `/api/show`; the dots of further keys as two underscores."""
    info: dict[str, Any] = {key.replace("__", "."): value for key, value in keys.items()}
    info |= {"block_count": layers, "attention.head_count": heads, "attention.head_count_kv": kv}
    info |= {"attention.key_length": head, "attention.value_length": head, "embedding_length": width}
    info = {"context_length": 131072, "vocab_size": 128256, **info}
    shown = {f"{architecture}.{key}": value for key, value in info.items()}
    parameters = {"general.architecture": architecture, "general.parameter_count": 8_000_000_000}
    details = {"quantization_level": "Q4_K_M"}
    return facts.from_show("model", {"model_info": {**shown, **parameters}, "details": details})


LLAMA = model("llama", 32, 32, 8, 128)
GEMMA = model("gemma3", 34, 8, 4, 256, width=2560, vocab_size=262208, attention__sliding_window=1024)
GEMMA_12B = model("gemma3", 48, 16, 8, 256, width=3840, vocab_size=262144, attention__sliding_window=1024)
GPT_OSS = model("gptoss", 24, 64, 8, 64, width=2880, vocab_size=201088, attention__sliding_window=128)
QWEN_HYBRID = model(
    "qwen35", 32, 16, 4, 256, full_attention_interval=4, ssm__conv_kernel=4, ssm__inner_size=4096, ssm__state_size=128,
    ssm__group_count=16, vocab_size=248320, context_length=262144,
)  # fmt: skip
LATENT = model("deepseek2", 27, 16, 1, 576, attention__key_length_mla=192, attention__value_length_mla=128)
ONE_LAYER = {
    "general.architecture": "llama", "llama.context_length": 8192, "llama.block_count": 1,
    "llama.embedding_length": 4096, "llama.attention.head_count": 32,
}  # fmt: skip
MODELS = [LLAMA, GEMMA, GEMMA_12B, GPT_OSS, QWEN_HYBRID, LATENT]

TABLE = [
    (LLAMA, (1.074, 0.570, 0.302), (4.295, 2.282, 1.208)),
    (model("mistral3", 34, 32, 8, 128), (1.141, 0.606, 0.321), (4.563, 2.424, 1.283)),
    (model("qwen3", 36, 32, 8, 128), (1.208, 0.642, 0.340), (4.832, 2.567, 1.359)),
    (model("qwen3", 40, 40, 8, 128), (1.342, 0.713, 0.377), (5.369, 2.852, 1.510)),
    (GEMMA, (0.350, 0.186, 0.099), (0.854, 0.453, 0.240)),
    (GPT_OSS, (0.220, 0.117, 0.062), (0.824, 0.438, 0.232)),
]


@pytest.mark.parametrize(("found", "small", "large"), TABLE)
def test_the_cache_is_what_arithmetic_says(found: ModelFacts, small: tuple[float], large: tuple[float]) -> None:
    """To the last digit of the published table, in units of 1e9."""
    for num_ctx, figures in ((8192, small), (32768, large)):
        for kv_type, figure in zip(get_args(KvType), figures, strict=True):
            taken = kv_bytes(found, num_ctx, BEFORE._replace(kv_type=kv_type))
            assert taken / 1e9 == pytest.approx(figure, abs=0.000501)


def test_larger_batches_need_more_room_in_a_sliding_window() -> None:
    assert kv_bytes(GEMMA, 8192, Setup()) / 1e9 == pytest.approx(0.411, abs=0.0005)
    assert kv_bytes(GEMMA, 8192, BEFORE) == kv_bytes(GEMMA, 8192, Setup(ubatch=512))


@pytest.mark.parametrize(
    ("found", "num_ctx", "setup", "size"),
    [
        (LLAMA, 2048, BEFORE, 256 * MIB),
        (LLAMA, 32768, BEFORE, 4096 * MIB),
        (model("qwen2", 36, 16, 2, 128, width=2048), 4096, BEFORE, 144 * MIB),
        (GEMMA_12B, 2048, BEFORE, 608 * MIB),
        (model("mistral3", 40, 32, 8, 128), 131072, BEFORE, 20 * GIB),
        (model("llama", 80, 64, 8, 128), 64000, BEFORE, 20_000 * MIB),
        (LLAMA, 32768, BEFORE._replace(kv_type="q4_0"), 1152 * MIB),
    ],
    ids=["logdetective#106", "at 32k", "LLamaSharp#1099", "ollama#10341", "ollama#10615", "ollama#9181", "ollama#6276"],
)
def test_the_cache_is_what_users_have_seen_to_the_byte(
    found: ModelFacts, num_ctx: int, setup: Setup, size: int
) -> None:
    assert kv_bytes(found, num_ctx, setup) == size


def test_two_requests_at_a_time_share_a_cache_of_both_windows() -> None:
    """deep-research-at-home#14: gemma3:12b, 8,192 tokens for two, 1.3 GiB and 519.5 MiB."""
    two = BEFORE._replace(parallel=2, flash_attention=False)
    assert kv_bytes(GEMMA_12B, 4096, two) / GIB == pytest.approx(1.3, rel=0.02)
    assert compute_bytes(GEMMA_12B, 4096, two) / MIB == 519.5


@pytest.mark.parametrize(
    ("num_ctx", "seen"), [(4096, 178), (8192, 306), (16384, 562), (32768, 1074), (65536, 2098), (131072, 4146)]
)
def test_a_hybrid_takes_what_taos_144_has_seen(num_ctx: int, seen: int) -> None:
    assert kv_bytes(QWEN_HYBRID, num_ctx, BEFORE) / MIB == pytest.approx(seen, abs=0.5)


@pytest.mark.parametrize(("num_ctx", "seen"), [(2048, 164.00), (32768, 2144.00)])
def test_compute_without_flash_attention_is_what_logdetective_106_has_seen(num_ctx: int, seen: float) -> None:
    mistral = model("llama", 32, 32, 8, 128, vocab_size=32000, feed_forward_length=14336)
    taken = compute_bytes(mistral, num_ctx, BEFORE._replace(flash_attention=False))
    assert taken / MIB == pytest.approx(seen, abs=0.005)


def test_compute_is_what_llamasharp_1099_has_seen() -> None:
    qwen = model("qwen2", 36, 16, 2, 128, width=2048, vocab_size=151936, feed_forward_length=11008)
    assert compute_bytes(qwen, 4096, BEFORE._replace(flash_attention=False)) / MIB == 300.75
    assert compute_bytes(qwen, 4096, BEFORE) / MIB == pytest.approx(300.75, rel=0.05)


# Rules


@pytest.mark.parametrize(
    ("num_ctx", "version", "ubatch"),
    [(4096, (0, 30), 512), (4097, (0, 30), 1024), (32768, (0, 33, 1), 1024), (32769, (1, 0), 2048), (32769, (0, 24), 512),
     (131072, None, 512)],
)  # fmt: skip
def test_ollama_takes_larger_batches_for_larger_windows_since_its_version_30(
    num_ctx: int, version: tuple[int, ...] | None, ubatch: int
) -> None:
    assert footprint.ubatch_of(num_ctx, Setup(version=version)) == ubatch
    assert footprint.ubatch_of(num_ctx, Setup(version=version, ubatch=64)) == 64
    assert footprint.ubatch_of(-(-num_ctx // 2), Setup(version=version, parallel=2)) == ubatch


def test_windows_are_padded_and_end_where_the_model_does() -> None:
    for asked, taken in ((2049, 2304), (1 << 30, 131072)):
        assert kv_bytes(LLAMA, asked, BEFORE) == kv_bytes(LLAMA, taken, BEFORE) > kv_bytes(LLAMA, 2048, BEFORE)


def test_latent_attention_keeps_one_vector_and_no_values() -> None:
    assert kv_bytes(LATENT, 8192, BEFORE) == 27 * 8192 * 576 * 2


def test_without_flash_attention_every_layer_has_room_for_the_widest_values() -> None:
    uneven = model("new", 2, 8, 4, 128, attention__sliding_window=256, attention__sliding_window_pattern=2,
                   attention__key_length_swa=128, attention__value_length_swa=64)  # fmt: skip
    more = kv_bytes(uneven, 4096, BEFORE._replace(flash_attention=False)) - kv_bytes(uneven, 4096, BEFORE)
    assert more == (256 + 512) * 4 * (128 - 64) * 2


def test_states_do_not_grow_with_the_window_but_with_requests() -> None:
    mamba = model("mamba2", 4, 0, 0, 1, ssm__conv_kernel=4, ssm__inner_size=8, ssm__state_size=16, ssm__group_count=1)
    one = 4 * 4 * (3 * (8 + 2 * 16) + 16 * 8)
    assert kv_bytes(mamba, 2048, BEFORE) == kv_bytes(mamba, 65536, BEFORE) == one
    assert kv_bytes(mamba, 2048, BEFORE._replace(parallel=3)) == 3 * one


def test_weights_are_exact_with_tensors_and_estimated_without() -> None:
    guessed = footprint.footprint(LLAMA, 4096, Setup())
    assert (guessed.weights, guessed.estimated) == (8_000_000_000 * 4.9 / 8, True)
    tensors = [{"name": n, "type": "F16", "shape": [4096, 128256]} for n in ("token_embd.weight", "output.weight")]
    known = facts.from_show("model", {"model_info": ONE_LAYER, "tensors": tensors})
    each = 2 * 4096 * 128256
    assert footprint.footprint(known, 4096, Setup())[::4] == (each, False), "the embeddings stay in main memory"
    there = footprint.footprint(known, 4096, BARE)
    assert (there.weights, there.fixed) == (2 * each, 0)
    two = footprint.footprint(known, 4096, Setup(gpus=2))
    assert two.fixed == 800 * MIB + two.compute, "each has a buffer of its own to compute in"
    assert there.total == there.weights + there.kv + there.compute


def test_without_bits_a_parameter_takes_two_bytes_and_without_parameters_there_is_no_answer() -> None:
    counted = facts.from_show("model", {"model_info": {**ONE_LAYER, "general.parameter_count": 1000}})
    assert footprint.weight_bytes(counted, Setup()) == 2000
    with pytest.raises(InvalidInput, match="model: neither its tensors nor the number of its parameters"):
        footprint.footprint(facts.from_show("model", {"model_info": ONE_LAYER}), 4096, Setup())


# Calibration


def test_a_calibration_overrides_the_formula_between_and_beyond_what_was_measured() -> None:
    found = footprint.calibrate((8192, 6 * GIB), (16384, 7 * GIB), Setup())
    assert found == Calibration(GIB / 8192, 5 * GIB, 1024)
    taken = footprint.footprint(LLAMA, 32768, Setup(gpus=0), found)
    assert (taken.total, taken.weights, taken.kv, taken.estimated) == (9 * GIB, 5 * GIB, 4 * GIB, False)
    beyond = footprint.footprint(LLAMA, 65536, Setup(gpus=0), found)
    assert beyond.total > 13 * GIB, "from 32k on a batch is larger"
    same = Setup(gpus=0, ubatch=1024)
    assert beyond.total - 13 * GIB == compute_bytes(LLAMA, 65536, Setup()) - compute_bytes(LLAMA, 65536, same)


@pytest.mark.parametrize(
    ("small", "large"),
    [((8192, 5), (8192, 6)), ((16384, 6), (8192, 5)), ((8192, 6), (16384, 5)), ((4096, 5), (8192, 6)), ((8192, 0), (16384, 6))],
)  # fmt: skip
def test_two_loads_that_tell_nothing_are_refused(small: tuple[int, int], large: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match="tell nothing"):
        footprint.calibrate(small, large, Setup())


# Properties

SETUPS = st.builds(
    Setup,
    kv_type=st.sampled_from(get_args(KvType)),
    parallel=st.integers(1, 8),
    ubatch=st.none() | st.sampled_from([64, 512, 2048]),
    flash_attention=st.booleans(),
    gpus=st.integers(0, 4),
    version=st.sampled_from([None, (0, 24), (0, 30), (0, 30, 0), (0, 33)]),
)
WINDOWS = st.integers(1, 300_000)
CALIBRATIONS = st.none() | st.builds(
    Calibration, st.floats(0, 1e6), st.integers(0, 1 << 36), st.sampled_from([512, 1024, 2048])
)
steady = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@steady
@given(st.sampled_from(MODELS), SETUPS, WINDOWS, WINDOWS, CALIBRATIONS)
def test_more_window_never_takes_less(
    found: ModelFacts, setup: Setup, one: int, other: int, calibration: Calibration | None
) -> None:
    small, large = sorted((one, other))
    less = footprint.footprint(found, small, setup, calibration)
    more = footprint.footprint(found, large, setup, calibration)
    assert all(a <= b for a, b in zip(less, more, strict=True))


@steady
@given(st.sampled_from(MODELS), SETUPS, WINDOWS)
def test_fewer_bits_take_less_and_more_requests_more(found: ModelFacts, setup: Setup, num_ctx: int) -> None:
    sizes = [kv_bytes(found, num_ctx, setup._replace(kv_type=kv_type)) for kv_type in get_args(KvType)]
    assert sizes[0] > sizes[1] > sizes[2] > 0
    assert kv_bytes(found, num_ctx, setup._replace(parallel=setup.parallel + 1)) > kv_bytes(found, num_ctx, setup)


@steady
@given(st.sampled_from(MODELS), SETUPS, st.integers(0, 1 << 38), CALIBRATIONS)
def test_the_largest_window_fits_and_the_next_step_does_not(
    found: ModelFacts, setup: Setup, free: int, calibration: Calibration | None
) -> None:
    window = largest_window(found, free, setup, calibration)
    assert window % 256 == 0
    assert 0 <= window <= found.context_length
    if window:
        assert footprint.footprint(found, window, setup, calibration).total <= free
    if window < found.context_length:
        assert footprint.footprint(found, window + 256, setup, calibration).total > free


def test_a_window_is_found_where_it_is_known() -> None:
    """llama3.1:8b in f16 takes 128 KiB a token."""
    setup = Setup(gpus=0, ubatch=512, version=(0, 24))
    least = footprint.footprint(LLAMA, 8192, setup).total
    assert largest_window(LLAMA, least, setup) == 8192
    assert largest_window(LLAMA, least - 1, setup) == 7936
    assert largest_window(LLAMA, 1 << 50, setup) == 131072
    assert largest_window(LLAMA, 1000, setup) == 0
