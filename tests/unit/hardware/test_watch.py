"""What is told of memory that changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.hardware.device import Device, Hardware, HostMemory
from dispatcher.hardware.watch import Event, OnLow, Pace, watch
from tests.property.world import examples

GIB = 1 << 30
LIMIT = 2 * GIB


def gpu(free: float, index: int = 0, total: int = 24) -> Device:
    return Device("nvidia", index, "GPU", total * GIB, round(free * GIB), 0)


class Over(Exception):
    """There is nothing more to see."""


class Scene:
    """Looks that were prepared, and a clock that moves only by sleeping."""

    def __init__(self, *looks: Sequence[Device], cost: float = 0.0) -> None:
        self._looks: Iterator[Sequence[Device]] = iter(looks)
        self._cost = cost
        self.now = 100.0
        self.slept: list[float] = []
        self.given: list[Hardware | None] = []

    def look(self, before: Hardware | None) -> Hardware:
        self.given.append(before)
        self.now += self._cost
        for devices in self._looks:
            return Hardware(tuple(devices), HostMemory(0, 0))
        raise Over

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def watch(self, *callbacks: OnLow, limit: int = LIMIT) -> Iterator[Event]:
        return watch(limit, callbacks, self.look, Pace(5.0, lambda: self.now, self.sleep))

    def events(self, *callbacks: OnLow, limit: int = LIMIT) -> list[Event]:
        events: list[Event] = []
        with pytest.raises(Over):
            deque(map(events.append, self.watch(*callbacks, limit=limit)))
        return events


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.what, event.device.key) for event in events]


def test_the_first_look_is_where_it_starts_from() -> None:
    assert Scene([gpu(20), gpu(3, 1)]).events() == []


def test_free_memory_that_moves_by_more_than_a_twentieth_is_told() -> None:
    events = Scene([gpu(20)], [gpu(18.9)], [gpu(18.7)], [gpu(18.5)]).events()
    assert [(e.what, e.before, e.device.free, e.at) for e in events] == [("moved", 20 * GIB, round(18.7 * GIB), 110.0)]


def test_a_slow_drift_is_told_too() -> None:
    events = Scene(*([gpu(20 - n / 2)] for n in range(6))).events()
    assert told(events) == [("moved", "nvidia:0")]


def test_devices_come_and_go() -> None:
    events = Scene([gpu(20)], [gpu(20), gpu(9, 1)], [gpu(9, 1)]).events()
    assert told(events) == [("appeared", "nvidia:1"), ("gone", "nvidia:0")]


def test_low_memory_is_told_once_until_it_is_relieved() -> None:
    calls: list[Event] = []
    looks = [[gpu(free)] for free in (3, 1.9, 2.1, 1.9, 2.4, 1.8, 2.6, 1.9)]
    events = [e for e in Scene(*looks).events(calls.append) if e.what != "moved"]
    assert [e.what for e in events] == ["low", "relieved", "low"]
    assert calls == [events[0], events[2]]


def test_what_is_low_from_the_start_is_told_at_once() -> None:
    assert told(Scene([gpu(1)]).events()) == [("low", "nvidia:0")]


def test_a_device_smaller_than_the_limit_is_low_and_stays_so() -> None:
    assert told(Scene(*[[gpu(1, total=1)]] * 5).events()) == [("low", "nvidia:0")]


def test_a_device_just_larger_than_the_limit_can_be_relieved() -> None:
    assert told(Scene([gpu(2.2 - 0.21, total=2)], [gpu(2, total=2)]).events())[-1] == ("relieved", "nvidia:0")


def test_a_device_that_comes_back_low_is_told_again() -> None:
    assert told(Scene([gpu(1)], [], [gpu(1)]).events()) == [
        ("low", "nvidia:0"), ("gone", "nvidia:0"), ("appeared", "nvidia:0"), ("low", "nvidia:0"),
    ]  # fmt: skip


def test_a_callback_that_raises_ends_neither_the_watch_nor_the_other_callbacks() -> None:
    calls: list[Event] = []

    def broken(_event: Event) -> None:
        raise RuntimeError("no bell")

    events = Scene([gpu(1)], [gpu(20)]).events(broken, calls.append)
    assert [e.what for e in events] == ["failed", "low", "moved", "relieved"]
    assert events[0].detail == "RuntimeError: no bell"
    assert len(calls) == 1


def test_looks_begin_at_even_times() -> None:
    scene = Scene(*[[gpu(20)]] * 4, cost=1.0)
    scene.events()
    assert scene.slept == [4.0] * 4


def test_looks_that_take_long_are_not_hurried_after() -> None:
    scene = Scene(*[[gpu(20)]] * 3, cost=12.0)
    scene.events()
    assert scene.slept == [5.0] * 3


def test_each_look_gets_what_the_last_one_gave() -> None:
    scene = Scene([gpu(20)], [gpu(19)])
    scene.events()
    assert [None if h is None else h.devices[0].free for h in scene.given] == [None, 20 * GIB, 19 * GIB]


def test_a_watch_can_be_left() -> None:
    scene = Scene(*[[gpu(1)], []] * 100)
    events = scene.watch()
    assert [e.what for e in islice(events, 3)] == ["low", "gone", "appeared"]
    assert hasattr(events, "close")
    events.close()
    assert next(events, None) is None
    assert len(scene.given) == 3


@examples(100)
@given(st.lists(st.integers(0, 24 * 16), min_size=1, max_size=40), st.integers(1, 24 * 16))
def test_low_and_relieved_take_turns_and_what_is_told_is_never_far_off(frees: list[int], limit: int) -> None:
    sixteenth = GIB // 16
    events = Scene(*([gpu(free / 16)] for free in frees)).events(limit=limit * sixteenth)
    turns = [e.what for e in events if e.what in ("low", "relieved")]
    assert turns == [("low", "relieved")[n % 2] for n in range(len(turns))]
    assert all(
        (e.device.free < limit * sixteenth) == (e.what == "low") for e in events if e.what in ("low", "relieved")
    )
    last = next((e.device.free for e in reversed(events) if e.what == "moved"), frees[0] * sixteenth)
    assert abs(last - frees[-1] * sixteenth) <= 24 * GIB * 0.05
