"""NVIDIA GPUs through NVML, by the module `pynvml` of nvidia-ml-py."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dispatcher.hardware.device import Device, HostMemory, ProcessUse, Reading

_MIG_ON = 1
_NO_LIBRARY = "no NVIDIA driver: NVML's library is not there"
_NO_MODULE = "no NVIDIA GPUs can be read: the Python module pynvml (nvidia-ml-py) is not installed"
_NO_DRIVER = ("DriverNotLoaded", "LibraryNotFound")


class Nvml(Protocol):
    """What is used of `pynvml`; its own names. Handles are whatever it gives; each call raises NVMLError."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: D102, N802 - theirs
    def nvmlShutdown(self) -> None: ...  # noqa: D102, N802
    def nvmlSystemGetDriverVersion(self) -> str | bytes: ...  # noqa: D102, N802
    def nvmlSystemGetProcessName(self, pid: int) -> str | bytes: ...  # noqa: D102, N802
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: D102, N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: D102, N802
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...  # noqa: D102, N802
    def nvmlDeviceGetMemoryInfo(self, handle: object, version: int | None = None) -> Any: ...  # noqa: ANN401, D102, N802
    def nvmlDeviceGetMigMode(self, handle: object) -> list[int]: ...  # noqa: D102, N802
    def nvmlDeviceGetMaxMigDeviceCount(self, handle: object) -> int: ...  # noqa: D102, N802
    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: object, index: int) -> object: ...  # noqa: D102, N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[Any]: ...  # noqa: D102, N802
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> list[Any]: ...  # noqa: D102, N802


class _Driver(NamedTuple):
    """What all GPUs of a machine share."""

    nvml: Nvml
    version: str
    host: HostMemory


class _Memory(NamedTuple):
    total: int
    free: int
    used: int
    unified: bool = False


def read(host: HostMemory, root: Path = Path("/"), nvml: Nvml | None = None) -> Reading:
    """Return the GPUs that NVML knows, a GPU's MIG devices in its place.

    That the module, NVML or the driver is not there is no error, unless `root` shows that the driver is loaded.
    A GPU that answers with an error is a warning and hides no other one.
    """
    if nvml is None:
        try:
            nvml = module()
        except ImportError:
            loaded = (root / "proc/driver/nvidia/version").exists()
            return Reading(warnings=(_NO_MODULE,)) if loaded else Reading(absent=_NO_LIBRARY)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        missing = type(error).__name__.removeprefix("NVMLError_") in _NO_DRIVER
        return Reading(absent=_NO_LIBRARY) if missing else Reading(warnings=(f"NVML: {error}",))
    try:
        return _all(nvml, host)
    finally:
        _asked(nvml, nvml.nvmlShutdown)


def module() -> Nvml:
    """Import `pynvml`, which costs 30 ms. Raises ImportError."""
    found: Any = importlib.import_module("pynvml")  # it has no types
    checked: Nvml = found
    return checked


def _all(nvml: Nvml, host: HostMemory) -> Reading:
    driver = _Driver(nvml, _text(_asked(nvml, nvml.nvmlSystemGetDriverVersion)), host)
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return Reading(warnings=(f"NVML: {error}",))
    devices: list[Device] = []
    warnings: list[str] = []
    for index in range(count):
        try:
            parts = list(_parts(nvml, nvml.nvmlDeviceGetHandleByIndex(index)))
            devices += [_device(driver, handle, index, part) for part, handle in parts]
            if not parts:
                warnings.append(f"NVIDIA GPU {index} is in MIG mode and has no MIG device")
        except Exception as error:  # noqa: BLE001 - NVML's, or what the module makes of a broken driver
            warnings.append(f"NVIDIA GPU {index}: {error}")
    return Reading(tuple(devices), tuple(warnings))


def _parts(nvml: Nvml, gpu: object) -> Iterator[tuple[int | None, object]]:
    """Yield the MIG devices of a GPU, or the GPU itself: in MIG mode, programs can use its parts only."""
    mode = _asked(nvml, nvml.nvmlDeviceGetMigMode, gpu)
    if not mode or mode[0] != _MIG_ON:
        yield None, gpu
        return
    for part in range(_asked(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0):
        handle = _asked(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, part)
        if handle is not None:
            yield part, handle


def _device(driver: _Driver, handle: object, index: int, part: int | None) -> Device:
    nvml = driver.nvml
    memory = _memory(nvml, handle, driver.host)
    return Device(
        kind="nvidia",
        index=index,
        name=_text(_asked(nvml, nvml.nvmlDeviceGetName, handle)) or "NVIDIA GPU",
        total=memory.total,
        free=memory.free,
        used=memory.used,
        unified=memory.unified,
        processes=_processes(nvml, handle),
        driver=driver.version,
        part=part,
    )


def _memory(nvml: Nvml, handle: object, host: HostMemory) -> _Memory:
    """Return what nvidia-smi shows: version 2 counts what the driver keeps for itself apart from what is used.

    Old drivers have version 1 only, where the two are one. GPUs that share the host's memory (GB10, Jetson) answer
    NotSupported to both. Raises NVMLError.
    """
    version = getattr(nvml, "nvmlMemory_v2", None)
    info = None if version is None else _asked(nvml, nvml.nvmlDeviceGetMemoryInfo, handle, version)
    try:
        info = info or nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError as error:
        if not type(error).__name__.endswith("NotSupported"):
            raise
        return _Memory(host.size, host.free, max(0, host.size - host.free), unified=True)
    return _Memory(int(info.total), int(info.free), int(info.used))


def _processes(nvml: Nvml, handle: object) -> tuple[ProcessUse, ...] | None:
    """Return who uses a device. A process may be listed for compute and for graphics, with the same memory."""
    listed = [
        _asked(nvml, ask, handle)
        for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
    ]
    if listed == [None, None]:
        return None
    used: dict[int, int | None] = {}
    for process in (process for found in listed for process in found or ()):
        sizes = [size for size in (used.get(process.pid), process.usedGpuMemory) if size is not None]
        used[process.pid] = max(sizes, default=None)
    return tuple(ProcessUse(pid, _process_name(nvml, pid), size) for pid, size in sorted(used.items()))


def _process_name(nvml: Nvml, pid: int) -> str:
    return _text(_asked(nvml, nvml.nvmlSystemGetProcessName, pid)).rpartition("/")[2]


def _asked(nvml: Nvml, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever the call gives
    """Return what a call gives; None when this GPU, this driver or this user cannot have it."""
    try:
        return call(*arguments)
    except nvml.NVMLError:
        return None


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name or "")
