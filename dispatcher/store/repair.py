"""A journal that is damaged, made sound again with as little loss as what is left allows."""

from __future__ import annotations

from typing import cast

import orjson

from dispatcher.domain import events, ids
from dispatcher.domain.ledger import Ledger, empty
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Record, Stamp
from dispatcher.domain.task import FOLDERS, Task, new_task
from dispatcher.errors import Damaged, StorageError, Unrepairable
from dispatcher.files import Root
from dispatcher.store import archive, journal, projections, recovery
from dispatcher.store.base import Repair
from dispatcher.store.recovery import Behind
from dispatcher.store.rotation import begin_segment


def mend(root: Root, now: Moment) -> Repair:
    """Begin a sound journal with the best state that can be had, and set the damaged one aside.

    The best state is that of the ledger file and the task files, if they are whole and newer than
    the sound part of the journal; the good records after it are folded in. Else it is the sound part
    of the journal, what fits of the rest, and the task files of records that are missing. Raises
    Unrepairable when there is nothing of all that.
    """
    found = journal.read(root)
    segment = found[0] if found else journal.Segment([], 0, b"", None, [])
    good = [*segment.records, *segment.salvaged]
    base, source = _base(root, segment)
    begun = base.seq
    lost = _fold_leniently(base, [r for r in good if r.seq > begun])
    cursor = projections.read_cursor(root)
    if cursor and cursor.seq > base.seq:
        lost.append(_range(base.seq + 1, cursor.seq))
    last = max(base.seq, cursor.seq if cursor else 0)
    restored = _restore_from_files(root, base, begun) if lost or not good else []
    base.settle()
    aside = archive.segment_path(good[0].seq if good else 0, last, damaged=True)
    base.seq = last
    note = {"type": "journal_repaired", "lost": lost, "source": source}
    begin_segment(root, base, aside, Stamp("rebuild", "rebuild", now.iso), [note])
    lines = [f"state taken from {source}"]
    lines += [f"the damaged journal is kept as {aside}"] if found else []
    lines += [f"missing: {what}" for what in lost]
    lines += [f"restored from its file: {path}" for path in restored]
    if not lost:
        lines.append("no task was lost")
    lines += _gaps_of_the_log(root, last)
    lines += recovery.reconcile(root, recovery.replay(root), now.boot_id)
    return Repair(lines, bool(lost))


def _base(root: Root, segment: journal.Segment) -> tuple[Ledger, str]:
    sound = segment.records[-1].seq if segment.records else 0
    kept = recovery.kept_ledger(root)
    if kept and kept.seq >= sound and _is_whole(kept):
        return kept, f"the ledger and the task files, as of record {kept.seq}"
    if segment.records:
        ledger = _start(root, segment.records[0])
        recovery.fold(ledger, segment.records, root.full(journal.NAME))
        return ledger, f"the journal, as of record {ledger.seq}"
    ledger = empty()
    if old := list(archive.records(root)):
        recovery.fold(ledger, old, root.full(archive.FOLDER))
        return ledger, f"the old segments, as of record {ledger.seq}"
    if not any(root.names(folder) for folder in FOLDERS.values()):
        problem = "no sound record, whole ledger or task file is left; restore it from a backup"
        raise Unrepairable(file=root.full(journal.NAME), problem=problem)
    return ledger, "the task files alone"


def _is_whole(ledger: Ledger) -> bool:
    try:
        for task_id in ledger.rows:
            ledger.task(task_id)
    except Behind:
        return False
    return True


def _start(root: Root, first: Record) -> Ledger:
    try:
        return recovery.start_of(root, first)
    except Damaged:
        ledger = empty()
        recovery.fold(ledger, [r for r in archive.records(root) if r.seq < first.seq], root.full(archive.FOLDER))
        if ledger.seq != first.seq - 1:
            raise
        return ledger


def _fold_leniently(ledger: Ledger, records: list[Record]) -> list[str]:
    """Fold in what fits; return what is missing or did not fit, in words."""
    lost = []
    for record in records:
        if record.seq > ledger.seq + 1:
            lost.append(_range(ledger.seq + 1, record.seq - 1))
        for event in record.events:
            try:
                events.apply(ledger, event, record)
            except (events.Unfit, events.UnknownEvent, Behind):
                lost.append(f"{event['type']} of task {event.get('task', '?')} (record {record.seq})")
        ledger.seq, ledger.head = record.seq, record.crc
        ledger.writers[record.writer] = record.n
    ledger.settle()
    return lost


def _restore_from_files(root: Root, ledger: Ledger, since: int) -> list[str]:
    """Take from the task folders what the records that are missing had done after record `since`."""
    restored = []
    for folder in FOLDERS.values():
        for name in root.names(folder):
            task = _read_loosely(root, f"{folder}/{name}")
            if task is None or f"{task['id']}.json" != name or task["changed_seq"] <= since:
                continue
            known = ledger.rows.get(task["id"])
            if known and ledger.task(task["id"])["changed_seq"] >= task["changed_seq"]:
                continue
            ledger.added += known is None
            ledger.put(task)
            restored.append(f"{folder}/{name}")
    return restored


def _read_loosely(root: Root, path: str) -> Task | None:
    """Return the task in a file that nothing vouches for, if it has the form of one."""
    try:
        task = orjson.loads(root.read(path, projections.MAX_TASK_BYTES) or b"")
    except (orjson.JSONDecodeError, StorageError):
        return None
    if not isinstance(task, dict) or not ids.is_id(str(task.get("id"))) or task.get("status") not in FOLDERS:
        return None
    if not new_task("x", "x", "", 0).keys() <= task.keys() or not isinstance(task["changed_seq"], int):
        return None
    return cast("Task", task)


def _gaps_of_the_log(root: Root, last: int) -> list[str]:
    gaps, expected = [], 1
    for record in archive.records(root):
        if record.seq > expected:
            gaps.append(_range(expected, record.seq - 1))
        expected = record.seq + 1
    if expected <= last:
        gaps.append(_range(expected, last))
    return [f"the log has lost {gap}" for gap in gaps]


def _range(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"
