"""What runs `dispatcher scan` regularly: a line in the user's crontab, or a timer of the user's systemd.

Texts are made here from a job, and `crontab` and `systemctl` are told of them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dispatcher.errors import InvalidInput, StorageError
from dispatcher.text import clean_line

CRON_BYTES = 998
"""The longest command that the cron of Debian, macOS and the BSDs takes."""

_SECONDS = 60.0
"""After so long crontab or systemctl counts as hung."""

_INSTEAD = {
    "crontab": "use --systemd, or hand the line that is printed without --install to what you have",
    "systemctl": "leave --systemd out to use cron",
}
_SYSTEMD = str.maketrans({"\\": "\\\\", '"': '\\"', "%": "%%"})


class When(NamedTuple):
    """When a job runs, by local time: in words, in cron's five fields, and as systemd's OnCalendar."""

    words: str
    cron: str
    calendar: str


class Job(NamedTuple):
    """What runs: `argv` in the folder `project`, with `path` as its PATH. Made by `job`."""

    when: When
    project: str
    path: str
    argv: tuple[str, ...]


# When


def daily(time: str) -> When:
    """Return once a day at HH:MM. Raises InvalidInput."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", time)
    if not found:
        raise InvalidInput(what=f"--at '{time}'", problem="is no time of day; write HH:MM, such as 07:30")
    hour, minute = int(found[1]), int(found[2])
    at = f"{hour:02}:{minute:02}"
    return When(f"every day at {at}", f"{minute} {hour} * * *", f"*-*-* {at}:00")


# What cron can say evenly: spans that an hour or a day is a multiple of.
_SPANS = {
    **{f"{n}m": When(f"every {n} minutes", f"*/{n} * * * *", f"*-*-* *:00/{n}:00") for n in (5, 10, 15, 20, 30)},
    "1h": When("every hour", "0 * * * *", "*-*-* *:00:00"),
    **{f"{n}h": When(f"every {n} hours", f"0 */{n} * * *", f"*-*-* 00/{n}:00:00") for n in (2, 3, 4, 6, 8, 12)},
    "1d": daily("00:00"),
}


def every(span: str) -> When:
    """Return what comes round after each span, such as 15m. Raises InvalidInput."""
    if span not in _SPANS:
        raise InvalidInput(what=f"--every '{span}'", problem=f"can be {', '.join(_SPANS)}")
    return _SPANS[span]


# What


def scan(own_python: str, root: Path | None, tests_python: str | None, pytest_args: list[str]) -> tuple[str, ...]:
    """Return the words of a scan by this program. A module of the project's never gets in its way: hence -P."""
    named = ("--root", str(root)) if root else ()
    options = ("--python", tests_python) if tests_python else ()
    handed_on = ("--", *pytest_args) if pytest_args else ()
    return (own_python, "-P", "-m", "dispatcher", *named, "scan", "--quiet", *options, *handed_on)


def job(when: When, project: Path, path: str, argv: tuple[str, ...]) -> Job:
    """Return a job whose words a line can hold, each folder of PATH once. Raises InvalidInput."""
    once = ":".join(dict.fromkeys(path.split(":")))
    words = tuple(_holdable(f"'{word}'", word) for word in argv)
    return Job(when, holdable_project(project), _holdable("PATH", once), words)


def holdable_project(project: Path) -> str:
    """Return a project's path as text that a line can hold. Raises InvalidInput."""
    return _holdable(f"project '{project}'", str(project))


def _holdable(what: str, words: str) -> str:
    try:
        held = os.fsencode(words).decode()  # whatever the locale says: crontabs and units are written in UTF-8
    except UnicodeError:
        raise InvalidInput(what=what, problem="is not UTF-8, so it cannot be scheduled") from None
    if clean_line(held) != held:
        problem = "holds a newline or another invisible character, so it cannot be scheduled"
        raise InvalidInput(what=what, problem=problem)
    return held


# cron


def cron_command(job: Job) -> str:
    """Return what stands behind the five fields: a command for sh, before and after cron has undone its escapes."""
    return f"cd {_sh(job.project)} && PATH={_sh(job.path)} {' '.join(map(_sh, job.argv))}"


def crontab_lines(job: Job) -> str:
    """Return the marker and the line for the user's crontab, without a newline at the end."""
    return f"{_marker(job.project)}\n{job.when.cron} {cron_command(job)}"


def put_into_crontab(job: Job) -> str:
    """Write the job's lines, in the place of this project's old ones, and return what that was.

    Raises StorageError when crontab cannot be run, refuses, or does not show what was written.
    """
    before, after = _rewrite(job.project, f"{crontab_lines(job)}\n".encode())
    return _done(there=_edited(before, job.project, b"") != before, same=before == after)


def take_from_crontab(project: str) -> bool:
    """Remove this project's lines and tell whether there were any. Raises StorageError as above."""
    before, after = _rewrite(project, b"")
    return before != after


def _sh(word: str) -> str:
    import shlex

    quoted = shlex.quote(word)
    if quoted != word:
        # A quote is closed after each backslash, since crons differ in what two in a row are, and around
        # each percent sign, whose backslash the shell undoes where cron does not.
        quoted = quoted.replace("\\", "\\''").replace("%", "'%'")
    return quoted.replace("%", "\\%")  # cron makes a newline of a bare one


def _marker(project: str) -> str:
    return f"# dispatcher scan: {project}"


