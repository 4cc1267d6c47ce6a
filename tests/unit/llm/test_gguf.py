"""What is read from the header of a model's file, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import InvalidInput
from dispatcher.llm import gguf
from dispatcher.llm.gguf import Tensor
from tests.unit.llm.gguf_files import model_file, pair, raw_file, tensor, text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


@pytest.mark.parametrize("version", [2, 3])
def test_keys_and_tensors_are_read(path: Path, version: int) -> None:
    written = {"general.architecture": "llama", "llama.block_count": 32, "llama.pattern": [True, False], "none": []}
    tensors = [("token_embd.weight", (4096, 128256), "q4_k"), ("norm", (4096,), "f32"), ("scalar", (), "mxfp4")]
    header = gguf.read(model_file(path, written, tensors, version))
    assert header.metadata == {**written, "llama.pattern": [1, 0]}
    assert header.lengths == {"llama.pattern": 2, "none": 0}
    assert header.tensors == tuple(Tensor(*each) for each in tensors)
    assert header.size == path.stat().st_size


@pytest.mark.parametrize(
    ("kind", "value"),
    [(0, 255), (1, -128), (2, 65535), (3, -5), (4, 2**32 - 1), (5, -7), (6, 0.5), (10, 2**64 - 1), (11, -9), (12, 0.1)],
)
def test_numbers_of_every_type_come_through_alone_and_in_arrays(path: Path, kind: int, value: float) -> None:
    header = gguf.read(raw_file(path, [pair("a", kind, value), pair("b", kind, [value, value])]))
    assert header.metadata == {"a": value, "b": [value, value]}


def test_a_long_array_is_read_only_when_it_is_asked_for(path: Path) -> None:
    tokens, scores = [f"t{n}" for n in range(1025)], list(range(2000))
    model_file(path, {"tokens": tokens, "scores": scores, "heads": list(range(1024)), "after": "here"})
    header = gguf.read(path)
    assert set(header.metadata) == {"heads", "after"}
    assert header.lengths == {"tokens": 1025, "scores": 2000, "heads": 1024}
    assert gguf.read(path, ["tokens"]).metadata["tokens"] == tokens
    assert gguf.read(path, ["scores"]).metadata["scores"] == scores


def test_bytes_that_are_not_utf8_come_through(path: Path) -> None:
    odd = gguf.read(raw_file(path, [pair("tokens", 8, [b"\xff\xfe", "ok"])])).metadata["tokens"]
    assert isinstance(odd, list)
    assert [str(token).encode("utf-8", "surrogateescape") for token in odd] == [b"\xff\xfe", b"ok"]


def test_the_weights_of_a_large_file_are_not_touched(path: Path) -> None:
    """A file of 64 GiB, all hole behind its header."""
    size = model_file(path, {"general.architecture": "llama"}).stat().st_size
    os.truncate(path, 64 << 30)
    assert gguf.read(path).size == size


def test_a_tensor_of_an_unknown_type_has_no_size(path: Path) -> None:
    (found,) = gguf.read(raw_file(path, [], [tensor("new", (256, 2), 99)])).tensors
    assert found == Tensor("new", (256, 2), "type 99")
    assert gguf.size_of(found.shape, found.type) is None


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("f32", 32), ("bf16", 16), ("q4_0", 4.5), ("q4_1", 5), ("q5_0", 5.5), ("q5_1", 6), ("q8_0", 8.5), ("q2_k", 2.625),
     ("q3_k", 3.4375), ("Q4_K", 4.5), ("q5_k", 5.5), ("Q6_K", 6.5625), ("iq1_s", 1.5625), ("iq1_m", 1.75),
     ("iq2_xxs", 2.0625), ("iq2_xs", 2.3125), ("iq2_s", 2.5625), ("iq3_xxs", 3.0625), ("iq3_s", 3.4375),
     ("iq4_nl", 4.5), ("iq4_xs", 4.25), ("MXFP4", 4.25), ("nvfp4", 4.5)],
)  # fmt: skip
def test_sizes_are_those_that_ggml_names(kind: str, bits: float) -> None:
    """The bits of a weight as ggml-common.h has them in words, where the table has bytes of a block."""
    assert gguf.size_of((4096, 10), kind) == 4096 * 10 * bits / 8


def test_a_row_takes_whole_blocks() -> None:
    assert gguf.size_of((33, 2), "q8_0") == 2 * 2 * 34
    assert gguf.size_of((), "f32") is None


def refused(path: Path, wanted: Sequence[str] = ()) -> str:
    with pytest.raises(InvalidInput) as error:
        gguf.read(path, wanted)
    assert str(path)[:60] in str(error.value)
    return str(error.value).rpartition(": ")[2]


def test_what_is_no_model_is_refused_by_name(path: Path, tmp_path: Path) -> None:
    assert refused(path) == "no such file or directory"
    assert refused(tmp_path) == "is not a file"
    path.write_bytes(b"")
    assert refused(path) == "is empty"
    path.write_bytes(b"GGML" + bytes(100))
    assert refused(path) == "is not a GGUF file"
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo") == "is not a file"


@pytest.mark.parametrize(("version", "said"), [(1, "version 1"), (4, "version 4"), (3 << 24, "big endian")])
def test_other_versions_are_refused(path: Path, version: int, said: str) -> None:
    assert said in refused(raw_file(path, [], version=version))


def test_a_file_that_is_cut_short_anywhere_is_refused(path: Path) -> None:
    model_file(path, {"a": "text", "b": [1, 2], "c": ["x"] * 1100, "d": list(range(1100))}, [("t", (2, 3), "f32")])
    whole = path.read_bytes()
    for length in [*range(200), *range(200, len(whole), 211), *range(len(whole) - 60, len(whole))]:
        path.write_bytes(whole[:length])
        assert refused(path, ["c"])
        assert refused(path)


@pytest.mark.parametrize(
    ("pairs", "infos", "said"),
    [
        ([text("k") + struct.pack("<IIQ", 9, 9, 1)], [], "array of type 9"),
        ([text("k") + struct.pack("<IIQ", 9, 4, 1 << 62)], [], "cannot have"),
        ([text("k") + struct.pack("<IIQ", 9, 8, 1 << 62)], [], "cannot have"),
        ([text("k") + struct.pack("<I", 13) + bytes(8)], [], "unknown type 13"),
        ([struct.pack("<Q", 1 << 63) + bytes(40)], [], "text of"),
        ([pair("k", 4, 1), pair("k", 4, 1)], [], "comes twice"),
        ([pair("k", 4, [1]), pair("k", 4, 1)], [], "comes twice"),
        ([pair("", 4, 1)], [], "has no name"),
        ([], [tensor("t", (1, 1, 1, 1, 1), 0)], "5 dimensions"),
        ([], [tensor("t", (1 << 40, 1 << 40), 0)], "cannot have the shape"),
    ],
)
def test_what_cannot_be_is_refused(path: Path, pairs: Sequence[bytes], infos: Sequence[bytes], said: str) -> None:
    assert said in refused(raw_file(path, pairs, infos))


@pytest.mark.parametrize("counts", [(1 << 63, 0), (0, 1 << 63), (3, 0), (0, 5)])
def test_counts_that_the_file_cannot_hold_are_refused(path: Path, counts: tuple[int, int]) -> None:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, *counts) + bytes(60))
    assert "cannot hold" in refused(path)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_no_damage_does_anything_but_refuse(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    model_file(path, {"a": "text", "b": [1, 2], "c": ["x"] * 1100}, [("t", (2, 3), "f32"), ("u", (5,), "q8_0")])
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    with contextlib.suppress(InvalidInput):
        gguf.read(path, ["c"])


def test_a_digest_tells_headers_apart_and_is_the_name_of_a_blob(path: Path, tmp_path: Path) -> None:
    header = gguf.read(model_file(path, {"a": 1}))
    first = gguf.digest(path, header)
    assert first == hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("ab") as file:
        file.write(b"weights")
    assert gguf.digest(path, gguf.read(path)) == first
    assert gguf.digest(path, gguf.read(model_file(path, {"a": 2}))) != first
    assert gguf.digest(tmp_path / "sha256-0123", header) == "0123"
