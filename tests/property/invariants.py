"""What must hold of a state on files after every command, checked against its whole history."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dispatcher.domain.ledger import Ledger, empty
from dispatcher.domain.record import GENESIS, Record, Stamp, seal
from dispatcher.domain.task import FOLDERS, Task, encode
from dispatcher.store import projections, recovery


def check_history(records: list[Record]) -> None:
    """I3: numbers without gaps, per writer too; every record sealed over what it says and linked to the one before."""
    written: Counter[str] = Counter()
    previous = GENESIS
    for number, record in enumerate(records, 1):
        written[record.writer] += 1
        assert record.seq == number
        assert record.n == written[record.writer]
        assert record.prev == previous
        stamp = Stamp(record.command, record.writer, record.at)
        assert seal(record.seq, record.prev, record.n, stamp, record.events)[0].crc == record.crc
        previous = record.crc


def fold(records: list[Record]) -> tuple[Ledger, dict[str, Task]]:
    """Return the state that a whole history adds up to, and the newest archived form of each task."""
    ledger, records = empty(), copy.deepcopy(records)  # folding may take parts of a record over
    packs, _ = recovery.fold(ledger, records, "the whole history")
    return ledger, {task["id"]: task for seq in sorted(packs) for task in packs[seq]}


def check_counts(ledger: Ledger) -> None:
    """I6: every task that was ever added is somewhere, once."""
    assert ledger.added == sum(ledger.counts().values()) + ledger.dropped


def expected_files(ledger: Ledger) -> dict[str, bytes]:
    """Return the ledger file and the task files that a state should have (I4, I5)."""
    tasks = {
        f"{FOLDERS[row['status']]}/{task_id}.json": encode(ledger.task(task_id))
        for task_id, row in ledger.rows.items()
        if not row.get("archived")
    }
    return {projections.LEDGER: projections.render_ledger(ledger), **tasks}


def files_of(root: Path) -> dict[str, bytes]:
    """Return the ledger file and the task files that there are."""
    folders = (root / name for name in FOLDERS.values())
    files = [p for folder in folders if folder.is_dir() for p in folder.iterdir()]
    files += [p for p in [root / projections.LEDGER] if p.is_file()]
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def check_files(found: dict[str, bytes], expected: dict[str, bytes], excused: Iterable[str]) -> None:
    """I4, I5, I13: each task in the one folder that the ledger names, byte for byte; `excused` were touched by hand."""
    paths = (found.keys() | expected.keys()) - set(excused)
    differing = {p: (found.get(p), expected.get(p)) for p in paths if found.get(p) != expected.get(p)}
    assert not differing, sorted(differing)
