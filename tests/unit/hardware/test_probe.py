"""All of it in one call, on this machine and on others."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from dispatcher.hardware.device import Device, Hardware, HostMemory
from dispatcher.hardware.probe import Machine, probe
from tests.unit.hardware.machines import GIB, RecordedNvml, card, memory, printing, tool, tree

NVML = {
    "nvmlInit": None,
    "nvmlShutdown": None,
    "nvmlSystemGetDriverVersion": "550.90.07",
    "nvmlDeviceGetCount": 1,
    "nvmlDeviceGetHandleByIndex": {0: "gpu0"},
    "nvmlDeviceGetName": {"gpu0": "NVIDIA L4"},
    "nvmlDeviceGetMemoryInfo": {"gpu0": memory(24 * GIB, 20 * GIB, 4 * GIB)},
}


def test_this_machine() -> None:
    hardware = probe()
    assert hardware.devices
    assert hardware.host.total == psutil.virtual_memory().total
    assert all(0 <= device.free <= device.total for device in hardware.devices)
    assert len({device.key for device in hardware.devices}) == len(hardware.devices)


def test_a_machine_without_gpus_has_its_cpu(tmp_path: Path) -> None:
    hardware = probe(machine=Machine(tmp_path, str(tmp_path), "linux"))
    (device,) = hardware.devices
    assert (device.key, device.total, device.free) == ("cpu:0", hardware.host.size, hardware.host.free)
    assert device.unified
    assert hardware.gpus == ()
    assert len(hardware.absent) == 2


def test_gpus_of_two_makers_come_in_a_fixed_order(tmp_path: Path) -> None:
    tree(tmp_path / "sys", card(1, (8 * GIB, GIB), (GIB, 0)))
    hardware = probe(machine=Machine(tmp_path, str(tmp_path), "linux", RecordedNvml(NVML)))
    assert [device.key for device in hardware.devices] == ["nvidia:0", "amd:0"]
    assert (hardware.total, hardware.free) == (32 * GIB, 27 * GIB)
    assert hardware.warnings == ()


def test_a_mac(tmp_path: Path) -> None:
    for name, output in {"sysctl": "sysctl-m2-pro", "vm_stat": "vm_stat-arm", "system_profiler": "system_profiler-m1"}.items():  # fmt: skip
        path = tool(tmp_path / "bin", name, printing({"": output}))
    hardware = probe(machine=Machine(tmp_path, path, "darwin"))
    assert [device.key for device in hardware.devices] == ["apple:0"]
    assert hardware.devices[0].free <= hardware.host.free


def test_memory_shared_with_the_host_is_free_only_as_far_as_it_is_there(tmp_path: Path) -> None:
    tree(tmp_path / "sys", card(1, (512 << 20, 0), (1 << 50, 0), revision=3))
    hardware = probe(machine=Machine(tmp_path, str(tmp_path), "linux"))
    assert hardware.devices[0].free == hardware.host.free
    assert hardware.free == hardware.host.free


def test_shared_memory_is_counted_once() -> None:
    shared = [Device("amd", n, "APU", 10, 6, 4, unified=True) for n in range(2)]
    assert Hardware((*shared, Device("amd", 2, "card", 9, 9, 0)), HostMemory(20, 8)).free == 8 + 9


def test_a_driver_that_hangs_is_a_warning_and_is_not_asked_again_meanwhile(tmp_path: Path) -> None:
    release = threading.Event()
    asked: list[str] = []

    class Hanging(RecordedNvml):
        def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
            asked.append("nvmlInit")
            release.wait(60)

    machine = Machine(tmp_path, str(tmp_path), "linux", Hanging(NVML), seconds=0.05)
    try:
        for _ in range(3):
            hardware = probe(machine=machine)
            assert hardware.warnings == ("NVML did not answer within 0.05 s",)
            assert [device.kind for device in hardware.devices] == ["cpu"]
        assert len(asked) == 1
    finally:
        release.set()
    again = probe(machine=machine._replace(nvml=RecordedNvml(NVML), seconds=30.0))
    assert [device.kind for device in again.devices] == ["nvidia"]


@pytest.mark.parametrize("fault", [RuntimeError("odd"), OSError(5, "I/O error"), AttributeError("nvmlInit")])
def test_whatever_a_driver_raises_is_a_warning(tmp_path: Path, fault: Exception) -> None:
    machine = Machine(tmp_path, str(tmp_path), "linux", RecordedNvml(NVML | {"nvmlInit": fault}))
    (warning,) = probe(machine=machine).warnings
    assert warning.startswith("NVML: ")


def test_a_second_probe_asks_no_slow_tool(tmp_path: Path) -> None:
    tree(tmp_path / "sys", card(0x0B, (21458059264, 0), (GIB, 0)))
    path = tool(tmp_path / "bin", "rocm-smi", printing({"": "rocm-smi-6"}) + f"\necho x >> {tmp_path}/asked")
    machine = Machine(tmp_path, path, "linux")
    first = probe(machine=machine)
    second = probe(first, machine)
    assert [device.name for device in second.devices] == ["Radeon RX 7900 XT"]
    assert (tmp_path / "asked").read_text() == "x\n"


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    program = "import sys, dispatcher.hardware.watch; print([m for m in ('psutil', 'pynvml', 'requests') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
