"""vram."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli import composition, render, streams, vram_view
from dispatcher.cli.composition import asking, settings_anywhere
from dispatcher.cli.options import Json
from dispatcher.config import Settings
from dispatcher.dispatch import calibrating, machine
from dispatcher.errors import InvalidInput
from dispatcher.hardware import watch
from dispatcher.hardware.probe import probe


def vram_command(
    watching: Annotated[
        bool, typer.Option("--watch", help="Look every 5 s; tell what changes, and low memory.")
    ] = False,
    calibrate: Annotated[
        str | None,
        typer.Option("--calibrate", metavar="MODEL", help="Load the model twice to measure what its window takes."),
    ] = None,
    json: Json = False,
) -> None:
    """Show memory, and the window that fits each model.

    For each installed model and type of KV cache: the largest window in tokens, at most 90 % of the
    model's, once the weights and the buffer (context.vramBuffer) are taken off what is free or held by
    the server's other models. Works outside a project too. The server is the one that OLLAMA_HOST names.

    Example: dispatcher vram --calibrate qwen3:8b
    """
    if watching and calibrate is not None:
        raise InvalidInput(what="--watch and --calibrate", problem="cannot both be done; leave one out")
    settings = settings_anywhere()
    if watching:
        _watch(settings, json=json)
    elif calibrate is not None:
        measured = calibrating.measure(asking(settings), calibrate)
        render.json(vram_view.measured_json(measured)) if json else vram_view.measured(measured)
    else:
        found = machine.look(asking(settings))
        render.json(vram_view.machine_json(found)) if json else vram_view.machine(found)


def _watch(settings: Settings, *, json: bool) -> None:
    """Print what there is, then what changes, until somebody ends it."""
    limit = settings.number("context.vramBuffer") * machine.MIB
    present = probe()
    if json:
        render.json({"at": composition.now().iso, "devices": [vram_view.device_json(each) for each in present.devices]})
    else:
        vram_view.devices(present.devices)
        render.note(f"looking every {watch.INTERVAL:g} s for what changes, and for less than {limit >> 20:,} MiB free")
    streams.flush()
    for event in watch.watch(limit):
        vram_view.event(event, composition.now().iso, json=json)
