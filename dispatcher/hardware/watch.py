"""Watching the memory of a machine: what changes, and when it becomes scarce."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from dispatcher.hardware.device import Device, Hardware
from dispatcher.hardware.probe import probe

INTERVAL = 5.0
"""Seconds between two looks."""

_MOVED = 0.05
"""A change of free memory counts from this part of a device's memory on."""

_RELIEF = 1.25
"""Memory is no longer low when so many times the limit is free: what lies between would make events flap."""


class Event(NamedTuple):
    """What has changed about a device.

    `before` is the free memory last told, in bytes, and `at` the clock's time. "failed" is a callback that has
    raised; `detail` says what.
    """

    what: Literal["appeared", "gone", "moved", "low", "relieved", "failed"]
    device: Device
    at: float
    before: int | None = None
    detail: str = ""


class Pace(NamedTuple):
    """How often is looked, in seconds, and by what clock."""

    interval: float = INTERVAL
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


_STEADY = Pace()

OnLow = Callable[[Event], None]
Look = Callable[[Hardware | None], Hardware]


def watch(
    limit: int,
    on_low_memory: Sequence[OnLow] = (),
    look: Look = probe,
    pace: Pace = _STEADY,
) -> Iterator[Event]:
    """Look again and again, and yield what has changed since it was last told, for as long as it is iterated.

    A device is low when less than `limit` bytes of it are free: each callback is called, then the event is yielded,
    once until it is relieved. The first look tells only what is low. `look` gets what the look before it gave, and
    must not raise. Looks begin every `pace.interval` seconds; when one takes longer, the next follows so much later.
    """
    seen = _Seen(limit)
    hardware: Hardware | None = None
    due = pace.clock()
    while True:
        hardware = look(hardware)
        for event in seen.compare(hardware.devices, pace.clock()):
            yield from _called(on_low_memory, event)
            yield event
        now = pace.clock()
        due = due + pace.interval if now < due + pace.interval else now + pace.interval
        pace.sleep(due - now)


def _called(callbacks: Sequence[OnLow], event: Event) -> Iterator[Event]:
    """Call those who want to know of low memory; yield the failures."""
    for call in callbacks if event.what == "low" else ():
        try:
            call(event)
        except Exception as error:  # noqa: BLE001 - theirs; the others and the watch go on
            yield event._replace(what="failed", detail=f"{type(error).__name__}: {error}")


class _Seen:
    """The devices as they were last told of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._devices: dict[str, Device] | None = None
        self._told: dict[str, int] = {}
        self._low: set[str] = set()

    def compare(self, devices: Sequence[Device], now: float) -> Iterator[Event]:
        """Yield what is new: devices that are gone, then the others in their order."""
        known, self._devices = self._devices, {device.key: device for device in devices}
        for key, device in (known or {}).items():
            if key not in self._devices:
                self._low.discard(key)
                yield Event("gone", device, now, self._told.pop(key, None))
        for key, device in self._devices.items():
            told = self._told.setdefault(key, device.free)
            if known is not None and key not in known:
                yield Event("appeared", device, now)
            elif abs(device.free - told) > device.total * _MOVED:
                self._told[key] = device.free
                yield Event("moved", device, now, told)
            yield from self._scarcity(device, now)

    def _scarcity(self, device: Device, now: float) -> Iterator[Event]:
        enough = max(self._limit, min(round(self._limit * _RELIEF), device.total))
        if device.key not in self._low and device.free < self._limit:
            self._low.add(device.key)
            yield Event("low", device, now)
        elif device.key in self._low and device.free >= enough:
            self._low.discard(device.key)
            yield Event("relieved", device, now)
