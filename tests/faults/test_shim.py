"""The fault library does what the other tests here take it to do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.forks import environ
from tests.faults.shim import Fault

_START = """
import os, sys
from pathlib import Path
from tests.faults.shim import Fault, Shim
folder, shim = Path(sys.argv[1]), Shim()
os.chdir(folder)
"""
# Six calls that change something under the folder, and others that do not count.
_SIX = """
fd = os.open("a", os.O_RDWR | os.O_CREAT)
os.write(fd, b"0123456789")
os.pwrite(fd, b"ab", 0)
os.fsync(fd)
os.close(fd)
root = os.open(".", os.O_RDONLY)
os.rename("a", "b", src_dir_fd=root, dst_dir_fd=root)
os.unlink("b", dir_fd=root)
os.close(os.open(folder.parent / "outside", os.O_WRONLY | os.O_CREAT))
os.unlink(folder.parent / "outside")
os.listdir(".")
"""
_CALLS = ["open a", "write a", "pwrite a", "fsync a", "rename b", "unlink b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path.resolve() / "inside"
    inside.mkdir()
    return inside


def _play(library: Path, folder: Path, fault: Fault, script: str) -> subprocess.CompletedProcess[str]:
    body = f"{_START}shim.arm({fault!r}, folder)\n{script}\nshim.disarm()\nprint(*shim.calls(), sep='\\n')"
    return subprocess.run(
        [sys.executable, "-c", body, str(folder)],
        env=environ(library),
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_call_under_the_folder_is_counted_and_no_other(library: Path, folder: Path) -> None:
    ran = _play(library, folder, Fault("count"), _SIX)
    assert (ran.returncode, ran.stdout.splitlines()) == (0, _CALLS)


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault("kill before", 2), {"a": b""}),
        (Fault("kill after", 2), {"a": b"0123456789"}),
        (Fault("torn", 2), {"a": b"01234"}),
        (Fault("kill before", 5), {"a": b"ab23456789"}),
        (Fault("kill after", 5), {"b": b"ab23456789"}),
        (Fault("kill after", 6), {}),
    ],
    ids=str,
)
def test_a_kill_leaves_what_was_done_until_then(
    library: Path, folder: Path, fault: Fault, left: dict[str, bytes]
) -> None:
    assert _play(library, folder, fault, _SIX).returncode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == left


def test_an_error_comes_once_or_from_then_on(library: Path, folder: Path) -> None:
    """`errno` fails the call without doing it; with `from_then_on` every later one too."""
    script = """
for name in ("x", "y", "z"):
    try:
        os.mkdir(name)
    except OSError as error:
        print(name, error.errno)
"""
    once = _play(library, folder, Fault("errno", 2, errno.EIO), script)
    assert once.stdout.splitlines()[:1] == [f"y {errno.EIO}"]
    assert sorted(os.listdir(folder)) == ["x", "z"]
    always = _play(library, folder, Fault("errno", 1, errno.ENOSPC, from_then_on=True), script)
    assert always.stdout.splitlines()[:3] == [f"{name} {errno.ENOSPC}" for name in "xyz"]


def test_a_short_write_says_how_much_it_wrote(library: Path, folder: Path) -> None:
    """`short` writes half, once or each time; `full` writes half and then nothing more."""
    script = """
fd = os.open("a", os.O_WRONLY | os.O_CREAT)
for _ in range(2):
    try:
        print(os.write(fd, b"0123456789"))
    except OSError as error:
        print(error.errno)
"""
    expected = {
        Fault("short", 2): ["5", "10"],
        Fault("short", 2, from_then_on=True): ["5", "5"],
        Fault("full", 2, from_then_on=True): ["5", str(errno.ENOSPC)],
    }
    printed = {fault: _play(library, folder, fault, script).stdout.splitlines()[:2] for fault in expected}
    assert printed == expected
