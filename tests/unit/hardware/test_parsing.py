"""Whatever a tool prints, no parser raises, and what it finds are sizes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.hardware import amd_smi, apple, quantity, rocm_smi
from dispatcher.hardware.device import Reading
from tests.property.world import examples
from tests.unit.hardware.machines import DATA

CAPTURED = [path.read_bytes() for path in sorted(DATA.glob("*.txt"))]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("N/A"), st.just("16368 MB")
)
KEYS = st.sampled_from([
    "gpu", "gpu_data", "mem_usage", "total_vram", "used_vram", "total_gtt", "used_gtt", "value", "unit", "process_list",
    "process_info", "pid", "name", "memory_usage", "vram_mem", "gtt_mem", "asic", "market_name", "driver", "version",
    "bus", "bdf", "vram", "type", "card0", "card1", "system", "PID1", "VRAM Total Memory (B)", "GTT Total Memory (B)",
    "VRAM Total Used Memory (B)", "SPDisplaysDataType", "sppci_model", "sppci_cores",
])  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
).map(lambda found: json.dumps(found).encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A captured output with a part cut out and something put in its place."""
    output = draw(st.sampled_from(CAPTURED))
    start = draw(st.integers(0, len(output)))
    end = draw(st.integers(start, len(output)))
    return output[:start] + draw(st.binary(max_size=6)) + output[end:]


OUTPUTS = st.one_of(st.binary(), damaged(), DOCUMENTS)


def check(reading: Reading) -> None:
    for device in reading.devices:
        assert 0 <= device.free <= device.total < 1 << 60
        assert device.used >= 0
        assert all(use.used is None or use.used >= 0 for use in device.processes or ())
        assert all(isinstance(text, str) for text in (device.name, device.driver, device.pci))


@examples(100)
@given(OUTPUTS, OUTPUTS, OUTPUTS)
def test_no_output_makes_amd_smi_raise(metric: bytes, static: bytes, process: bytes) -> None:
    check(amd_smi.devices(metric, static, process))


@examples(100)
@given(OUTPUTS)
def test_no_output_makes_rocm_smi_raise(output: bytes) -> None:
    check(rocm_smi.devices(output))


@examples(100)
@given(OUTPUTS, OUTPUTS)
def test_no_output_makes_apples_tools_raise(first: bytes, second: bytes) -> None:
    check(apple.device(first, second, apple.gpu_name(second)))


@examples(100)
@given(SCALARS, st.text(max_size=4))
def test_a_size_is_bytes_or_nothing(value: object, unit: str) -> None:
    for size in (quantity.to_bytes(value, unit), quantity.to_bytes({"value": value, "unit": unit})):
        assert size is None or 0 <= size < 1 << 60


@examples(100)
@given(st.integers(0, (1 << 30) - 1), st.sampled_from(["B", "KB", "MiB", "mb", "GB", "", "bytes"]))
def test_a_size_means_the_same_in_all_its_forms(number: int, unit: str) -> None:
    expected = quantity.to_bytes(number, unit)
    assert expected is not None
    assert quantity.to_bytes(f"{number} {unit}") == quantity.to_bytes({"value": str(number), "unit": unit}) == expected


def test_units_are_powers_of_1024_and_unknown_ones_no_size() -> None:
    assert [quantity.to_bytes(3, unit) for unit in ("KB", "MB", "GB", "TB")] == [3 << n for n in (10, 20, 30, 40)]
    assert quantity.to_bytes("1.5 GB") == 3 << 29
    assert [quantity.to_bytes(text) for text in ("5 potatoes", "N/A", "", "1e9", "-1", "0x10")] == [None] * 6
    assert quantity.to_bytes({"value": {"value": 1}}) is None


def test_the_first_whole_document_counts() -> None:
    assert quantity.document(b'WARNING: {groups}\n[{"gpu": 0}]\n[{"gpu": 1}]\n') == [{"gpu": 0}]
    assert quantity.document(b"[oops\n{}\n") == {}
    assert quantity.document(b'{"a": {\n  "b": 1\n') is None
