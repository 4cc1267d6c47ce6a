"""Apple silicon, by what its tools print."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.hardware import apple
from tests.unit.hardware.machines import GIB, captured, printing, tool

MIB = 1 << 20
ARM = 16384 * (3857 + 443760 + 1075 + 17340)


def test_a_mac_with_the_default_limit() -> None:
    reading = apple.device(captured("sysctl-m2-pro"), captured("vm_stat-arm"))
    (device,) = reading.devices
    assert (device.key, device.name, device.unified) == ("apple:0", "Apple M2 Pro", True)
    assert device.total == 32 * GIB * 2 // 3
    assert device.free == ARM
    assert device.used == device.total - ARM
    assert reading.warnings == ()


def test_a_limit_that_was_set_counts() -> None:
    (device,) = apple.device(captured("sysctl-m5-max"), captured("vm_stat-arm")).devices
    assert device.total == 112 * GIB


@pytest.mark.parametrize(
    ("memory", "limit", "share"),
    [
        (16 * GIB, 0, 16 * GIB * 2 // 3),
        (36 * GIB, 0, 24 * GIB),
        (48 * GIB, 0, 36 * GIB),
        (128 * GIB, 0, 96 * GIB),
        (16 * GIB, 14_000, 14_000 * MIB),
        (16 * GIB, 999_999, 16 * GIB),
    ],
)
def test_the_share_of_the_gpu(memory: int, limit: int, share: int) -> None:
    assert apple.gpu_share(memory, limit) == share


def test_free_is_never_more_than_the_share() -> None:
    (device,) = apple.device(captured("sysctl-m2-pro"), captured("vm_stat-intel")).devices
    assert device.free == device.total
    assert device.used == 0


def test_free_pages_count_in_the_size_that_is_told() -> None:
    assert apple.available(captured("vm_stat-arm")) == ARM
    assert apple.available(captured("vm_stat-intel")) == 4096 * (6127229 + 628646 + 430715 + 11820)


def test_names() -> None:
    assert apple.gpu_name(captured("system_profiler-m3-max")) == "Apple M3 Max (40 GPU cores)"
    assert apple.gpu_name(captured("system_profiler-m1")) == "Apple M1 (7 GPU cores)"
    assert apple.gpu_name(captured("system_profiler-intel")) == ""


def test_an_intel_mac_has_no_gpu_that_counts() -> None:
    reading = apple.device(captured("sysctl-intel"), captured("vm_stat-intel"))
    assert (reading.devices, reading.absent) == ((), "no Apple silicon")


@pytest.mark.parametrize("vm_stat", [b"", b"Mach Virtual Memory", captured("vm_stat-arm")[:60], b"Pages free: 5.\n"])
def test_without_free_pages_the_share_is_all_that_is_known(vm_stat: bytes) -> None:
    reading = apple.device(captured("sysctl-m2-pro"), vm_stat)
    assert reading.devices[0].free == reading.devices[0].total
    assert len(reading.warnings) == 1


@pytest.mark.parametrize("sysctl", [b"", b"hw.memsize:", b"hw.memsize: N/A", b"hw.memsize: " + b"9" * 5000, b"\xff"])
def test_without_the_size_there_is_no_device(sysctl: bytes) -> None:
    reading = apple.device(sysctl, captured("vm_stat-arm"))
    assert (reading.devices, reading.warnings) == ((), ("sysctl tells no hw.memsize",))


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"SPDisplaysDataType": "x"}', b'{"SPDisplaysDataType": [1, {}]}']
)
def test_a_broken_profile_is_no_name(broken: bytes) -> None:
    assert apple.gpu_name(broken) == ""


def mac(folder: Path) -> str:
    tool(folder, "sysctl", printing({"": "sysctl-m2-pro"}) + "\nexit 1")
    tool(folder, "vm_stat", printing({"": "vm_stat-arm"}))
    return tool(folder, "system_profiler", printing({"": "system_profiler-m1"}) + f"\necho x >> {folder}/asked")


def test_the_tools_are_asked_and_the_slow_one_only_once(tmp_path: Path) -> None:
    path = mac(tmp_path / "bin")
    first = apple.read(path)
    assert first.warnings == ()
    assert [device.name for device in first.devices] == ["Apple M1 (7 GPU cores)"]
    assert apple.read(path, first.devices).devices == first.devices
    assert (tmp_path / "bin" / "asked").read_text() == "x\n"


def test_a_profiler_that_hangs_costs_only_the_name(tmp_path: Path) -> None:
    path = mac(tmp_path / "bin")
    tool(tmp_path / "bin", "system_profiler", "exec sleep 600")
    reading = apple.read(path, seconds=0.3)
    assert [device.name for device in reading.devices] == ["Apple M2 Pro"]
    assert reading.warnings == ("system_profiler did not answer within 0.3 s",)
