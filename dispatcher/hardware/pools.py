"""The two pools of an AMD GPU, VRAM and GTT, and which of them a model goes into. Pure."""

from __future__ import annotations

from typing import NamedTuple

_LEAST_VRAM = 1 << 30
"""No discrete GPU that ROCm knows has so little: a GPU that does is an APU with a small carve-out."""


class Pool(NamedTuple):
    """Bytes of VRAM or GTT. GTT is the host's memory, lent to the GPU page by page."""

    total: int
    used: int

    @property
    def free(self) -> int:
        """What is not used; never below zero, whatever a driver says."""
        return max(0, self.total - self.used)


def of_type(vram_type: str) -> bool | None:
    """Tell by the type of its VRAM ("GDDR6", "HBM3", "LPDDR5") whether a GPU is an APU; None where that says nothing."""
    if vram_type.upper().startswith(("GDDR", "HBM")):
        return False
    return True if vram_type.upper().startswith(("DDR", "LPDDR")) else None


def choose(vram: Pool, gtt: Pool | None, *, apu: bool | None) -> tuple[Pool, bool]:
    """Return the pool that models go into, and whether that is the host's own memory.

    On an APU the kernel takes the larger of the two (Linux 6.10 and later, amdgpu's "default to GTT on APU"); a
    carve-out that is the larger one is not the host's any more. On a discrete GPU, whose GTT is often larger than its
    VRAM, it is always VRAM. `apu` None: nobody could tell, so only a tiny VRAM is taken for an APU's.
    """
    if apu is None:
        apu = vram.total <= _LEAST_VRAM
    return (gtt, True) if apu and gtt is not None and gtt.total > vram.total else (vram, False)
