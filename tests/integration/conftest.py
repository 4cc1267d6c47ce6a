"""A real engine, started when a test first needs it, and the small model's own counter. Without an engine tests skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
from tests.data.tokens import vocabularies
from tests.engine.place import Place, usual
from tests.engine.server import Engine
from tests.fakes.backed import NEW, OLD, Backed


@pytest.fixture(scope="session")
def place() -> Place:
    """Where the engine and the model are."""
    found = usual()
    if missing := found.missing():
        pytest.skip(f"no {', '.join(missing)} in {found.folder}; scripts/llama-server installs it")
    return found


@pytest.fixture(scope="session")
def engine(place: Place) -> Iterator[Engine]:
    """A running engine with a window of 4,096 tokens, which all tests of a process share."""
    with Engine(place) as running:
        yield running


@pytest.fixture(scope="session")
def counter(place: Place) -> Counter:
    """What counts as the small model does; its lexicon is made by the present code once, and kept beside the engine."""
    key = vocabularies.key(place.model)
    return Counter(
        lexicons.opened(key, lambda: vocabularies.read(place.model), str(place.folder / "lexicons" / "small"))
    )


@pytest.fixture(scope="session")
def old(place: Place) -> Iterator[Backed]:
    """A server with Ollama's protocol of before 0.12, with an engine of its own behind it."""
    with Backed(place, OLD) as server:
        yield server


@pytest.fixture(scope="session")
def new(place: Place) -> Iterator[Backed]:
    """A server with Ollama's protocol since 0.30, with an engine of its own behind it."""
    with Backed(place, NEW) as server:
        yield server
