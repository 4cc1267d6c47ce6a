"""From the journal back to everything else: replay, and projections made whole again."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

from dispatcher.domain.ledger import Ledger, empty, from_checkpoint
from dispatcher.domain.record import Record
from dispatcher.domain.task import FOLDERS, Row, Status, Task, encode
from dispatcher.errors import Damaged, NoInbox, StorageError
from dispatcher.files import FileStat, Root
from dispatcher.store import archive, blobs, journal, projections
from dispatcher.store.base import advance, archived_by
from dispatcher.store.projections import Cursor

FOLDER_NAMES = (*FOLDERS.values(), "BLOBS", "ARCHIVE", "SESSIONS", "SNAPSHOTS", "OUTPUTS", "CACHE")


class Replay(NamedTuple):
    """A state folded from the journal.

    `packs` holds, per prune of this segment, the tasks that it archived; `dropped` every id that
    left the ledger in this segment.
    """

    ledger: Ledger
    segment: journal.Segment
    stat: FileStat
    packs: dict[int, list[Task]]
    dropped: set[str]


def replay(root: Root) -> Replay:
    """Fold the present segment, writing nothing. Raises Damaged when the journal is not sound."""
    segment, stat = sound_segment(root)
    ledger = start_of(root, segment.records[0])
    packs, dropped = fold(ledger, segment.records, root.full(journal.NAME))
    return Replay(ledger, segment, stat, packs, dropped)


def sound_segment(root: Root) -> tuple[journal.Segment, FileStat]:
    """Return the present segment and its file's state. Raises Damaged, or NoInbox when there is nothing at all.

    A projection that has seen a later record than the journal's last proves that something is missing
    from the journal, even where what is left looks like an append that was cut short.
    """
    # The projections are read first: a writer at work meanwhile can only make the journal the newer one.
    kept, cursor = kept_ledger(root), projections.read_cursor(root)
    found = journal.read(root)
    name = root.full(journal.NAME)
    if found is None:
        if kept is None and not holds_work(root):
            raise NoInbox(where=f"in {root.path}: it has no journal")
        raise Damaged(file=name, problem="is gone")
    segment, stat = found
    if segment.damage:
        raise Damaged(file=name, problem=segment.damage.problem)
    last = segment.records[-1].seq if segment.records else 0
    for seen, where in (
        (kept.seq if kept else 0, projections.LEDGER),
        (cursor.seq if cursor else 0, projections.CURSOR),
    ):
        if seen > last:
            raise Damaged(file=name, problem=f"ends with record {last}, but {where} has seen record {seen}")
    if not segment.records:
        raise Damaged(file=name, problem="has no record")
    return segment, stat


def holds_work(root: Root) -> bool:
    """Tell whether there are files that only a journal can have led to: old segments, packs, tasks."""
    return any(root.names(folder) for folder in (archive.FOLDER, *FOLDERS.values()))


def start_of(root: Root, first: Record) -> Ledger:
    """Return the state that a segment begins with."""
    if not journal.is_checkpoint(first):
        return empty()
    state = blobs.get(root, first.events[0]["state"])
    if state is None:
        problem = f"the state that it begins with, blob {first.events[0]['state']}, is gone"
        raise Damaged(file=root.full(journal.NAME), problem=problem)
    return from_checkpoint(state)


def fold(ledger: Ledger, records: list[Record], where: str) -> tuple[dict[int, list[Task]], set[str]]:
    """Fold records in; return the tasks that each prune archived and the ids that left the ledger."""
    packs: dict[int, list[Task]] = {}
    dropped: set[str] = set()
    for record in records:
        advance(ledger, record, where)
        gone = ledger.take_dropped()
        dropped = (dropped | gone.keys()) - ledger.rows.keys()
        if tasks := archived_by(ledger, record, gone):
            packs[record.seq] = deepcopy(tasks)  # as they are now: later records may bring them back
    ledger.settle()
    return packs, dropped


def gaps_of_the_archive(root: Root, ledger: Ledger) -> list[str]:
    """Return a line for what the history refers to and the archive no longer has."""
    segment, _ = sound_segment(root)
    said = []
    first = segment.records[0]
    previous = first.events[0]["previous"]["segment"] if journal.is_checkpoint(first) else None
    if previous and archive.lacks(root, previous):
        said.append(f"{previous}.gz is gone: the log begins with record {first.seq}")
    kept = {task["id"] for task in archive.find_tasks(root, "")} - ledger.rows.keys()
    if len(kept) < ledger.dropped:
        said.append(f"{archive.FOLDER}: {ledger.dropped - len(kept)} of {ledger.dropped} archived tasks are gone")
    return said


def restore_packs(root: Root) -> list[str]:
    """Write again every pack of archived tasks that is missing, from the whole history."""
    old = list(archive.records(root))
    made = [r.seq for r in old if any(e["type"] == "pruned" and e["archived"] for e in r.events)]
    missing = [seq for seq in made if not root.is_regular(archive.pack_path(seq))]
    if not missing:
        return []
    try:
        packs, _ = fold(empty(), old, root.full(archive.FOLDER))
    except Damaged as damage:
        return [
            f"{archive.pack_path(seq)} is gone, and so is what it was made of: {damage.data['problem']}"
            for seq in missing
        ]
    for seq in missing:
        archive.write_pack(root, seq, packs[seq])
    return [f"{archive.pack_path(seq)}: remade from the old journal segments" for seq in missing]


def kept_ledger(root: Root) -> Ledger | None:
    """Return the ledger file's state if the file is whole, whatever the journal says."""
    try:
        data = root.read(projections.LEDGER, projections.MAX_LEDGER_BYTES)
    except StorageError:
        return None
    return projections.parse_ledger(data, lambda row: load_task(root, row)) if data else None


