"""Files under the state root. No other module opens for writing, syncs, replaces, locks or unlinks there.

Every path is given relative to the root ("PENDING_TASKS/a.json") and is walked
from a descriptor of the root, one component at a time, without following links:
neither a linked file nor a linked folder leads out. Reads refuse anything that
is not a regular file, so a FIFO cannot hang a command.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat as st
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import NotRegular, OutcomeUnknown, StorageError
from dispatcher.flock import Lock

TEMPORARY = "CACHE/write.tmp"
"""The one temporary name. Only the holder of the state lock writes through it, and every writing
command replaces at least one file, so a leftover of a killed command is consumed by the next."""

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_PROBLEMS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "is not a folder",
    errno.ELOOP: "is a link, and links are not followed",
    errno.EIO: "the disk reports an input/output error",
    errno.ENOENT: "does not exist",
}


class FileStat(NamedTuple):
    """What tells a file from an earlier state of itself. Times in nanoseconds, size in bytes."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int


def make_root(path: Path) -> None:
    """Make the state root, private to the user, and the folders above it, durably. Raises StorageError."""
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                folder.mkdir(_FOLDER_MODE if folder == path else 0o777, exist_ok=True)
                with _closing(os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
                    _sync(fd)
    except OSError as error:
        raise StorageError(file=str(path), problem=_problem(error)) from error


class Root:
    """The state root and what may be done under it."""

    def __init__(self, path: Path) -> None:
        """Take the root's path; raises StorageError when it is not a folder that may be entered."""
        self.path = path
        with self._told(""):
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give the root's descriptor back."""
        os.close(self._fd)

    def full(self, rel: str) -> str:
        """Return the path of `rel` as a message should show it."""
        return str(self.path / rel)

    # Reading

    def read(self, rel: str, max_bytes: int) -> bytes | None:
        """Return a file's bytes, or None if there is none. Raises NotRegular or StorageError."""
        found = self.read_with_stat(rel, max_bytes)
        return found[0] if found else None

    def read_with_stat(self, rel: str, max_bytes: int, offset: int = 0) -> tuple[bytes, FileStat] | None:
        """Return a file's bytes from `offset` on and its state, both of one open file, or None."""
        with self._told(rel), self._parent(rel) as (folder, name):
            if folder is None:
                return None
            try:
                fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
            except FileNotFoundError:
                return None
            with _closing(fd):
                self._check_regular(rel, fd)
                return self._read_all(rel, fd, max_bytes, offset), _stat(os.fstat(fd))

    def stat(self, rel: str) -> FileStat | None:
        """Return the state of the file or link itself, or None if there is none."""
        with self._told(rel), self._parent(rel) as (folder, name):
            if folder is None:
                return None
            try:
                return _stat(os.stat(name, dir_fd=folder, follow_symlinks=False))
            except FileNotFoundError:
                return None

    def is_regular(self, rel: str) -> bool:
        """Tell whether `rel` is a regular file, links not followed."""
        with self._told(rel), self._parent(rel) as (folder, name):
            if folder is None:
                return False
            try:
                return st.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
            except FileNotFoundError:
                return False

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; an absent folder has none."""
        with self._told(folder):
            fd = self._open_folder(folder)
            if fd is None:
                return []
            with _closing(fd):
                return sorted(os.listdir(fd))

    def _read_all(self, rel: str, fd: int, max_bytes: int, offset: int) -> bytes:
        size = os.fstat(fd).st_size - offset
        if size > max_bytes:
            raise StorageError(file=self.full(rel), problem=f"is larger than {max_bytes:,} bytes")
        if offset:
            os.lseek(fd, offset, os.SEEK_SET)
        chunks: list[bytes] = []
        while chunk := os.read(fd, max(size, 0) + 1):
            chunks.append(chunk)
        return b"".join(chunks)

    def _check_regular(self, rel: str, fd: int) -> None:
        mode = os.fstat(fd).st_mode
        if not st.S_ISREG(mode):
            kind = "a folder" if st.S_ISDIR(mode) else "a pipe" if st.S_ISFIFO(mode) else "a device or socket"
            raise NotRegular(file=self.full(rel), problem=f"is {kind}, not a file")

    # Writing

    def make_folder(self, rel: str) -> None:
        """Make a folder, private to the user; one that is there already is left alone."""
        self._check_folder_name(rel)
        with self._told(rel), contextlib.suppress(FileExistsError):
            os.mkdir(rel, _FOLDER_MODE, dir_fd=self._fd)

    def replace(self, rel: str, data: bytes, *, durable: bool = False) -> FileStat:
        """Put `data` at `rel` in one step: readers see the old bytes or the new ones.

        With `durable` the bytes and the name are on the disk when this returns.
        The caller holds the state lock.
        """
        with self._told(rel):
            fd = self._open_temporary()
            with _closing(fd):
                _write_all(fd, data)
                if durable:
                    _sync(fd)
            with self._parent(TEMPORARY) as (cache, name), self._parent(rel, make=True) as (folder, target):
                os.rename(name, target, src_dir_fd=cache, dst_dir_fd=folder)
                if durable and folder is not None:
                    _sync(folder)
                return _stat(os.stat(target, dir_fd=folder, follow_symlinks=False))

    def append_durable(self, rel: str, data: bytes, at: int) -> FileStat:
        """Append `data` to a file of `at` bytes and sync it: when this returns, it has happened.

        On any error the file is cut back to `at` bytes; a failed sync is never tried again, since
        the kernel may have dropped the pages. Raises StorageError, and OutcomeUnknown when cutting
        back failed too.
        """
        with self._told(rel), self._parent(rel) as (folder, name):
            fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | _OPEN, dir_fd=folder)
            with _closing(fd):
                self._check_regular(rel, fd)
                if os.fstat(fd).st_size != at:
                    raise StorageError(file=self.full(rel), problem="changed while the lock was held")
                try:
                    _write_all(fd, data)
                    _sync(fd)
                except BaseException as error:
                    self._cut_back(rel, fd, at, error)
                    raise
                return _stat(os.fstat(fd))

    def create_durable(self, rel: str) -> None:
        """Make an empty file, its name and its folder's known to the disk; one that is there already is left alone."""
        with self._told(rel), self._parent(rel, make=True) as (folder, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | _OPEN
            with _closing(os.open(name, flags, _FILE_MODE, dir_fd=folder)) as fd:
                self._check_regular(rel, fd)
            if folder is not None:
                _sync(folder)
            # Whoever made the folder may have made it for a lock alone, without a thought of the disk.
            _sync(self._fd)

    def sync(self, rel: str) -> None:
        """Bring a file and its name to the disk as they are."""
        with self._told(rel), self._parent(rel) as (folder, name):
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
            with _closing(fd):
                _sync(fd)
            if folder is not None:
                _sync(folder)

    def truncate_durable(self, rel: str, size: int) -> FileStat:
        """Cut a file to `size` bytes and sync it."""
        with self._told(rel), self._parent(rel) as (folder, name):
            fd = os.open(name, os.O_WRONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
            with _closing(fd):
                os.ftruncate(fd, size)
                _sync(fd)
                return _stat(os.fstat(fd))

    def link_durable(self, rel: str, other: str) -> None:
        """Give the file at `rel` a second name, `other`, and sync that name's folder."""
        with self._told(other), self._parent(rel) as (source, name), self._parent(other, make=True) as (folder, new):
            with contextlib.suppress(FileExistsError):
                os.link(name, new, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            if folder is not None:
                _sync(folder)

    def unlink(self, rel: str) -> None:
        """Remove a file's name; one that is gone already is no error."""
        with self._told(rel), self._parent(rel) as (folder, name), contextlib.suppress(FileNotFoundError):
            if folder is not None:
                os.unlink(name, dir_fd=folder)

    def _open_temporary(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
        with self._told(TEMPORARY), self._parent(TEMPORARY, make=True) as (folder, name):
            try:
                return os.open(name, flags, _FILE_MODE, dir_fd=folder)
            except FileExistsError:  # a killed command left it
                os.unlink(name, dir_fd=folder)
                return os.open(name, flags, _FILE_MODE, dir_fd=folder)

    def _cut_back(self, rel: str, fd: int, at: int, error: BaseException) -> None:
        try:
            os.ftruncate(fd, at)
            _sync(fd)
        except OSError as second:
            problem = f"writing failed ({_problem(error)}) and undoing it failed too ({_problem(second)})"
            raise OutcomeUnknown(file=self.full(rel), problem=problem) from second

    # Locking

    def lock(self, rel: str, seconds: float, holder: bytes, on_timeout: Callable[[bytes], Exception]) -> Lock:
        """Return a lock on `rel`, to be used in a `with` statement; see Lock."""
        with self._told(rel), self._parent(rel) as (folder, _):
            if folder is None:
                raise StorageError(file=self.full(rel), problem="its folder is gone")
            return Lock(lambda: self._open_lock(rel), seconds, holder, on_timeout)

    def _open_lock(self, rel: str) -> int:
        with self._told(rel), self._parent(rel) as (folder, name):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | _OPEN, _FILE_MODE, dir_fd=folder)
            try:
                self._check_regular(rel, fd)
            except NotRegular:
                os.close(fd)
                raise
            return fd

    # Paths and errors

    @contextlib.contextmanager
    def _parent(self, rel: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        """Yield a descriptor of the folder of `rel`, None if there is no such folder, and the last name."""
        folder, _, name = rel.rpartition("/")
        if name in ("", ".", "..") or "\0" in name:
            raise StorageError(file=self.full(rel), problem="is not a path under the state root")
        if not folder:
            yield self._fd, name
            return
        fd = self._open_folder(folder)
        if fd is None and make:
            self.make_folder(folder)
            _sync(self._fd)
            fd = self._open_folder(folder)
        if fd is None:
            yield None, name
            return
        with _closing(fd):
            yield fd, name

    def _check_folder_name(self, folder: str) -> None:
        if folder in ("", ".", "..") or "/" in folder or "\0" in folder:
            raise StorageError(file=self.full(folder), problem="is not a path under the state root")

    def _open_folder(self, folder: str) -> int | None:
        self._check_folder_name(folder)
        with self._told(folder):
            try:
                return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=self._fd)
            except FileNotFoundError:
                return None
            except NotADirectoryError:
                if st.S_ISLNK(os.stat(folder, dir_fd=self._fd, follow_symlinks=False).st_mode):
                    raise OSError(errno.ELOOP, "") from None
                raise

    @contextlib.contextmanager
    def _told(self, rel: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            shown = NotRegular if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENOTDIR) else StorageError
            raise shown(file=self.full(rel) if rel else str(self.path), problem=_problem(error)) from error


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.write(fd, view)
        if written <= 0:
            raise OSError(errno.EIO, "a write wrote nothing")
        view = view[written:]


def _sync(fd: int) -> None:
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:  # macOS: fsync alone does not reach the disk
        fcntl.fcntl(fd, full_sync)
    else:
        os.fsync(fd)


def _stat(result: os.stat_result) -> FileStat:
    return FileStat(result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns, result.st_nlink)


def _problem(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return _PROBLEMS.get(error.errno, os.strerror(error.errno))
    return type(error).__name__
