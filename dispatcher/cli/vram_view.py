"""How the memory of a machine is printed, and what its models could have of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatcher.cli import render, streams
from dispatcher.context.room import Fit
from dispatcher.context.window_state import Window
from dispatcher.dispatch.cache_type import SERVERS_VARIABLE
from dispatcher.dispatch.calibrating import SIZES, Measured
from dispatcher.dispatch.machine import Machine, Model
from dispatcher.hardware.device import Device, Hardware
from dispatcher.hardware.watch import Event
from dispatcher.llm.footprint import KV_TYPES
from dispatcher.text import clean_line

_GIB = 1 << 30
_HEADING = ("MODEL", "LOADED", "ASKED FOR", *KV_TYPES, "NEEDS", "")
"""Windows in tokens: of the model in memory, of the next request, the largest that fits; memory with the second."""


def machine(found: Machine) -> None:
    """Print devices, what is loaded, and each model's windows."""
    _hardware(found.hardware)
    if found.server is None:
        render.note(str(found.problem))
        return
    cache = f"its KV cache is {found.cache.type}, {found.cache.why}"
    render.line(f"{clean_line(found.server.shown)}; {cache}")
    for held in found.loaded:
        where = "" if not held.size else f", {_gib(held.size)}{_on_gpu(held.size_vram, held.size)}"
        render.line(f"in memory: {clean_line(held.name)}, window {held.window:,} tokens{where}")
    if not found.models:
        render.note("the server has no models; 'ollama pull' gets one")
        return
    _models(found.models)
    _advise(found)


def _hardware(found: Hardware) -> None:
    devices(found.devices)
    for device in found.devices:
        for process in device.processes or ():
            used = "" if process.used is None else f", {_gib(process.used)}"
            render.line(f"  {device.key}: {process.name} ({process.pid}){used}")
    if found.gpus and found.host.total:
        render.line(f"main memory: {_gib(found.host.free)} free of {_gib(found.host.size)}")
    for warning in found.warnings:
        render.note(warning)


def _models(models: Sequence[Model]) -> None:
    """Print the models of which something is known as a table, then what keeps the others from being known."""
    known = [model for model in models if not model.problem]
    if known:
        render.line("windows in tokens, the largest that fits for each type of KV cache:")
        render.table([[(name, "dim") for name in _HEADING], *map(_model_cells, known)])
    for model in models:
        if model.problem:
            name = model.model.name
            render.line(clean_line(f"{name}: {model.problem.removeprefix(f'{name}: ')}"))


def devices(found: Sequence[Device]) -> None:
    """Print what each device has."""
    render.table([_device_cells(device) for device in found])


def _device_cells(device: Device) -> list[tuple[str, str]]:
    kind = "shared with the host" if device.unified and device.kind != "cpu" else ""
    return [
        (device.key, "bold"),
        (device.name, ""),
        (f"{_gib(device.free)} free of {_gib(device.total)}", ""),
        (kind, ""),
    ]


def _on_gpu(in_vram: int, size: int) -> str:
    if in_vram >= size:
        return " on the GPU"
    return f", {100 * in_vram // size} % of it on the GPU" if in_vram else " in main memory"


def _model_cells(model: Model) -> list[tuple[str, str]]:
    name = (model.model.name, "bold")
    held = (f"{model.loaded.window:,}" if model.loaded else "-", "yellow" if model.loaded else "dim")
    if model.window is None:
        return [name, held, *[("", "")] * (3 + len(KV_TYPES))]
    windows = [(_window(model.fits[each]), "") for each in KV_TYPES]
    takes = _gib(model.takes.total) if model.takes else "-"
    asked = (
        "server's own"
        if model.window.num_ctx is None
        else f"{model.window.num_ctx:,}"
        if model.window.num_ctx
        else "none"
    )
    return [name, held, (asked, "green"), *windows, (takes, ""), (_remark(model), "dim")]


def _window(fit: Fit) -> str:
    if not fit.window:
        return "none"
    return f"{fit.usable:,}" + (" (split)" if fit.where == "split" else "")


def _remark(model: Model) -> str:
    if model.window and model.window.impossible:
        return model.window.impossible
    if model.calibrated:
        return "measured"
    return "estimated from the number of parameters" if model.facts and not model.facts.exact else ""


