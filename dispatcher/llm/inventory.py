"""What a model server has: the models that are installed, and those that it holds in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.errors import InvalidInput
from dispatcher.llm.address import Address
from dispatcher.llm.catalogue import DEFAULT_TAG, Catalogue
from dispatcher.llm.client import BadAnswer, NoSuchModel
from dispatcher.llm.facts import ModelFacts, from_gguf, from_show
from dispatcher.llm.llama_server import LlamaServer
from dispatcher.llm.ollama import Ollama, Release, is_cloud, release
from dispatcher.llm.transport import Limits
from dispatcher.llm.words import count


class Loaded(NamedTuple):
    """A model in memory: its window in tokens, its bytes in all and on GPUs, and until when it stays; 0, "" if untold."""

    name: str
    digest: str
    window: int
    size: int
    size_vram: int
    expires_at: str = ""


class Installed(NamedTuple):
    """A model that a server has: `size` in bytes; a remote one runs elsewhere, whatever server lists it."""

    name: str
    digest: str
    size: int = 0
    remote: bool = False


class Server(NamedTuple):
    """A server that answers. `release` is None for a bare llama-server."""

    client: Ollama | LlamaServer
    address: Address
    version: str
    release: Release | None

    @property
    def shown(self) -> str:
        """What it is and where: "Ollama 0.30.2 at http://127.0.0.1:11434"."""
        return f"{'Ollama' if self.release else 'llama-server'} {self.version} at {self.address.url}"


def connect(address: Address, limits: Limits) -> Server:
    """Return the server that answers at an address, whichever of the two it is.

    Raises ServerGone, ServerBusy, and BadAnswer for one that is neither.
    """
    ollama = Ollama(address, limits)
    try:
        version = ollama.version()
    except BadAnswer as not_ollama:
        bare = LlamaServer(address, limits)
        try:
            # Any web service may answer with some JSON object.
            is_bare = isinstance(bare.props().get("default_generation_settings"), dict)
        except BadAnswer:
            is_bare = False
        if not is_bare:
            raise not_ollama from None
        return Server(bare, address, bare.version(), None)
    return Server(ollama, address, version, release(version))


def installed(server: Server) -> list[Installed]:
    """Return the models that a server has, in its order. Raises what its client raises."""
    if isinstance(server.client, LlamaServer):
        return [Installed(_name_of(server.client.props()), "")]
    found = []
    for model in server.client.tags():
        name = _text(model.get("name")) or _text(model.get("model"))
        remote = is_cloud(name) or bool(model.get("remote_host"))
        found.append(Installed(name, _text(model.get("digest")), count(model.get("size")), remote))
    return [model for model in found if model.name]


def loaded(server: Server) -> list[Loaded]:
    """Return the models in a server's memory. Raises what its client raises."""
    if isinstance(server.client, LlamaServer):
        return [Loaded(_name_of(server.client.props()), "", server.client.window() or 0, 0, 0)]
    return [
        Loaded(
            _text(model.get("name")) or _text(model.get("model")), _text(model.get("digest")),
            count(model.get("context_length")), count(model.get("size")), count(model.get("size_vram")),
            _text(model.get("expires_at")),
        )
        for model in server.client.ps()
    ]  # fmt: skip


def find(models: list[Installed], name: str, server: Server) -> Installed:
    """Return the model of a name, with or without ":latest". Raises NoSuchModel.

    A bare llama-server has one model, whatever it is asked for.
    """
    if isinstance(server.client, LlamaServer):
        return models[0]
    for wanted in (name, name + DEFAULT_TAG):
        for model in models:
            if model.name == wanted:
                return model
    raise NoSuchModel(server=server.address.url, given=name)


def held(models: Sequence[Loaded], model: Installed) -> Loaded | None:
    """Return a model as it is in memory, under its name or another one of the same model; None if it is not."""
    same = [each for each in models if each.name == model.name or (model.digest and each.digest == model.digest)]
    return min(same, key=lambda each: each.name != model.name, default=None)


def facts_of(server: Server, model: Installed, catalogue: Catalogue) -> ModelFacts:
    """Return a model's facts, from the catalogue if they are there.

    Raises what the server's client raises, and InvalidInput for facts that lack what is needed.
    """
    if model.digest and (known := catalogue.facts(model.digest)):
        return replace(known, name=model.name)  # it may have been met under another one
    if isinstance(server.client, LlamaServer):
        return from_gguf(file_of(server.client, server))
    facts = from_show(model.name, server.client.show(model.name), model.digest)
    catalogue.keep_facts(facts)
    return facts


def file_of(client: LlamaServer, server: Server) -> Path:
    """Return the model's file. Raises InvalidInput where it is not ours to read: on another machine."""
    props = client.props()
    path = _text(props.get("model_path"))
    if not server.address.loopback or not os.path.isfile(path):
        raise InvalidInput(what=_name_of(props), problem="its file is not on this machine, so its facts are not known")
    return Path(path)


def _name_of(props: Mapping[str, Any]) -> str:
    return _text(props.get("model_alias")) or os.path.basename(_text(props.get("model_path"))) or "model"


def _text(given: object) -> str:
    return given if isinstance(given, str) else ""
