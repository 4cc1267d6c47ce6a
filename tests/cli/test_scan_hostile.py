"""Tests that do what tests should not do: what they fail with is kept all the same, and harms nobody."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli import suites
from tests.cli.processes import on_terminal
from tests.cli.steps import claim
from tests.support import Run

FILE = "tests/test_it.py"
TOKEN = "ghp_" + "Abc123" * 6
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def _only_pytest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    suites.be_quiet(monkeypatch)


def test_a_test_that_closes_every_descriptor_does_not_close_the_stream(run: Run, root: Path) -> None:
    text = """
        import os

        def test_before():
            assert 1 == 2

        def test_closes():
            os.closerange(3, 256)

        def test_opens_in_their_place():
            for _ in range(20):
                os.open("taken", os.O_RDWR | os.O_CREAT)

        def test_after():
            assert 1 == 3
    """
    assert root
    scanned = suites.scan_here(run, "--", "-s", "-p", "no:faulthandler", files={FILE: text})
    assert scanned.tests == [f"{FILE}::test_after", f"{FILE}::test_before"]
    assert "4 tests in" in scanned.ran.out
    assert "2 passed, 2 failed" in scanned.ran.out
    assert (root.parents[2] / "taken").read_bytes() == b""


def test_a_test_may_leave_its_folder_and_take_it_away(run: Run, root: Path) -> None:
    text = """
        import os
        import shutil

        def test_moves(tmp_path):
            os.chdir(tmp_path)
            shutil.rmtree(tmp_path)
            assert "after" == "moving"

        def test_after():
            assert 1 == 3
    """
    assert root
    scanned = suites.scan_here(run, files={FILE: text})
    assert scanned.tests == [f"{FILE}::test_after", f"{FILE}::test_moves"]
    assert {scanned.failure(test)["place"]["path"] for test in scanned.tests} == {FILE}


@pytest.mark.parametrize(
    "patched",
    [
        ("os.write",),
        ("json.dumps", "json.loads"),
        ("importlib.util.spec_from_file_location", "importlib.import_module"),
    ],
    ids=" ".join,
)
def test_a_test_that_patches_what_everybody_uses_harms_nobody(run: Run, root: Path, patched: tuple[str, ...]) -> None:
    """What a test has failed with is reported before its fixtures are undone."""
    text = f"""
        def test_patches(monkeypatch):
            def refuse(*args, **kwargs):
                raise OSError("patched")
            for name in {patched!r}:
                monkeypatch.setattr(name, refuse)
            raise LookupError("with patches in place")

        def test_after():
            assert 1 == 3
    """
    assert root
    scanned = suites.scan_here(run, files={FILE: text})
    assert scanned.tests == [f"{FILE}::test_after", f"{FILE}::test_patches"]
    assert scanned.failure(f"{FILE}::test_patches")["message"] == "with patches in place"


def test_a_test_may_clear_the_folder_for_temporary_files(project: Path) -> None:
    text = """
        import os
        import shutil

        def test_clears():
            for name in os.listdir(os.environ["TMPDIR"]):
                shutil.rmtree(os.path.join(os.environ["TMPDIR"], name), ignore_errors=True)
            assert 1 == 2

        def test_after():
            assert 1 == 3
    """
    (project / "scratch").mkdir()
    env = suites.quiet_environment(TMPDIR=str(project / "scratch"))
    scanned = suites.scan(project, {FILE: text}, env=env)
    assert scanned.tests == [f"{FILE}::test_after", f"{FILE}::test_clears"]
    assert list((project / "scratch").glob("dispatcher*")) == []


def test_output_and_messages_of_any_size_are_kept_in_part(run: Run, root: Path) -> None:
    text = """
        def test_talks():
            print("begin" + "x" * 5_000_000 + "end")
            assert 1 == 2

        def test_has_much_to_say():
            raise ValueError("begin" + "x" * 5_000_000 + "end")

        def test_compares_much():
            assert "x" * 5_000_000 == "y"
    """
    scanned = suites.scan_here(run, files={FILE: text})
    assert len(scanned.tests) == 3
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 200_000
    assert max(len(str(task)) for task in scanned.tasks.values()) < 4000
    shown = scanned.detail(f"{FILE}::test_has_much_to_say")["failure"]["message"]
    assert shown.startswith("begin")
    assert shown.endswith("end")
    ((_, output),) = scanned.detail(f"{FILE}::test_talks")["failure"]["output"]
    assert output.endswith("end\n")


ODD_TEXT = r"""
    import os
    import sys

    import pytest

    def test_bytes():
        os.write(1, b"\xff\xfe out\n")
        os.write(2, b"\xff\xfe err\n")
        assert 1 == 2

    def test_escapes():
        print("\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b31m")
        raise ValueError("\x1b]0;title\x07\x1b[2J\u202eright to left\x00\r\x08")

    def test_compared_escapes():
        assert ["\x1b[31m", "\u202e"] == []

    def test_half_a_character():
        raise ValueError("\udcff of a file name")

    def test_compared_halves():
        assert "\ud800" == "a"

    def test_printed_halves():
        sys.stdout.reconfigure(errors="surrogateescape")
        print("\udcff")
        assert 1 == 3

    @pytest.mark.parametrize("name", ["\udcff"], ids=["\udcff"])
    def test_half_an_id(name):
        assert name == "a"
