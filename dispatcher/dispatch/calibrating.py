"""Measuring what a model takes: it is loaded with two windows, and the server tells its memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from dispatcher.dispatch import cache_type
from dispatcher.dispatch.machine import Asking, place_of, setup
from dispatcher.errors import DispatcherError, InvalidInput
from dispatcher.hardware.probe import probe
from dispatcher.llm import inventory
from dispatcher.llm.address import is_here
from dispatcher.llm.client import Chat, CloudModel
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import Calibration, Footprint, KvType, Setup, calibrate, footprint, kv_bytes, untold_bytes
from dispatcher.llm.inventory import Installed, Loaded, Server
from dispatcher.llm.ollama import Ollama

SIZES = (2048, 4096)
"""Tokens of the two windows: within one size of batch, and larger than the sliding windows of most models."""

_LEAST_GROWTH = 0.9
"""Of what the smallest type of cache takes; less is no cache's."""

_STAY = "1m"
"""How long the server keeps what was loaded only to be measured, should this command be killed."""


class Measured(NamedTuple):
    """A measurement, the type of cache that it shows, and what the formulas say for the larger window.

    `size` is what the server tells for that window, with what it leaves out; `kept` is False if it could not be saved.
    """

    model: Installed
    calibration: Calibration
    kv_type: KvType
    formula: Footprint
    size: int
    kept: bool


def measure(asking: Asking, name: str) -> Measured:
    """Load a model with each of two windows, remember what it takes, and leave the server as it was.

    Raises InvalidInput where nothing can be measured, and what the server's client raises.
    """
    server = inventory.connect(asking.address, asking.limits)
    if not isinstance(server.client, Ollama):
        raise InvalidInput(what=server.shown, problem="has the one window that it was started with; only Ollama's vary")
    model = inventory.find(inventory.installed(server), name, server)
    if model.remote:
        raise CloudModel(given=model.name)
    if not is_here(server.address):
        raise InvalidInput(what=server.shown, problem="is on another machine, so what it has for memory is not known")
    facts = inventory.facts_of(server, model, asking.catalogue)
    if SIZES[1] > facts.context_length:
        problem = f"has a window of {facts.context_length:,} tokens, too small to be measured"
        raise InvalidInput(what=model.name, problem=problem)
    before = _held(server, model)
    try:
        sizes = [_loaded(server, model, window) for window in SIZES]
    except BaseException:
        # What went wrong first is what is told.
        with suppress(DispatcherError):
            _restore(server.client, model, before)
        raise
    _restore(server.client, model, before)
    hardware = probe()
    how = setup(server, hardware)
    how = how.having(_type(asking, facts, sizes, how))
    # What the server tells lacks a part of the cache for some models.
    whole = [size + untold_bytes(facts, window, how) for window, size in zip(SIZES, sizes, strict=True)]
    _check_growth(facts, whole, how)
    found = calibrate((SIZES[0], whole[0]), (SIZES[1], whole[1]), how)
    kept = asking.catalogue.keep_calibration(place_of(server, hardware, model.digest), found, how.kv_type)
    return Measured(model, found, how.kv_type, footprint(facts, SIZES[1], how), whole[1], kept)


def _check_growth(facts: ModelFacts, sizes: Sequence[int], how: Setup) -> None:
    """Raise InvalidInput for sizes that do not grow with the window as the smallest cache must: they lack it."""
    smallest = [kv_bytes(facts, window, how.having("q4_0")) for window in SIZES]
    if sizes[1] - sizes[0] < (smallest[1] - smallest[0]) * _LEAST_GROWTH:
        problem = f"its server tells {sizes[0]:,} and {sizes[1]:,} bytes, which leaves out what the window takes"
        raise InvalidInput(what=facts.name, problem=problem)


def _type(asking: Asking, facts: ModelFacts, sizes: Sequence[int], how: Setup) -> KvType:
    """Return the type of the server's cache: as told, else as these two sizes show."""
    told = cache_type.told(asking.settings, asking.environ)
    if told is not None:
        return told.type
    return cache_type.of_two(facts, (SIZES[0], sizes[0]), (SIZES[1], sizes[1]), how) or cache_type.USUAL.type


def _loaded(server: Server, model: Installed, window: int) -> int:
    """Load a model with a window; return the bytes that it takes. Raises InvalidInput if it is not in one place."""
    server.client.chat(Chat(model.name, (), num_ctx=window, keep_alive=_STAY))
    held = _held(server, model)
    if held is None or held.window not in (window, 0):
        raise InvalidInput(
            what=model.name, problem=f"is not in memory with {window:,} tokens; is another program using it?"
        )
    if 0 < held.size_vram < held.size:
        raise InvalidInput(
            what=model.name, problem="does not fit on the GPU, so a part of it says nothing of the whole"
        )
    return held.size


def _held(server: Server, model: Installed) -> Loaded | None:
    return inventory.held(inventory.loaded(server), model)


def _restore(client: Ollama, model: Installed, before: Loaded | None) -> None:
    """Load the window that was there, or unload."""
    if before and before.window:
        client.chat(Chat(model.name, (), num_ctx=before.window))
    else:
        client.chat(Chat(model.name, (), keep_alive=0))
