"""What rocm-smi prints with --json, of ROCm 4 to 7: one flat object of texts for each card, and one of the system. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from dispatcher.hardware.device import Device, ProcessUse, Reading
from dispatcher.hardware.pools import Pool, choose
from dispatcher.hardware.quantity import document, to_bytes, words

ARGUMENTS = (
    "--showproductname", "--showbus", "--showdriverversion", "--showpids", "--showmeminfo", "vram", "gtt", "--json",
)  # fmt: skip

_CARD = re.compile(r"card([0-9]{1,4})")
_PID = re.compile(r"PID ?([0-9]{1,10})")
_NAMES = ("Card Series", "Card series", "Device Name", "Card Model", "Card model")
"""Capitals came with ROCm 6.2."""


def devices(output: bytes, apus: Collection[str] = ()) -> Reading:
    """Return the cards of an output. `apus` are PCI addresses of GPUs that are known to be APUs."""
    found = document(output)
    parts = found if isinstance(found, dict) else {}
    cards = {
        int(match[1]): card for key, card in parts.items() if isinstance(card, dict) and (match := _CARD.fullmatch(key))
    }
    system = parts.get("system")
    system = system if isinstance(system, dict) else {}
    # A process is told with what it holds of all GPUs together: which of several it uses is not said.
    processes = _processes(system) if len(cards) == 1 else None
    read = {index: _device(index, card, system, processes, apus) for index, card in sorted(cards.items())}
    unread = ", ".join(str(index) for index, device in read.items() if device is None)
    warnings = (f"rocm-smi tells no memory of GPU {unread}",) if unread else ()
    return Reading(tuple(device for device in read.values() if device is not None), warnings)


def _device(
    index: int,
    card: Mapping[str, object],
    system: Mapping[str, object],
    processes: tuple[ProcessUse, ...] | None,
    apus: Collection[str],
) -> Device | None:
    vram = _pool(card, "VRAM")
    if vram is None:
        return None
    pci = words(card.get("PCI Bus")).lower()
    pool, unified = choose(vram, _pool(card, "GTT"), apu=True if pci in apus else None)
    return Device(
        kind="amd",
        index=index,
        name=next(filter(None, (words(card.get(name)) for name in _NAMES)), "AMD GPU"),
        total=pool.total,
        free=pool.free,
        used=pool.used,
        unified=unified,
        processes=processes,
        driver=words(system.get("Driver version")),
        pci=pci,
    )


def _pool(card: Mapping[str, object], name: str) -> Pool | None:
    total, used = (to_bytes(card.get(f"{name} Total {what}Memory (B)")) for what in ("", "Used "))
    return Pool(total, used) if total and used is not None else None


def _processes(system: Mapping[str, object]) -> tuple[ProcessUse, ...]:
    """Return the processes of the system object: {"PID28389": "name, GPUs, VRAM, SDMA, CU occupancy"}."""
    found = []
    for key, value in system.items():
        match = _PID.fullmatch(key)
        fields = value.rsplit(",", 4) if isinstance(value, str) else []
        if match and len(fields) == 5:
            found.append(ProcessUse(int(match[1]), words(fields[0]).rpartition("/")[2], to_bytes(fields[2])))
    return tuple(found)
