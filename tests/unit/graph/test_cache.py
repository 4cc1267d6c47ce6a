"""The index that is kept between commands: what changes is seen, and whatever is wrong with the file only costs time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatcher
from dispatcher.graph import cache_file, outline, reading, refreshing, source
from dispatcher.graph.graph import Graph, forget, opened
from tests.unit.graph.written import write

FILES: dict[str, str | bytes] = {"a.py": "import b\ndef f(): b.g()\n", "b.py": "def g(): pass\n", "empty.py": b""}


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "cache"
    yield str(folder)
    if folder.exists():
        folder.chmod(0o700)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "project", FILES)


def kept(cache: str) -> Path:
    (path,) = (Path(cache) / "graphs").glob("*.sqlite")
    return path


def says(graph: Graph) -> list[str]:
    """Return what shows that a graph is whole: definitions, a link and a search."""
    found = [each.node for path in graph.files() for each in graph.definitions(path)]
    found += [link.node for link in graph.links("function:b.py::g")]
    return (
        found + [each.node for each, _ in graph.search({"g": 1.0, "pass": 1.0, "f": 1.0}, 9)] + graph.importers("b.py")
    )


def read_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that will hold the texts whose outlines are made."""
    made: list[str] = []

    outline_of = reading.outline_of

    def noting(text: str) -> tuple[outline.Outline, reading.Text]:
        made.append(text)
        return outline_of(text)

    monkeypatch.setattr(reading, "outline_of", noting)
    return made