class Behind(Exception):
    """A file that a task or the ledger should be read from is not the one that the journal means."""


def load_task(root: Root, row: Row) -> Task:
    """Return the task of a row from its file or the archive. Raises Behind."""
    if not row.get("archived"):
        if (task := projections.read_task(root, row)) is not None:
            return task
    else:
        for archived in archive.find_tasks(root, row["id"]):
            if archived["id"] == row["id"]:
                return archived
    raise Behind(projections.task_path(row))


# Making the projections whole


def reconcile(root: Root, state: Replay, boot_id: str) -> list[str]:
    """Make every projection what the journal says; return a line for each thing that was put right.

    An append that was cut short is removed, and so are leftovers of an interrupted rotation. A file
    in a task folder that is not a task's is left alone.
    """
    said = []
    stat = state.stat
    if state.segment.tail:
        stat = root.truncate_durable(journal.NAME, state.segment.size)
        said.append(f"{journal.NAME}: removed an unfinished record of {len(state.segment.tail)} bytes at the end")
    # A command that was killed may have written its last record, or put a new segment in place, and not
    # synced it. From here on it counts, so it must not be lost any more.
    root.sync(journal.NAME)
    if stat.links > 1:
        archive.unlink_twins(root, stat.inode)
        stat = root.stat(journal.NAME) or stat
    for folder in FOLDER_NAMES:
        root.make_folder(folder)
    for seq, tasks in state.packs.items():
        if not root.is_regular(archive.pack_path(seq)):
            archive.write_pack(root, seq, tasks)
            said.append(f"{archive.pack_path(seq)}: remade from the journal")
    said += _reconcile_tasks(root, state)
    if kept_ledger(root) is None and root.stat(projections.LEDGER):
        said.append(f"{projections.LEDGER}: was not as it had been written; remade from the journal")
    publish(root, state.ledger, stat, boot_id)
    return said


def publish(root: Root, ledger: Ledger, stat: FileStat, boot_id: str) -> None:
    """Write the ledger file and then the cursor that vouches for it and for the task files."""
    root.replace(projections.LEDGER, projections.render_ledger(ledger))
    projections.write_cursor(root, Cursor(boot_id, stat, ledger.seq, ledger.head))


def _reconcile_tasks(root: Root, state: Replay) -> list[str]:
    ledger = state.ledger
    wanted: dict[Status, dict[str, Row]] = {status: {} for status in FOLDERS}
    for task_id, row in ledger.rows.items():
        if not row.get("archived"):
            wanted[row["status"]][f"{task_id}.json"] = row
    said, strangers = [], []
    for status, folder in FOLDERS.items():
        present = set(root.names(folder))
        for name, row in wanted[status].items():
            if name not in present or projections.read_task(root, row) is None:
                root.replace(f"{folder}/{name}", encode(ledger.task(row["id"])))
                said.append(f"{folder}/{name}")
        for name in sorted(present - wanted[status].keys()):
            task_id = name.removesuffix(".json")
            if name.endswith(".json") and (task_id in ledger.rows or task_id in state.dropped):
                root.unlink(f"{folder}/{name}")
            else:
                strangers.append(f"{folder}/{name}: is not in the journal; left alone")
    return ([_remade(said)] if said else []) + strangers


def _remade(paths: list[str]) -> str:
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"remade from the journal: {shown}"
