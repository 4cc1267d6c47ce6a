"""Contexts of random tasks about random projects: within their budget, with what is critical, and never a bug."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher import config
from dispatcher.context.pieces import Tier
from dispatcher.context.telling import Beside, Solved
from dispatcher.dispatch.contexts import Contexts, Made, Place, Wish
from dispatcher.domain.task import Task, new_task
from dispatcher.llm import reference
from tests.property.test_fit import GIANTS, ODD_LINES, blocks, outside
from tests.property.test_graph import PATHS, folder, put, sources
from tests.property.world import examples

assert folder, "a fixture"

TRIES = settings(parent=examples(140), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MANY = settings(parent=TRIES, max_examples=2000)

# Projects

GENERATED = [
    *(f"def generated_{n}(x):\n    return x + {n}\n" for n in range(300)),
    "TABLE = [" + "0x00, " * 20_000 + "]\n",
]
odd_sources = st.one_of(
    sources(), sources(), sources(),
    st.lists(st.sampled_from(ODD_LINES), max_size=30).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
    st.sampled_from(GIANTS).map(lambda lines: "\n".join(lines).encode()),
    st.sampled_from([b"", b"\0\0\0", b"\xff\xfe\x00", b"\n" * 5000, "".join(GENERATED).encode(), b"x = (" * 200]),
    st.binary(max_size=90),
)  # fmt: skip
projects = st.dictionaries(st.sampled_from(PATHS), odd_sources, max_size=6) | st.dictionaries(
    st.sampled_from(PATHS), odd_sources, min_size=3, max_size=6
)

# Tasks

ELSEWHERE = ["gone.py", "../outside.py", "/etc/passwd", "pkg", "", "a\nb.py", "ü/é.py"]
numbers = st.integers(-3, 60) | st.integers(0, 10**6)
functions = st.sampled_from(
    ["f", "g", "run", "giant", "generated_7", "Alpha.run", "test_y", "<module>", "f.<locals>.g", "", "`x`"]
)
texts = st.one_of(
    st.text(max_size=30), st.sampled_from([*ODD_LINES, "assert 1 == 2", "x" * 9000, "日本語" * 900, "name 'ff' is not defined"])
)  # fmt: skip


class Given(NamedTuple):
    """A project, one of its tasks, and what its context may have."""

    files: dict[str, bytes]
    task: Task
    budget: int
    told: bool


def details(paths: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return what scans of any version may have kept of a failure, or somebody has made of it."""
    rows = st.tuples(paths, functions, numbers, numbers, st.floats(0, 1), st.integers(0, 3), st.integers(0, 50)).map(
        list
    )
    spans = st.tuples(numbers, numbers, st.integers(0, 9)).map(list) | st.tuples(numbers, numbers).map(list)
    values = st.fixed_dictionaries(
        {"path": paths, "line": numbers, "values": st.dictionaries(functions, texts, max_size=3)}
    )
    evidence = st.fixed_dictionaries(
        {},
        optional={
            "suspects": st.lists(rows, max_size=9),
            "executed": st.dictionaries(paths, st.lists(spans, max_size=5), max_size=4),
            "tests": st.fixed_dictionaries({"failing": st.integers(0, 5), "passing": st.integers(0, 90)}),
            "compared": st.fixed_dictionaries({"left": texts, "op": st.just("=="), "right": texts}),
            "values": st.lists(values, max_size=3),
        },
    )
    frames = st.tuples(st.sampled_from(["source", "test", "library"]), paths, numbers, functions, texts).map(list)
    return st.fixed_dictionaries({"frames": st.lists(frames, max_size=5), "sites": st.just([]), "evidence": evidence})


