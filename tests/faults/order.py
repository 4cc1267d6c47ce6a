"""Is it on the disk before it is relied on? No kill shows that, only the order of the calls does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.faults.tree import ROOT

_TEMPORARY = "CACHE/write.tmp"
_JOURNAL = "JOURNAL.jsonl"
_IN_PLACE = (_TEMPORARY, _JOURNAL, ".lock")
_DURABLE = ("BLOBS/", "ARCHIVE/", _JOURNAL)


class Disk:
    """What a power cut could take away, of that which must last.

    Attributes:
        written: files whose bytes have changed since they were synced.
        named: names that were given since their folder was synced.
        problems: where something was relied on too early, in words.
    """

    def __init__(self) -> None:
        self.written: set[str] = set()
        self.named: set[str] = set()
        self.problems: list[str] = []

    @property
    def loose(self) -> set[str]:
        """The durable files that are not on the disk, or not under their names."""
        return {path for path in self.written | self.named if path.startswith(_DURABLE)}

    def take(self, calls: Iterable[str]) -> None:
        """Take in calls under the state root, as the fault library names them."""
        prefix = f"{ROOT}/"
        for number, call in enumerate(calls, 1):
            name, _, path = f"{call}/".partition(" ")
            if path.startswith(prefix):
                self._take(f"call {number} ({call})", name, path.removeprefix(prefix).rstrip("/"))

    def _take(self, where: str, name: str, path: str) -> None:
        if name in ("open", "write", "pwrite", "truncate", "ftruncate") and path not in _IN_PLACE:
            self.problems.append(f"{where} changes a file that readers may be reading")
        if name == "fsync":
            self.written.discard(path)
            self.named = {one for one in self.named if one.rpartition("/")[0] != path}
        elif name in ("write", "pwrite", "ftruncate"):
            self._rely(where, path == _JOURNAL, self.loose - {_JOURNAL})
            self.written.add(path)
        elif name == "rename":
            self._rename(where, path)
        elif name == "link":
            self.named.add(path)
        elif name == "unlink":
            self._rely(where, path.startswith(_DURABLE), self.loose)
            self.written.discard(path)
            self.named.discard(path)

    def _rename(self, where: str, path: str) -> None:
        self._rely(where, path.startswith(_DURABLE), self.written & {_TEMPORARY})
        self._rely(where, path == _JOURNAL, self.loose)
        self._rely(where, not path.startswith(_DURABLE), self.loose & {_JOURNAL})
        self.written.discard(path)
        if _TEMPORARY in self.written:
            self.written = self.written - {_TEMPORARY} | {path}
        self.named.add(path)

    def _rely(self, where: str, relies: bool, loose: set[str]) -> None:
        if relies and loose:
            self.problems.append(f"{where} before {sorted(loose)} was synced")


def too_early(calls: Sequence[str]) -> list[str]:
    """Return which calls of a command rely on something that is not on the disk yet, in words.

    A record relies on the blobs that it names and on all earlier records; a projection relies on the
    record that it shows; a new journal on the old one's name in the archive; taking a segment away on
    its compressed form. At the end nothing durable may be loose. And nothing but the journal grows in
    place: all else is replaced.
    """
    disk = Disk()
    disk.take(calls)
    return disk.problems + ([f"at the end {sorted(disk.loose)} was not synced"] if disk.loose else [])