def _advise(found: Machine) -> None:
    if any(fit.where == "split" for model in found.models for fit in model.fits.values()):
        render.hint("(split): partly in main memory, which is several times slower")
    larger = any(model.fits["q8_0"].usable > model.fits["f16"].usable for model in found.models if model.fits)
    if found.cache.type == "f16" and larger and found.server and found.server.release:
        render.hint(f"a server started with {SERVERS_VARIABLE}=q8_0 has room for larger windows")


def measured(done: Measured) -> None:
    """Print a measurement beside the formulas."""
    per_token = done.calibration.per_token
    render.line(
        f"{done.model.name}: {_gib(done.calibration.fixed)} and {per_token / 1024:,.1f} KiB for each token of its window"
    )
    off = 100 * (done.formula.total - done.size) / done.size
    render.line(
        f"at {SIZES[1]:,} tokens {_gib(done.size)} (KV cache {done.kv_type}); the formulas say {_gib(done.formula.total)} ({off:+.1f} %)"
    )
    if not done.kept:
        render.note("the measurement could not be kept: the cache folder cannot be written")


def event(told: Event, at: str, *, json: bool) -> None:
    """Print what has changed and when, at once, for it may take long until the next."""
    device = told.device
    if json:
        render.json(
            {
                "at": at,
                "what": told.what,
                "device": device_json(device),
                "before": told.before,
                "detail": told.detail or None,
            }
        )
    else:
        free = f"{_gib(device.free)} free of {_gib(device.total)}"
        was = "" if told.before is None else f", was {_gib(told.before)}"
        words = {
            "appeared": "is there", "gone": "is gone", "moved": free + was, "low": f"LOW: only {free}",
            "relieved": f"no longer low: {free}", "failed": told.detail,
        }  # fmt: skip
        render.line(f"{at[11:19]}  {device.key} {device.name}: {words[told.what]}")
    streams.flush()


def machine_json(found: Machine) -> dict[str, Any]:
    """Return what `vram --json` prints, as docs/vram.schema.json describes it."""
    server = found.server
    return {
        "schema_version": 1,
        "devices": [device_json(device) for device in found.hardware.devices],
        "host": {**found.hardware.host._asdict(), "free": found.hardware.host.free},
        "warnings": list(found.hardware.warnings),
        "server": server and {
            "kind": "ollama" if server.release else "llama-server", "version": server.version,
            "url": server.address.url,
        },
        "problem": found.problem and str(found.problem),
        "loaded": [model._asdict() for model in found.loaded],
        "cache_type": found.cache._asdict(),
        "models": [_model_json(model) for model in found.models],
    }  # fmt: skip


def device_json(device: Device) -> dict[str, Any]:
    """Return a device with its processes."""
    names = ("key", "kind", "index", "name", "total", "free", "used", "unified", "driver")
    processes = None if device.processes is None else [process._asdict() for process in device.processes]
    return {**{name: getattr(device, name) for name in names}, "processes": processes}


def _model_json(model: Model) -> dict[str, Any]:
    facts, window, takes = model.facts, model.window, model.takes
    return {
        "name": model.model.name,
        "digest": model.model.digest or None,
        "size": model.model.size,
        "loaded": model.loaded.window if model.loaded else None,
        "context_length": facts.context_length if facts else None,
        "windows": fits_json(model),
        "window": None if window is None else _window_json(window),
        "takes": None if takes is None else {**takes._asdict(), "total": takes.total},
        "calibrated": model.calibrated,
        "problem": model.problem or None,
    }


def fits_json(model: Model) -> dict[str, Any]:
    """Return the largest window for each type of cache, and where the model would be."""
    return {kv_type: {"window": fit.usable, "where": fit.where} for kv_type, fit in model.fits.items()}


def _window_json(window: Window) -> dict[str, Any]:
    """Return what would be asked for now; there is no history of it."""
    return {key: value for key, value in window.to_dict().items() if key not in ("history", "model")}


def measured_json(done: Measured) -> dict[str, Any]:
    """Return what `vram --calibrate MODEL --json` prints; sizes in bytes."""
    return {
        "model": done.model.name,
        "digest": done.model.digest,
        "fixed": done.calibration.fixed,
        "per_token": done.calibration.per_token,
        "kv_type": done.kv_type,
        "window": SIZES[1],
        "size": done.size,
        "formula": done.formula.total,
        "kept": done.kept,
    }


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= 10 * _GIB else f"{size / _GIB:.2f} GiB"
