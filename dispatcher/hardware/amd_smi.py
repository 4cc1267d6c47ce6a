"""What amd-smi prints, of ROCm 5.7 to 7: `metric --mem-usage`, `static` and `process`, all with --json. Pure.

Sizes are plain numbers in ROCm 5.7 and 6.0 and {"value", "unit"} since 6.1; the list of GPUs is the document itself
until 6.x and under "gpu_data" in 7, except for `process`, where it is the document always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from dispatcher.hardware.device import Device, ProcessUse, Reading
from dispatcher.hardware.pools import Pool, choose, of_type
from dispatcher.hardware.quantity import document, entry, to_bytes, words

METRIC = ("metric", "--mem-usage", "--json")
STATIC = ("static", "--asic", "--bus", "--driver", "--vram", "--json")
PROCESS = ("process", "--json")

_Row = Mapping[str, object]


def devices(metric: bytes, static: bytes = b"", process: bytes = b"", apus: Collection[str] = ()) -> Reading:
    """Return the GPUs of `metric` with what the other two tell of them. `apus` are PCI addresses of known APUs."""
    facts, holders = _rows(static), _processes(process)
    found, unread = [], []
    for index, row in sorted(_rows(metric).items()):
        device = _device(index, row, facts.get(index, {}), apus)
        if device is None:
            unread.append(index)
        else:
            found.append(_held(device, holders))
    numbers = ", ".join(map(str, unread))
    return Reading(tuple(found), (f"amd-smi tells no memory of GPU {numbers}",) if unread else ())


def _rows(output: bytes) -> dict[int, _Row]:
    """Return the entry of each GPU by its number."""
    found = document(output)
    if isinstance(found, dict):
        found = found.get("gpu_data", [found])
    rows = found if isinstance(found, list) else []
    return {row["gpu"]: row for row in rows if isinstance(row, dict) and type(row.get("gpu")) is int}


def _device(index: int, row: _Row, facts: _Row, apus: Collection[str]) -> Device | None:
    use = row.get("mem_usage")
    vram = _pool(use, "total_vram", "vram", "used_vram")
    if vram is None:
        return None
    pci = words(entry(facts.get("bus"), "bdf")).lower()
    apu = of_type(words(entry(facts.get("vram"), "type")))
    apu = True if apu is None and pci in apus else apu
    pool, unified = choose(vram, _pool(use, "total_gtt", "gtt", "used_gtt"), apu=apu)
    driver = facts.get("driver")
    return Device(
        kind="amd",
        index=index,
        name=words(entry(facts.get("asic"), "market_name")) or "AMD GPU",
        total=pool.total,
        free=pool.free,
        used=pool.used,
        unified=unified,
        driver=words(entry(driver, "version")) or words(entry(driver, "driver_version")),
        pci=pci,
    )


def _pool(use: object, total: str, total_before_6: str, used: str) -> Pool | None:
    size = to_bytes(entry(use, total), "MB") or to_bytes(entry(use, total_before_6), "MB")
    taken = to_bytes(entry(use, used), "MB")
    return Pool(size, taken) if size and taken is not None else None


_Holder = tuple[ProcessUse, int | None]
"""A process by its VRAM, and what it holds of VRAM and GTT together."""


def _processes(output: bytes) -> dict[int, list[_Holder]]:
    """Return the processes of each GPU.

    Seen in ROCm 7.2: each process is listed under all GPUs with the same numbers, its use of all of them together.
    What it holds of one is not to be known then.
    """
    found = {index: list(_holders(row)) for index, row in _rows(output).items()}
    same = Counter((use.pid, use.used) for holders in found.values() for use, _ in holders)
    return {
        index: [
            (use._replace(used=None), None) if same[use.pid, use.used] > 1 else (use, all_) for use, all_ in holders
        ]
        for index, holders in found.items()
    }


def _holders(row: _Row) -> Iterator[_Holder]:
    listed = row.get("process_list")
    for item in listed if isinstance(listed, list) else []:
        told = entry(item, "process_info")
        pid = entry(told, "pid")
        if type(pid) is int and pid > 0:
            memory, together = entry(told, "memory_usage"), to_bytes(entry(told, "mem_usage"))
            vram, gtt = to_bytes(entry(memory, "vram_mem")), to_bytes(entry(memory, "gtt_mem"))
            use = ProcessUse(pid, words(entry(told, "name")).rpartition("/")[2], together if vram is None else vram)
            yield use, together if vram is None or gtt is None else vram + gtt


def _held(device: Device, holders: Mapping[int, list[_Holder]]) -> Device:
    if device.index not in holders:
        return device
    held = holders[device.index]
    processes = tuple(use._replace(used=together) if device.unified else use for use, together in held)
    return replace(device, processes=processes)
