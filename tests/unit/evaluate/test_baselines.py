"""The simple ways share out the same room as ours does, by place."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from dispatcher.context import clues
from dispatcher.evaluate import baselines
from dispatcher.graph import graph as code_graph
from tests.unit.context import made


def test_functions_come_once_and_their_scores_tell_the_place_only(tmp_path: Path) -> None:
    frames = [["source", "shop/price.py", 29, "convert", "return int(number) + 1"]]
    found = clues.of(made.task("exception", frames=frames))
    with code_graph.opened(made.project(tmp_path / "project"), None) as graph:
        first = baselines.traceback(found, graph)
        by_text = baselines.bm25(found, graph)
        both = baselines.traceback_then_bm25(found, graph)
    assert [each.definition.name for each in first] == ["convert"]
    assert by_text[0].definition.name == "Price.parse"
    names = [each.definition.name for each in both]
    assert names == ["convert", *(each.definition.name for each in by_text if each.definition.name != "convert")]
    for ranked in (first, by_text, both):
        assert [each.score for each in ranked] == pytest.approx([-log(n) for n in range(1, len(ranked) + 1)])
