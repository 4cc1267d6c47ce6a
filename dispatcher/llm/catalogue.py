"""What is known of models, kept in the user's cache: facts and measurements by digest, digests by name."""

from __future__ import annotations

import os
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from dispatcher import user_cache

if TYPE_CHECKING:  # to look up a digest needs none of them
    from dispatcher.llm.facts import ModelFacts
    from dispatcher.llm.footprint import Calibration, KvType

_VERSION = 2
"""Of what is kept: facts that an older program has found may lack something."""

TRUST = "trust"
"""The section of servers that have counted otherwise than a model's vocabulary."""

DEFAULT_TAG = ":latest"
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
            found = Calibration(float(kept["per_token"]), int(kept["fixed"]), int(kept["ubatch"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        is_sound = isfinite(found.per_token) and found.per_token >= 0 and found.fixed > 0 and found.ubatch > 0
        return (found, kv_type) if is_sound else None

    def keep_calibration(self, place: Place, calibration: Calibration, kv_type: KvType) -> bool:
        """Remember a measurement; False if it cannot be kept."""
        entry = {place.key: {**calibration._asdict(), "kv_type": kv_type}}
        return self._change(place.digest, "calibrations", entry, add=True)

    def digest(self, name: str) -> str | None:
        """Return the digest that a model of this name had when a server was last asked for it."""
        found = user_cache.read(self._names).get(_tagged(name))
        return found if isinstance(found, str) else None

    def keep_digest(self, name: str, digest: str) -> None:
        """Remember which model a name stands for; the names that were met first are forgotten."""
        if not digest or self.digest(name) == digest:
            return

        def edit(names: dict[str, Any]) -> None:
            names.pop(_tagged(name), None)
            names[_tagged(name)] = digest
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
        """Return a model's file. The digest comes from a server: it must lead to no other file, names.json included."""
        name = digest.removeprefix("sha256:")
        if not re.fullmatch("[0-9a-f]{1,128}", name):
            import hashlib

            name = hashlib.sha256(digest.encode(errors="replace")).hexdigest()
        return os.path.join(self._folder, f"{name}.json")

    def _read(self, digest: str) -> dict[str, Any]:
        """Return all that is kept of a model; nothing without a digest, which many models may lack."""
        return user_cache.read(self._path(digest)) if digest else {}

    def _change(self, digest: str, section: str, entries: dict[str, Any], *, add: bool = False) -> bool:
        def edit(kept: dict[str, Any]) -> None:
            before = kept.get(section)
            kept[section] = {**(before if add and isinstance(before, dict) else {}), **entries}

        return bool(digest) and user_cache.change(self._path(digest), edit)


def _tagged(name: str) -> str:
    """Return a model's name with its tag: one model has one entry, however it is called."""
    return name if ":" in name.rpartition("/")[2] else name + DEFAULT_TAG


def _facts(kept: dict[str, Any]) -> ModelFacts | None:
    from dispatcher.llm.facts import ModelFacts
    from dispatcher.llm.layers import Layer, State

    if kept.pop("version", None) != _VERSION:
        return None
    try:
        kept["layers"] = tuple(Layer(*layer) for layer in kept["layers"])
        kept["state"] = State(*kept["state"])
        kept["capabilities"] = tuple(kept["capabilities"])
        found = ModelFacts(**kept)
    except (KeyError, TypeError):
        return None
    return found if _is_sound(found) else None


def _is_sound(facts: ModelFacts) -> bool:
    """Tell whether everything is of the type that it should be: somebody may have changed the file."""
    from dispatcher.llm.layers import KINDS

    texts = (facts.name, facts.digest, facts.architecture, *facts.capabilities)
    numbers = (
        facts.context_length, facts.embedding_length, facts.feed_forward_length, facts.heads, facts.window,
        facts.input_weights, *facts.state, *(n for layer in facts.layers for n in layer[1:]),
    )  # fmt: skip
    optional = (facts.vocabulary, facts.weights, facts.parameters, facts.num_ctx)
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int and number >= 0 for number in numbers)
        and all(number is None or (type(number) is int and number >= 0) for number in optional)
        and (facts.bits is None or (isinstance(facts.bits, float) and facts.bits > 0))
        and bool(facts.layers) and all(layer.kind in KINDS for layer in facts.layers)
        and facts.embedding_length > 0 and isinstance(facts.exact, bool)
    )  # fmt: skip
