"""What the machine and its model server have, and the window that each model could get: the facts behind `vram`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from dispatcher.config import Settings
from dispatcher.context.room import Fit, fit, room
from dispatcher.context.window import decide
from dispatcher.context.window_state import Asked, Profile, Sizes, Window
from dispatcher.dispatch import cache_type
from dispatcher.dispatch.cache_type import CacheType
from dispatcher.errors import DispatcherError
from dispatcher.hardware.device import Device, Hardware
from dispatcher.hardware.probe import probe
from dispatcher.llm import inventory
from dispatcher.llm.address import Address
from dispatcher.llm.catalogue import Catalogue, Place
from dispatcher.llm.client import NoSuchModel
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import KV_TYPES, UPSTREAM, Footprint, KvType, Setup, footprint
from dispatcher.llm.inventory import Installed, Loaded, Server
from dispatcher.llm.transport import Limits

MIB = 1 << 20


class Model(NamedTuple):
    """An installed model and the largest window for each type of cache; without facts `problem` says why.

    `window` is what would be asked for now, `takes` what the model has then.
    """

    model: Installed
    loaded: Loaded | None
    facts: ModelFacts | None = None
    fits: Mapping[KvType, Fit] = {}
    calibrated: bool = False
    window: Window | None = None
    takes: Footprint | None = None
    problem: str = ""


class Machine(NamedTuple):
    """All of it; `server` is None where no server answers, and `problem` is why."""

    hardware: Hardware
    server: Server | None
    problem: DispatcherError | None
    loaded: tuple[Loaded, ...]
    cache: CacheType
    models: tuple[Model, ...]


class Situation(NamedTuple):
    """A model on a machine, under the settings in force."""

    settings: Settings
    machine: Machine
    model: Model

    @property
    def fit(self) -> Fit | None:
        """The largest window with the server's type of cache; None where that is not known."""
        return self.model.fits.get(self.machine.cache.type)


class Asking(NamedTuple):
    """Whom to ask, and with which settings, environment and memory of what was found before."""

    address: Address
    settings: Settings
    environ: Mapping[str, str]
    catalogue: Catalogue

    @property
    def limits(self) -> Limits:
        """How long the server may take."""
        return Limits(seconds=self.settings.seconds("llm.timeout"))


def look(asking: Asking) -> Machine:
    """Return what there is. A server that does not answer, and models of which nothing is known, are told, not raised."""
    return _look(asking, None)


def look_at(asking: Asking, name: str) -> Situation:
    """Return what there is, and the one model of a name; without a server, what was known of it before.

    A model without facts has a `problem`. Raises NoSuchModel.
    """
    machine = _look(asking, name)
    if machine.models:
        return Situation(asking.settings, machine, machine.models[0])
    digest = asking.catalogue.digest(name) or ""
    facts = asking.catalogue.facts(digest) if digest else None
    known = Model(Installed(name, digest), None, facts, problem="" if facts else str(machine.problem))
    return Situation(asking.settings, machine, known)


def _look(asking: Asking, name: str | None) -> Machine:
    hardware = probe()
    told = cache_type.told(asking.settings, asking.environ)
    try:
        server = inventory.connect(asking.address, asking.limits)
        installed, loaded = inventory.installed(server), tuple(inventory.loaded(server))
        installed = installed if name is None else [inventory.find(installed, name, server)]
    except NoSuchModel:
        raise
    except DispatcherError as error:
        return Machine(hardware, None, error, (), told or cache_type.USUAL, ())
    found = [_known(asking, server, model, loaded) for model in installed]
    facts = [model.facts for model in found if model.facts]
    cache = told or cache_type.seen(loaded, facts, setup(server, hardware))
    machine = Machine(hardware, server, None, loaded, cache or _measured_type(asking, server, hardware, facts), ())
    return machine._replace(models=tuple(_fitted(asking, machine, model) for model in found))


def _measured_type(asking: Asking, server: Server, hardware: Hardware, facts: Sequence[ModelFacts]) -> CacheType:
    """Return the type that a measurement has shown, else the usual one: it is the server's, whatever the model."""
    for each in facts:
        if (measured := asking.catalogue.calibration(place_of(server, hardware, each.digest))) is not None:
            return CacheType(measured[1], f"as {each.name} was measured to have")
    return cache_type.USUAL


def setup(server: Server, hardware: Hardware, kv_type: KvType = "f16") -> Setup:
    """Return how a server loads a model, as far as that can be told from outside."""
    version = (server.release.number or UPSTREAM) if server.release else None
    return Setup(kv_type=kv_type, gpus=len(hardware.gpus), version=version)


def place_of(server: Server, hardware: Hardware, digest: str) -> Place:
    """Return where a measurement of memory holds."""
    return Place(digest, server.version, tuple(_signature(device) for device in hardware.devices))


def asked(settings: Settings, facts: ModelFacts, memory: int | None, loaded: Loaded | None, use: int = 0) -> Asked:
    """Return what a decision about the window rests on."""
    number = settings.number
    sizes = Sizes(number("context.targetSize"), number("context.minSize"), number("context.maxSize"))
    window = loaded.window if loaded else 0
    return Asked(facts.name, facts.context_length, use, profile(settings), sizes, memory, window or None)


def profile(settings: Settings) -> Profile:
    """Return the profile of the window that the settings ask for."""
    if not settings.flag("context.autoSize"):
        return "off"
    profiles: dict[str, Profile] = {name: name for name in get_args(Profile)}
    return profiles[settings.text("context.profile")]


def _known(asking: Asking, server: Server, model: Installed, loaded: Sequence[Loaded]) -> Model:
    """Return a model with its facts, or why they are not known."""
    held = next((each for each in loaded if each.name == model.name), None)
    if model.remote:
        return Model(model, held, problem="runs in Ollama's cloud, not on this machine")
    try:
        facts = inventory.facts_of(server, model, asking.catalogue)
    except DispatcherError as error:
        return Model(model, held, problem=str(error))
    asking.catalogue.keep_digest(model.name, facts.digest)
    return Model(model, held, facts)


def _fitted(asking: Asking, machine: Machine, model: Model) -> Model:
    """Return a model with its windows."""
    if model.facts is None or machine.server is None:
        return model
    number = asking.settings.number
    place = room(machine.hardware, machine.loaded, number("context.vramBuffer") * MIB)
    how = setup(machine.server, machine.hardware, machine.cache.type)
    kept = asking.catalogue.calibration(place_of(machine.server, machine.hardware, model.facts.digest))
    # A server that has another type of cache now takes other memory.
    measured = kept[0] if kept and kept[1] == how.kv_type else None
    try:
        fits = {
            kv_type: fit(
                model.facts, place, how._replace(kv_type=kv_type), number("context.minSize"),
                measured if kv_type == how.kv_type else None,
            )
            for kv_type in KV_TYPES
        }  # fmt: skip
        window = decide(None, asked(asking.settings, model.facts, fits[how.kv_type].window, model.loaded))
        takes = footprint(model.facts, window.num_ctx, how, measured) if window.num_ctx else None
    except DispatcherError as error:
        return model._replace(problem=str(error))
    return model._replace(fits=fits, calibrated=measured is not None, window=window, takes=takes)


def _signature(device: Device) -> str:
    return f"{device.name} {round(device.total / MIB)} MiB"
