"""All that there is, in one call: it takes a bounded time and never fails, whatever the machine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dispatcher.hardware import amd, apple, host, nvidia
from dispatcher.hardware.device import Device, Hardware, HostMemory, Reading
from dispatcher.hardware.nvidia import Nvml
from dispatcher.hardware.tool import LIMIT


class Machine(NamedTuple):
    """Where to look: the root of /proc and /sys, where tools are (None: PATH), the system, NVML (None: pynvml).

    `seconds` is what each tool, and NVML, may take.
    """

    root: Path = Path("/")
    path: str | None = None
    system: str = sys.platform
    nvml: Nvml | None = None
    seconds: float = LIMIT


_HERE = Machine()
_UNKNOWN = HostMemory(0, 0)
_ASKING = threading.Lock()
"""Held by whoever asks NVML: to start and stop it is for one at a time."""


def probe(before: Hardware | None = None, machine: Machine = _HERE) -> Hardware:
    """Return the machine's memory. What could not be read is a short warning.

    `before` is what an earlier probe found: what does not change is then taken from there, and slow tools are not
    asked again. Some of those devices come without their processes then.
    """
    warnings: list[str] = []
    memory = _host(machine, warnings)
    readings = [
        _in_time("NVML", lambda: nvidia.read(memory, machine.root, machine.nvml), machine.seconds),
        *(_guarded(name, look) for name, look in _looks(before, machine)),
    ]
    devices = tuple(_within_host(device, memory) for reading in readings for device in reading.devices)
    warnings += [warning for reading in readings for warning in reading.warnings]
    absent = tuple(reading.absent for reading in readings if reading.absent)
    return Hardware(devices or _cpu(memory), memory, tuple(warnings), absent)


def _looks(before: Hardware | None, machine: Machine) -> Iterable[tuple[str, Callable[[], Reading]]]:
    known = before.devices if before else ()
    if machine.system == "darwin":
        of_apple = [device for device in known if device.kind == "apple"]
        yield "Apple", lambda: apple.read(machine.path, of_apple, machine.seconds)
    else:
        of_amd = [device for device in known if device.kind == "amd"]
        yield "AMD", lambda: amd.read(machine.root / "sys", machine.path, of_amd, machine.seconds)


def _host(machine: Machine, warnings: list[str]) -> HostMemory:
    try:
        return host.read(machine.root)
    except Exception as error:  # noqa: BLE001 - psutil's, on machines that it does not know
        warnings.append(f"RAM: {error}")
        return _UNKNOWN


def _in_time(name: str, look: Callable[[], Reading], seconds: float) -> Reading:
    """Look in a thread: calls into a driver cannot be interrupted, and hang with it.

    One that hangs is left behind, and as long as it does, no other is sent after it.
    """
    late = Reading(warnings=(f"{name} did not answer within {seconds:g} s",))
    if not _ASKING.acquire(timeout=seconds):
        return late
    readings: list[Reading] = []

    def run() -> None:
        try:
            readings.append(_guarded(name, look))
        finally:
            _ASKING.release()

    thread = threading.Thread(target=run, name=f"probe {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    return readings[0] if readings else late


def _guarded(name: str, look: Callable[[], Reading]) -> Reading:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - a driver's or a machine's oddity must not hide the rest
        return Reading(warnings=(f"{name}: {type(error).__name__}: {error}",))


def _within_host(device: Device, memory: HostMemory) -> Device:
    """Return a device with no more free than the host has, if their memory is one."""
    return replace(device, free=min(device.free, memory.free)) if device.unified and memory.total else device


def _cpu(memory: HostMemory) -> tuple[Device, ...]:
    if not memory.total:
        return ()
    return (Device("cpu", 0, "CPU", memory.size, memory.free, max(0, memory.size - memory.free), unified=True),)
