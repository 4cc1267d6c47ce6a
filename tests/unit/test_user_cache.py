"""The user's cache: where it is, and that nothing about it stops or spoils a command."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher import user_cache
from dispatcher.llm.catalogue import Catalogue, Place
from dispatcher.llm.footprint import Calibration
from tests.fakes.sized import FACTS

COUNT = """
import sys
from dispatcher import user_cache
for _ in range(50):
    user_cache.change(sys.argv[1], lambda facts: facts.update(n=facts.get("n", 0) + 1))
"""


@pytest.mark.parametrize(
    ("environ", "system", "expected"),
    [
        ({"HOME": "/h"}, "linux", "/h/.cache/dispatcher"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "linux", "/x/dispatcher"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "linux", "/h/.cache/dispatcher"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/dispatcher"),
    ],
)
def test_it_is_where_caches_of_users_are(environ: dict[str, str], system: str, expected: str) -> None:
    assert user_cache.folder(environ, system) == expected


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"null"])
def test_what_is_damaged_counts_as_nothing_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    path = str(tmp_path / "facts.json")
    Path(path).write_bytes(data)
    assert user_cache.read(path) == {}
    assert user_cache.change(path, lambda facts: facts.update(a=1))
    assert user_cache.read(path) == {"a": 1}


def test_a_pipe_or_folder_in_the_way_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert user_cache.read(str(tmp_path / "pipe")) == {}
    assert user_cache.read(str(tmp_path)) == {}
    (tmp_path / "file").write_text("")
    assert not user_cache.change(str(tmp_path / "file" / "x.json"), lambda facts: facts.update(a=1))


def test_files_are_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "facts.json"
    assert user_cache.change(str(path), lambda facts: facts.update(a=1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(path.parent)) == ["facts.json", "facts.json.lock"]


def test_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "facts.json")
    argv = [sys.executable, "-c", COUNT, path]
    running = [subprocess.Popen(argv) for _ in range(4)]
    assert [each.wait(60) for each in running] == [0] * 4
    assert user_cache.read(path) == {"n": 200}


def test_a_model_s_facts_come_back_as_they_were(tmp_path: Path) -> None:
    catalogue = Catalogue(str(tmp_path))
    catalogue.keep_facts(FACTS)
    assert catalogue.facts(FACTS.digest) == FACTS
    assert catalogue.facts("other") is None


@pytest.mark.parametrize("digest", ["../../etc/passwd", "sha256:../x", "a" * 1000, "names", "\ud800"])
def test_a_digest_leads_nowhere_else(tmp_path: Path, digest: str) -> None:
    catalogue = Catalogue(str(tmp_path / "cache"))
    assert catalogue.keep(digest, "ratios", {"source": {"ratio": 1.5, "prompts": 1}})
    assert catalogue.section(digest, "ratios") == {"source": {"ratio": 1.5, "prompts": 1}}
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert not list(tmp_path.rglob("names.json")), "what names stand for has a file of its own"


def test_a_calibration_holds_for_its_server_and_machine_alone(tmp_path: Path) -> None:
    catalogue = Catalogue(str(tmp_path))
    here = Place("ab", "0.33.1", ("GPU 12288 MiB",))
    found = Calibration(32768.5, 10**9, 512)
    assert catalogue.keep_calibration(here, found, "q8_0")
    assert catalogue.calibration(here) == (found, "q8_0")
    for other in (here._replace(digest="cd"), here._replace(server="0.34.0"), here._replace(gpus=("CPU",))):
        assert catalogue.calibration(other) is None


def test_names_are_remembered_up_to_a_number(tmp_path: Path) -> None:
    catalogue = Catalogue(str(tmp_path))
    for n in range(510):
        catalogue.keep_digest(f"m{n}", f"{n:x}")
    catalogue.keep_digest("none", "")
    assert (catalogue.digest("m0"), catalogue.digest("m509"), catalogue.digest("none")) == (None, "1fd", None)


def test_a_name_is_known_with_its_tag_and_without(tmp_path: Path) -> None:
    catalogue = Catalogue(str(tmp_path))
    catalogue.keep_digest("host:11434/some/model", "ab")
    assert catalogue.digest("host:11434/some/model:latest") == "ab"
    catalogue.keep_digest("host:11434/some/model:latest", "cd")
    assert catalogue.digest("host:11434/some/model") == "cd"
    assert catalogue.digest("host:11434/some/model:8b") is None


def test_models_without_a_digest_are_not_taken_for_each_other(tmp_path: Path) -> None:
    catalogue = Catalogue(str(tmp_path))
    assert not catalogue.keep("", "ratios", {"source": {}})
    assert not catalogue.keep_calibration(Place("", "0.33.1", ()), Calibration(1.0, 10**9, 512), "f16")
    assert catalogue.section("", "ratios") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["\udcff", 1 << 70, "x" * user_cache.MAX_BYTES])
def test_what_cannot_be_read_again_is_not_kept(tmp_path: Path, text: object) -> None:
    path = str(tmp_path / "facts.json")
    assert user_cache.change(path, lambda facts: facts.update(a=1))
    assert not user_cache.change(path, lambda facts: facts.update(b=text))
    assert user_cache.read(path) == {"a": 1}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context_length", "many"), ("context_length", -1), ("context_length", True), ("embedding_length", 0),
        ("name", 5), ("layers", []), ("layers", [["sideways", 1, 1, 1]]), ("layers", [["full", 1, None, 1]]),
        ("layers", 5), ("state", [0]), ("weights", 1.5), ("bits", "4"), ("capabilities", [[]]), ("exact", None),
        ("more", 1), ("version", 1),
    ],
)  # fmt: skip
def test_facts_that_somebody_has_changed_are_not_known(tmp_path: Path, key: str, value: object) -> None:
    catalogue = Catalogue(str(tmp_path))
    catalogue.keep_facts(FACTS)
    catalogue.keep(FACTS.digest, "facts", {key: value})
    assert catalogue.facts(FACTS.digest) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("per_token", "inf"), ("per_token", "nan"), ("per_token", -1), ("fixed", -1), ("fixed", "inf"), ("ubatch", 0),
     ("kv_type", "f64"), ("kv_type", [])],
)  # fmt: skip
def test_a_measurement_that_cannot_be_is_none(tmp_path: Path, key: str, value: object) -> None:
    catalogue = Catalogue(str(tmp_path))
    here = Place("ab", "0.33.1", ())
    sound = {"per_token": 1.0, "fixed": 10**9, "ubatch": 512, "kv_type": "f16"}
    catalogue.keep("ab", "calibrations", {here.key: sound})
    assert catalogue.calibration(here) is not None
    catalogue.keep("ab", "calibrations", {here.key: sound | {key: value}})
    assert catalogue.calibration(here) is None
