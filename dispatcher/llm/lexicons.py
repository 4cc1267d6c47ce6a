"""The lexicons that are kept on disk, a file for each vocabulary, in the user's cache folder.

All of it can be deleted at any time. A file that is missing, damaged or of an older version is made again, by one
process while others wait for it, and put in its place whole. Where nothing can be written the lexicon
is in memory. What a vocabulary cannot be counted for is kept too, so that it need not be fetched again to know.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from mmap import ACCESS_READ, mmap

from dispatcher.llm.lexicon import VERSION, Damaged, Lexicon, NotExact, NotTold

TYPE_CHECKING = False  # counting in a fresh process has no time to import typing
if TYPE_CHECKING:
    from dispatcher.llm.vocabulary import Vocabulary

KEPT = 8
"""So many files stay, those used last."""

_ENDING = ".lexicon"
_NOT_EXACT = b"not exact\n"
_LONGEST_REASON = 1000
_LONGEST_NAME = 100
_PLAIN = frozenset("0123456789abcdefghijklmnopqrstuvwxyz._-")
_LONGEST_WAIT = 30.0
"""Seconds; the largest vocabulary takes ten to make on a slow machine."""

_LEFT_BEHIND = 3600
"""A temporary file of so many seconds was left by a process that was killed."""


def opened(digest: str, vocabulary: Callable[[], Vocabulary], folder: str) -> Lexicon:
    """Return the lexicon of the model with this digest, made from its `vocabulary` where there is none yet.

    Without a digest it is made each time: many models may lack one. Raises NotExact, also when that is what the
    vocabulary once was found to be, and whatever `vocabulary` raises.
    """
    if not digest:
        from dispatcher.llm import lexicon_file

        return Lexicon(lexicon_file.data(vocabulary(), 0))
    path = os.path.join(folder, _name(digest))
    try:
        return _of_file(path)
    except (OSError, Damaged):
        return _made(vocabulary, path)


def at_hand(digest: str, folder: str) -> Lexicon | None:
    """Return the lexicon of the model with this digest if there is one already."""
    try:
        return _of_file(os.path.join(folder, _name(digest)))
    except (OSError, Damaged, NotExact):
        return None


def _name(digest: str) -> str:
    """Return a file's name for a digest, which is text from a server: one that may not be a name is hashed."""
    name = digest.replace(":", "-")
    if not name or len(name) > _LONGEST_NAME or not _PLAIN.issuperset(name) or name.startswith("."):
        from hashlib import sha256

        name = "hashed-" + sha256(digest.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name}.{VERSION}{_ENDING}"


def _of_file(path: str) -> Lexicon:
    """Map a file into memory and note that it was used. Raises Damaged, OSError, NotExact."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            raise Damaged("it is no file, or empty")
        data = mmap(fd, 0, access=ACCESS_READ)
        if data[: len(_NOT_EXACT)] == _NOT_EXACT:
            _refuse(data[len(_NOT_EXACT) :])
        lexicon = Lexicon(data)
        # Nothing but its maker gives a file this time: with another one it was changed since, or copied.
        if found.st_mtime_ns != lexicon.stamp * 10**9:
            lexicon.check()
        _touch(fd, lexicon.stamp)
    finally:
        os.close(fd)
    return lexicon


def _refuse(reason: bytes) -> None:
    raise NotExact(reason.decode("utf-8", "replace"))


def _touch(fd: int, stamp: int) -> None:
    """Set when a file was made, and that it was used now."""
    try:
        os.utime(fd, ns=(time.time_ns(), stamp * 10**9))
    except OSError:
        return  # then it is checked each time


def _made(vocabulary: Callable[[], Vocabulary], path: str) -> Lexicon:
    """Make a vocabulary's lexicon and keep it where that can be done; of several who want it one makes it."""
    from dispatcher.flock import Lock

    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        lock = Lock(lambda: _open_lock(path), _LONGEST_WAIT, b"", lambda _note: TimeoutError(path))
        with lock:
            try:
                return _of_file(path)  # made while this one waited
            except (OSError, Damaged):
                return _made_now(vocabulary, path)
    except OSError:  # nothing can be written there, or whoever makes it takes too long
        return _made_now(vocabulary, path)


def _open_lock(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(f"{os.path.dirname(path)}.lock", flags, 0o600)


def _made_now(vocabulary: Callable[[], Vocabulary], path: str) -> Lexicon:
    from dispatcher.llm import lexicon_file

    stamp = int(time.time())
    try:
        data = lexicon_file.data(vocabulary(), stamp)
    except NotTold:
        raise
    except NotExact as error:
        _keep(_NOT_EXACT + str(error).encode("utf-8", "replace")[:_LONGEST_REASON], path, stamp)
        raise
    _keep(data, path, stamp)
    return Lexicon(data)


def _keep(data: bytes, path: str, stamp: int) -> None:
    """Put a file in its place, whole or not at all, and make room for it. A folder that cannot be written has none."""
    parent, name = os.path.split(path)
    temporary = os.path.join(parent, f".{name}.{os.urandom(6).hex()}")
    try:
        os.makedirs(parent, 0o700, exist_ok=True)
        try:
            _write(data, temporary, stamp)
            os.replace(temporary, path)
        except BaseException:
            _remove(temporary)
            raise
        _make_room(parent, path)
    except OSError:
        return


def _write(data: bytes, path: str, stamp: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
        os.fsync(fd)  # else a power cut can leave a file of the right length without its bytes
        _touch(fd, stamp)
    finally:
        os.close(fd)


def _make_room(parent: str, newest: str) -> None:
    """Remove the files that were used longest ago, and what killed processes have left."""
    used: list[tuple[int, str]] = []
    for entry in os.scandir(parent):
        if _ENDING not in entry.name or entry.path == newest:
            continue
        try:
            at = entry.stat(follow_symlinks=False).st_atime_ns
        except FileNotFoundError:
            continue
        if not entry.name.startswith("."):
            used.append((at, entry.path))
        elif at < time.time_ns() - _LEFT_BEHIND * 10**9:
            _remove(entry.path)
    for _, path in sorted(used, reverse=True)[KEPT - 1 :]:
        _remove(path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
