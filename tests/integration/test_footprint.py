"""What the engine reserves is what we reckon: the cache exactly, all of it within 5 %."""

from __future__ import annotations

import re

import pytest

from dispatcher.llm import facts
from dispatcher.llm.footprint import KvType, Setup, footprint
from tests.engine.place import Place
from tests.engine.server import Engine

_ROW = re.compile(r"(?P<kind>model|KV|compute) buffer size = +(?P<mib>[\d.]+) MiB")
_KV_ROW = re.compile(r"llama_kv_cache: size = +([\d.]+) MiB")
WINDOWS, TYPES = (2048, 4096, 8192, 32768), ("f16", "q8_0", "q4_0")
SAMPLE = ((2048, "q8_0"), (32768, "f16"))
MIB = 1 << 20


@pytest.mark.parametrize(
    ("num_ctx", "kv_type"),
    [
        pytest.param(window, kind, marks=() if (window, kind) in SAMPLE else pytest.mark.campaign)
        for window in WINDOWS
        for kind in TYPES
    ],
)
def test_is_what_the_engine_reserves(place: Place, num_ctx: int, kv_type: KvType) -> None:
    with Engine(place, "-c", str(num_ctx), "-ctk", kv_type, "-ctv", kv_type, "--no-warmup") as engine:
        log = engine.log()
    printed = {"model": 0.0, "KV": 0.0, "compute": 0.0}
    for row in _ROW.finditer(log):
        printed[row["kind"]] += float(row["mib"])
    ours = footprint(facts.from_gguf(place.model), num_ctx, Setup(kv_type, gpus=0, version=None))
    assert ours.kv / MIB == pytest.approx(sum(map(float, _KV_ROW.findall(log))), abs=0.02)  # it prints two digits
    assert ours.kv / MIB == pytest.approx(printed["KV"], abs=0.02)
    assert ours.compute / MIB == pytest.approx(printed["compute"], rel=0.05)
    assert ours.total / MIB == pytest.approx(sum(printed.values()), rel=0.05)
