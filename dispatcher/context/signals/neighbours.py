"""What other signals say of the functions beside one: who mends one function often has to change the next too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from dispatcher.context.allotment import likelihoods
from dispatcher.context.signals.values import Values
from dispatcher.graph.definition import Definition


def likely(scores: Mapping[Definition, float]) -> Values:
    """Tell how likely it is, if a function is not to blame, that another one of its file is; `scores` are logits."""
    shares = dict(zip(scores, likelihoods(list(scores.values())), strict=True))
    files: defaultdict[str, float] = defaultdict(float)
    for definition, own in shares.items():
        files[definition.path] += own
    return {d: max(0.0, files[d.path] - own) / (1 - own) for d, own in shares.items() if own < 1}
