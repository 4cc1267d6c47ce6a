"""The source files of a project: which there are, and their text as Python reads it."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from dispatcher.text import well_formed

MAX_FILES = 50_000
MAX_BYTES = 2_000_000
"""Larger files are known by their names only."""

_SKIPPED = frozenset({"__pycache__", "node_modules", "INBOX", "site-packages"})
_OUTPUTS = frozenset({"build", "dist"})
_COOKIE = rb"^[ \t\f]*#[^\n\r]*?coding[:=][ \t]*([-\w.]+)"
_BLANK = rb"^[ \t\f]*(?:#[^\n\r]*)?(?:\r\n|\r|\n|\Z)"
# Codecs that are no way to write a source file, and take quadratic time.
_REFUSED = frozenset({"idna", "punycode"})


_NAME = attrgetter("name")


class Stamp(NamedTuple):
    """What tells a file from an earlier state of itself without reading it. Times in nanoseconds, size in bytes."""

    mtime: int
    ctime: int
    size: int
    inode: int


def walk(project: str) -> dict[str, Stamp]:
    """Return the Python files below a folder by their relative paths, sorted; links are not followed.

    Left out are hidden folders, virtual environments, installed packages, caches, INBOX, and what builds put out.
    """
    found = dict(_files(project))
    return {path: found[path] for path in sorted(found)[:MAX_FILES]}


def holds_any(project: str) -> bool:
    """Tell whether there are Python files at all."""
    return next(_files(project), None) is not None


def _files(project: str) -> Iterator[tuple[str, Stamp]]:
    folders = [""]
    count = 0
    while folders and count < MAX_FILES:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(project, folder)) as entries:
                inside = sorted(entries, key=_NAME)
        except OSError:
            continue
        names = {entry.name for entry in inside}
        if folder and _is_left_out(folder, names):
            continue
        start = f"{folder}/" if folder else ""
        for entry in inside:
            path = start + entry.name
            if path.endswith(".py"):
                if (path.isascii() or well_formed(path) == path) and (stamp := _stamp(entry)):
                    count += 1
                    yield path, stamp
            elif _is_folder(entry):
                folders.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_left_out(folder: str, names: set[str]) -> bool:
    name = folder.rpartition("/")[2]
    return (
        name in _SKIPPED
        or name.endswith(".egg-info")
        or "pyvenv.cfg" in names
        or (name in _OUTPUTS and "__init__.py" not in names)
    )


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def read(path: str) -> bytes | None:
    """Return a file's bytes; None for one that cannot be read, is no plain file or is larger than MAX_BYTES."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(fd, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= MAX_BYTES else None


def digest(data: bytes) -> bytes:
    """Return the hash that a content goes by, of 16 bytes."""
    from _blake2 import blake2b  # as hashlib has it, which loads OpenSSL first: that takes longer than a query

    return blake2b(data, digest_size=16).digest()


def decoded(data: bytes) -> str:
    """Return source as text with plain line ends: by its byte order mark or PEP 263, else as UTF-8.

    What cannot be decoded becomes U+FFFD. Never raises.
    """
    text = _text(data)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _text(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF8):
        return data[3:].decode("utf-8", "replace")
    encoding = _encoding(data)
    if encoding is None:
        return data.decode("utf-8", "replace")
    try:
        return well_formed(data.decode(encoding, "replace"))
    except (LookupError, ValueError, TypeError):
        return data.decode("utf-8", "replace")


def _encoding(data: bytes) -> str | None:
    """Return the encoding that one of the first two lines declares, if any: None means UTF-8."""
    head = data[:1000]
    if b"coding" not in head:
        return None
    match = re.match(_COOKIE, head)
    if match is None and (blank := re.match(_BLANK, head)):
        match = re.match(_COOKIE, head[blank.end() :])
    if match is None:
        return None
    name = match[1].decode("ascii", "replace").lower().replace("_", "-")
    return None if name in _REFUSED or name.startswith("utf-8") else name


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as Python counts them, without their ends; form feeds end none."""
    if not text:
        return []
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
