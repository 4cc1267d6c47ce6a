"""How what people type is read, before anything is decided."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from dispatcher import config
from dispatcher.dispatch import intake
from dispatcher.dispatch.desk import Desk, lease_seconds
from dispatcher.domain.moment import Moment
from dispatcher.domain.redact import Redactor
from dispatcher.errors import InvalidInput
from dispatcher.store.memory import MemoryStore
from tests.support import FakeClock

NOW = Moment(1_800_000_000_000, "b", 0.0)
KEY = "ghp_" + "k3Y" * 12


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    redactor = Redactor({"API_TOKEN": "correct-horse"})
    store = MemoryStore(clock, redactor)
    store.create()
    return Desk(store, config.load(None, config.FILE, {}), clock, redactor)


def test_a_title_is_one_clean_line_without_secrets(desk: Desk) -> None:
    assert intake.title(desk, "  a\n\tb   c ") == "a b c"
    assert intake.title(desk, f"use {KEY} now") == "use [redacted:github-token] now"
    assert intake.title(desk, "a\ud800b") == "a\ufffdb"
    assert intake.title(desk, "x" * 200) == "x" * 200
    for bad in ("", " \n ", "x" * 201):
        with pytest.raises(InvalidInput, match="title"):
            intake.title(desk, bad)


def test_free_text_keeps_its_lines(desk: Desk) -> None:
    assert intake.text(desk, "body", "\n a\n\n b \n") == "a\n\n b"
    assert intake.text(desk, "body", "") == ""
    assert intake.text(desk, "body", "correct-horse") == "[redacted:API_TOKEN]"
    with pytest.raises(InvalidInput, match="reason: must not be empty"):
        intake.text(desk, "reason", " ", required=True)
    intake.text(desk, "body", "é" * (intake.MAX_TEXT_BYTES // 2))
    with pytest.raises(InvalidInput, match="larger than"):
        intake.text(desk, "body", "é" * (intake.MAX_TEXT_BYTES // 2) + "x")


@pytest.mark.parametrize("name", ["a", "ann@host", "Claude 4", "a/b:c-d_e.f", "x" * 64])
def test_names_of_agents(desk: Desk, name: str) -> None:
    assert intake.agent(desk, name) == name


@pytest.mark.parametrize("name", ["", " a", "-a", "a\nb", "a\n", "é", "x" * 65, "a\x1b", KEY, "correct-horse"])
def test_what_is_no_name_of_an_agent(desk: Desk, name: str) -> None:
    with pytest.raises(InvalidInput, match="agent") as caught:
        intake.agent(desk, name)
    assert KEY not in str(caught.value)
    assert "correct-horse" not in str(caught.value)


def test_labels_and_paths_lose_what_is_there_twice() -> None:
    assert intake.labels(["b", "a", "b"]) == ["b", "a"]
    assert intake.paths(["./src/a.py", "src/a.py", "b"]) == ["src/a.py", "b"]


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (intake.labels, ["a b"]), (intake.labels, [""]), (intake.labels, ["x" * 41]), (intake.labels, ["-a"]),
        (intake.labels, ["a\n"]), (intake.labels, [f"l{n}" for n in range(21)]),
        (intake.paths, [""]), (intake.paths, ["./"]), (intake.paths, ["a\nb"]), (intake.paths, ["x" * 301]),
        (intake.paths, [f"p{n}" for n in range(21)]),
    ],
)  # fmt: skip
def test_wrong_labels_and_paths(read: Callable[[list[str]], list[str]], given: list[str]) -> None:
    with pytest.raises(InvalidInput):
        read(given)


@pytest.mark.parametrize("given", [-1, 101, 10**9])
def test_priorities_are_within_their_bounds(given: int) -> None:
    assert [intake.priority(p) for p in (0, 50, 100)] == [0, 50, 100]
    with pytest.raises(InvalidInput, match="from 0 to 100"):
        intake.priority(given)


@pytest.mark.parametrize("given", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, 31_536_001.0])
def test_a_lease_is_within_its_bounds(desk: Desk, given: float) -> None:
    assert lease_seconds(0.1) == 0.1
    with pytest.raises(InvalidInput, match="--lease"):
        lease_seconds(given)
    with pytest.raises(InvalidInput, match="--lease"):
        desk.claim_policy(given)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("7d", "2027-01-22T08:00:00.000Z"), ("12h", "2027-01-15T20:00:00.000Z"), (" 30 s", "2027-01-15T08:00:30.000Z"),
        ("2w", "2027-01-29T08:00:00.000Z"), ("0m", "2027-01-15T08:00:00.000Z"),
        ("2026-12-01", "2026-12-01T00:00:00.000Z"), ("2026-12-01T10:00+02:00", "2026-12-01T08:00:00.000Z"),
    ],
)  # fmt: skip
def test_a_time_is_a_date_a_time_or_a_span(given: str, read: str) -> None:
    assert intake.moment_in_time("--until", given, NOW) == read


def test_a_span_counts_back_where_the_past_is_meant() -> None:
    assert intake.moment_in_time("--since", "1d", NOW, past=True) == "2027-01-14T08:00:00.000Z"


@pytest.mark.parametrize(
    "given", ["", "soon", "7", "7y", "-7d", "999999w", "2026-13-01", "1e3d", "9999-12-31T23:59:59-12:00"]
)
@pytest.mark.parametrize("past", [False, True])
def test_what_is_no_time(given: str, past: bool) -> None:
    with pytest.raises(InvalidInput, match="must be a date"):
        intake.moment_in_time("--until", given, NOW, past=past)
