"""How `files.Root` writes: in one step or not at all, private to the user."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

import dispatcher
from dispatcher.errors import NotRegular, StorageError
from dispatcher.files import TEMPORARY, Root, make_root

# Appends 100 bytes where the system lets a file have only 16: part of them get in, then an error comes.
APPEND_WITH_A_LIMIT = """
import resource, signal, sys
from pathlib import Path
from dispatcher.errors import StorageError
from dispatcher.files import Root
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root = Root(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
try:
    root.append_durable("file", b"x" * 100, 10)
except StorageError as error:
    print(type(error).__name__, error.data["problem"])
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path)
    root.make_folder("CACHE")
    yield root
    root.close()


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Files get exactly the mode that they are made with."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.usefixtures("no_umask")
def test_files_and_folders_are_the_users_own(root: Root, tmp_path: Path) -> None:
    root.make_folder("A")
    root.replace("A/file", b"")
    root.replace("B/file", b"", durable=True)
    with root.lock("lock", 1, b"me", lambda _: TimeoutError()):
        pass
    assert {p.name: mode(p) for p in tmp_path.iterdir()} == {"A": 0o700, "B": 0o700, "CACHE": 0o700, "lock": 0o600}
    assert mode(tmp_path / "A" / "file") == mode(tmp_path / "B" / "file") == 0o600


@pytest.mark.usefixtures("no_umask")
def test_a_file_that_all_could_read_is_private_once_it_is_replaced(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o666)
    (tmp_path / TEMPORARY).write_bytes(b"left by a killed command")
    (tmp_path / TEMPORARY).chmod(0o666)
    root.replace("file", b"new")
    assert mode(tmp_path / "file") == 0o600


@pytest.mark.usefixtures("no_umask")
def test_only_the_root_itself_is_private(tmp_path: Path) -> None:
    """The folders above it belong to the project."""
    make_root(tmp_path / "INBOX" / "agents" / "root")
    assert mode(tmp_path / "INBOX" / "agents" / "root") == 0o700
    assert mode(tmp_path / "INBOX") == mode(tmp_path / "INBOX" / "agents") == 0o777
    make_root(tmp_path / "INBOX" / "agents" / "root")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        make_root(tmp_path / "file" / "root")


@pytest.mark.parametrize("durable", [False, True])
def test_replace_makes_or_replaces_a_file_and_leaves_nothing_else(root: Root, tmp_path: Path, durable: bool) -> None:
    for data in (b"first" * 1000, b"", b"second"):
        state = root.replace("A/file", data, durable=durable)
        assert (tmp_path / "A" / "file").read_bytes() == data
        assert state == root.stat("A/file")
    assert root.names("A") == ["file"]
    assert root.names("CACHE") == []


def test_readers_see_the_old_bytes_or_the_new_ones(root: Root) -> None:
    forms = [b"a" * 200_000, b"b" * 100_000]
    root.replace("file", forms[0])
    done = Event()

    def read() -> set[bytes]:
        seen = set()
        while not done.is_set():
            seen.add(root.read("file", 1 << 20) or b"")
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for number in range(60):
            root.replace("file", forms[number % 2])
        done.set()
        assert reading.result() <= set(forms)


def test_a_leftover_of_a_killed_command_is_used_up(root: Root, tmp_path: Path) -> None:
    (tmp_path / TEMPORARY).write_bytes(b"x" * 1000)
    root.replace("file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / TEMPORARY).exists()


def test_a_link_in_place_of_the_temporary_file_is_not_written_through(root: Root, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"dear")
    (tmp_path / TEMPORARY).symlink_to("../victim")
    root.replace("file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"dear"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()


def test_a_folder_is_not_replaced_by_a_file(root: Root, tmp_path: Path) -> None:
    (tmp_path / "A" / "sub").mkdir(parents=True)
    with pytest.raises(NotRegular, match="move it away"):
        root.replace("A/sub", b"x")
    assert (tmp_path / "A" / "sub").is_dir()


def test_append_adds_to_the_end_and_says_what_the_file_is_then(root: Root, tmp_path: Path) -> None:
    root.replace("file", b"one\n")
    state = root.append_durable("file", b"two\n", 4)
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"
    assert state == root.stat("file")


def test_nothing_is_appended_to_a_file_that_is_not_as_it_was_known(root: Root, tmp_path: Path) -> None:
    root.replace("file", b"one\n")
    for size in (0, 3, 5):
        with pytest.raises(StorageError, match="changed while the lock was held"):
            root.append_durable("file", b"two\n", size)
    with pytest.raises(StorageError, match="does not exist"):
        root.append_durable("nothing", b"two\n", 0)
    assert (tmp_path / "file").read_bytes() == b"one\n"


def test_an_append_that_fails_half_way_is_cut_back(root: Root, tmp_path: Path) -> None:
    """A limit of the system lets six bytes in and refuses the rest: none of them may stay."""
    root.replace("file", b"0123456789")
    command = [sys.executable, "-B", "-c", APPEND_WITH_A_LIMIT, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(Path(dispatcher.__file__).parents[1])}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "StorageError File too large\n"
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_truncate_cuts(root: Root, tmp_path: Path) -> None:
    root.replace("file", b"0123456789")
    assert root.truncate_durable("file", 4).size == 4
    assert (tmp_path / "file").read_bytes() == b"0123"


def test_a_second_name_is_the_same_file_and_is_given_twice_without_harm(root: Root) -> None:
    root.replace("file", b"x")
    root.link_durable("file", "A/other")
    root.link_durable("file", "A/other")
    one, other = root.stat("file"), root.stat("A/other")
    assert one
    assert other
    assert (one.inode, one.links) == (other.inode, other.links) == (other.inode, 2)
    root.replace("file", b"new")
    assert root.read("A/other", 9) == b"x"


def test_unlink_takes_a_name_away_and_no_folder(root: Root, tmp_path: Path) -> None:
    root.replace("A/file", b"x")
    root.unlink("A/file")
    root.unlink("A/file")
    assert root.names("A") == []
    with pytest.raises(NotRegular):
        root.unlink("A")
    assert (tmp_path / "A").is_dir()


def test_names_are_sorted(root: Root) -> None:
    for name in ("b", "a", "c"):
        root.replace(f"A/{name}", b"")
    assert root.names("A") == ["a", "b", "c"]
