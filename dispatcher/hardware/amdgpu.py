"""AMD GPUs as the kernel's amdgpu driver shows them in /sys: there without any tool, and read in no time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dispatcher.hardware.device import Device
from dispatcher.hardware.pools import Pool, choose
from dispatcher.hardware.quantity import to_bytes, words

_AMD = "0x1002"
_CARD = re.compile(r"card([0-9]{1,4})")
_MOST_BYTES = 4096


def devices(sys: Path) -> tuple[Device, ...]:
    """Return the GPUs below a /sys in the order of their cards. Who uses them is not told there."""
    found: list[Device] = []
    for folder in _folders(sys):
        vram = _pool(folder, "vram")
        if vram is not None:
            pool, unified = choose(vram, _pool(folder, "gtt"), apu=_is_apu(folder))
            found.append(
                Device(
                    kind="amd",
                    index=len(found),
                    name=words(_text(folder / "product_name")) or f"AMD GPU {_text(folder / 'device')}".strip(),
                    total=pool.total,
                    free=pool.free,
                    used=pool.used,
                    unified=unified,
                    driver=_text(sys / "module" / "amdgpu" / "version"),
                    pci=_address(folder),
                )
            )
    return tuple(found)


def apus(sys: Path) -> frozenset[str]:
    """Return the PCI addresses of the GPUs that are part of a processor."""
    return frozenset(_address(folder) for folder in _folders(sys) if _is_apu(folder)) - {""}


def _folders(sys: Path) -> Iterator[Path]:
    """Yield the folders of AMD's cards; their connectors (card0-DP-1) stand beside them."""
    try:
        names = [path.name for path in (sys / "class" / "drm").iterdir()]
    except OSError:
        return
    for _, name in sorted((int(match[1]), name) for name in names if (match := _CARD.fullmatch(name))):
        folder = sys / "class" / "drm" / name / "device"
        if _text(folder / "vendor") == _AMD:
            yield folder


def _pool(folder: Path, name: str) -> Pool | None:
    total, used = (to_bytes(_text(folder / f"mem_info_{name}_{what}")) for what in ("total", "used"))
    return Pool(total, used) if total and used is not None else None


def _is_apu(folder: Path) -> bool | None:
    """Tell by the version of its metrics table: 1 is that of discrete GPUs, 2 and 3 of APUs (kgd_pp_interface.h)."""
    version = _bytes(folder / "gpu_metrics")[2:3]
    return {b"\x01": False, b"\x02": True, b"\x03": True}.get(version)


def _address(folder: Path) -> str:
    lines = _text(folder / "uevent").splitlines()
    return next((line.partition("=")[2].lower() for line in lines if line.startswith("PCI_SLOT_NAME=")), "")


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace").strip()


def _bytes(path: Path) -> bytes:
    """Read a file of the driver; a card that sleeps or is gone answers with an error, which is as good as nothing."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except (OSError, ValueError):
        return b""
