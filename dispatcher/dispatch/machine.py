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
from dispatcher.errors import DispatcherError, InvalidInput
from dispatcher.hardware.device import Device, Hardware
from dispatcher.hardware.probe import probe
from dispatcher.llm import inventory
from dispatcher.llm.address import Address, is_here
from dispatcher.llm.catalogue import Catalogue, Place
from dispatcher.llm.client import BadAnswer, CloudModel, NoSuchModel, ServerBusy, ServerGone
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import KV_TYPES, UPSTREAM, Footprint, KvType, Setup, footprint
from dispatcher.llm.inventory import Installed, Loaded, Server
from dispatcher.llm.transport import Limits

MIB = 1 << 20


class Model(NamedTuple):
    """An installed model and the largest window for each type of cache; `problem` says what is not known and why.

    Without facts `error` is to be raised where they are needed. `window` is what would be asked for now, `takes` what the model has then.
    """

    model: Installed
    loaded: Loaded | None
    facts: ModelFacts | None = None
    fits: Mapping[KvType, Fit] = {}
    calibrated: bool = False
    window: Window | None = None
    takes: Footprint | None = None
    problem: str = ""
    error: DispatcherError | None = None


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

    @property
    def memory(self) -> int | None:
        """The largest window that memory holds, None where that is not known. A bare llama-server has no other than
        the one that it has made room for.
        """
        server, loaded = self.machine.server, self.model.loaded
        if server is not None and server.release is None:
            return loaded.window or None if loaded else None
        return self.fit.window if self.fit else None


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
    known = Model(Installed(name, digest), None, facts)
    if facts is None:
        known = known._replace(problem=str(machine.problem), error=machine.problem)
    return Situation(asking.settings, machine, known)


def _look(asking: Asking, name: str | None) -> Machine:
    hardware = probe()
    told = cache_type.told(asking.settings, asking.environ)
    try:
        server = inventory.connect(asking.address, asking.limits)
        installed, loaded = inventory.installed(server), tuple(inventory.loaded(server))
        wanted = installed if name is None else [inventory.find(installed, name, server)]
    except NoSuchModel:
        raise
    except DispatcherError as error:
        return Machine(hardware, None, error, (), told or cache_type.USUAL, ())
    found = _known(asking, server, wanted, loaded)
    facts = [model.facts for model in found if model.facts]
    # What is in memory tells the type, whichever model is asked about.
    facts += filter(None, (asking.catalogue.facts(each.digest) for each in loaded))
    cache = told or cache_type.seen(loaded, facts, setup(server, hardware))
    machine = Machine(hardware, server, None, loaded, cache or _measured_type(asking, server, hardware, installed), ())
    return machine._replace(models=tuple(_fitted(asking, machine, model) for model in found))


def _measured_type(asking: Asking, server: Server, hardware: Hardware, models: Sequence[Installed]) -> CacheType:
    """Return the type that a measurement has shown, else the usual one: it is the server's, whatever the model."""
    for each in models:
        if (measured := asking.catalogue.calibration(place_of(server, hardware, each.digest))) is not None:
            return CacheType(measured[1], f"as {each.name} was measured to have")
    return cache_type.USUAL


def setup(server: Server, hardware: Hardware, kv_type: KvType = "f16") -> Setup:
    """Return how a server loads a model, as far as that can be told from outside.

    Ollama before 0.30 has flash attention for some models only: what is taken without it is never too little.
    """
    version = (server.release.number or UPSTREAM) if server.release else None
    flash = version is None or version >= UPSTREAM
    return Setup(gpus=len(hardware.gpus), version=version, flash_attention=flash).having(kv_type)


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


def _known(asking: Asking, server: Server, models: Sequence[Installed], loaded: Sequence[Loaded]) -> list[Model]:
    """Return models with their facts, or why they are not known. A server that is gone is not asked for each in turn."""
    found: list[Model] = []
    gone: DispatcherError | None = None
    for model in models:
        known = Model(model, inventory.held(loaded, model))
        try:
            if model.remote:
                problem = "runs in Ollama's cloud, not on this machine"
                found.append(known._replace(problem=problem, error=CloudModel(given=model.name)))
                continue
            if gone is not None and asking.catalogue.facts(model.digest) is None:
                raise gone
            facts = inventory.facts_of(server, model, asking.catalogue)
        except DispatcherError as error:
            gone = error if isinstance(error, ServerGone | ServerBusy) else gone
            found.append(known._replace(problem=str(error), error=_of_server(error, server)))
        else:
            asking.catalogue.keep_digest(model.name, facts.digest)
            found.append(known._replace(facts=facts))
    return found


def _of_server(error: DispatcherError, server: Server) -> DispatcherError:
    """Return an error about what a server tells as one of the server, not of what a person has typed."""
    return BadAnswer(server=server.address.url, problem=str(error)) if isinstance(error, InvalidInput) else error


def _fitted(asking: Asking, machine: Machine, model: Model) -> Model:
    """Return a model with its windows."""
    if model.facts is None or machine.server is None:
        return model
    if unknown := _unknown_memory(machine.hardware, machine.server):
        return model._replace(problem=unknown)
    number = asking.settings.number
    place = room(machine.hardware, machine.loaded, number("context.vramBuffer") * MIB)
    how = setup(machine.server, machine.hardware, machine.cache.type)
    kept = asking.catalogue.calibration(place_of(machine.server, machine.hardware, model.facts.digest))
    # A server that has another type of cache now takes other memory.
    measured = kept[0] if kept and kept[1] == how.kv_type else None
    try:
        fits = {
            kv_type: fit(
                model.facts, place, setup(machine.server, machine.hardware, kv_type), number("context.minSize"),
                measured if kv_type == how.kv_type else None,
            )
            for kv_type in KV_TYPES
        }  # fmt: skip
        memory = Situation(asking.settings, machine, model._replace(fits=fits)).memory
        window = decide(None, asked(asking.settings, model.facts, memory, model.loaded))
        takes = footprint(model.facts, window.num_ctx, how, measured) if window.num_ctx else None
    except DispatcherError as error:
        return model._replace(problem=str(error))
    return model._replace(fits=fits, calibrated=measured is not None, window=window, takes=takes)


def _unknown_memory(hardware: Hardware, server: Server) -> str:
    """Return why it is not known what memory a server's models can have, "" if it is."""
    if not is_here(server.address):
        return "its server is on another machine, and what memory that has is not known"
    return "" if hardware.devices else "how much memory this machine has cannot be read"


def _signature(device: Device) -> str:
    return f"{device.name} {round(device.total / MIB)} MiB"
