"""A job as a service and a timer of the user's systemd."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from dispatcher.errors import InvalidInput, StorageError
from dispatcher.schedule import program
from dispatcher.schedule.job import Job, done, marker

_SYSTEMD = str.maketrans({"\\": "\\\\", '"': '\\"', "%": "%%"})


def folder() -> Path:
    """Return where the user's own units lie. Raises InvalidInput for a user without a home."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    config = named if os.path.isabs(named) else os.path.expanduser("~/.config")
    if not os.path.isabs(config):
        raise InvalidInput(what="HOME", problem="is not set to a folder, so there is no place for units")
    return Path(config, "systemd", "user")


def name(project: str) -> str:
    """Return the name of a project's timer unit."""
    return f"{_unit(project)}.timer"


def units(job: Job) -> dict[str, str]:
    """Return the texts of the service and the timer by their file names."""
    name, comment = _unit(job.project), marker(job.project)
    described = job.project.replace("%", "%%")
    # Space or a backslash at the end of the line would be lost, and a slash at the end of a path is.
    folder = f"{described}/" if job.project[-1] in " \\" or job.project[-1].isspace() else described
    service = f"""{comment}
[Unit]
Description=Scan {described} for failing tests

[Service]
Type=oneshot
WorkingDirectory={folder}
Environment={_quoted(f"PATH={job.path}")}
ExecStart={_exec_start(job.argv)}
# The scan has worked, and there are failing tests.
SuccessExitStatus=1
"""
    timer = f"""{comment}
[Unit]
Description=Scan {described} {job.when.words}

[Timer]
OnCalendar={job.when.calendar}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{name}.service": service, f"{name}.timer": timer}


def put(job: Job) -> str:
    """Write the job's units, start its timer, and return what that was.

    Raises StorageError, the files being as they were before.
    """
    files: dict[Path, bytes | None] = {folder() / name: words.encode() for name, words in units(job).items()}
    before = {path: _read(path) for path in files}
    timer = name(job.project)
    try:
        _write(files)
        program.checked("systemctl", "--user", "daemon-reload")
        program.checked("systemctl", "--user", "enable", "--now", timer)
    except BaseException:
        _put_back(before, timer)
        raise
    return done(there=any(data is not None for data in before.values()), same=before == files)


def take(project: str) -> bool:
    """Stop a project's timer, remove its units and tell whether there were any.

    Raises StorageError, the files being as they were before.
    """
    timer = folder() / name(project)
    there = [path for path in (timer, timer.with_suffix(".service")) if os.path.lexists(path)]
    if timer in there:
        program.checked("systemctl", "--user", "disable", "--now", timer.name)
    _write(dict.fromkeys(there))
    if there:
        with contextlib.suppress(StorageError):  # stopped and without files: they are forgotten sooner or later
            program.checked("systemctl", "--user", "daemon-reload")
    return bool(there)


def _unit(project: str) -> str:
    import hashlib

    return f"dispatcher-scan-{hashlib.sha256(project.encode()).hexdigest()[:8]}"


def _exec_start(argv: tuple[str, ...]) -> str:
    # systemd takes no program whose path holds one of these, but it takes any argument.
    if set(argv[0]) & set("'\"\\$"):
        argv = ("/bin/sh", "-c", 'exec "$0" "$@"', *argv)
    return " ".join(_quoted(word.replace("$", "$$")) for word in argv)


def _quoted(word: str) -> str:
    """Return one word of a unit file, in which a dollar sign has no meaning."""
    escaped = word.translate(_SYSTEMD)
    return escaped if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", word) else f'"{escaped}"'


def _put_back(files: Mapping[Path, bytes | None], timer: str) -> None:
    if None in files.values():
        with contextlib.suppress(StorageError):
            program.checked("systemctl", "--user", "disable", "--now", timer)
    _write(files)
    with contextlib.suppress(StorageError):
        program.checked("systemctl", "--user", "daemon-reload")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(file=str(path), problem=program.problem(error)) from error


def _write(files: Mapping[Path, bytes | None]) -> None:
    """Put each file's bytes in its place in one step, and remove those for which there are none."""
    for path, data in files.items():
        try:
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                new = path.with_name(f".{path.name}.{os.getpid()}")
                new.write_bytes(data)
                new.replace(path)
        except OSError as error:
            raise StorageError(file=str(path), problem=program.problem(error)) from error
