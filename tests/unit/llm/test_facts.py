"""What is known of a model, from a server's words and from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.llm import facts
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.layers import Layer, State
from tests.unit.llm.gguf_files import model_file


def show(architecture: str = "llama", /, answer: dict[str, object] | None = None, **keys: Any) -> dict[str, Any]:  # noqa: ANN401 - what a server may send
    """An answer of `/api/show` for a model of 8B; the dots of keys as two underscores, None takes one away."""
    usual: dict[str, object] = {
        "context_length": 131072, "block_count": 32, "embedding_length": 4096, "feed_forward_length": 14336,
        "attention.head_count": 32, "attention.head_count_kv": 8, "vocab_size": 128256,
    }  # fmt: skip
    usual |= {key.replace("__", "."): value for key, value in keys.items()}
    info = {f"{architecture}.{key}": value for key, value in usual.items() if value is not None}
    info |= {"general.architecture": architecture, "general.parameter_count": 8_030_261_312}
    details = {"parameter_size": "8.0B", "quantization_level": "Q4_K_M", "format": "gguf"}
    return {"model_info": info, "details": details, **(answer or {})}


def read(architecture: str = "llama", /, answer: dict[str, object] | None = None, **keys: Any) -> ModelFacts:  # noqa: ANN401 - what a server may send
    """Through JSON, as it comes from a server."""
    return facts.from_show("model", json.loads(json.dumps(show(architecture, answer, **keys))))


def kinds(found: ModelFacts) -> str:
    return "".join(layer.kind[0] for layer in found.layers)


def refused(architecture: str = "llama", /, answer: dict[str, object] | None = None, **keys: Any) -> str:  # noqa: ANN401 - what a server may send
    with pytest.raises(InvalidInput) as error:
        read(architecture, answer, **keys)
    assert str(error.value).startswith("model: key ")
    return str(error.value)


# The whole


def test_a_plain_model() -> None:
    parameters = 'stop    "<|eot_id|>"\nnum_ctx                        8192\nnum_ctx_max 7\ntemperature 0.1'
    found = read(answer={"parameters": parameters, "capabilities": ["completion", "tools"]})
    assert found.layers == (Layer("full", 8, 128, 128),) * 32
    assert (found.architecture, found.context_length, found.embedding_length) == ("llama", 131072, 4096)
    assert (found.feed_forward_length, found.vocabulary, found.heads, found.window) == (14336, 128256, 32, 0)
    assert (found.num_ctx, found.capabilities) == (8192, ("completion", "tools"))
    assert (found.parameters, found.bits, found.weights, found.exact) == (8_030_261_312, 4.9, None, False)


def test_what_a_server_leaves_out_or_sends_as_null_is_not_known() -> None:
    """Ollama sends arrays as null or [], and omits what is empty."""
    nothing: dict[str, object] = {"tensors": None, "capabilities": None, "details": None, "parameters": None}
    found = read(answer=nothing, vocab_size=None, attention__head_count_kv=[], tokenizer=None)
    assert (found.vocabulary, found.bits, found.num_ctx, found.capabilities) == (None, None, None, ())
    assert found.layers[0].kv_heads == 32, "as many as heads"
    empty = show()
    empty["model_info"] = {**show()["model_info"], "tokenizer.ggml.tokens": [], "llama.vocab_size": 77}
    assert facts.from_show("model", empty).vocabulary == 77


def test_words_stand_for_the_number_of_parameters_where_there_is_none() -> None:
    for words, number in (("7.6B", 7_600_000_000), ("494.03M", 494_030_000), ("1T", 10**12), ("?", None), (3, 3)):
        answer = show(answer={"details": {"parameter_size": words}})
        del answer["model_info"]["general.parameter_count"]
        assert facts.from_show("model", answer).parameters == number


@pytest.mark.parametrize(
    ("level", "bits"),
    [("Q4_K_M", 4.9), ("F16", 16), ("Q8_0", 8.5), ("MXFP4", 4.6), ("Q3_K_XL", 4), ("IQ2_XS", 3), ("unknown", None)],
)
def test_bits_follow_from_the_name_of_the_quantization(level: str, bits: float | None) -> None:
    assert read(answer={"details": {"quantization_level": level}}).bits == bits


# Tensors


TENSORS: list[dict[str, Any]] = [
    {"name": "token_embd.weight", "type": "Q4_K", "shape": [4096, 1000]},
    {"name": "blk.0.ffn_up.weight", "type": "Q6_K", "shape": [4096, 14336]},
    {"name": "output_norm.weight", "type": "F32", "shape": [4096]},
]
OUTPUT = {"name": "output.weight", "type": "Q6_K", "shape": [4096, 1000]}
EMBEDDINGS = 4096 * 1000 * 144 // 256
OTHERS = 4096 * 14336 * 210 // 256 + 4096 * 4


def test_weights_are_the_sum_of_the_tensors() -> None:
    found = read(answer={"tensors": TENSORS})
    assert (found.weights, found.input_weights) == (EMBEDDINGS + OTHERS, 0)
    assert found.parameters == 4096 * (1000 + 14336 + 1)
    assert (found.vocabulary, found.exact) == (1000, True)


def test_embeddings_stay_off_the_gpu_only_where_the_output_has_weights_of_its_own() -> None:
    found = read(answer={"tensors": [*TENSORS, OUTPUT]})
    assert found.weights == EMBEDDINGS + OTHERS + 4096 * 1000 * 210 // 256
    assert found.input_weights == EMBEDDINGS
    each = {"name": "per_layer_token_embd.weight", "type": "F16", "shape": [256, 1000]}
    assert read(answer={"tensors": [*TENSORS, each]}).input_weights == 256 * 1000 * 2, "gemma3n keeps more of them"


def test_a_type_that_is_not_known_leaves_the_weights_unknown() -> None:
    found = read(answer={"tensors": [*TENSORS, {"name": "new", "type": "Q3_X", "shape": [256]}]})
    assert (found.weights, found.exact) == (None, False)


def test_tensors_without_a_shape_are_refused_by_name() -> None:
    for shape in (None, "x", [1, -1], [1.5], [True]):
        answer: dict[str, object] = {"tensors": [{"name": "odd", "type": "F32", "shape": shape}]}
        assert "key tensors has no shape for 'odd'" in refused(answer=answer)


# Layers


def test_the_pattern_of_a_sliding_window_goes_without_saying_for_known_architectures() -> None:
    gemma = read("gemma3", block_count=34, attention__sliding_window=1024)
    assert kinds(gemma) == "".join("s" if (i + 1) % 6 else "f" for i in range(34))
    assert gemma.window == 1024
    for name in ("gptoss", "gpt-oss"):
        assert kinds(read(name, block_count=24, attention__sliding_window=128)) == "sf" * 12
    assert kinds(read("smallthinker", block_count=8)) == "fsss" * 2
    assert kinds(read("gemma2", block_count=4)) == "sfsf", "its window goes without saying too"


def test_a_pattern_that_is_said_goes_before_the_known_one() -> None:
    said = read("gemma3", block_count=6, attention__sliding_window=512, attention__sliding_window_pattern=3)
    assert kinds(said) == "ssfssf"
    flags = [True, False, False, True]
    listed = read("new", block_count=4, attention__sliding_window=512, attention__sliding_window_pattern=flags)
    assert kinds(listed) == "sffs"


def test_without_a_window_or_a_known_pattern_every_layer_is_full() -> None:
    assert set(kinds(read("gemma3", attention__sliding_window=0))) == {"f"}
    assert set(kinds(read("gemma3", attention__sliding_window_pattern=6))) == {"f"}
    assert set(kinds(read("llama", attention__sliding_window=4096))) == {"f"}
    phi = read("phi3", attention__sliding_window=2047, attention__sliding_window_pattern=2)
    assert (set(kinds(phi)), phi.window) == ({"f"}, 0)


def test_keys_and_values_may_have_lengths_of_their_own() -> None:
    found = read(attention__key_length=192, attention__value_length=64)
    assert found.layers[0] == Layer("full", 8, 192, 64)
    narrow: dict[str, Any] = {"attention__key_length_swa": 256, "attention__value_length_swa": 128}
    mixed = read(
        "gemma4", block_count=2, attention__sliding_window=512, attention__sliding_window_pattern=[1, 0], **narrow
    )
    assert mixed.layers == (Layer("sliding", 8, 256, 128), Layer("full", 8, 128, 128))


def test_latent_attention_keeps_no_values() -> None:
    lengths: dict[str, Any] = {
        "attention__key_length": 576,
        "attention__value_length": 512,
        "attention__head_count_kv": 1,
    }
    latent = read("deepseek2", **lengths, attention__key_length_mla=192, attention__value_length_mla=128)
    assert latent.layers[0] == Layer("full", 1, 576, 0)
    assert read("deepseek2", **lengths).layers[0] == Layer("full", 1, 576, 512)


def test_a_hybrid_keeps_states_in_all_but_every_fourth_layer() -> None:
    ssm: dict[str, Any] = {
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 4096,
        "ssm__state_size": 128,
        "ssm__group_count": 16,
    }
    found = read("qwen35", **ssm, full_attention_interval=4)
    assert kinds(found) == "rrrf" * 8
    assert found.state == State(3 * (4096 + 2 * 16 * 128), 128 * 4096)
    assert kinds(read("qwen35", **ssm)) == "rrrf" * 8, "the interval goes without saying"
    assert kinds(read("qwen35", block_count=33, nextn_predict_layers=1, **ssm)) == "rrrf" * 8
    listed = read("granitehybrid", block_count=4, attention__head_count_kv=[0, 0, 4, 0], **ssm)
    assert kinds(listed) == "rrfr"
    flagged = read("qwen35", block_count=4, attention__recurrent_layers=[0, 1, 1, 0], **ssm)
    assert kinds(flagged) == "frrf"


def test_layers_that_keep_nothing_of_their_own() -> None:
    assert kinds(read("gemma4", block_count=6, attention__shared_kv_layers=2)) == "ffffnn"
    assert kinds(read("gemma3n", block_count=30, attention__sliding_window=512)) == "ssssf" * 4 + "n" * 10
    assert kinds(read("deci", block_count=3, attention__head_count_kv=[8, 0, 4])) == "fnf"
    ssm: dict[str, Any] = {"ssm__conv_kernel": 4, "ssm__inner_size": 8, "ssm__state_size": 8, "ssm__group_count": 1}
    nemotron: dict[str, Any] = {"attention__head_count_kv": [0, 0, 8], "feed_forward_length": [0, 512, 0]}
    assert kinds(read("nemotron_h", block_count=3, **nemotron, **ssm)) == "rnf"


def test_architectures_that_are_recurrent_throughout_or_besides() -> None:
    ssm: dict[str, Any] = {"ssm__conv_kernel": 4, "ssm__inner_size": 8, "ssm__state_size": 16, "ssm__group_count": 1}
    mamba = read("mamba2", attention__head_count=None, attention__head_count_kv=None, **ssm)
    assert set(kinds(mamba)) == {"r"}
    assert kinds(read("falcon-h1", block_count=2, **ssm)) == "bb"


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        ({"shortconv__l_cache": 3}, State(4096 * 2, 0)),
        ({"wkv__head_size": 64, "token_shift_count": 2}, State(2 * 4096, 4096 * 64)),
        ({"kda__head_dim": 128, "ssm__conv_kernel": 4}, State(3 * 3 * 32 * 128, 128 * 128 * 32)),
        ({}, State(0, 0)),
    ],
)
def test_states_of_other_kinds(keys: dict[str, Any], state: State) -> None:
    assert read("lfm2", **keys).state == state


# What is missing or absurd


@pytest.mark.parametrize("key", ["context_length", "block_count", "embedding_length", "attention.head_count"])
def test_what_is_missing_is_named(key: str) -> None:
    given: dict[str, Any] = {key.replace(".", "__"): None}
    assert refused(**given) == f"model: key llama.{key} is missing"


@pytest.mark.parametrize("value", [0, -1, 1 << 40, 1.5, "many", [1], {"a": 1}, float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["context_length", "block_count", "embedding_length"])
def test_what_is_absurd_is_named_and_shown(key: str, value: object) -> None:
    given: dict[str, Any] = {key: value}
    said = refused(**given)
    assert f"key llama.{key} is" in said
    assert "not a whole number from 1" in said
    assert len(said) < 200


def test_a_list_for_too_few_layers_is_refused() -> None:
    assert "head_count_kv has 2 values for 32 layers" in refused(attention__head_count_kv=[8, 8])
    assert "head_count_kv is -1" in refused(attention__head_count_kv=[-1] * 32)
    assert "nextn_predict_layers is 32" in refused(nextn_predict_layers=32)


@pytest.mark.parametrize("info", [None, {}, [], {"general.architecture": 3}, {"general.architecture": ""}])
def test_an_answer_without_an_architecture_is_refused(info: object) -> None:
    with pytest.raises(InvalidInput, match=r"model: key general\.architecture is missing"):
        facts.from_show("model", {"model_info": info})


def test_a_vocabulary_beyond_all_sense_is_refused() -> None:
    huge: dict[str, object] = {"name": "token_embd.weight", "type": "F16", "shape": [4096, 1 << 25]}
    assert "token_embd.weight has 33554432 tokens" in refused(answer={"tensors": [huge]})


# From a file


def test_a_file_says_the_same_as_a_server(tmp_path: Path) -> None:
    info = show("gemma3", block_count=6, attention__sliding_window=512)["model_info"]
    del info["gemma3.vocab_size"], info["general.parameter_count"]
    metadata = {**info, "tokenizer.ggml.tokens": [str(n) for n in range(1500)]}
    named = [(t["name"], t["shape"], t["type"].lower()) for t in TENSORS]
    found = facts.from_gguf(model_file(tmp_path / "m.gguf", metadata, named))
    told = facts.from_show("m.gguf", {"model_info": info, "tensors": TENSORS}, found.digest)
    assert found == told
    assert (kinds(found), found.vocabulary, found.exact) == ("sssssf", 1000, True)
    assert len(found.digest) == 64


def test_a_file_of_a_vocabulary_alone_knows_its_tokens(tmp_path: Path) -> None:
    info = show()["model_info"]
    del info["llama.vocab_size"], info["general.parameter_count"]
    metadata = {**info, "tokenizer.ggml.tokens": [str(n) for n in range(1500)]}
    found = facts.from_gguf(model_file(tmp_path / "m.gguf", metadata))
    assert (found.vocabulary, found.weights, found.parameters, found.exact) == (1500, None, None, False)


def test_a_file_without_a_key_is_refused_by_name_and_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"m\.gguf: key llama\.block_count is missing"):
        facts.from_gguf(
            model_file(tmp_path / "m.gguf", {"general.architecture": "llama", "llama.embedding_length": 64})
        )


@pytest.mark.parametrize(
    "tensor",
    [
        {"name": "x", "type": "F32", "shape": [1 << 47, 1 << 47]},
        {"name": "x", "type": "F32", "shape": [1] * 5},
        {"name": None, "type": "F32", "shape": [1]},
        {"name": "x", "type": {}, "shape": [1]},
    ],
)
def test_tensors_that_cannot_be_are_refused(tensor: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"^model: (key tensors|says that it has more)"):
        read("llama", {"tensors": [tensor]})


def test_what_is_nested_too_deeply_is_refused_as_anything_absurd() -> None:
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    for answer, named in (
        (show(block_count=deep), "block_count"),
        (show(answer={"tensors": [{"name": deep}]}), "tensors"),
    ):
        with pytest.raises(InvalidInput, match=named):
            facts.from_show("model", answer)
