"""What `files.Root` opens: regular files under the root, reached without a link."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.errors import NotRegular, StorageError
from dispatcher.files import TEMPORARY, Root

LONG = 20.0
LIMIT = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root's folder, with a secret beside it that nobody may reach."""
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "root"
    for path in (folder, folder / "A", folder / "CACHE"):
        path.mkdir()
    (folder / "A" / "file").write_bytes(b"0123456789")
    return folder


@pytest.fixture
def root(folder: Path) -> Iterator[Root]:
    root = Root(folder)
    yield root
    root.close()


Operation = Callable[[Root, str], object]
READS: dict[str, Operation] = {
    "read": lambda root, rel: root.read(rel, LIMIT),
    "read_with_stat": lambda root, rel: root.read_with_stat(rel, LIMIT, 2),
}
LOOKS: dict[str, Operation] = {
    "stat": lambda root, rel: root.stat(rel),
    "is_regular": lambda root, rel: root.is_regular(rel),
}
WRITES: dict[str, Operation] = {
    "append": lambda root, rel: root.append_durable(rel, b"x", 6),
    "truncate": lambda root, rel: root.truncate_durable(rel, 1),
    "lock": lambda root, rel: root.lock(rel, 0, b"", lambda _: TimeoutError()).__enter__(),
}
NAMES: dict[str, Operation] = {
    "replace": lambda root, rel: root.replace(rel, b"x"),
    "replace durably": lambda root, rel: root.replace(rel, b"x", durable=True),
    "link to": lambda root, rel: root.link_durable("A/file", rel),
    "link from": lambda root, rel: root.link_durable(rel, "A/other"),
    "unlink": lambda root, rel: root.unlink(rel),
}
ALL = READS | LOOKS | WRITES | NAMES


def within(seconds: float, call: Callable[[], object]) -> BaseException | None:
    """Return what `call` raised, and fail if it hangs."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
            raised.append(None)
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert raised, "it hangs"
    return raised[0]


def tree(path: Path) -> dict[str, bytes | str]:
    """Return all files but the temporary one, which the next write uses up."""
    files = [p for p in path.rglob("*") if (p.is_symlink() or p.is_file()) and p.name != Path(TEMPORARY).name]
    return {str(p): os.readlink(p) if p.is_symlink() else p.read_bytes() for p in files}


def test_a_file_is_read_whole_or_from_an_offset(root: Root) -> None:
    assert root.read("A/file", 10) == b"0123456789"
    found = root.read_with_stat("A/file", 10, 4)
    assert found
    assert found[0] == b"456789"
    assert found[1] == root.stat("A/file")
    assert (found[1].size, found[1].links) == (10, 1)


def test_what_is_not_there_is_none(root: Root) -> None:
    for rel in ("nothing", "A/nothing", "B/nothing"):
        assert root.read(rel, LIMIT) is None
        assert root.stat(rel) is None
        assert not root.is_regular(rel)
        root.unlink(rel)
    assert root.names("B") == []


def test_a_file_over_the_limit_is_not_read(root: Root) -> None:
    with pytest.raises(StorageError, match="larger than 9 bytes"):
        root.read("A/file", 9)


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize(
    "rel", ["../secret", "..", ".", "", "A/..", "A/../../secret", "A/", "A//file", "/etc/passwd", "./file", "A/\0file", "A/b/c"]
)  # fmt: skip
def test_no_path_leads_out_of_the_root(root: Root, folder: Path, operation: str, rel: str) -> None:
    before = tree(folder.parent)
    with pytest.raises(StorageError, match="not a path under the state root"):
        ALL[operation](root, rel)
    assert tree(folder.parent) == before


@pytest.mark.parametrize("rel", ["..", "../beside", "A/../..", "/tmp"])  # noqa: S108 - only looked at
@pytest.mark.parametrize("operation", ["names", "make_folder"])
def test_no_folder_leads_out_of_the_root(root: Root, operation: str, rel: str) -> None:
    with pytest.raises(StorageError):
        getattr(root, operation)(rel)


@pytest.mark.parametrize("operation", READS | WRITES)
@pytest.mark.parametrize("target", ["../secret", "A/file", "nowhere"])
def test_a_linked_file_is_not_followed(root: Root, folder: Path, operation: str, target: str) -> None:
    """Not even to a place inside the root."""
    (folder / "link").symlink_to(target)
    before = tree(folder.parent)
    with pytest.raises(NotRegular, match="is a link, and links are not followed; move it away"):
        ALL[operation](root, "link")
    assert tree(folder.parent) == before


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("target", ["..", "A"])
def test_a_linked_folder_is_not_entered(root: Root, folder: Path, operation: str, target: str) -> None:
    (folder / "link").symlink_to(target)
    (folder / "A" / "secret").write_bytes(b"secret")
    before = tree(folder.parent)
    with pytest.raises(NotRegular, match="links are not followed"):
        ALL[operation](root, "link/secret")
    with pytest.raises(NotRegular, match="links are not followed"):
        root.names("link")
    assert tree(folder.parent) == before


def test_a_link_is_seen_as_itself_and_replaced_as_itself(root: Root, folder: Path) -> None:
    (folder / "link").symlink_to("../secret")
    seen = root.stat("link")
    assert seen
    assert seen.inode == (folder / "link").lstat().st_ino
    assert not root.is_regular("link")
    root.replace("link", b"new")
    assert not (folder / "link").is_symlink()
    (folder / "other").symlink_to("../secret")
    root.unlink("other")
    assert (folder.parent / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("operation", READS | WRITES)
def test_a_pipe_is_refused_and_hangs_nobody(root: Root, folder: Path, operation: str) -> None:
    os.mkfifo(folder / "A" / "pipe")
    error = within(LONG, lambda: ALL[operation](root, "A/pipe"))
    assert isinstance(error, StorageError)
    if operation in READS:
        assert str(error).endswith("A/pipe: is a pipe, not a file; move it away")


def test_a_pipe_for_a_folder_is_refused_and_hangs_nobody(root: Root, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert isinstance(within(LONG, lambda: root.names("pipe")), NotRegular)
    assert isinstance(within(LONG, lambda: root.read("pipe/file", LIMIT)), NotRegular)


@pytest.mark.parametrize("operation", READS | WRITES)
def test_a_folder_is_no_file(root: Root, folder: Path, operation: str) -> None:
    (folder / "A" / "sub").mkdir()
    with pytest.raises(StorageError, match=r"a folder.*move it away"):
        ALL[operation](root, "A/sub")


def test_a_socket_is_no_file(root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        with pytest.raises(StorageError):
            root.read("socket", LIMIT)
        assert not root.is_regular("socket")


def test_a_file_is_no_folder(root: Root, folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    with pytest.raises(NotRegular, match="is not a folder"):
        root.names("file")
    with pytest.raises(NotRegular, match="is not a folder"):
        root.read("file/file", LIMIT)


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_a_root_is_a_folder(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / kind).write_bytes(b"")
    with pytest.raises(StorageError):
        Root(tmp_path / kind)


def test_the_root_is_the_folder_that_was_opened(tmp_path: Path, root: Root, folder: Path) -> None:
    """A link that takes its name later leads nobody elsewhere."""
    folder.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to("elsewhere")
    root.replace("new", b"x")
    assert (tmp_path / "moved" / "new").read_bytes() == b"x"
    assert not list((tmp_path / "elsewhere").iterdir())