"""
ODD = {
    "test_bytes", "test_escapes", "test_compared_escapes", "test_half_a_character", "test_compared_halves",
    "test_printed_halves", r"test_half_an_id[\udcff]",
}  # fmt: skip


def test_text_that_is_no_text_loses_no_failure(run: Run, root: Path) -> None:
    assert root
    scanned = suites.scan_here(run, "--no-group", "--", "-p", "no:warnings", files={FILE: ODD_TEXT})
    assert {test.partition("::")[2] for test in scanned.tests} == ODD
    again = suites.scan_here(run, "--no-group", "--json", "--", "-p", "no:warnings")
    assert (again.ran.json["added"], again.ran.json["changed"]) == ([], [])


def test_nothing_that_a_test_says_reaches_the_terminal_raw(run: Run, root: Path, project: Path) -> None:
    assert root
    suites.write(project, {FILE: ODD_TEXT})
    env = suites.quiet_environment(NO_COLOR="1")
    shown = on_terminal("scan", "--no-group", cwd=project, env=env)
    ids = list(suites.tasks(project))
    assert len(ids) == len(ODD)
    for words in (shown.out.rpartition("\r")[2], *[on_terminal("show", i, cwd=project, env=env).out for i in ids]):
        assert not RAW.search(words), RAW.search(words)
    assert run("list").out.count("\n") == len(ODD)


SECRET = f"""
    import warnings

    import pytest

    import shop

    @pytest.mark.parametrize("key", ["{TOKEN}", "harmless"])
    def test_secret(key):
        print("signing in with {TOKEN}")
        assert shop.accepts(key), "{TOKEN} was refused"

    def test_in_the_source():
        shop.sign_in("{TOKEN}")
"""
SHOP = f"""
    def accepts(key):
        return False

    def sign_in(key):
        raise ValueError("no such key: " + key + " but {TOKEN}")
"""
CONFIG = "[pytest]\npythonpath = src\ntestpaths = tests\n"


def test_a_secret_reaches_no_file_and_the_failure_is_known_again_and_completed(
    run: Run, root: Path, project: Path
) -> None:
    files = {"pytest.ini": CONFIG, FILE: SECRET, "src/shop.py": SHOP}
    first = suites.scan_here(run, files=files)
    assert first.task(f"{FILE}::test_in_the_source")
    two = first.task(f"{FILE}::test_secret[[redacted:github-token]]")
    assert two["tests"] == [f"{FILE}::test_secret[[redacted:github-token]]", f"{FILE}::test_secret[harmless]"]
    again = suites.scan_here(run, "--json")
    assert (again.ran.json["added"], again.ran.json["changed"], again.ran.json["resolved"]) == ([], [], [])

    suites.write(project, {"src/shop.py": dedent(SHOP).replace("return False", "return True")})
    run("complete", claim(run, two["id"]))
    suites.write(project, {"src/shop.py": "def accepts(key):\n    return True\n\ndef sign_in(key):\n    pass\n"})
    assert len(suites.scan_here(run, "--json", code=0).ran.json["resolved"]) == 1
    assert holding(root, TOKEN) == []


def holding(root: Path, text: str) -> list[str]:
    """Return the files below a root, compressed ones too, that hold a text, and what commands show of the tasks."""
    import zlib

    found = []
    for path in (path for path in root.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for wbits in (31, 15, -15):
            try:
                data += zlib.decompress(path.read_bytes(), wbits)
                break
            except zlib.error:
                continue
        found += [path.name] if text.encode() in data else []
    return found


CUT_SHORT = """
    import pytest

    import shop

    def test_one():
        assert shop.price() == 1

    def test_two():
        STOP

    def test_three():
        assert 1 == 2
