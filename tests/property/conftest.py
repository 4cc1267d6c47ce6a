"""How much the property tests try, and where their states lie."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

from tests.property.world import World

# The same examples in every run, so that a red build means a change; "explore" looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=35)
settings.register_profile("explore", deadline=None, database=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("PROPERTY_PROFILE", "steady"))

# Not in the root: pytest would look into the folder there, and Hypothesis warn of that.
set_hypothesis_home_dir(Path(__file__).parents[2] / "build" / "hypothesis")

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, not a name in it


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A store on files, in memory where the system has such a folder: the syncs of a disk prove nothing here."""
    where = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        yield World(Path(folder))
