"""What the machine does to the program: a held lock, threads, descriptors, a disk that refuses."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from dispatcher.cli import composition
from dispatcher.dispatch import tasks
from tests.cli.processes import environment, finish, program, start
from tests.cli.steps import add, claim, listed, refused, task
from tests.support import Ran, Run

UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
MOUNT = ("unshare", "--mount", "--map-root-user")


def held_by_another(root: Path) -> int:
    """Take the lock as any other program would, and return its descriptor."""
    fd = os.open(root / ".lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def test_a_held_lock_stops_writers_after_a_bounded_wait_and_readers_not_at_all(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = add(run, "one")
    monkeypatch.setenv("DISPATCHER_LOCK_TIMEOUT", "0.2")
    fd = held_by_another(root)
    for argv in (("add", "x"), ("claim", "--agent", "me"), ("prune",), ("rebuild",), ("init",)):
        refused(run(*argv, code=None), 6, "another process", "0.2 s")
    for argv in (("list",), ("show", task_id), ("status",), ("log",), ("config",), ("prune", "--dry-run")):
        assert run(*argv).err in ("", run("config").err)
    os.close(fd)
    claim(run)


def test_who_holds_the_lock_is_named(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(run, "one")
    monkeypatch.setenv("DISPATCHER_LOCK_TIMEOUT", "0.1")
    fd = held_by_another(root)
    note = {"pid": os.getpid(), "host": os.uname().nodename, "command": "scan", "since": "2027-01-15T08:00:00.000Z"}
    os.pwrite(fd, orjson.dumps(note), 0)
    refused(run("add", "x", code=None), 6, "'scan'", f"pid {os.getpid()}", "2027-01-15T08:00:00")
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"\x1b[31m nonsense", 0)
    ran = run("add", "x", code=None)
    refused(ran, 6, "another process")
    assert "\x1b" not in ran.err
    os.close(fd)


def test_a_command_that_waits_for_the_lock_goes_on_when_it_is_free(run: Run, root: Path, project: Path) -> None:
    add(run, "one")
    fd = held_by_another(root)
    adder = start("add", "two", cwd=project, env=environment(DISPATCHER_LOCK_TIMEOUT="50"))
    os.close(fd)
    assert finish(adder).code == 0
    assert len(listed(run)) == 2


def test_threads_of_one_process_exclude_each_other_too(run: Run, root: Path) -> None:
    """Each opens the lock's file for itself, which is what `flock` goes by."""
    desks = [composition.open_desk(root) for _ in range(4)]
    threads = [threading.Thread(target=tasks.add, args=(desk, tasks.NewTask("one of four"))) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(listed(run))) == 4


def test_a_resident_process_keeps_no_descriptor_per_command(run: Run, root: Path) -> None:
    fds = Path("/dev/fd")
    add(run, "one")
    before = len(list(fds.iterdir()))
    for _ in range(20):
        run("list")
        add(run, "more")
        run("show", "nope", code=None)
    assert root
    assert len(list(fds.iterdir())) <= before + 2


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """What to put before a command so that file permissions apply to it, whoever runs the tests."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which(UNPRIVILEGED[0]):
        pytest.skip("permissions do not apply to root, and there is no setpriv")
    return UNPRIVILEGED


def test_without_permission_a_command_names_the_file_and_does_nothing(
    run: Run, root: Path, project: Path, unprivileged: tuple[str, ...]
) -> None:
    task_id = add(run, "one")

    def tried(*argv: str) -> Ran:
        return program(*argv, cwd=project, prefix=unprivileged)

    (root / "JOURNAL.jsonl").chmod(0o400)
    refused(tried("add", "x"), 8, "JOURNAL.jsonl", "permission denied")
    assert tried("list").code == 0
    (root / "JOURNAL.jsonl").chmod(0)
    refused(tried("status"), 8, "JOURNAL.jsonl", "permission denied")
    (root / "JOURNAL.jsonl").chmod(0o600)
    (root / ".lock").chmod(0)
    refused(tried("claim", "--agent", "me"), 8, ".lock", "permission denied")
    (root / ".lock").chmod(0o600)
    root.chmod(0)
    refused(tried("list"), 8, "Local Models", "permission denied")
    root.chmod(0o700)
    assert task(run, task_id)["status"] == "PENDING"
    assert listed(run) == [task_id]


def on_small_disk(script: str, project: Path, options: str) -> str:
    """Run a shell script in a small file system of its own at `disk`; it goes away with the script."""
    if not shutil.which(MOUNT[0]):
        pytest.skip("no unshare")
    (project / "disk").mkdir()
    full = f"mount -t tmpfs -o {options} none disk && cd disk || exit 99\n{script}"
    command = [*MOUNT, "sh", "-c", full]
    env = {**environment(), "D": f"{sys.executable} -m dispatcher"}
    ended = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    if ended.returncode == 99 or "unshare" in ended.stderr:
        pytest.skip("mounting is not allowed here")
    assert "Traceback" not in ended.stderr
    return ended.stdout


def test_a_full_disk_refuses_in_one_line_and_keeps_what_was_acknowledged(project: Path) -> None:
    said = on_small_disk(
        """
        $D init >/dev/null
        n=0; while $D add "task $n" >>../ids 2>../err; do n=$((n+1)); done
        $D add more 2>../err; echo "$? $(wc -l <../err) $(cat ../err)"
        mount -o remount,size=4m disk . ; $D add after >>../ids; $D list | wc -l; wc -l <../ids; $D rebuild
        """,
        project,
        "size=56k",
    )
    error, tasks, acknowledged, rebuilt = said.splitlines()
    assert error.startswith("8 1 error: ")
    assert "the disk is full" in error
    assert int(tasks) == int(acknowledged) > 1
    assert rebuilt == "everything was as the journal says"


def test_a_read_only_disk_can_be_read_and_refuses_writers_in_one_line(project: Path) -> None:
    said = on_small_disk(
        """
        $D init >/dev/null; $D add one >/dev/null; mount -o remount,ro disk .
        for c in "add x" "claim --agent me" prune rebuild init; do $D $c 2>../err; echo "$? $(wc -l <../err) $(cat ../err)"; done
        for c in list status log config "show one"; do $D $c >/dev/null 2>&1; echo $?; done
        """,
        project,
        "size=4m",
    ).splitlines()
    assert all(line.startswith("8 1 error: ") and "read-only" in line for line in said[:5]), said
    assert said[5:] == ["0"] * 5
