"""Stacks that a dying interpreter leaves, read."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from dispatcher.scan import dump

CODE = """
    class TestCart:
        def test_total(self):
            def inner():
                crash()
            inner()

    def test_other():
        pass
"""
RUNNER = '  File "/lib/_pytest/runner.py", line 353 in from_call\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test_it.py"
    path.write_text(dedent(CODE).lstrip())
    return path


def stack(
    file: Path, *lines: tuple[int, str], thread: str = "Current thread 0x00007f1 (most recent call first):"
) -> str:
    return f"{thread}\n" + "".join(f'  File "{file}", line {line} in {name}\n' for line, name in lines)


def test_a_stack_is_told_outermost_first_with_whole_names_and_source(file: Path) -> None:
    words = "Fatal Python error: Aborted\n\n" + stack(file, (4, "inner"), (5, "test_total")) + RUNNER
    assert dump.frames(words) == [
        ["/lib/_pytest/runner.py", 353, "from_call", ""],
        [str(file), 5, "TestCart.test_total", "inner()"],
        [str(file), 4, "TestCart.test_total.<locals>.inner", "crash()"],
    ]


def test_of_several_threads_the_one_that_ran_a_test_counts(file: Path) -> None:
    other = stack(file, (8, "test_other"), thread="Thread 0x00007f2 (most recent call first):")
    running = stack(file, (4, "inner"), thread="Thread 0x00007f3 [python] (most recent call first):") + RUNNER
    current = stack(file, (8, "test_other"))
    assert dump.frames(f"{other}\n{running}\n{current}")[-1][1] == 4
    assert dump.frames(f"{other}\n{current}")[-1][1] == 8


def test_of_several_dumps_the_last_counts(file: Path) -> None:
    first, last = stack(file, (8, "test_other")) + RUNNER, stack(file, (4, "inner")) + RUNNER
    assert dump.frames(f"{first}\n{last}")[-1][1] == 4


def test_what_follows_a_stack_is_none_of_it(file: Path) -> None:
    words = stack(file, (4, "inner")) + '\nExtension modules: x\n  File "/elsewhere.py", line 1 in nothing\n'
    assert [frame[1] for frame in dump.frames(words)] == [4]


@pytest.mark.parametrize(
    "words", ["", "Segmentation fault\n", "Current thread 0x1 (most recent call first):\n  <no Python frame>\n"]
)
def test_without_a_stack_there_are_no_frames(words: str) -> None:
    assert dump.frames(words) == []


def test_an_endless_stack_is_cut_and_a_source_that_is_gone_has_no_line(tmp_path: Path) -> None:
    words = stack(tmp_path / "gone.py", *[(n, "again") for n in range(1, 200)])
    found = dump.frames(words)
    assert len(found) <= 60
    assert found[-1] == [str(tmp_path / "gone.py"), 1, "again", ""]


@pytest.mark.parametrize(
    ("test", "line"),
    [
        ("test_it.py::TestCart::test_total", 2),
        ("test_it.py::TestCart::test_total[a::b]", 2),
        ("test_it.py::test_other", 7),
    ],
)
def test_a_test_is_found_where_it_is_defined(file: Path, test: str, line: int) -> None:
    ((path, number, _, _),) = dump.definition(file.parent, test)
    assert (path, number) == (str(file), line)


@pytest.mark.parametrize(
    "test", ["test_it.py", "test_it.py::test_gone", "test_gone.py::test_other", "guide.txt::guide.txt"]
)
def test_a_test_that_is_not_found_has_no_definition(file: Path, test: str) -> None:
    assert dump.definition(file.parent, test) == []


def test_of_several_that_died_the_one_that_ran_the_test_is_told(file: Path) -> None:
    mine = "Fatal Python error: Segmentation fault\n\n" + stack(file, (4, "inner"), (5, "test_total"))
    other = "Fatal Python error: Aborted\n\n" + stack(file, (8, "test_other"))
    assert dump.said(dump.of_test(f"before\n{mine}\n{other}", "test_total")) == "Segmentation fault"
    assert dump.said(dump.of_test(f"before\n{mine}\n{other}", "test_other")) == "Aborted"
    assert dump.of_test(f"{mine}\n{other}", "test_tot") == ""
    assert dump.said("nothing of the kind") is None