def _done(*, there: bool, same: bool) -> str:
    return "already installed" if same else "replaced" if there else "installed"


def _rewrite(project: str, block: bytes) -> tuple[bytes, bytes]:
    before = _crontab()
    after = _edited(before, project, block)
    if after != before:
        _checked("crontab", "-", data=after)
        found = _crontab()
        # Some crons write a comment of their own on top.
        if not found.endswith(after) or _edited(found, project, block) != found:
            problem = "was written, but 'crontab -l' shows something else; look at it with 'crontab -e'"
            raise StorageError(file="crontab", problem=problem)
    return before, after


def _edited(table: bytes, project: str, block: bytes) -> bytes:
    """Return a crontab with `block` for this project's lines, at the end if it has none; no other byte changes."""
    # The line after a marker is ours only if it runs a `scan`: somebody may have deleted the one that was.
    line = rb"(?:[^\n]* -m dispatcher [^\n]*scan --quiet[^\n]*(?:\n|\Z))?"
    ours = re.compile(rb"^" + re.escape(_marker(project).encode()) + rb"(?:\n|\Z)" + line, re.MULTILINE)
    found = ours.search(table)
    if found:
        return table[: found.start()] + block + ours.sub(b"", table[found.end() :])
    end = b"\n" if block and table and not table.endswith(b"\n") else b""
    return table + end + block


def _crontab() -> bytes:
    ended = _run("crontab", "-l")
    if ended.code == 1 and b"no crontab for" in ended.err:
        return b""
    return _successful("crontab", ended)


# systemd


def units_folder() -> Path:
    """Return where the user's own units lie. Raises InvalidInput for a user without a home."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    config = named if os.path.isabs(named) else os.path.expanduser("~/.config")
    if not os.path.isabs(config):
        raise InvalidInput(what="HOME", problem="is not set to a folder, so there is no place for units")
    return Path(config, "systemd", "user")


def timer_name(project: str) -> str:
    """Return the name of a project's timer unit."""
    return f"{_unit(project)}.timer"


def units(job: Job) -> dict[str, str]:
    """Return the texts of the service and the timer by their file names."""
    name, marker = _unit(job.project), _marker(job.project)
    described = job.project.replace("%", "%%")
    # Space or a backslash at the end of the line would be lost, and a slash at the end of a path is.
    folder = f"{described}/" if job.project[-1] in " \\" or job.project[-1].isspace() else described
    service = f"""{marker}
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
    timer = f"""{marker}
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


def put_units(job: Job) -> str:
    """Write the job's units, start its timer, and return what that was.

    Raises StorageError, the files being as they were before.
    """
    files: dict[Path, bytes | None] = {units_folder() / name: words.encode() for name, words in units(job).items()}
    before = {path: _read(path) for path in files}
    timer = timer_name(job.project)
    try:
        _write(files)
        _checked("systemctl", "--user", "daemon-reload")
        _checked("systemctl", "--user", "enable", "--now", timer)
    except BaseException:
        _put_back(before, timer)
        raise
    return _done(there=any(data is not None for data in before.values()), same=before == files)


def take_units(project: str) -> bool:
    """Stop a project's timer, remove its units and tell whether there were any.

    Raises StorageError, the files being as they were before.
    """
    timer = units_folder() / timer_name(project)
    there = [path for path in (timer, timer.with_suffix(".service")) if os.path.lexists(path)]
    if timer in there:
        _checked("systemctl", "--user", "disable", "--now", timer.name)
    _write(dict.fromkeys(there))
    if there:
        with contextlib.suppress(StorageError):  # stopped and without files: they are forgotten sooner or later
            _checked("systemctl", "--user", "daemon-reload")
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
            _checked("systemctl", "--user", "disable", "--now", timer)
    _write(files)
    with contextlib.suppress(StorageError):
        _checked("systemctl", "--user", "daemon-reload")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(file=str(path), problem=_problem(error)) from error


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
            raise StorageError(file=str(path), problem=_problem(error)) from error


# Programs


class _Ended(NamedTuple):
    code: int
    out: bytes
    err: bytes


def _checked(*argv: str, data: bytes = b"") -> bytes:
    """Run a program and return its output. Raises StorageError with the first line that it complains with."""
    return _successful(argv[0], _run(*argv, data=data))


def _successful(program: str, ended: _Ended) -> bytes:
    if ended.code:
        said = (ended.err.strip() or ended.out.strip()).decode(errors="replace").splitlines()
        raise StorageError(file=program, problem=said[0] if said else f"ended with exit code {ended.code}")
    return ended.out


def _run(*argv: str, data: bytes = b"") -> _Ended:
    import subprocess

    spoken = {**os.environ, "LC_ALL": "C"}  # "no crontab for" is looked for
    try:
        ended = subprocess.run(argv, input=data, capture_output=True, check=False, timeout=_SECONDS, env=spoken)
    except FileNotFoundError:
        raise StorageError(file=argv[0], problem=f"there is no such program; {_INSTEAD[argv[0]]}") from None
    except subprocess.TimeoutExpired:
        raise StorageError(file=argv[0], problem=f"did not end within {_SECONDS:g} seconds") from None
    except OSError as error:
        raise StorageError(file=argv[0], problem=_problem(error)) from error
    return _Ended(ended.returncode, ended.stdout, ended.stderr)


def _problem(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
