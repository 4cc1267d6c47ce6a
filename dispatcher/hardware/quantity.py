"""Sizes and documents as tools print them: with units, with N/A, after warnings, cut off. Pure; nothing here raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

_FACTORS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_NUMBER = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z]*)\s*")
_UNIT = re.compile(r"(?:([kmgt])i?)?(?:b|bytes)?", re.IGNORECASE)
_BEYOND = 1 << 60
"""No machine has that much: drivers and cgroups say such numbers when they mean "not known" or "no limit"."""

_START = re.compile(r"^[\[{]", re.MULTILINE)
_MOST_STARTS = 20


def to_bytes(value: object, unit: str = "B") -> int | None:
    """Return a size in bytes; None for "N/A" and whatever else is no size.

    Read are numbers and texts, which count in `unit` where they name none ("16368 MB"), and {"value": 16368,
    "unit": "MB"}. AMD's tools say MB and divide by 1,024 twice, so all units are powers of 1,024.
    """
    if isinstance(value, Mapping):
        named = value.get("unit")
        value, unit = value.get("value"), named if isinstance(named, str) else unit
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if match is None:
            return None
        value, unit = float(match[1]) if "." in match[1] else int(match[1]), match[2] or unit
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    factor = _factor(unit)
    return int(value * factor) if factor and 0 <= value < _BEYOND // factor else None


def _factor(unit: str) -> int | None:
    match = _UNIT.fullmatch(unit)
    return _FACTORS[(match[1] or "").lower()] if match else None


def document(output: bytes) -> object:
    """Return the first JSON document that begins with a line of a tool's output; None where there is none.

    Tools print warnings before it, and some versions of amd-smi print it twice.
    """
    text = output.decode(errors="replace")
    decoder = json.JSONDecoder()
    for _, start in zip(range(_MOST_STARTS), _START.finditer(text), strict=False):
        try:
            return decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError):
            continue
    return None


def entry(found: object, key: str) -> object:
    """Return what is under a key of a JSON object; None where it is no object or has no such key."""
    return found.get(key) if isinstance(found, dict) else None


def words(found: object) -> str:
    """Return a text of a document; "" for what is none, or what tools print in place of one."""
    shown = found.strip() if isinstance(found, str) else ""
    return "" if shown.lower() in ("n/a", "none", "unknown", "not supported") else shown
