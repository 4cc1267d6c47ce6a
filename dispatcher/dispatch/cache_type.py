"""The type of the KV cache that a server has, which it tells nobody: as somebody has said, or as its memory shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dispatcher.config import Settings
from dispatcher.llm.facts import ModelFacts
from dispatcher.llm.footprint import KV_TYPES, KvType, Setup, told_bytes
from dispatcher.llm.inventory import Loaded

SETTING = "context.kvQuantization"
SERVERS_VARIABLE = "OLLAMA_KV_CACHE_TYPE"

_NEAR = 0.05
"""How far, as a share, a model in memory may be from what a type of cache makes it take."""


class CacheType(NamedTuple):
    """A type, and how it is known."""

    type: KvType
    why: str


USUAL = CacheType("f16", "which servers take when they are not told otherwise")


def told(settings: Settings, environ: Mapping[str, str]) -> CacheType | None:
    """Return the type that the settings or the server's own variable name; None if neither does.

    The setting's default is what a server should have, not what it has.
    """
    setting = settings.value(SETTING)
    if (given := _named(setting.value)) is not None and setting.source != "default":
        return CacheType(given, f"as {setting.source} says")
    if (given := _named(environ.get(SERVERS_VARIABLE, ""))) is not None:
        return CacheType(given, f"as {SERVERS_VARIABLE} says")
    return None


def seen(loaded: Sequence[Loaded], facts: Sequence[ModelFacts], how: Setup) -> CacheType | None:
    """Return the type that a model in memory betrays by its size; None if none does."""
    known = {each.digest: each for each in facts if each.digest and each.exact}
    for model in loaded:
        if model.digest in known and model.window and model.size:
            on_gpu = how.gpus if model.size_vram >= model.size else 0
            sizes = {
                each: told_bytes(known[model.digest], model.window, how.having(each)._replace(gpus=on_gpu))
                for each in KV_TYPES
            }
            if (found := _nearest(sizes, model.size)) is not None:
                return CacheType(found, f"as {model.name} in memory shows")
    return None


def of_two(facts: ModelFacts, small: tuple[int, int], large: tuple[int, int], how: Setup) -> KvType | None:
    """Return the type that two loads of a model betray, each a window in tokens and the bytes told; None if unclear.

    What the weights and the runtime take falls out of the difference, so that this is surer than a size alone. Where
    servers tell nothing of what grows, the size is all there is.
    """
    first, second = (
        {each: told_bytes(facts, window, how.having(each)) for each in KV_TYPES} for window in (small[0], large[0])
    )
    grown = _nearest({each: second[each] - first[each] for each in KV_TYPES}, large[1] - small[1])
    return grown or _nearest(second, large[1])


def _nearest(sizes: Mapping[KvType, int], size: int) -> KvType | None:
    """Return the type whose size is near, if the others' are so far off that this is not chance."""
    off = {each: abs(sizes[each] - size) for each in KV_TYPES}
    best, second = sorted(KV_TYPES, key=off.__getitem__)[:2]
    return best if off[best] <= _NEAR * size and off[second] > 2 * off[best] else None


def _named(given: str) -> KvType | None:
    return next((each for each in KV_TYPES if each == given.strip().lower()), None)