@st.composite
def inputs(draw: st.DrawFn) -> Given:
    files = draw(projects)
    paths = st.sampled_from(sorted(files) * 5 + ELSEWHERE)
    task = new_task("a-task-1", draw(texts)[:200], "2026-01-01T00:00:00.000Z", 1)
    task["attempt_log"] = [
        {"generation": 1, "agent": "me", "claimed_at": "", "ended_at": "", "outcome": "released", "note": note}
        for note in draw(st.lists(texts, max_size=3))
    ]
    task["attempts"] = len(task["attempt_log"])
    if draw(st.integers(0, 4)):
        task = failing(draw, task, paths)
    else:
        task["body"], task["paths"] = draw(texts), draw(st.lists(paths, max_size=2))
    return Given(files, task, draw(st.integers(256, 700) | st.integers(256, 4096)), draw(st.booleans()))


def failing(draw: st.DrawFn, task: Task, paths: st.SearchStrategy[str]) -> Task:
    """Return a task as that of a failing test."""
    test = f"{draw(paths)}::{draw(st.sampled_from(['test_y', 'Test_x::test_y', 'test_y[a b]', 'f', '']))}"
    place = {"path": draw(paths), "line": draw(numbers), "function": draw(functions), "code": draw(texts)}
    failure: dict[str, Any] = {
        "test": test, "when": "call", "kind": draw(st.sampled_from(["assertion", "exception", "import", "collection"])),
        "exception": "AssertionError", "message": draw(texts), "statement": draw(texts), "fingerprint": "f", "cause": "c",
        "because": "", "frames": [], "suspects": [], "suspect": draw(st.none() | st.just(place)), "place": draw(st.none() | st.just(place)),
    }  # fmt: skip
    about = {**draw(details(paths)), "message": failure["message"], "output": [["Captured stdout call", draw(texts)]]}
    members = {test: {"message": failure["message"]}, "other::test": {"message": draw(texts)}}
    detail = draw(st.sampled_from([{}, {"failure": about}, {"failure": about, "members": members}]))
    whole: dict[str, Any] = {
        **task,
        "kind": "test",
        "failure": failure,
        "tests": [test],
        "test_count": 1,
        "detail": detail,
    }
    return whole  # type: ignore[return-value]


INPUTS = inputs()
BESIDE = Beside((Solved("another", "`it` was this", verified=True),), ("one like it",), "Python 3")


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    """Return where contexts are made from, the caches in memory too: their syncs prove nothing here."""

    def nobody() -> NoReturn:
        raise AssertionError("no model is meant")

    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        yield Place(folder, cache, os.path.join(cache, "lexicons"), nobody)


def context(of: Given, place: Place) -> Made:
    put(place.project, of.files)
    with Contexts(config.load(None, config.FILE, {}), Wish(of.budget, told=of.told), place) as contexts:
        return contexts.make(of.task, BESIDE, "a-task-1@1")


def check(of: Given, place: Place) -> None:
    made = context(of, place)
    assert not made.why or made.why.startswith(("none of the code that it is about", "a budget of")), made.why
    if made.context is None:
        assert made.why.startswith("a budget of")
        return
    fitted = made.context.fitted
    assert reference.tokens(place.lexicons).count(fitted.prompt).bound <= of.budget
    assert fitted.tokens.bound <= of.budget
    assert "a-task-1@1" in fitted.prompt.splitlines()[0]
    assert not [each for each in fitted.left_out if each.piece.tier == Tier.CRITICAL]
    assert "failure" not in of.task or [each for each in fitted.chosen if each.piece.kind == "error"]
    assert len(blocks(fitted.prompt)) == len(fitted.chosen)
    headings = [line for line in outside(fitted.prompt) if line.startswith("#")]
    assert [line[:3] for line in headings[1:]] == ["## "] * len(fitted.chosen)
    for each in fitted.chosen:
        if each.piece.path is not None and each.lines:
            file = place.project / each.piece.path
            assert file.resolve().is_relative_to(place.project.resolve()), "nothing from elsewhere"


@TRIES
@given(INPUTS)
def test_any_task_about_any_project(place: Place, of: Given) -> None:
    check(of, place)


@pytest.mark.campaign
@MANY
@given(INPUTS)
def test_two_thousand_of_them(place: Place, of: Given) -> None:
    check(of, place)
