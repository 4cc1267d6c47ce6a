"""NVIDIA's GPUs, from recorded answers of NVML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.hardware import nvidia
from dispatcher.hardware.device import ProcessUse, Reading
from tests.unit.hardware.machines import GIB, HOST, LOST, NOT_SUPPORTED, RecordedNvml, error, memory, process

V2 = RecordedNvml.nvmlMemory_v2
MIB = 1 << 20


def answers(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any answer of NVML
    """An RTX 3090 with Ollama on it, as NVML tells it."""
    return {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlSystemGetDriverVersion": "550.90.07",
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": {0: "gpu0"},
        "nvmlDeviceGetName": {"gpu0": "NVIDIA GeForce RTX 3090"},
        "nvmlDeviceGetMemoryInfo": {("gpu0", V2): memory(24576 * MIB, 17909 * MIB, 6340 * MIB)},
        "nvmlDeviceGetComputeRunningProcesses": {"gpu0": [process(4242, 6144 * MIB)]},
        "nvmlDeviceGetGraphicsRunningProcesses": {"gpu0": [process(977, 180 * MIB)]},
        "nvmlSystemGetProcessName": {4242: "/usr/local/bin/ollama", 977: b"/usr/lib/xorg/Xorg"},
    } | more


def read(**more: Any) -> Reading:  # noqa: ANN401
    return nvidia.read(HOST, nvml=RecordedNvml(answers(**more)))


def test_a_gpu_with_who_uses_it() -> None:
    reading = read()
    (device,) = reading.devices
    assert (device.kind, device.index, device.name, device.driver) == (
        "nvidia", 0, "NVIDIA GeForce RTX 3090", "550.90.07",
    )  # fmt: skip
    assert (device.total, device.free, device.used) == (24576 * MIB, 17909 * MIB, 6340 * MIB)
    assert device.processes == (ProcessUse(977, "Xorg", 180 * MIB), ProcessUse(4242, "ollama", 6144 * MIB))
    assert not device.unified
    assert reading.warnings == ()
    assert reading.absent is None


def test_nvml_is_shut_down_again() -> None:
    nvml = RecordedNvml(answers())
    nvidia.read(HOST, nvml=nvml)
    assert nvml.calls[0] == "nvmlInit"
    assert nvml.calls[-1] == "nvmlShutdown"


def test_an_old_driver_tells_memory_in_the_old_way() -> None:
    (device,) = read(nvmlDeviceGetMemoryInfo={"gpu0": memory(8 * GIB, 5 * GIB, 3 * GIB)}).devices
    assert (device.total, device.free, device.used) == (8 * GIB, 5 * GIB, 3 * GIB)


def test_one_broken_gpu_does_not_hide_the_others() -> None:
    two = {("gpu0", V2): LOST, "gpu0": LOST, ("gpu1", V2): memory(24 * GIB, 24 * GIB, 0)}
    reading = read(
        nvmlDeviceGetCount=3,
        nvmlDeviceGetHandleByIndex={0: "gpu0", 1: "gpu1", 2: LOST},
        nvmlDeviceGetName={"gpu0": "A", "gpu1": "B"},
        nvmlDeviceGetMemoryInfo=two,
    )
    assert [(device.index, device.name) for device in reading.devices] == [(1, "B")]
    assert reading.warnings == ("NVIDIA GPU 0: GPU is lost", "NVIDIA GPU 2: GPU is lost")


def test_an_answer_of_an_odd_kind_is_a_warning_too() -> None:
    reading = read(nvmlDeviceGetMemoryInfo={("gpu0", V2): memory(8, 8, 0)}, nvmlDeviceGetName=ValueError("not UTF-8"))
    assert reading.devices == ()
    assert reading.warnings == ("NVIDIA GPU 0: not UTF-8",)


def mig(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An A100 in MIG mode, with two of seven parts made."""
    return {
        "nvmlDeviceGetMigMode": {"gpu0": [1, 1]},
        "nvmlDeviceGetMaxMigDeviceCount": {"gpu0": 7},
        "nvmlDeviceGetMigDeviceHandleByIndex": {
            **{("gpu0", n): error("NotFound", "Not Found") for n in range(7)}, ("gpu0", 0): "a", ("gpu0", 2): "b",
        },
        "nvmlDeviceGetName": {"a": "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "b": "NVIDIA A100-SXM4-40GB MIG 1g.5gb"},
        "nvmlDeviceGetMemoryInfo": {("a", V2): memory(20 * GIB, 19 * GIB, GIB), ("b", V2): memory(5 * GIB, GIB, 4 * GIB)},
    } | more  # fmt: skip


def test_a_gpu_in_mig_mode_is_told_by_its_parts() -> None:
    reading = read(**mig())
    assert [(device.key, device.total) for device in reading.devices] == [("nvidia:0:0", 20 * GIB), ("nvidia:0:2", 5 * GIB)]  # fmt: skip
    assert reading.devices[0].name.endswith("MIG 3g.20gb")
    assert reading.warnings == ()


def test_mig_mode_without_a_part_leaves_nothing_to_use() -> None:
    reading = read(**mig(nvmlDeviceGetMigDeviceHandleByIndex={}))
    assert reading.devices == ()
    assert reading.warnings == ("NVIDIA GPU 0 is in MIG mode and has no MIG device",)


def test_mig_that_is_only_switched_off_changes_nothing() -> None:
    assert [device.key for device in read(nvmlDeviceGetMigMode={"gpu0": [0, 1]}).devices] == ["nvidia:0"]


def test_memory_that_is_the_hosts_is_counted_there() -> None:
    """GB10 and Jetson answer NotSupported; programs share the host's memory with them."""
    (device,) = read(nvmlDeviceGetMemoryInfo=NOT_SUPPORTED, nvmlDeviceGetName={"gpu0": "NVIDIA GB10"}).devices
    assert device.unified
    assert (device.total, device.free) == (HOST.size, HOST.free)


def test_a_process_without_figures_keeps_its_place() -> None:
    """WDDM and containers: the memory is None, and the name of a process outside is not to be had."""
    (device,) = read(
        nvmlDeviceGetComputeRunningProcesses={"gpu0": [process(1, None)]},
        nvmlSystemGetProcessName=error("NotFound", "Not Found"),
        nvmlDeviceGetGraphicsRunningProcesses=NOT_SUPPORTED,
    ).devices
    assert device.processes == (ProcessUse(1, "", None),)


def test_a_process_that_is_listed_twice_is_counted_once() -> None:
    (device,) = read(
        nvmlDeviceGetComputeRunningProcesses={"gpu0": [process(7, 100)]},
        nvmlDeviceGetGraphicsRunningProcesses={"gpu0": [process(7, 100), process(7, None)]},
    ).devices
    assert [(use.pid, use.used) for use in device.processes or ()] == [(7, 100)]


def test_processes_that_nobody_tells_are_not_taken_for_none() -> None:
    denied = error("NoPermission", "Insufficient Permissions")
    (device,) = read(nvmlDeviceGetComputeRunningProcesses=denied, nvmlDeviceGetGraphicsRunningProcesses=denied).devices
    assert device.processes is None


@pytest.mark.parametrize("name", ["LibraryNotFound", "DriverNotLoaded"])
def test_a_machine_without_the_driver_has_no_such_gpus(name: str) -> None:
    reading = read(nvmlInit=error(name, "text"))
    assert reading == Reading(absent="no NVIDIA driver: NVML's library is not there")


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_driver_that_does_not_fit_its_library_is_a_warning(call: str) -> None:
    mismatch = error("LibRmVersionMismatch", "RM has detected an NVML/RM version mismatch.")
    assert read(**{call: mismatch}).warnings == ("NVML: RM has detected an NVML/RM version mismatch.",)


def test_that_the_module_is_missing_matters_only_where_the_driver_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as where nobody has installed it
    assert nvidia.read(HOST, tmp_path).absent
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07\n")
    reading = nvidia.read(HOST, tmp_path)
    assert reading.absent is None
    assert "nvidia-ml-py" in reading.warnings[0]


def test_the_module_has_all_that_is_used_of_it() -> None:
    module = nvidia.module()
    for name in (name for name in dir(nvidia.Nvml) if name.startswith("nvml")):
        assert callable(getattr(module, name)), name
    reading = nvidia.read(HOST)
    assert reading.devices or reading.absent or reading.warnings
