"""What is known of models, kept in the user's cache: facts and measurements by digest, digests by name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from dispatcher import user_cache

if TYPE_CHECKING:  # to look up a digest needs none of them
    from dispatcher.llm.facts import ModelFacts
    from dispatcher.llm.footprint import Calibration, KvType

_VERSION = 2
"""Of what is kept: facts that an older program has found may lack something."""

_MOST_NAMES = 500


class NotKept(Exception):
    """Something that no server was asked for yet."""


class Place(NamedTuple):
    """What a measurement of memory holds for: a model, a server's version, the GPUs, the type of its cache."""

    digest: str
    server: str
    gpus: tuple[str, ...]

    @property
    def key(self) -> str:
        """One text for server and GPUs, as the digest has a file of its own."""
        return "; ".join((self.server, *self.gpus))


class Catalogue:
    """The models that this user's commands have met; `folder` is the user's cache folder."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "models")

    def facts(self, digest: str) -> ModelFacts | None:
        """Return a model's facts; None if they are not known or an older program wrote them."""
        kept = self._read(digest).get("facts")
        return _facts(kept) if isinstance(kept, dict) else None

    def keep_facts(self, facts: ModelFacts) -> None:
        """Remember a model's facts by its digest; without one it could not be told from its next version."""
        from dataclasses import asdict

        if facts.digest:
            lists = {"layers": [list(layer) for layer in facts.layers], "state": list(facts.state)}
            self._change(facts.digest, "facts", {**asdict(facts), **lists, "version": _VERSION})

    def calibration(self, place: Place) -> tuple[Calibration, KvType] | None:
        """Return what a model was measured to take there, and with which type of cache."""
        from dispatcher.llm.footprint import KV_TYPES, Calibration

        kept = self.section(place.digest, "calibrations").get(place.key, {})
        try:
            kv_type = KV_TYPES[KV_TYPES.index(kept["kv_type"])]
            return Calibration(float(kept["per_token"]), int(kept["fixed"]), int(kept["ubatch"])), kv_type
        except (KeyError, TypeError, ValueError):
            return None

    def keep_calibration(self, place: Place, calibration: Calibration, kv_type: KvType) -> bool:
        """Remember a measurement; False if it cannot be kept."""
        entry = {place.key: {**calibration._asdict(), "kv_type": kv_type}}
        return self._change(place.digest, "calibrations", entry, add=True)

    def digest(self, name: str) -> str | None:
        """Return the digest that a model of this name had when a server was last asked for it."""
        found = user_cache.read(self._names).get(name)
        return found if isinstance(found, str) else None

    def keep_digest(self, name: str, digest: str) -> None:
        """Remember which model a name stands for; the names that were met first are forgotten."""
        if not digest or self.digest(name) == digest:
            return

        def edit(names: dict[str, Any]) -> None:
            names.pop(name, None)
            names[name] = digest
            for old in list(names)[:-_MOST_NAMES]:
                del names[old]

        user_cache.change(self._names, edit)

    def section(self, digest: str, name: str) -> dict[str, Any]:
        """Return what is kept of a model under a name, {} if nothing."""
        found = self._read(digest).get(name)
        return found if isinstance(found, dict) else {}

    def keep(self, digest: str, name: str, entries: dict[str, Any]) -> bool:
        """Add to what is kept of a model under a name; False if it cannot be kept."""
        return self._change(digest, name, entries, add=True)

    @property
    def _names(self) -> str:
        return os.path.join(self._folder, "names.json")

    def _path(self, digest: str) -> str:
        """Return a model's file. The digest comes from a server: it must not lead elsewhere."""
        name = digest.removeprefix("sha256:")
        if not re.fullmatch("[A-Za-z0-9]{1,128}", name):
            import hashlib

            name = hashlib.sha256(digest.encode(errors="replace")).hexdigest()
        return os.path.join(self._folder, f"{name}.json")

    def _read(self, digest: str) -> dict[str, Any]:
        return user_cache.read(self._path(digest))

    def _change(self, digest: str, section: str, entries: dict[str, Any], *, add: bool = False) -> bool:
        def edit(kept: dict[str, Any]) -> None:
            before = kept.get(section)
            kept[section] = {**(before if add and isinstance(before, dict) else {}), **entries}

        return user_cache.change(self._path(digest), edit)


def _facts(kept: dict[str, Any]) -> ModelFacts | None:
    from dispatcher.llm.facts import ModelFacts
    from dispatcher.llm.layers import Layer, State

    if kept.pop("version", None) != _VERSION:
        return None
    try:
        kept["layers"] = tuple(Layer(*layer) for layer in kept["layers"])
        kept["state"] = State(*kept["state"])
        kept["capabilities"] = tuple(kept["capabilities"])
        return ModelFacts(**kept)
    except (KeyError, TypeError):
        return None
