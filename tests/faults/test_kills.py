"""Real processes at work, really killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import tally
from tests.faults.check import Checked
from tests.faults.forks import environ
from tests.faults.residents import Told
from tests.support import Run

_KILLS = 30
_SETTINGS = {
    "DISPATCHER_PRUNE_KEEP_CLOSED": "3",
    "DISPATCHER_PRUNE_JOURNAL_MAX_BYTES": "30000",
    "DISPATCHER_CLAIM_MAX_ATTEMPTS": "1000",
    "DISPATCHER_CLAIM_BACKOFF": "0",
}
_EVENTS = {
    "claim": "task_claimed",
    "complete": "task_completed",
    "fail": "task_failed",
    "release": "task_released",
    "progress": "progress_noted",
    "add": "task_added",
}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.campaign)])
def test_workers_killed_at_random_lose_and_double_nothing(
    seed: int, root: Path, run: Run, project: Path, record_property: Callable[[str, object], None]
) -> None:
    """Four residents claim, note, close and prune while one after the other is killed with -9.

    The state is sound after the next command (I1 to I6, I10), every acknowledged command is in the
    history, and no claim was given out twice.
    """
    played = subprocess.run(
        [sys.executable, "-m", "tests.faults.residents", str(project), str(seed), str(_KILLS)],
        env={**environ(), **_SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    story = json.loads(played.stdout)
    ended = [Told(*one) for one in story["ended"]]
    record_property(tally.KILLS, {"killed": story["killed"], "struck": story["struck"], "ended": len(ended)})
    assert [one for one in ended if one.text and one.what != "progress"] == []
    run("add", "after the kills")
    found = Checked(root)
    assert found.problems == []
    done = [one for one in ended if one.code == 0]
    claims = [(one.task, one.generation) for one in done if one.what == "claim"]
    assert len(set(claims)) == len(claims)
    happened = _happened(found)
    assert [one for one in done if _key(one) not in happened] == []
    assert story["struck"] > _KILLS / 2


def _key(told: Told) -> tuple[str, str, Any]:
    return _EVENTS[told.what], told.task, told.text if told.what == "progress" else told.generation


def _happened(found: Checked) -> set[tuple[str, str, Any]]:
    events = [event for line in found.lines for event in json.loads(line)["events"] if "task" in event]
    return {(event["type"], event["task"], _detail(event)) for event in events}


def _detail(event: dict[str, Any]) -> Any:  # noqa: ANN401 - what tells two events of a kind apart
    return event["text"].split()[0] if "text" in event else event.get("generation", 0)
