"""The vocabularies that golden counts were made with, where this machine has them.

They are not part of the project: files `ggml-vocab-NAME.gguf` in the folder `vocabularies` of the engine's folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dispatcher.llm import gguf
from dispatcher.llm.vocabulary import Vocabulary, of_metadata

_START = "ggml-vocab-"
_LISTS = tuple(f"tokenizer.ggml.{name}" for name in ("tokens", "merges", "scores", "token_type"))


def engine(environ: Mapping[str, str]) -> Path:
    """Return the folder of the engine that tests use: $DISPATCHER_ENGINE, else one in the user's cache."""
    given = environ.get("DISPATCHER_ENGINE")
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/"), ".cache")
    return Path(given) if given else Path(cache, "dispatcher", "engine")


def found(environ: Mapping[str, str]) -> list[Path]:
    """Return the files of the vocabularies that have golden counts and are there."""
    here = Path(__file__).parent
    paths = (engine(environ) / "vocabularies" / f"{_START}{golden.stem}.gguf" for golden in sorted(here.glob("*.json")))
    return [path for path in paths if path.is_file()]


def name(path: Path) -> str:
    """Return the name of a vocabulary, by its file."""
    return path.stem.removeprefix(_START)


def read(path: Path) -> Vocabulary:
    """Return the vocabulary in a file."""
    return of_metadata(gguf.read(path, _LISTS).metadata)
