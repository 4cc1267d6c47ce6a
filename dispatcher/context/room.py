"""What memory a model may have, and the largest window that fits there. Pure; sizes in bytes, windows in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from dispatcher.hardware.device import Hardware
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import STEP, Calibration, Setup, largest_window
from dispatcher.llm.inventory import Loaded

Where = Literal["gpu", "split", "cpu", ""]


class Room(NamedTuple):
    """The memory of the GPUs and that of the machine beside them, less the buffer; `gpus` is how many there are.

    Where they are one (Apple, APUs), it is all in `gpu`.
    """

    gpu: int
    host: int
    gpus: int


class Fit(NamedTuple):
    """The largest window that memory holds and where the model is then: on the GPUs, partly there, in main memory, ""
    if nowhere; `most` is 90 % of the model's own.
    """

    window: int
    where: Where
    most: int

    @property
    def usable(self) -> int:
        """The largest window that is asked for."""
        return min(self.window, self.most)


def room(hardware: Hardware, loaded: Sequence[Loaded], buffer: int) -> Room:
    """Return what is free, and what the server's models hold: it unloads one to load another.

    That is never more than there is, whatever a server says.
    """
    gpus, host = hardware.gpus, hardware.host
    on_gpus = sum(min(model.size_vram, model.size) for model in loaded)
    beside = sum(model.size for model in loaded) - on_gpus
    if not gpus:
        return Room(0, max(0, min(host.free + on_gpus + beside, host.size) - buffer), 0)
    if any(device.unified for device in gpus):
        return Room(max(0, min(hardware.free + on_gpus + beside, hardware.total) - buffer), 0, len(gpus))
    free = min(hardware.free + on_gpus, hardware.total)
    return Room(max(0, free - buffer), min(host.free + beside, host.size), len(gpus))


def fit(facts: ModelFacts, place: Room, setup: Setup, minimum: int, calibration: Calibration | None = None) -> Fit:
    """Return the largest window for a model; what is too small on the GPUs is split with main memory.

    A calibration was measured with all of the model in one place, so it does not hold for a split one.
    Raises InvalidInput for a model of which not even the size is known.
    """
    most = facts.context_length * 9 // 10 // STEP * STEP
    alone: Where = "gpu" if place.gpus else "cpu"
    free = place.gpu if place.gpus else place.host
    window = largest_window(facts, free, setup._replace(gpus=place.gpus), calibration)
    if window < min(minimum, most) and place.gpus and place.host:
        split = largest_window(facts, free + place.host, setup._replace(gpus=place.gpus))
        if split >= min(minimum, most):
            return Fit(split, "split", most)
    return Fit(window, alone if window else "", most)
