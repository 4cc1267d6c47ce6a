"""A store on files that many examples use one after the other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hypothesis import settings

from dispatcher import config
from dispatcher.dispatch.desk import Desk
from dispatcher.domain.moment import Moment
from dispatcher.domain.redact import Redactor
from dispatcher.store.filesystem import FilesystemStore
from tests.support import FakeClock


def examples(number: int) -> settings:
    """Return settings for so many examples per hundred of the profile in force."""
    return settings(max_examples=max(1, number * settings().max_examples // 100))


class World:
    """One store for all examples, emptied for each: a store keeps a descriptor of its folder for as long as it lives."""

    def __init__(self, path: Path) -> None:
        self.root = path
        self.clock = FakeClock()
        self.said: list[str] = []
        self.store = FilesystemStore(path, self.now, Redactor({}), 5.0, self.said.append)

    def now(self) -> Moment:
        """Return what the clock of this example says."""
        return self.clock()

    def begin(self, **limits: Any) -> Desk:  # noqa: ANN401 - values of settings
        """Begin a fresh state with these settings, the dots of their names as underscores."""
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.clock = FakeClock()
        self.said.clear()
        self.store.create()
        flags = {key.replace("_", "."): value for key, value in limits.items()}
        return Desk(self.store, config.load(None, config.FILE, {}, flags), self.now, Redactor({}))

    def bytes_of(self, *folders: str) -> dict[str, bytes]:
        """Return the files under the root, or only under these folders, by their path."""
        starts = [self.root / f for f in folders] or [self.root]
        files = [p for start in starts for p in start.rglob("*") if p.is_file()]
        return {str(p.relative_to(self.root)): p.read_bytes() for p in sorted(files)}
