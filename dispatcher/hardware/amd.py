"""AMD GPUs: by amd-smi, else by rocm-smi, else from /sys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dispatcher.hardware import amd_smi, amdgpu, rocm_smi
from dispatcher.hardware.device import Device, Reading
from dispatcher.hardware.tool import LIMIT, NoAnswer, Tool, find


def read(sys: Path, path: str | None = None, before: Sequence[Device] = (), seconds: float = LIMIT) -> Reading:
    """Return the AMD GPUs of a machine.

    `sys` is its /sys, `path` where tools are looked for. `before` is what an earlier reading found: as long as /sys
    shows the same GPUs, only their memory is read again, from there, for the tools take up to a second each. Who
    uses them is not told then.
    """
    shown = amdgpu.devices(sys)
    if again := _again(before, shown):
        return Reading(again)
    warnings: list[str] = []
    for name, ask in _SOURCES.items():
        program = find(name, path)
        if program is not None:
            reading = ask(Tool(program, seconds), amdgpu.apus(sys))
            warnings += reading.warnings
            if reading.devices:
                return reading._replace(warnings=tuple(warnings))
    absent = None if shown or warnings else "no AMD GPU: neither amd-smi nor rocm-smi nor the amdgpu driver is there"
    return Reading(shown, tuple(warnings), absent)


def _again(before: Sequence[Device], shown: Sequence[Device]) -> tuple[Device, ...]:
    """Return the devices of before with the memory that is shown now; nothing if they are not the same."""
    now = {device.pci: device for device in shown if device.pci}
    if len(now) != len(shown) or {device.pci for device in before} != set(now):
        return ()
    return tuple(_refreshed(device, now[device.pci]) for device in before)


def _refreshed(device: Device, now: Device) -> Device:
    return replace(device, total=now.total, free=now.free, used=now.used, unified=now.unified, processes=None)


def _by_amd_smi(tool: Tool, apus: frozenset[str]) -> Reading:
    try:
        metric = tool.ask(*amd_smi.METRIC)
    except NoAnswer as error:
        return Reading(warnings=(str(error),))
    static = process = b""
    late: tuple[str, ...] = ()
    try:
        static = tool.ask(*amd_smi.STATIC)
        process = tool.ask(*amd_smi.PROCESS)
    except NoAnswer as error:
        late = (str(error),)
    reading = amd_smi.devices(metric, static, process, apus)
    return Reading(reading.devices, (*reading.warnings, *late) or _nothing("amd-smi", reading))


def _by_rocm_smi(tool: Tool, apus: frozenset[str]) -> Reading:
    try:
        reading = rocm_smi.devices(tool.ask(*rocm_smi.ARGUMENTS), apus)
    except NoAnswer as error:
        return Reading(warnings=(str(error),))
    return reading._replace(warnings=reading.warnings or _nothing("rocm-smi", reading))


def _nothing(name: str, reading: Reading) -> tuple[str, ...]:
    return () if reading.devices else (f"{name} printed no GPU",)


_SOURCES: dict[str, Callable[[Tool, frozenset[str]], Reading]] = {"amd-smi": _by_amd_smi, "rocm-smi": _by_rocm_smi}
