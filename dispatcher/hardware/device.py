"""What memory a machine has: its devices, its RAM, and the limits on that. Pure data and sums; all sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["nvidia", "amd", "apple", "cpu"]


class ProcessUse(NamedTuple):
    """What a process holds of a device's memory; `used` is None where the driver does not tell how much."""

    pid: int
    name: str
    used: int | None


@dataclass(frozen=True, slots=True)
class Device:
    """Memory that a model can be put into.

    `unified`: it is part of the host's own memory, which whoever else takes lacks. `used` and `free` need not add up
    to `total`: drivers keep some for themselves. `processes` is None where nobody tells them. `part` is the number of
    a MIG device on its GPU, `pci` the address (domain:bus:device.function) where that is known.
    """

    kind: Kind
    index: int
    name: str
    total: int
    free: int
    used: int
    unified: bool = False
    processes: tuple[ProcessUse, ...] | None = None
    driver: str = ""
    part: int | None = None
    pci: str = ""

    @property
    def key(self) -> str:
        """What tells a device from the others of its machine: "nvidia:0", for a MIG device "nvidia:0:1"."""
        return f"{self.kind}:{self.index}" if self.part is None else f"{self.kind}:{self.index}:{self.part}"


class HostMemory(NamedTuple):
    """The machine's RAM; `limit` is the smallest cgroup limit on us, `room` what is left under all such limits."""

    total: int
    available: int
    limit: int | None = None
    room: int | None = None

    @property
    def size(self) -> int:
        """How much we could have of it at best."""
        return self.total if self.limit is None else min(self.total, self.limit)

    @property
    def free(self) -> int:
        """How much we can have of it now."""
        return self.available if self.room is None else min(self.available, self.room)


class Reading(NamedTuple):
    """What one source found. `absent` says why it has no devices where that is nothing to warn of."""

    devices: tuple[Device, ...] = ()
    warnings: tuple[str, ...] = ()
    absent: str | None = None


class Hardware(NamedTuple):
    """All devices of a machine in a fixed order: NVIDIA, AMD, Apple; the CPU where there is no other.

    `warnings` are about what is there and could not be read, `absent` about what is not there.
    """

    devices: tuple[Device, ...]
    host: HostMemory
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def gpus(self) -> tuple[Device, ...]:
        """The devices that are not the CPU."""
        return tuple(device for device in self.devices if device.kind != "cpu")

    @property
    def total(self) -> int:
        """The memory of all devices."""
        return sum(device.total for device in self.devices)

    @property
    def free(self) -> int:
        """The free memory of all devices; what shares the host's is counted once, as far as that has it."""
        own = sum(device.free for device in self.devices if not device.unified)
        shared = sum(device.free for device in self.devices if device.unified)
        return own + (min(shared, self.host.free) if self.host.total else shared)
