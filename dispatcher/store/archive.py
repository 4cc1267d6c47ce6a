"""What has left the ledger or the journal: packs of tasks and old segments, compressed.

`tasks-<seq>.jsonl.gz` holds the tasks that the prune with this number archived, one a line.
`journal-<first>-<last>.jsonl` is a segment that was rotated away, `.gz` once it is compressed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

import orjson

from dispatcher.domain.record import Record
from dispatcher.domain.task import Task
from dispatcher.errors import Damaged
from dispatcher.files import Root
from dispatcher.store import journal

FOLDER = "ARCHIVE"
_PACK = r"tasks-(\d{10})\.jsonl\.gz"
_SEGMENT = r"journal-(\d{10})-(\d{10})(\.damaged)?\.jsonl(\.gz)?"
_MAX_BYTES = 1 << 31


# Packs of tasks


def pack_path(seq: int) -> str:
    """Return the path of the pack that the prune of record `seq` makes."""
    return f"{FOLDER}/tasks-{seq:010d}.jsonl.gz"


def write_pack(root: Root, seq: int, tasks: Iterable[Task]) -> None:
    """Keep tasks durably as the pack of record `seq`."""
    data = b"".join(orjson.dumps(t, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE) for t in tasks)
    root.replace(pack_path(seq), _compress(data), durable=True)


def find_tasks(root: Root, prefix: str) -> list[Task]:
    """Return the archived tasks whose id begins with `prefix`, the newest form of each, those archived last first."""
    found: dict[str, Task] = {}
    key = b'"id":"' + prefix.encode()
    for name in reversed(root.names(FOLDER)):
        if not re.fullmatch(_PACK, name):
            continue
        for line in reversed(_decompressed(root, name).splitlines()):
            if key in line:
                task: Task = orjson.loads(line)
                if task["id"].startswith(prefix):
                    found.setdefault(task["id"], task)
    return list(found.values())


# Old segments


def segment_path(first: int, last: int, *, damaged: bool = False) -> str:
    """Return the path of a segment that holds the records from `first` to `last`."""
    return f"{FOLDER}/journal-{first:010d}-{last:010d}{'.damaged' if damaged else ''}.jsonl"


def records(root: Root) -> Iterator[Record]:
    """Yield the records of all old segments, oldest first, each once; of a damaged segment the good ones."""
    last = 0
    for name in _segments(root):
        segment = journal.parse(_decompressed(root, name))
        if segment.damage and ".damaged" not in name:
            raise Damaged(file=root.full(f"{FOLDER}/{name}"), problem=segment.damage.problem)
        for record in (*segment.records, *segment.salvaged):
            if record.seq > last:
                yield record
                last = record.seq


def lacks(root: Root, segment: str) -> bool:
    """Tell whether the old segment with this path is there in neither form."""
    return not root.is_regular(segment) and not root.is_regular(f"{segment}.gz")


def compress_segments(root: Root) -> None:
    """Compress the segments that are not yet; one that is both ways (a crash) keeps the compressed form."""
    for name in _segments(root):
        if not name.endswith(".gz"):
            path = f"{FOLDER}/{name}"
            root.replace(f"{path}.gz", _compress(root.read(path, journal.MAX_BYTES) or b""), durable=True)
            root.unlink(path)


def unlink_twins(root: Root, inode: int) -> None:
    """Remove the names in the archive of the file that is still the journal: a rotation that was cut short."""
    for name in _segments(root):
        state = root.stat(f"{FOLDER}/{name}")
        if state and state.inode == inode:
            root.unlink(f"{FOLDER}/{name}")


def _segments(root: Root) -> list[str]:
    return [name for name in root.names(FOLDER) if re.fullmatch(_SEGMENT, name)]


def _compress(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, compresslevel=6, mtime=0)


def _decompressed(root: Root, name: str) -> bytes:
    import gzip

    path = f"{FOLDER}/{name}"
    data = root.read(path, _MAX_BYTES) or b""
    if not name.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(file=root.full(path), problem="cannot be decompressed") from error
