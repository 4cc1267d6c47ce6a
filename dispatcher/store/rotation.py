"""A new segment of the journal, which begins with the whole state."""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.record import Event, Record, Stamp, seal
from dispatcher.files import FileStat, Root
from dispatcher.store import blobs, journal
from dispatcher.store.base import encode_blob


def begin_segment(
    root: Root, ledger: Ledger, old: str, stamp: Stamp, also: Sequence[Event] = ()
) -> tuple[Record, FileStat]:
    """Replace the journal by one that begins with a checkpoint of `ledger`, and fold that record in.

    The old segment gets its name in the archive, `old`, before the one step that replaces it: at
    every moment the journal is either the whole old one or the whole new one.
    """
    there = root.is_regular(journal.NAME)
    state = blobs.put(root, encode_blob(ledger.checkpoint()))
    event: Event = {
        "type": "checkpoint",
        "state": state,
        "previous": {"segment": old if there else None, "seq": ledger.seq, "head": ledger.head},
    }
    n = ledger.writers.get(stamp.writer, 0) + 1
    record, line = seal(ledger.seq + 1, ledger.head, n, stamp, [event, *also])
    if there:
        root.link_durable(journal.NAME, old)
    stat = root.replace(journal.NAME, line, durable=True)
    ledger.apply(record)
    return record, stat
