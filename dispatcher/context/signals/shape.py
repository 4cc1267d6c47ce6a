"""What a function is like, whatever failed."""

from __future__ import annotations

import math
from collections.abc import Collection

from dispatcher.context.signals.values import Values
from dispatcher.graph.definition import Definition

_MANY_LINES = 100


def size(among: Collection[Definition]) -> Values:
    """Tell how much there is to be wrong: the logarithm of a function's lines, 1 for 100 and more."""
    return {d: min(1.0, math.log1p(d.last - d.first) / math.log(_MANY_LINES)) for d in among}


def plain(among: Collection[Definition]) -> Values:
    """Tell which functions do something: those that only set up or show an object seldom are to blame."""
    return {d: 0.0 if _special(d.name) else 1.0 for d in among}


def _special(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith("__") and last.endswith("__") and last != "__call__"
