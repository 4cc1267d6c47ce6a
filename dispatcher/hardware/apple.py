"""Apple silicon: one memory for all, of which macOS lends the GPU a share. Parsing is pure; `read` asks the tools."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dispatcher.hardware.device import Device, Reading
from dispatcher.hardware.quantity import document, entry, words
from dispatcher.hardware.tool import LIMIT, NoAnswer, Tool, find

_ASKED = {
    "sysctl": ("hw.memsize", "machdep.cpu.brand_string", "iogpu.wired_limit_mb"),
    "vm_stat": (),
    "system_profiler": ("SPDisplaysDataType", "-json"),
}
_MIB = 1 << 20
_SMALL = 36 << 30
_MOST_DIGITS = 18
_PAGE_SIZE = re.compile(r"page size of ([0-9]{1,9}) bytes")
_PAGES = re.compile(r"^Pages (free|inactive|speculative|purgeable): +([0-9]{1,15})\.?\s*$", re.MULTILINE)


def read(path: str | None = None, before: Sequence[Device] = (), seconds: float = LIMIT) -> Reading:
    """Return the GPU of a Mac. `before` is what an earlier reading found: its name is not asked for again."""
    outputs, warnings = {}, []
    for name, arguments in _ASKED.items():
        program = find(name, path)
        if program is None or (name == "system_profiler" and before):
            continue
        try:
            outputs[name] = Tool(program, seconds).ask(*arguments)
        except NoAnswer as error:
            warnings.append(str(error))
    name = before[0].name if before else gpu_name(outputs.get("system_profiler", b""))
    reading = device(outputs.get("sysctl", b""), outputs.get("vm_stat", b""), name)
    return reading._replace(warnings=(*warnings, *reading.warnings))


def device(sysctl: bytes, vm_stat: bytes, name: str = "") -> Reading:
    """Return the GPU of a Mac from what its tools print.

    `free` is what is left of the GPU's share, as far as the machine has it: what other programs have taken cannot
    be had. Macs with other processors have no GPU that counts here.
    """
    facts = settings(sysctl)
    brand = facts.get("machdep.cpu.brand_string", "")
    memory, limit = (_number(facts.get(key, "")) for key in ("hw.memsize", "iogpu.wired_limit_mb"))
    if not memory:
        return Reading(warnings=("sysctl tells no hw.memsize",))
    if not brand.startswith("Apple"):
        return Reading(absent="no Apple silicon")
    total, there = gpu_share(memory, limit), available(vm_stat)
    warnings = ("vm_stat tells no free pages; the whole share of the GPU is taken for free",) if there is None else ()
    free = total if there is None else min(total, there)
    found = Device("apple", 0, name or brand, total, free, total - free, unified=True)
    return Reading((found,), warnings)


def settings(sysctl: bytes) -> dict[str, str]:
    """Return the values of sysctl's output by name; those that a machine does not know are not in it."""
    lines = sysctl.decode(errors="replace").splitlines()
    pairs = (line.partition(": ") for line in lines)
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def gpu_share(memory: int, limit_mb: int = 0) -> int:
    """Return how many bytes macOS lets the GPU have of the machine's memory.

    That is `limit_mb` (iogpu.wired_limit_mb, MiB) if it is set, else 2/3 of up to 36 GiB and 3/4 of more, as macOS 14
    and 15 report in recommendedMaxWorkingSetSize. Newer ones have been seen to allow more (74 % of 16 and 24 GiB,
    84 % of 128), so this is on the safe side.
    """
    if limit_mb > 0:
        return min(memory, limit_mb * _MIB)
    return memory * 2 // 3 if memory <= _SMALL else memory * 3 // 4


def available(vm_stat: bytes) -> int | None:
    """Return the bytes that programs could have at once: free, inactive, speculative and purgeable pages.

    vm_stat prints free pages without the speculative ones, so none is counted twice. None if it does not tell.
    """
    text = vm_stat.decode(errors="replace")
    size = _PAGE_SIZE.search(text)
    pages = {kind: int(number) for kind, number in _PAGES.findall(text)}
    return int(size[1]) * sum(pages.values()) if size and "free" in pages else None


def gpu_name(system_profiler: bytes) -> str:
    """Return the name of Apple's GPU with its number of cores; "" if there is none."""
    listed = entry(document(system_profiler), "SPDisplaysDataType")
    for gpu in listed if isinstance(listed, list) else []:
        model, cores = words(entry(gpu, "sppci_model")), words(entry(gpu, "sppci_cores"))
        if model.startswith("Apple"):
            return f"{model} ({cores} GPU cores)" if cores else model
    return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