"""


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("pytest.exit('enough')", "enough"),
        ("pytest.exit('enough', returncode=0)", "enough"),
    ],
    ids=["interrupt", "exit", "exit 0"],
)
def test_a_test_that_stops_the_run_closes_nothing_and_what_was_seen_before_is_kept(
    run: Run, root: Path, project: Path, stop: str, said: str
) -> None:
    assert root
    whole = {
        "pytest.ini": CONFIG,
        FILE: CUT_SHORT.replace("STOP", "pass"),
        "src/shop.py": "def price():\n    return 2\n",
    }
    before = suites.scan_here(run, files=whole)
    assert before.tests == [f"{FILE}::test_one", f"{FILE}::test_three"]
    suites.write(project, {"src/shop.py": "def price():\n    return 1\n", FILE: CUT_SHORT.replace("STOP", stop)})
    cut = suites.scan_here(run, code=12)
    assert cut.tests == before.tests
    assert "not all were run" in cut.ran.out
    assert said in cut.ran.out
    assert "assert 1 == 2" not in cut.ran.out


def test_a_run_that_its_own_configuration_stops_at_the_first_failure_closes_nothing(
    run: Run, root: Path, project: Path
) -> None:
    assert root
    text = "def test_a():\n    assert 1 == 2\n\ndef test_b():\n    assert 1 == 3\n"
    assert suites.scan_here(run, files={FILE: text}).tests == [f"{FILE}::test_a", f"{FILE}::test_b"]
    suites.write(project, {"pytest.ini": "[pytest]\naddopts = -x\n"})
    cut = suites.scan_here(run)
    assert cut.tests == [f"{FILE}::test_a", f"{FILE}::test_b"]
    assert "not all were run: stopping after 1 failures" in cut.ran.out


def test_a_folder_that_could_not_be_collected_is_resolved_when_it_can(run: Run, root: Path, project: Path) -> None:
    assert root
    files = {
        "pytest.ini": CONFIG, "tests/sub/conftest.py": "import settings\n",
        "tests/sub/test_below.py": "def test_one():\n    pass\n", FILE: "def test_two():\n    pass\n",
    }  # fmt: skip
    broken = suites.scan_here(run, files=files)
    assert broken.tests == ["tests/sub"]
    suites.write(project, {"src/settings.py": ""})
    token = claim(run, broken.task("tests/sub")["id"])
    run("complete", token)
    (project / "src/settings.py").unlink()
    assert suites.scan_here(run).tests == ["tests/sub"]
    suites.write(project, {"src/settings.py": ""})
    assert suites.scan_here(run, code=0).tests == []


def test_an_id_with_an_address_in_it_is_the_same_test_in_the_next_run(run: Run, root: Path, project: Path) -> None:
    assert root
    text = """
        import pytest

        import shop

        @pytest.mark.parametrize("given", [object(), object()], ids=repr)
        def test_shown(given):
            assert shop.accepts(given)
    """
    files = {"pytest.ini": CONFIG, FILE: text, "src/shop.py": "def accepts(given):\n    return False\n"}
    first = suites.scan_here(run, files=files)
    again = suites.scan_here(run)
    assert [t["test_count"] for t in again.tasks.values()] == [t["test_count"] for t in first.tasks.values()]
    suites.write(project, {"src/shop.py": "def accepts(given):\n    return True\n"})
    assert suites.scan_here(run, code=0).tests == []
