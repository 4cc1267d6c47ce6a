"""Every fault at every call of every writing command, and what one ordinary command makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults import tally
from tests.faults.forks import ForkServer
from tests.faults.order import too_early
from tests.faults.scenarios import SCENARIOS
from tests.faults.tree import ROOT

_SHOWN = 5
_LIKE_OTHERS = (
    "scan", "complete that is refused", "complete that is verified", "claim with code",
    "edit", "mute", "fail", "release", "heartbeat", "reopen", "claim of expired tasks", "rebuild with a loss",
    "add after half a rotation", "rebuild of a damaged journal", "init",
)  # fmt: skip
"""Those that run tests or read source take long, and the others write like one that stays; most calls are the same."""

Keep = Callable[[str, object], None]


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(name, marks=[pytest.mark.campaign] if name in _LIKE_OTHERS else []) for name in SCENARIOS],
)
def test_no_fault_breaks_an_invariant(scenario: str, server: ForkServer, record_property: Keep) -> None:
    """I1 to I10 hold after a command that was killed, or whose disk failed, at any call and in any way.

    Of each call that changes a file: killed before it, killed after it; ENOSPC, EIO and EACCES there, and one
    of them from there on; of a write also torn, short, and the disk full in the middle of it. What
    was acknowledged is there, what failed is not; looking works and changes nothing; the next command
    succeeds and leaves a sound state, of which a power cut could take nothing, and so does the same
    command again; a rebuild finds nothing to do, and without any projection gives the same bytes.

    A kill loses nothing that was written, so for a power cut the order of the syncs is judged; also that
    readers never see half a file: all but the journal is replaced, not written to.
    """
    found = server.ask(scenario)
    violations = found["violations"]
    counts = {"points": found["points"], "states": found["states"], "violations": len(violations)}
    record_property(tally.POINTS, counts)
    assert found["points"] > 100
    assert not violations, f"{len(violations)} violations, such as:\n" + "\n".join(violations[:_SHOWN])
    assert found["calls"]
    assert too_early(found["calls"]) == []


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