def test_only_what_changed_is_read_anew(project: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = read_anew(monkeypatch)
    opened(project, cache).close()
    assert len(made) == 3
    made.clear()
    opened(project, cache).close()
    (project / "b.py").rename(project / "c.py")
    os.utime(project / "a.py")
    opened(project, cache).close()
    assert made == [], "renamed or touched, a file is known by its content"
    (project / "a.py").write_text("def h(): pass\n")
    with opened(project, cache) as graph:
        assert made == ["def h(): pass\n"]
        assert graph.files() == ["a.py", "c.py", "empty.py"]


def test_a_change_that_leaves_size_and_time_is_seen(project: Path, cache: str) -> None:
    at = os.stat(project / "b.py")
    opened(project, cache).close()
    (project / "b.py").write_text("def h(): pass\n")
    os.utime(project / "b.py", ns=(at.st_atime_ns, at.st_mtime_ns))
    with opened(project, cache) as graph:
        assert [each.name for each in graph.definitions("b.py")] == ["h"]


def test_files_that_are_not_new_are_known_by_their_state_alone(
    project: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "RACY", -(10**12))  # as if all had been written long ago
    opened(project, cache).close()
    seen: list[str] = []
    read = source.read

    def noting(path: str) -> bytes | None:
        seen.append(path)
        return read(path)

    monkeypatch.setattr(source, "read", noting)
    opened(project, cache).close()
    assert seen == []
    (project / "b.py").write_text("def other(): pass\n")
    with opened(project, cache) as graph:
        assert [each.name for each in graph.definitions("b.py")] == ["other"]
    assert seen == [str(project / "b.py")]


def test_the_file_is_private_and_outside_the_project(project: Path, cache: str) -> None:
    before = sorted(project.rglob("*"))
    opened(project, cache).close()
    assert sorted(project.rglob("*")) == before
    assert (kept(cache).stat().st_mode & 0o777, kept(cache).parent.stat().st_mode & 0o777) == (0o600, 0o700)
    forget(project, cache)
    assert list((Path(cache) / "graphs").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_index_is_made_anew(project: Path, cache: str, damage: bytes) -> None:
    with opened(project, cache) as graph:
        whole = says(graph)
    kept(cache).write_bytes(damage)
    for _ in range(2):
        with opened(project, cache) as graph:
            assert says(graph) == whole
    assert sqlite3.connect(kept(cache)).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_damage_anywhere_in_the_file_is_survived(project: Path, cache: str) -> None:
    with opened(project, cache) as graph:
        whole = says(graph)
    data = kept(cache).read_bytes()
    for page in range(len(data) // 4096):
        for fill in (b"\xff", b"\0"):
            path = Path(cache_file.place(str(project), cache))
            path.write_bytes(data[: page * 4096] + fill * 4096 + data[(page + 1) * 4096 :])
            with opened(project, cache) as graph:
                assert says(graph) == whole, page


def test_an_index_of_another_version_is_made_anew(project: Path, cache: str) -> None:
    opened(project, cache).close()
    with sqlite3.connect(kept(cache)) as connection:
        connection.execute("UPDATE meta SET value = 'older' WHERE key = 'version'")
        connection.execute("DELETE FROM terms")
    with opened(project, cache) as graph:
        assert "function:a.py::f" in says(graph)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_costs_time_only(project: Path, cache: str) -> None:
    opened(project, cache).close()
    (project / "b.py").write_text("def g2(): pass\n")
    kept(cache).chmod(0o400)
    kept(cache).parent.chmod(0o500)
    with opened(project, cache) as graph:
        assert [each.name for each in graph.definitions("b.py")] == ["g2"]


@pytest.mark.parametrize("place", ["cache", "cache/graphs"])
def test_a_cache_that_is_no_folder_costs_time_only(project: Path, cache: str, place: str) -> None:
    path = Path(cache).parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("in the way")
    with opened(project, cache) as graph:
        assert "function:a.py::f" in says(graph)


def test_a_locked_index_is_worked_with_in_memory(project: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_file, "_PATIENCE", 0.01)
    opened(project, cache).close()
    (project / "b.py").write_text("def g2(): pass\n")
    other = sqlite3.connect(kept(cache), isolation_level=None)
    for lock in ("IMMEDIATE", "EXCLUSIVE"):
        other.execute(f"BEGIN {lock}")
        with opened(project, cache) as graph:
            assert [each.name for each in graph.definitions("b.py")] == ["g2"]
        other.execute("ROLLBACK")
    other.close()


def test_a_disk_that_is_full_costs_time_only(project: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of a database is told in the same way as a full disk."""
    opened(project, cache).close()
    connected = cache_file._connected  # noqa: SLF001 - the only place that files are opened

    def small(path: str) -> sqlite3.Connection:
        connection = connected(path)
        if path != ":memory:":
            connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(cache_file, "_connected", small)
    write(project, {f"m{i}.py": "def f():\n" + "    x = 1\n" * 2000 + f"    g{i}()\n" for i in range(3)})
    with opened(project, cache) as graph:
        assert len(graph.files()) == 6
    forget(project, cache)
    with opened(project, cache) as graph:
        assert len(graph.files()) == 6
    assert list((Path(cache) / "graphs").iterdir()) == []


def test_contents_that_no_file_has_are_swept_and_the_rest_answers_as_before(
    project: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "MOST_SEGMENTS", 3)
    write(project, {"c.py": "def c(): pass\n"})
    with opened(project, cache) as early, opened(project, cache) as silent, opened(project, cache) as seeking:
        before = says(early)
        for number in range(5):
            write(project, {"c.py": f"def c{number}(): pass\n"})
            with opened(project, cache) as graph, opened(project, None) as new:
                now = says(graph)
                assert now == says(new)
        there = kept(cache).stat().st_ino
        assert says(early) in (before, now)
        assert [each.name for each, _ in seeking.search({"c": 1.0, "c4": 1.0}, 9)] == ["c4"]
        assert says(silent) == now
        assert kept(cache).stat().st_ino == there, "what another process has swept is as good as before"
    with sqlite3.connect(kept(cache)) as connection:
        assert connection.execute("SELECT count(*) FROM contents").fetchone()[0] < 8
        assert connection.execute(
            "SELECT count(*) FROM outlines WHERE content NOT IN (SELECT id FROM contents)"
        ).fetchone() == (0,)


PROGRAM = """
import sys
from pathlib import Path
from dispatcher.graph.graph import opened
print("begun", flush=True)
with opened(Path(sys.argv[1]), sys.argv[2]) as graph:
    print(len(graph.files()), len(graph.links("function:b.py::g")))
"""


def started(project: Path, cache: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(Path(dispatcher.__file__).parents[1])}
    argv = [sys.executable, "-c", PROGRAM, str(project), cache]
    process = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    return process


def test_two_that_index_at_once_both_succeed(project: Path, cache: str) -> None:
    write(project, {f"m{i}.py": f"def f{i}(): pass\n" * 50 for i in range(20)})
    both = [started(project, cache) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["23 2\n"] * 2
    with opened(project, cache) as graph:
        assert len(graph.files()) == 23


def test_one_that_is_killed_while_it_indexes_leaves_what_can_be_used(project: Path, cache: str) -> None:
    write(project, {f"m{i}.py": f"def f{i}(): pass\n" * 60 for i in range(30)})
    for _ in range(2):  # first a new index, then one that is brought up to date
        process = started(project, cache)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        with opened(project, cache) as graph:
            assert len(graph.files()) == 33
            assert graph.importers("b.py") == ["a.py"]
        write(project, {f"m{i}.py": f"def g{i}(): pass\n" * 60 for i in range(30)})


def test_old_indexes_and_what_was_left_behind_go(project: Path, cache: str) -> None:
    folder = Path(cache) / "graphs"
    folder.mkdir(parents=True)
    names = ("old.sqlite", "used.sqlite", ".left.sqlite.ab", ".now.sqlite.ab")
    for name, days in zip(names, (91, 89, 1, 0), strict=True):
        (folder / name).write_text("")
        os.utime(folder / name, (os.stat(folder / name).st_mtime - days * 86_400,) * 2)
    opened(project, cache).close()
    assert [(folder / name).exists() for name in names] == [False, True, False, True]


def test_what_is_no_source_of_the_project_is_left_out(tmp_path: Path) -> None:
    left_out = (
        ".git/a.py", "__pycache__/a.py", "node_modules/a.py", "INBOX/a.py", "build/a.py", "dist/x/a.py", "p.egg-info/a.py",
        "env/lib/a.py", "lib/site-packages/a.py", "notes.txt", "link/a.py",
    )  # fmt: skip
    project = write(
        tmp_path / "p",
        dict.fromkeys([*left_out[:-1], "env/pyvenv.cfg"], "") | {"pkg/build/__init__.py": "", "x.py": ""},
    )
    (project / "link").symlink_to(write(tmp_path / "other", {"a.py": ""}))
    (project / "y.py").symlink_to(project / "x.py")
    os.mkfifo(project / "z.py")
    assert list(source.walk(str(project))) == ["pkg/build/__init__.py", "x.py"]


def test_a_huge_file_is_known_by_its_name_only(project: Path, cache: str) -> None:
    write(project, {"huge.py": b"x = 1\n" * 400_000})
    with opened(project, cache) as graph:
        module = graph.find("huge.py", "<module>")
        assert module is not None
        assert (module.last, graph.definitions("huge.py"), graph.lines("huge.py")) == (1, [], [])
        assert graph.links("module:huge.py") == []
