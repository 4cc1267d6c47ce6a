"""Every fault at every call of every writing command, and what one ordinary command makes of it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from tests.faults.order import too_early
from tests.faults.scenarios import SCENARIOS
from tests.faults.tally import Tally
from tests.faults.tree import ROOT

_SHOWN = 5


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_fault_breaks_an_invariant(scenario: str, answers: dict[str, Future[dict[str, Any]]], tally: Tally) -> None:
    """I1 to I10 hold after a command that was killed, or whose disk failed, at any call and in any way.

    Of each call that changes a file: killed before it, killed after it; ENOSPC, EIO and EACCES, there
    alone and from there on; of a write also torn, short, and the disk full in the middle of it. What
    was acknowledged is there, what failed is not; looking works and changes nothing; the next command
    succeeds and leaves a sound state, of which a power cut could take nothing, and so does the same
    command again; a rebuild finds nothing to do, and without any projection gives the same bytes.
    """
    found = answers[scenario].result()
    tally.answers.append(found)
    assert found["points"] > 100
    violations = found["violations"]
    assert not violations, f"{len(violations)} violations, such as:\n" + "\n".join(violations[:_SHOWN])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_relied_on_before_it_is_on_the_disk(
    scenario: str, answers: dict[str, Future[dict[str, Any]]]
) -> None:
    """I1 after a power cut: a kill loses nothing that was written, so here the order of the syncs is judged.

    Also that readers never see half a file: all but the journal is replaced, not written to.
    """
    calls = answers[scenario].result()["calls"]
    assert calls
    assert too_early(calls) == []


def test_relying_on_what_is_not_on_the_disk_is_found() -> None:
    """Of a sound order of calls no sync can be left out."""
    sound = [
        "write CACHE/write.tmp", "fsync CACHE/write.tmp", "rename BLOBS/b.z", "fsync BLOBS",
        "write JOURNAL.jsonl", "fsync JOURNAL.jsonl", "write CACHE/write.tmp", "rename DISPATCH_LEDGER.json",
        "link ARCHIVE/j.jsonl", "fsync ARCHIVE", "write CACHE/write.tmp", "fsync CACHE/write.tmp",
        "rename JOURNAL.jsonl", "fsync ",
    ]  # fmt: skip
    calls = [call.replace(" ", f" {ROOT}/", 1).rstrip("/") for call in sound]
    assert too_early(calls) == []
    syncs = [i for i, call in enumerate(calls) if call.startswith("fsync")]
    assert [i for i in syncs if not too_early(calls[:i] + calls[i + 1 :])] == []
