"""The ways to make contexts that are compared: ours, simple ones, and ours with parts of it switched off."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.context import ranking
from dispatcher.context.builder import Recipe
from dispatcher.context.pieces import Tier
from dispatcher.evaluate import baselines

OURS = "dispatcher"

VARIANTS: Mapping[str, Recipe] = {
    OURS: Recipe(),
    "traceback only": Recipe(order=baselines.traceback),
    "BM25": Recipe(order=baselines.bm25),
    "traceback, then BM25": Recipe(order=baselines.traceback_then_bm25),
    **{f"without {name}": Recipe(without=frozenset((name,))) for name in ranking.SIGNALS},
}

ABLATIONS: Mapping[str, Recipe] = {
    **{f"without tier {tier.name}": Recipe(tiers=frozenset(Tier) - {tier}) for tier in Tier},
    "one hop": Recipe(hops=1),
    "whole bodies": Recipe(whole=True),
}
"""What else can be switched off: a tier, the second step from the test to what it uses, and that bodies are cut."""
