"""A session's log under faults: what was acknowledged is there, whatever went wrong at whichever call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.faults.forks import environ

_SCRIPT = """
import errno, json, os, sys
from pathlib import Path
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Stamp
from dispatcher.errors import DispatcherError
from dispatcher.files import Root
from dispatcher.store.session_log import SessionLog
from tests.faults.shim import Fault, Shim
shim, base = Shim(), Path(sys.argv[1])

def log(folder):
    return SessionLog(Root(folder), "s", lambda: None, 1.0)

def add(folder, said):
    for n in range(2):
        try:
            log(folder).append(Stamp("test", "test", "now"), lambda before: [{"type": "x", "n": len(before)}])
        except DispatcherError:
            os.write(said, b"-")
        else:
            os.write(said, b"+")

def play(folder, fault):
    folder.mkdir()
    reads, writes = os.pipe()
    if not os.fork():
        shim.arm(fault, folder)
        add(folder, writes)
        shim.disarm()
        os.write(writes, json.dumps(shim.calls()).encode())
        os._exit(0)
    os.close(writes)
    os.wait()
    with open(reads, "rb") as told:
        data = told.read()
    return data[:2].decode().rstrip("["), data[data.find(b"["):] if b"[" in data else b"[]"

_, calls = play(base / "calm", Fault("count"))
calls = json.loads(calls)
outcomes = []
for n, call in enumerate(calls, 1):
    faults = [Fault("kill before", n), Fault("kill after", n), Fault("errno", n, errno.EIO),
              Fault("errno", n, errno.ENOSPC, True)]
    if call.startswith("write"):
        faults += [Fault("torn", n), Fault("short", n), Fault("full", n)]
    for fault in faults:
        folder = base / f"{fault}".replace(" ", "-")
        said, _ = play(folder, fault)
        found = [event["n"] for event in log(folder).events()]
        log(folder).append(Stamp("test", "test", "now"), lambda before: [{"type": "x", "n": len(before)}])
        after = [event["n"] for event in log(folder).events()]
        outcomes.append([f"{fault} ({call})", said.count("+"), found, after])
print(json.dumps([calls, outcomes]))
"""


def test_what_was_acknowledged_is_there_and_more_can_follow(library: Path, in_memory: Path) -> None:
    base = in_memory / "session-log"
    base.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(base)],
        env=environ(library),
        capture_output=True,
        text=True,
        check=True,
    )
    calls, outcomes = json.loads(ran.stdout)
    first = calls.index("write SESSIONS/s.jsonl")
    assert calls[first + 1] == "fsync SESSIONS/s.jsonl"
    made = calls.index("open SESSIONS/s.jsonl")
    assert {"fsync SESSIONS", "fsync ."} <= set(calls[made:first]), "its name and that of its folder are on the disk"
    assert len(outcomes) > 4 * len(calls)
    for fault, acknowledged, found, after in outcomes:
        assert found == [*range(len(found))], fault
        assert acknowledged <= len(found), fault
        assert after == [*range(len(found) + 1)], fault
