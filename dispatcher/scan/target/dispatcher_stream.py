"""The stream of JSON lines, as the processes that run tests write it: each line at once, whatever the tests do.

Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import json
import os
from typing import Any


class _System:
    """What a line is written with, as it was before any test had its hands on it (they patch modules, not classes)."""

    open = staticmethod(os.open)
    fstat = staticmethod(os.fstat)
    write = staticmethod(os.write)
    encode = staticmethod(json.JSONEncoder(ensure_ascii=False).encode)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


encode = _System.encode


class Writer:
    """Appends lines to a file that is there. Raises OSError when it is not: a worker may run on another machine."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.waiting: list[bytes] = []
        self.stream = _System.open(path, _System.flags)
        inode = os.fstat(self.stream)
        self.inode = (inode.st_dev, inode.st_ino)

    def write(self, record: Any) -> None:
        """Append one line.

        The file is opened again if a test has closed our descriptor, or put another file there. What cannot be
        written now goes with the next line: a test may have patched what writing takes.
        """
        try:
            text = record if isinstance(record, str) else _System.encode(record)
            self.waiting.append(text.encode("utf-8", "replace") + b"\n")  # lone surrogates are no JSON
            if not self._is_ours():
                self.stream = _System.open(self.path, _System.flags)
            _System.write(self.stream, b"".join(self.waiting))
            self.waiting.clear()
        except Exception:  # no trouble of ours may become the run's
            return

    def _is_ours(self) -> bool:
        try:
            state = _System.fstat(self.stream)
        except OSError:
            return False
        return (state.st_dev, state.st_ino) == self.inode
