"""Is a state sound? The invariants I1 to I6 and I10 of the design, checked with the standard library alone.

Nothing of the program is used: a mistake that it makes when it writes is not made here again.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

from tests.faults.fold import Fold, Problems, blob, check_chain, fold, history, segments
from tests.faults.tree import Files, read

_FOLDERS = {status: f"{status}_TASKS" for status in ("PENDING", "ACTIVE", "COMPLETED", "FAILED")}
_ALL_FOLDERS = {*_FOLDERS.values(), "BLOBS", "ARCHIVE", "SESSIONS", "SNAPSHOTS", "OUTPUTS", "CACHE"}
_SHARED = (
    "id", "status", "generation", "title", "priority", "labels", "attempts", "created_at", "completed_at",
)  # fmt: skip
_FILES = re.compile(
    r"README\.md|\.gitignore|config\.yaml|\.lock|JOURNAL\.jsonl|DISPATCH_LEDGER\.json|CACHE/cursor\.json|BLOBS/[0-9a-f]{32}\.z"
    r"|ARCHIVE/tasks-\d{10}\.jsonl\.gz|ARCHIVE/journal-\d{10}-\d{10}(\.damaged)?\.jsonl(\.gz)?"
)


class Checked:
    """What was found of a state.

    Attributes:
        problems: what is not as it must be, in words.
        lines: the records of the history as they were written, oldest first.
        state: what they add up to.
    """

    def __init__(self, root: Path) -> None:
        self.problems: Problems = []
        files = read(root)
        self.lines = history(files, self.problems)
        self.state = Fold()
        try:
            self._check(files)
            self.problems += check_lock(root)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
            self.problems.append(f"it cannot be read: {type(error).__name__}: {error}")

    def _check(self, files: Files) -> None:
        records = [json.loads(line) for line in self.lines]
        repaired = any(".damaged" in path for path in files)
        self.problems += check_chain(records, whole=not repaired)
        self.state = fold(files, records)
        self.problems += self.state.problems
        self.problems += check_ledger(files, self.state)
        self.problems += check_packs(files, self.state)
        self.problems += check_blobs(files, records)
        self.problems += check_leftovers(files, self.state)


def sound(root: Path) -> Problems:
    """Return what is wrong with the state at `root`; nothing when it is sound."""
    return Checked(root).problems


def check_ledger(files: Files, state: Fold) -> Problems:
    """I4, I5, I6: the ledger is what the journal says, and the task files are what the ledger says."""
    data = files["DISPATCH_LEDGER.json"] or b""
    ledger = json.loads(data)
    blank = data.replace(b'"checksum":"%b"' % ledger["checksum"].encode(), b'"checksum":"00000000"', 1)
    problems = _unlike(
        checksum=(ledger["checksum"], f"{zlib.crc32(blank):08x}"),
        seq=(ledger["seq"], state.seq),
        head=(ledger["head"], state.head),
        writers=(ledger["writers"], state.writers),
        totals=(ledger["totals"], {"added": state.added, "archived": state.dropped}),
        ids=([row["id"] for row in ledger["tasks"]], list(state.tasks)),
        added=(state.added, len(ledger["tasks"]) + state.dropped),
    )
    summary = dict.fromkeys((status.lower() for status in _FOLDERS), 0)
    for row in ledger["tasks"]:
        summary[row["status"].lower()] += 1
        problems += _check_row(files, row, state)
    return problems + _unlike(summary=(ledger["summary"], summary))


def _unlike(**pairs: tuple[object, object]) -> Problems:
    return [f"ledger: {name} is {is_}, not {must}" for name, (is_, must) in pairs.items() if is_ != must]


def _check_row(files: Files, row: dict[str, Any], state: Fold) -> Problems:
    task = state.tasks[row["id"]]
    claimed = row["claimed_by"] is not None
    problems = _unlike(
        status=(row["status"], task.status),
        generation=(row.get("generation", 0), task.generation),
        archived=(row.get("archived", False), task.archived),
        claim=(claimed, task.status == "ACTIVE"),
    )
    places = [folder for folder in _FOLDERS.values() if f"{folder}/{row['id']}.json" in files]
    wanted = [] if task.archived else [_FOLDERS[task.status]]
    if places != wanted:
        return [*problems, f"{row['id']} is in {places}, not in {wanted}"]
    if wanted:
        data = files[f"{wanted[0]}/{row['id']}.json"] or b""
        problems += _unlike(sum=(row["sum"], f"{zlib.crc32(data):08x}"))
        problems += _check_document(files, json.loads(data), row)
    return problems


def _check_document(files: Files, document: dict[str, Any], row: dict[str, Any]) -> Problems:
    _resolve_blobs(files, document)
    claim = document["claim"]
    said = {**{key: document[key] for key in _SHARED}, "claimed_by": claim and claim["agent"]}
    return _unlike(row=(dict(row, generation=row.get("generation", 0)), {**row, **said}))


def check_packs(files: Files, state: Fold) -> Problems:
    """I1: what pruning took out of the folders is in the archive, and so is every archived task."""
    packs = {
        int(path[14:24]): {json.loads(line)["id"] for line in gzip.decompress(data).splitlines()}
        for path, data in files.items()
        if data is not None and path.startswith("ARCHIVE/tasks-")
    }
    wrong = {seq: ids for seq, ids in state.packs.items() if packs.get(seq) != ids}
    problems = [f"pack {seq} has {packs.get(seq)}, not {ids}" for seq, ids in wrong.items()]
    kept = set().union(*packs.values())
    problems += [f"{i} is in no pack" for i, task in state.tasks.items() if task.archived and i not in kept]
    return problems + [f"pack {seq} was made by no prune" for seq in packs if seq > state.seq]


def check_blobs(files: Files, records: list[dict[str, Any]]) -> Problems:
    """I1: every blob that a record names is there and good."""
    problems = []
    for record in records:
        try:
            _resolve_blobs(files, record["events"])
        except ValueError as error:
            problems.append(f"record {record['seq']}: {error}")
    return problems


def _resolve_blobs(files: Files, value: object) -> None:
    if isinstance(value, list):
        for item in value:
            _resolve_blobs(files, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.endswith("_blob"):
                full = blob(files, item)
                excerpt = value.get(key.removesuffix("_blob"))
                if excerpt is not None and not full.startswith(excerpt):
                    raise ValueError(f"the text of {item} does not begin with its excerpt")
            else:
                _resolve_blobs(files, item)


def check_leftovers(files: Files, state: Fold) -> Problems:
    """I10: nothing is there that is not part of a state, no temporary file above all."""
    wanted = {f"{_FOLDERS[task.status]}/{i}.json" for i, task in state.tasks.items() if not task.archived}
    problems = []
    for path, data in files.items():
        folder = path.partition("/")[0]
        known = path in wanted if folder in _FOLDERS.values() else _FILES.fullmatch(path)
        if not (path in _ALL_FOLDERS if data is None else known):
            problems.append(f"{path} is left over")
    journal = files["JOURNAL.jsonl"]
    return problems + [f"{path} is the journal itself" for path, data in segments(files).items() if data == journal]


def check_lock(root: Path) -> Problems:
    """I10: nobody holds the lock."""
    with (root / ".lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ["the lock is still held"]
    return []
