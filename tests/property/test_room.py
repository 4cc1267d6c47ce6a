"""The largest window that memory holds, on random machines, held against the footprint itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.context.room import Room, fit, room
from dispatcher.context.window import decide
from dispatcher.context.window_state import Asked, Sizes
from dispatcher.hardware.device import Device, Hardware, HostMemory
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import KV_TYPES, STEP, Calibration, Setup, footprint, largest_window
from dispatcher.llm.inventory import Loaded
from dispatcher.llm.layers import Layer, State
from tests.property.world import examples

GIB = 1 << 30
ABSURD = 1 << 62
sizes = st.one_of(st.integers(0, 64 * GIB), st.integers(0, GIB))


@st.composite
def machines(draw: st.DrawFn) -> Hardware:
    total = draw(st.integers(0, 128 * GIB))
    limit = draw(st.none() | st.integers(0, 128 * GIB))
    host = HostMemory(total, draw(st.integers(0, total)), limit, None if limit is None else draw(st.integers(0, limit)))
    gpus = []
    for index in range(draw(st.integers(0, 3))):
        of_gpu = draw(sizes)
        free = draw(st.integers(0, of_gpu))
        gpus.append(Device("nvidia", index, "GPU", of_gpu, free, of_gpu - free, unified=draw(st.booleans())))
    cpu = Device("cpu", 0, "CPU", host.size, host.free, 0, unified=True)
    return Hardware(tuple(gpus) or (cpu,), host)


@st.composite
def models(draw: st.DrawFn) -> ModelFacts:
    kinds = st.sampled_from(["full", "sliding", "recurrent", "both", "none"])
    layers = draw(
        st.lists(st.builds(Layer, kinds, st.integers(0, 16), st.just(64), st.just(64)), min_size=1, max_size=6)
    )
    weights = draw(st.integers(1, 40 * GIB))
    return ModelFacts(
        name="m", digest="ab", architecture=draw(st.sampled_from(["llama", "qwen3", "gemma3"])),
        context_length=draw(st.integers(1, 300_000)), embedding_length=draw(st.integers(1, 8192)),
        feed_forward_length=draw(st.integers(0, 30_000)), vocabulary=draw(st.none() | st.integers(1, 300_000)),
        heads=draw(st.integers(0, 64)), layers=tuple(layers), window=draw(st.sampled_from([0, 128, 1024])),
        state=State(draw(st.integers(0, 1 << 16)), draw(st.integers(0, 1 << 20))), weights=weights,
        input_weights=draw(st.integers(0, weights)), parameters=None, bits=None, num_ctx=None, capabilities=(), exact=True,
    )  # fmt: skip


loads = st.lists(
    st.builds(
        Loaded, st.just("other"), st.just(""), st.just(4096),
        st.sampled_from([0, GIB, 5 * GIB, ABSURD]), st.sampled_from([0, GIB, ABSURD]),
    ), max_size=2,
)  # fmt: skip
setups = st.builds(
    Setup, st.sampled_from(KV_TYPES), parallel=st.integers(1, 4), ubatch=st.none(), flash_attention=st.booleans(),
    gpus=st.just(0), version=st.sampled_from([None, (0, 24, 0), (0, 30, 0), (0, 33, 1)]),
)  # fmt: skip
calibrations = st.none() | st.builds(
    Calibration, st.floats(0, 1 << 20), st.integers(1, 40 * GIB), st.sampled_from([512, 1024])
)


@examples(400)
@given(machines(), loads, st.integers(0, 1 << 40))
def test_nothing_that_a_server_says_makes_more_memory_than_there_is(
    hardware: Hardware, loaded: list[Loaded], buffer: int
) -> None:
    place = room(hardware, loaded, buffer)
    assert 0 <= place.gpu <= max(0, sum(device.total for device in hardware.gpus) - (buffer if place.gpus else 0))
    assert 0 <= place.host <= hardware.host.size
    assert place.gpus == len(hardware.gpus)
    assert place.gpus or place.host <= max(0, hardware.host.size - buffer)


@examples(400)
@given(machines(), loads, models(), setups, st.sampled_from([256, 2048, 8192]), calibrations)
def test_the_window_fits_and_one_step_more_does_not(
    hardware: Hardware,
    loaded: list[Loaded],
    facts: ModelFacts,
    setup: Setup,
    minimum: int,
    measured: Calibration | None,
) -> None:
    place = room(hardware, loaded, 512 << 20)
    found = fit(facts, place, setup, minimum, measured)
    how = setup._replace(gpus=place.gpus)
    if found.where == "split":
        free, measured = place.gpu + place.host, None
        assert found.window >= min(minimum, found.most)
    else:
        free = place.gpu if place.gpus else place.host
    assert found.where == ("" if not found.window else found.where)
    assert found.window % STEP == 0
    assert found.window <= facts.context_length
    assert found.usable <= facts.context_length * 9 // 10
    if found.window:
        assert footprint(facts, found.window, how, measured).total <= free
    if found.window + STEP <= facts.context_length:
        assert footprint(facts, found.window + STEP, how, measured).total > free


@examples(100)
@given(models(), setups, st.integers(0, 8 * GIB), st.integers(0, 8 * GIB), st.integers(1, 3))
def test_what_is_split_between_gpus_and_host_fits_into_both(
    facts: ModelFacts, setup: Setup, on_gpus: int, beside: int, gpus: int
) -> None:
    """Where the weights alone are a little more than the GPUs have."""
    place = Room(on_gpus, beside, gpus)
    how = setup._replace(gpus=gpus)
    tight = replace(facts, weights=on_gpus + 1, input_weights=0, context_length=300_000)
    found = fit(tight, place, setup, 2048)
    assert found.where in ("", "split")
    assert found.window <= largest_window(tight, on_gpus + beside, how)
    if found.window:
        assert footprint(tight, found.window, how).total <= on_gpus + beside


@examples(300)
@given(
    machines(), loads, models(), setups, st.sampled_from(["hard-4096", "dynamic", "manual"]), st.integers(0, 100_000)
)
def test_what_is_asked_for_fits_too(
    hardware: Hardware, loaded: list[Loaded], facts: ModelFacts, setup: Setup, profile: object, use: int
) -> None:
    place = room(hardware, loaded, 512 << 20)
    found = fit(facts, place, setup, 2048)
    asked = Asked("m", facts.context_length, use, profile, Sizes(), found.window)  # type: ignore[arg-type]
    num_ctx = decide(None, asked).num_ctx
    assert num_ctx is not None
    assert num_ctx <= facts.context_length * 9 // 10
    assert num_ctx <= found.window
    if num_ctx:
        free = place.gpu + (place.host if found.where != "gpu" else 0)
        assert footprint(facts, num_ctx, setup._replace(gpus=place.gpus)).total <= free
