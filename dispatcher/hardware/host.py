"""The machine's RAM and what control groups leave us of it: in a container, that is what counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dispatcher.hardware.device import HostMemory
from dispatcher.hardware.quantity import to_bytes

_MOST_BYTES = 65_536


class _Files(NamedTuple):
    """What the files of a version of cgroups are called, and the line that tells what the kernel could drop."""

    limit: str
    used: str
    droppable: str


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Files("memory.max", "memory.current", "inactive_file")


def read(root: Path = Path("/")) -> HostMemory:
    """Return the RAM as psutil tells it, and the cgroup limits that `root` (of /proc and /sys) shows.

    Raises what psutil raises on machines that it cannot read.
    """
    import psutil

    memory = psutil.virtual_memory()
    limit, room = limits(root)
    if limit is not None and limit >= memory.total:
        limit = None
    return HostMemory(memory.total, memory.available, limit, room)


def limits(root: Path) -> tuple[int | None, int | None]:
    """Return the smallest limit on this process's cgroup and those it lies in, and the least room under any, in bytes.

    None for both where there is none: "max" (v2) and the huge number that v1 shows for it are no limits. Cache of
    files that were not used lately does not count as used: the kernel drops it first.
    """
    found = [(limit, room) for folder, files in _groups(root) for limit, room in _limit(folder, files)]
    return min((limit for limit, _ in found), default=None), min((room for _, room in found), default=None)


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the folders of our cgroups with memory in them, inner ones first.

    In a container the path is often that outside of it, while the folder mounted here is our group: then only the
    last one yielded, the mount itself, is there.
    """
    cgroup = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = PurePosixPath(path.lstrip("/"))
        if ".." in inside.parts:  # we are in a group outside of what is mounted here
            inside = PurePosixPath()
        if "memory" in controllers.split(","):
            yield from ((cgroup / "memory" / folder, _V1) for folder in (inside, *inside.parents))
        elif number == "0" and not controllers:
            for mount in (cgroup, cgroup / "unified"):
                yield from ((mount / folder, _V2) for folder in (inside, *inside.parents))


def _limit(folder: Path, files: _Files) -> Iterator[tuple[int, int]]:
    """Yield the limit of a cgroup and the room under it, if it has one."""
    limit = to_bytes(_text(folder / files.limit).strip())
    if limit is not None:
        used = to_bytes(_text(folder / files.used).strip()) or 0
        pairs = (line.partition(" ") for line in _text(folder / "memory.stat").splitlines())
        droppable = next((to_bytes(value) or 0 for name, _, value in pairs if name == files.droppable), 0)
        yield limit, max(0, limit - max(0, used - droppable))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return ""
