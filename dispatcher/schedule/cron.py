"""A job as a line of the user's crontab."""

from __future__ import annotations

import re

from dispatcher.errors import StorageError
from dispatcher.schedule import program
from dispatcher.schedule.job import Job, done, marker

COMMAND_BYTES = 998
"""The longest command that the cron of Debian, macOS and the BSDs takes."""


def command(job: Job) -> str:
    """Return what stands behind the five fields: a command for sh, before and after cron has undone its escapes."""
    return f"cd {_sh(job.project)} && PATH={_sh(job.path)} {' '.join(map(_sh, job.argv))}"


def lines(job: Job) -> str:
    """Return the marker and the line for the user's crontab, without a newline at the end."""
    return f"{marker(job.project)}\n{job.when.cron} {command(job)}"


def put(job: Job) -> str:
    """Write the job's lines, in the place of this project's old ones, and return what that was.

    Raises StorageError when crontab cannot be run, refuses, or does not show what was written.
    """
    before, after = _rewrite(job.project, f"{lines(job)}\n".encode())
    return done(there=_edited(before, job.project, b"") != before, same=before == after)


def take(project: str) -> bool:
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


def _rewrite(project: str, block: bytes) -> tuple[bytes, bytes]:
    before = _crontab()
    after = _edited(before, project, block)
    if after != before:
        program.checked("crontab", "-", data=after)
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
    ours = re.compile(rb"^" + re.escape(marker(project).encode()) + rb"(?:\n|\Z)" + line, re.MULTILINE)
    found = ours.search(table)
    if found:
        return table[: found.start()] + block + ours.sub(b"", table[found.end() :])
    end = b"\n" if block and table and not table.endswith(b"\n") else b""
    return table + end + block


def _crontab() -> bytes:
    ended = program.run("crontab", "-l")
    if ended.code == 1 and b"no crontab for" in ended.err:
        return b""
    return program.successful("crontab", ended)
