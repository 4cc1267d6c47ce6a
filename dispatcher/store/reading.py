"""The present state from the projections, when they can be trusted: what every quick command does."""

from __future__ import annotations

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.record import GENESIS, Record
from dispatcher.errors import StorageError
from dispatcher.files import FileStat, Root
from dispatcher.store import journal, projections, recovery
from dispatcher.store.projections import Cursor


def projected(root: Root) -> Ledger | None:
    """Return the state of the projections, with records that are not in them yet; None if they are of no use."""
    found = vouched(root)
    if found is None:
        return None
    ledger, cursor, stat = found
    if stat == cursor.journal:
        return ledger
    grown = stat.inode == cursor.journal.inode and stat.size > cursor.journal.size
    return _fold_tail(root, ledger, cursor) if grown else None


def vouched(root: Root) -> tuple[Ledger, Cursor, FileStat] | None:
    """Return the ledger file's state if the cursor vouches for it, and the journal's file as it is now."""
    cursor = projections.read_cursor(root)
    try:
        data = root.read(projections.LEDGER, projections.MAX_LEDGER_BYTES)
    except StorageError:
        return None
    if cursor is None or data is None:
        return None
    stat = root.stat(journal.NAME)
    ledger = projections.parse_ledger(data, lambda row: recovery.load_task(root, row))
    if ledger is None or stat is None or (ledger.seq, ledger.head) != (cursor.seq, cursor.head):
        return None
    return ledger, cursor, stat


def _fold_tail(root: Root, ledger: Ledger, cursor: Cursor) -> Ledger | None:
    """Fold in what a writer has appended and not yet projected, if it follows the record that the cursor names."""
    end = f'"crc":"{cursor.head}"}}\n'.encode()
    found = root.read_with_stat(journal.NAME, journal.MAX_BYTES, cursor.journal.size - len(end))
    if found is None or not found[0].startswith(end):
        return None
    last = Record(cursor.seq, "", "", 0, "", [], GENESIS, cursor.head)
    segment = journal.parse(found[0][len(end) :], last)
    if segment.damage:
        return None
    recovery.fold(ledger, segment.records, root.full(journal.NAME))
    return ledger
