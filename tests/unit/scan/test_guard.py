"""The prints of tests: what changes them, and what does not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from dispatcher.scan.guard import Guard, Prints

FILE = "tests/test_a.py"
TEXT = """
    import pytest

    from helpers import four

    LIMIT = 4


    @pytest.fixture
    def test_client():
        return 1


    class Base:
        def test_shared(self):
            assert four() == 4


    class TestMore(Base):
        SIZE = 2

        @property
        def size(self):
            return self.SIZE

        def test_one(self):
            assert self.size == 2

        class TestInner:
            def test_two(self):
                text = '''
    # heading

    end
    '''
                assert len(text) > 4


    @pytest.mark.parametrize("n", [1, 2])
    def test_three(n):
        assert n < LIMIT


    async def test_four():
        assert LIMIT == 4
"""


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text))


def edit(root: Path, path: str, old: str, new: str) -> None:
    file = root / path
    text = file.read_text()
    assert text.count(old) == 1, (old, text.count(old))
    file.write_text(text.replace(old, new))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, FILE, TEXT)
    write(tmp_path, "tests/helpers.py", "def four():\n    return 4\n")
    return tmp_path


def take(root: Path, *tests: str) -> Prints:
    return Guard(root).take(tests)


def changed(root: Path, prints: Prints) -> list[str]:
    """Return the files and tests that have changed; a pattern that stands for files is none."""
    return [key for key in Guard(root).changed(prints) if "*" not in key]


THREE, INNER = f"{FILE}::test_three[2]", f"{FILE}::TestMore::TestInner::test_two"
SHARED = f"{FILE}::TestMore::test_shared"


def test_what_stays_has_not_changed(root: Path) -> None:
    prints = take(root, THREE, INNER, SHARED)
    assert changed(root, prints) == []
    assert prints == take(root, SHARED, INNER, THREE), "the order of the tests is no matter"


def test_every_print_names_its_kind_and_what_is_not_there_is_said_to_be_so(root: Path) -> None:
    prints = take(root, THREE)
    assert prints["pytest.ini"] == prints["pyproject.toml"] == "config:-"
    assert {key for key, value in prints.items() if not value.endswith(":-") and "*" not in key} == {
        FILE, f"{FILE}::test_three", "tests/helpers.py"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("test", "old", "new", "says"),
    [
        (THREE, "n < LIMIT", "n <= LIMIT", f"{FILE}::test_three"),
        (THREE, "[1, 2]", "[1]", f"{FILE}::test_three"),
        (THREE, "LIMIT = 4", "LIMIT = 5", FILE),
        (THREE, "return 1", "return 2", FILE),
        (THREE, "from helpers import four", "from helpers import four, five", FILE),
        (f"{FILE}::test_four", "assert LIMIT == 4", "assert LIMIT", f"{FILE}::test_four"),
        (f"{FILE}::test_four", "async def", "@pytest.mark.skip\nasync def", f"{FILE}::test_four"),
        (INNER, "len(text) > 4", "len(text)", f"{FILE}::TestMore::TestInner::test_two"),
        (INNER, "# heading", "# heading 2", f"{FILE}::TestMore::TestInner::test_two"),
        (INNER, "# heading\n\n", "# heading\n", f"{FILE}::TestMore::TestInner::test_two"),
        (INNER, "class TestInner", "@pytest.mark.skip\n    class TestInner", f"{FILE}::TestMore::TestInner"),
        (INNER, "SIZE = 2", "SIZE = 3", f"{FILE}::TestMore"),
        (INNER, "return self.SIZE", "return 2", f"{FILE}::TestMore"),
        (INNER, "class TestMore(Base)", "class TestMore", f"{FILE}::TestMore"),
        (SHARED, "assert four() == 4", "assert four()", "Base"),
    ],
    ids=str,
)
def test_a_change_of_what_a_test_is_made_of_is_seen(root: Path, test: str, old: str, new: str, says: str) -> None:
    prints = take(root, test)
    edit(root, FILE, old, new)
    found = changed(root, prints)
    assert len(found) == 1
    assert says in found[0] or (says == "Base" and found == [FILE])


@pytest.mark.parametrize(
    ("test", "old", "new"),
    [
        (THREE, "LIMIT = 4", "\n\n# the most\nLIMIT = 4"),
        (THREE, "    assert n < LIMIT", "    # less\n\n    assert n < LIMIT"),
        (THREE, "assert LIMIT == 4", "assert LIMIT"),
        (THREE, "len(text) > 4", "len(text)"),
        (THREE, "SIZE = 2", "SIZE = 3"),
        (THREE, "\n\nclass TestMore", "\n\ndef test_new():\n    pass\n\n\nclass TestMore"),
        (INNER, "n < LIMIT", "n <= LIMIT"),
        (INNER, "assert self.size == 2", "assert self.size"),
    ],
    ids=str,
)
def test_what_a_test_is_not_made_of_may_change(root: Path, test: str, old: str, new: str) -> None:
    prints = take(root, test)
    edit(root, FILE, old, new)
    assert changed(root, prints) == []


def test_tests_may_change_places(root: Path) -> None:
    prints = take(root, THREE, INNER)
    lines = (root / FILE).read_text().split("\n\n\n")
    assert len(lines) == 6
    (root / FILE).write_text("\n\n\n".join([lines[0], lines[1], lines[5], lines[2], lines[4], lines[3]]))
    assert changed(root, prints) == []


@pytest.mark.parametrize(
    ("test", "more"),
    [
        (THREE, "def test_three():\n    pass\n"),
        (INNER, "class TestMore:\n    class TestInner:\n        def test_two(self):\n            pass\n"),
        (INNER, "TestMore.TestInner.test_two = lambda self: None\n"),
        (THREE, "if True:\n    def test_three():\n        pass\n"),
        (THREE, "from helpers import test_three\n"),
    ],
    ids=str,
)
def test_what_is_bound_to_the_name_of_a_test_further_down_is_seen(root: Path, test: str, more: str) -> None:
    prints = take(root, test)
    (root / FILE).write_text((root / FILE).read_text() + "\n\n" + more)
    assert changed(root, prints)


def test_a_fixture_that_is_called_like_a_test_belongs_to_the_file(root: Path) -> None:
    prints = take(root, THREE)
    edit(root, FILE, "return 1", "return 2")
    assert changed(root, prints) == [FILE]


def test_a_line_end_is_what_python_takes_for_one(root: Path) -> None:
    """A form feed, or a separator in a string, ends no line: parts that are cut by line numbers stay apart."""
    text = "\x0cA = 'a\u2028b'\n\n\x0c\ndef test_one():\n    assert A\n\n\x0c\ndef test_two():\n    assert not A\n"
    (root / FILE).write_text(text)
    prints = take(root, f"{FILE}::test_one")
    (root / FILE).write_text(text.replace("not A", "A"))
    assert changed(root, prints) == []
    (root / FILE).write_text(text.replace("    assert A", "    assert A or 1"))
    assert changed(root, prints) == [f"{FILE}::test_one"]
    (root / FILE).write_text(text.replace("'a\u2028b'", "'ab'"))
    assert changed(root, prints) == [FILE]


# Files


def test_a_test_that_is_gone_a_file_that_is_gone_and_one_that_cannot_be_read_have_changed(root: Path) -> None:
    prints = take(root, THREE)
    edit(root, FILE, "def test_three", "def test_3")
    assert f"{FILE}::test_three" in changed(root, prints)
    write(root, FILE, "def (:\n")
    assert {FILE, f"{FILE}::test_three"} <= {*changed(root, prints)}
    (root / FILE).unlink()
    assert {FILE, f"{FILE}::test_three"} <= {*changed(root, prints)}


def test_a_test_that_is_in_no_file_of_python_is_guarded_by_its_whole_file(root: Path) -> None:
    write(root, "docs/a.txt", ">>> 1\n1\n")
    prints = take(root, "docs/a.txt::a.txt")
    edit(root, "docs/a.txt", "\n1", "\n2")
    assert changed(root, prints) == ["docs/a.txt"]


def test_a_file_that_cannot_be_collected_is_guarded_whole_but_for_one_that_has_to_change(root: Path) -> None:
    prints = take(root, FILE)
    edit(root, FILE, "LIMIT == 4", "LIMIT")
    assert changed(root, prints) == [FILE]
    assert FILE not in Guard(root).take([FILE], but=FILE)
    assert "tests/helpers.py" in Guard(root).take([FILE], but=FILE)


@pytest.mark.parametrize("path", ["conftest.py", "tests/conftest.py", "tests/unit/conftest.py"])
def test_conftests_above_a_test_may_not_come_change_or_go(root: Path, path: str) -> None:
    write(root, "tests/unit/test_b.py", "def test_b():\n    pass\n")
    prints = take(root, "tests/unit/test_b.py::test_b")
    write(root, path, "x = 1\n")
    assert changed(root, prints) == [path]
    prints = take(root, "tests/unit/test_b.py::test_b")
    write(root, path, "x = 2\n")
    assert changed(root, prints) == [path]
    (root / path).unlink()
    assert changed(root, prints) == [path]


def test_a_conftest_of_a_folder_beside_sees_all_items_and_so_counts(root: Path) -> None:
    prints = take(root, THREE)
    write(root, "tests/more/conftest.py", "def pytest_collection_modifyitems(items):\n    del items[:]\n")
    assert changed(root, prints) == ["tests/more/conftest.py"]


@pytest.mark.parametrize("path", ["tests/helpers.py", "tests/deep/down/tools.py"])
def test_other_modules_of_the_test_folder_may_not_change(root: Path, path: str) -> None:
    write(root, path, "x = 1\n")
    write(root, "tests/test_b.py", "x = 1\n")
    prints = take(root, THREE)
    write(root, "tests/test_b.py", "x = 2\n")
    assert changed(root, prints) == []
    write(root, path, "x = 2\n")
    assert changed(root, prints) == [path]
    (root / path).unlink()
    assert changed(root, prints) == [path]


def test_a_test_in_no_test_folder_has_no_other_modules(root: Path) -> None:
    write(root, "src/test_c.py", "def test_c():\n    pass\n")
    write(root, "src/code.py", "x = 1\n")
    prints = take(root, "src/test_c.py::test_c")
    write(root, "src/code.py", "x = 2\n")
    assert changed(root, prints) == []


# Settings


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("pytest.ini", "", "[pytest]\n"),
        ("pytest.ini", "[pytest]\n", "[pytest]\naddopts = -k x\n"),
        (".pytest.ini", "", "[pytest]\n"),
        ("pytest.toml", "", "[pytest]\n"),
        ("setup.cfg", "[a]\nb = 1\n", "[a]\nb = 1\n[tool:pytest]\naddopts = -k x\n"),
        ("tox.ini", "[tox]\nx = 1\n", "[tox]\nx = 1\n[pytest]\naddopts = -k x\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool.pytest.ini_options]\naddopts = '-k x'\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool.pytest]\naddopts = ['-k', 'x']\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool.\"pytest\".ini_options]\naddopts = '-k x'\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool.'pytest'.ini_options]\naddopts = '-k x'\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[ tool . pytest . ini_options ]\naddopts = '-k x'\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool]\npytest.ini_options.addopts = '-k x'\n"),
        ("pyproject.toml", "[project]\n", "[project]\n[tool]\npytest = {ini_options = {addopts = '-k x'}}\n"),
        ("pyproject.toml", "[project]\n", "tool.pytest.ini_options.addopts = '-k x'\n[project]\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\na = 1\n", "[tool.pytest.ini_options]\na = 1\nb = 2\n"),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\nmarkers = [\n  'a',\n]\naddopts = '-v'\n",
            "[tool.pytest.ini_options]\nmarkers = [\n  'a',\n]\naddopts = '-k x'\n",
        ),
    ],
    ids=str,
)
def test_settings_of_pytest_may_not_change_however_they_are_written(
    root: Path, path: str, before: str, after: str
) -> None:
    if before:
        write(root, path, before)
    prints = take(root, THREE)
    write(root, path, after)
    assert changed(root, prints) == [path]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("pyproject.toml", "", "[project]\nname = 'x'\n"),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\na = 1\n",
            "[tool.pytest.ini_options]\na = 1\n[tool.ruff]\nb = 2\n",
        ),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\na = 1\n",
            "[tool.x]\n[tool.pytest.ini_options]\n\n# one\na = 1\n",
        ),
        ("pyproject.toml", "[tool.pytester]\na = 1\n", "[tool.pytester]\na = 2\n"),
        ("setup.cfg", "[tool:pytest]\na = 1\n", "[metadata]\nb = 2\n\n[tool:pytest]\na = 1\n"),
        ("tox.ini", "[testenv]\na = 1\n", "[testenv]\na = 2\n"),
    ],
    ids=str,
)
def test_other_settings_may_change(root: Path, path: str, before: str, after: str) -> None:
    if before:
        write(root, path, before)
    prints = take(root, THREE)
    write(root, path, after)
    assert changed(root, prints) == []


# Examples in docstrings

CODE = '''
    """All.

    >>> 1
    1
    """


    def plain(a):
        """Double.

        >>> plain(2)
        4
        # four
        """
        return a + 1


    class Box:
        """A box.

        >>> Box()
        """

        def open(self):
            """Open it.

            >>> Box().open()
            """


    try:
        import nothing
    except ImportError:

        def spare(a):
            """Spare.

            >>> spare(1)
            """
'''


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pack.code", "\n1\n", "\n2\n"),
        ("pack.code.plain", "    4\n", "    3\n"),
        ("pack.code.plain", "# four", "# five"),
        ("pack.code.plain", "plain(2)", "plain(2)  # doctest: +SKIP"),
        ("pack.code.Box", 'Box()\n    "', 'Box(1)\n    "'),
        ("pack.code.Box.open", "Box().open()", "Box().open(1)"),
        ("pack.code.spare", "spare(1)", "spare(2)"),
    ],
    ids=str,
)  # fmt: skip
def test_an_example_may_not_change(root: Path, name: str, old: str, new: str) -> None:
    path, test = "src/pack/code.py", f"src/pack/code.py::{name}"
    (root / "src/pack").mkdir(parents=True)
    (root / path).write_text(dedent(CODE).lstrip())
    prints = take(root, test)
    edit(root, path, old, new)
    assert len(changed(root, prints)) == 1


def test_what_an_example_is_about_may_change(root: Path) -> None:
    path = "src/pack/code.py"
    (root / "src/pack").mkdir(parents=True)
    (root / path).write_text(dedent(CODE).lstrip())
    prints = take(root, f"{path}::pack.code.plain")
    edit(root, path, "return a + 1", "return a + a")
    edit(root, path, "Box().open()", "Box().open(1)")
    assert changed(root, prints) == []


# Odd names


def test_brackets_in_a_folder_are_no_parameters(root: Path) -> None:
    write(root, "tests/a[b]/test_b.py", "def test_b():\n    assert 1\n")
    prints = take(root, "tests/a[b]/test_b.py::test_b[x]")
    write(root, "tests/a[b]/test_b.py", "def test_b():\n    assert 2\n")
    assert changed(root, prints) == ["tests/a[b]/test_b.py::test_b"]


@pytest.mark.parametrize("name", [f"{FILE}::test_three[a::b]", f"{FILE}::test_three[x.y]", f"{FILE}::test_three[a[0]]"])
def test_parameters_may_look_like_anything(root: Path, name: str) -> None:
    assert take(root, name) == take(root, THREE)
