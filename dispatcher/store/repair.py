"""A journal that is damaged, made sound again with as little loss as what is left allows."""

from __future__ import annotations

from dispatcher.domain import events
from dispatcher.domain.ledger import Ledger, empty
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Record, Stamp
from dispatcher.errors import Damaged, Unrepairable
from dispatcher.files import Root
from dispatcher.store import archive, journal, recovery
from dispatcher.store.base import Repair
from dispatcher.store.recovery import Behind
from dispatcher.store.rotation import begin_segment


def mend(root: Root, now: Moment) -> Repair:
    """Begin a sound journal with the best state that can be had, and set the damaged one aside.

    The best state is that of the ledger file and the task files, if they are whole and newer than
    the sound part of the journal; the good records after it are folded in. Else the sound part of
    the journal and what fits of the rest. Raises Unrepairable when neither is to be had.
    """
    found = journal.read(root)
    segment = found[0] if found else journal.Segment([], 0, b"", None, [])
    good = [*segment.records, *segment.salvaged]
    base, source = _base(root, segment)
    lines = [f"state taken from {source}"]
    later = [r for r in good if r.seq > base.seq]
    lost = _fold_leniently(base, later)
    base.settle()
    last = max([base.seq, *(r.seq for r in good)])
    aside = archive.segment_path(good[0].seq if good else 0, last, damaged=True)
    base.seq = last
    note = {"type": "journal_repaired", "lost": lost, "source": source}
    begin_segment(root, base, aside, Stamp("rebuild", "rebuild", now.iso), [note])
    if found:
        lines.append(f"the damaged journal is kept as {aside}")
    lines += [f"lost: {what}" for what in lost] or ["no task was lost"]
    reread = recovery.replay(root)
    lines += recovery.reconcile(root, reread, now.boot_id)
    return Repair(lines, bool(lost))


def _base(root: Root, segment: journal.Segment) -> tuple[Ledger, str]:
    sound = segment.records[-1].seq if segment.records else 0
    kept = recovery.kept_ledger(root)
    if kept and kept.seq >= sound:
        try:
            for task_id in kept.rows:
                kept.task(task_id)
        except Behind:
            pass
        else:
            return kept, f"the ledger and the task files, as of record {kept.seq}"
    if segment.records:
        ledger = _start(root, segment.records[0])
        recovery.fold(ledger, segment.records, root.full(journal.NAME))
        return ledger, f"the journal, as of record {ledger.seq}"
    old = list(archive.records(root))
    if not old:
        problem = "no sound record is left, nor a whole ledger; restore it from a backup"
        raise Unrepairable(file=root.full(journal.NAME), problem=problem)
    ledger = empty()
    recovery.fold(ledger, old, root.full(archive.FOLDER))
    return ledger, f"the old segments, as of record {ledger.seq}"


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
        if record.seq != ledger.seq + 1:
            lost.append(f"records {ledger.seq + 1} to {record.seq - 1}")
        for event in record.events:
            try:
                events.apply(ledger, event, record)
            except (events.Unfit, events.UnknownEvent, Behind):
                lost.append(f"{event['type']} of task {event.get('task', '?')} (record {record.seq})")
        ledger.seq, ledger.head = record.seq, record.crc
        ledger.writers[record.writer] = record.n
    ledger.settle()
    return lost
