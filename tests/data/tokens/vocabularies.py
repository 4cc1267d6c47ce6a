"""The vocabularies that golden counts were made with, where this machine has them.

They are not part of the project: files `ggml-vocab-NAME.gguf` in the folder `vocabularies` of the engine's folder.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from dispatcher.llm import gguf, lexicon, lexicon_file, pretokens, vocabulary
from dispatcher.llm.vocabulary import Vocabulary, of_metadata
from tests.engine.place import usual

_START = "ggml-vocab-"
_OF_MODEL = "gemma3"
"""The vocabulary of the small real model, which has no file of its own."""

_LISTS = tuple(f"tokenizer.ggml.{name}" for name in ("tokens", "merges", "scores", "token_type"))


def found() -> list[Path]:
    """Return the files of the vocabularies that have golden counts and are there."""
    place = usual()
    names = (golden.stem for golden in sorted(Path(__file__).parent.glob("*.json")))
    paths = {name: place.vocabularies / f"{_START}{name}.gguf" for name in names} | {_OF_MODEL: place.model}
    return [path for path in paths.values() if path.is_file()]


def key(path: Path) -> str:
    """Return a key for the lexicon that the present code makes of a file."""
    made_by = [Path(module.__file__ or "").read_bytes() for module in (lexicon, lexicon_file, pretokens, vocabulary)]
    return f"{zlib.crc32(b''.join(made_by)):08x}-{path.stat().st_size}"


def name(path: Path) -> str:
    """Return the name of a vocabulary, by its file."""
    return path.stem.removeprefix(_START) if path.stem.startswith(_START) else _OF_MODEL


def read(path: Path) -> Vocabulary:
    """Return the vocabulary in a file."""
    return of_metadata(gguf.read(path, _LISTS).metadata)
