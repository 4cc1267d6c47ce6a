"""The three standard streams, whatever state the caller left them in."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from dispatcher.errors import OutputClosed, StorageError


def make_usable() -> None:
    """Put the null device where a standard stream was closed, so that no file of ours takes its place."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))


def put(words: str) -> None:
    """Write one line to standard output. Raises OutputClosed or StorageError."""
    try:
        _write(sys.stdout, words)
    except OSError as error:
        raise _failed(error) from error


def flush() -> None:
    """Get out what was put, for a reader who waits for it. Raises OutputClosed or StorageError."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(1)
        raise _failed(error) from error


def say(words: str) -> None:
    """Write one line to standard error; when that cannot be done there is nobody left to tell."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, words)


def finish() -> None:
    """Get everything out that was put. Raises OutputClosed or StorageError; nothing is tried again at exit."""
    try:
        sys.stderr.flush()
    except OSError:
        _give_up(2)
    flush()


def read_all(max_bytes: int) -> str:
    """Return standard input as text."""
    return read_bytes(max_bytes).decode(errors="replace")


def read_bytes(max_bytes: int) -> bytes:
    """Return standard input as it is."""
    return sys.stdin.buffer.read(max_bytes)


def _give_up(fd: int) -> None:
    """Let what is still buffered for a stream go nowhere: Python would try it once more and change the exit code."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)


def _failed(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return OutputClosed()
    return StorageError(file="standard output", problem=(error.strerror or str(error)).lower())


def _write(stream: TextIO, words: str) -> None:
    try:
        stream.write(words + "\n")
    except UnicodeEncodeError:  # a terminal that is not UTF-8
        stream.write(words.encode(stream.encoding, "backslashreplace").decode(stream.encoding) + "\n")
