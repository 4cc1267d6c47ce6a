"""One tree of errors.

A class's docstring is its message; the names in braces are its attributes, given
as keyword arguments. `exit_code` is what the command line exits with.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; listed in docs/exit-codes.md."""

    OK = 0
    FAILING = 1
    USAGE = 2
    NOTHING = 3
    NOT_FOUND = 4
    REFUSED = 5
    LOCKED = 6
    DAMAGED = 7
    STORAGE = 8
    NO_INBOX = 9
    CONFIG = 10
    TOO_NEW = 11
    NOT_RUN = 12
    MODEL = 13
    INTERNAL = 70
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


_TYPED = ("given", "what")
_LONGEST_TYPED = 100


def _shortened(words: str) -> str:
    """Cut what a user typed, so that an error stays a line."""
    return words if len(words) <= _LONGEST_TYPED else f"{words[:_LONGEST_TYPED]}…"


class DispatcherError(Exception):
    """Something went wrong: {detail}"""

    exit_code = ExitCode.INTERNAL

    def __init__(self, **data: object) -> None:
        self.data = data
        shown = {key: _shortened(str(value)) if key in _TYPED else value for key, value in data.items()}
        super().__init__((self.__doc__ or "").format(**shown))


class InvalidInput(DispatcherError):
    """{what}: {problem}"""

    exit_code = ExitCode.USAGE


class NothingToClaim(DispatcherError):
    """nothing to claim: {why}"""

    exit_code = ExitCode.NOTHING


class UnknownTask(DispatcherError):
    """no task '{given}'{near}"""

    exit_code = ExitCode.NOT_FOUND


class AmbiguousTask(DispatcherError):
    """'{given}' fits {count} tasks: {matches}; give more of the id"""

    exit_code = ExitCode.NOT_FOUND


class Refused(DispatcherError):
    """{task}: {why}"""

    exit_code = ExitCode.REFUSED


class NotVerified(Refused):
    """{task}: {why}"""


class StaleClaim(Refused):
    """{task}: claim {given} is no longer valid; {now}"""


class WrongAgent(Refused):
    """{task}: claimed by '{holder}', not by '{given}'"""


class Locked(DispatcherError):
    """the state is locked by {holder}; gave up after {seconds:g} s (setting lock.timeout), try again"""

    exit_code = ExitCode.LOCKED


class SessionLocked(DispatcherError):
    """session '{session}' is locked by {holder}; gave up after {seconds:g} s (setting lock.timeout), try again"""

    exit_code = ExitCode.LOCKED


class Damaged(DispatcherError):
    """{file}: {problem}; nothing was changed, run 'dispatcher rebuild' to repair it"""

    exit_code = ExitCode.DAMAGED


class Unrepairable(DispatcherError):
    """{file}: {problem}"""

    exit_code = ExitCode.DAMAGED


class StorageError(DispatcherError):
    """{file}: {problem}"""

    exit_code = ExitCode.STORAGE


class NotRegular(StorageError):
    """{file}: {problem}; move it away"""


class OutcomeUnknown(StorageError):
    """{file}: {problem}; it is not known whether the last command was saved: look at the disk, then run 'dispatcher rebuild'"""


class OutputClosed(DispatcherError):
    """standard output: its reader has gone"""

    exit_code = ExitCode.OUTPUT_CLOSED


class NoInbox(DispatcherError):
    """no INBOX {where}; run 'dispatcher init' in your project"""

    exit_code = ExitCode.NO_INBOX


class BadConfig(DispatcherError):
    """{source}: {problem}"""

    exit_code = ExitCode.CONFIG


class TooNew(DispatcherError):
    """{file}: {problem}; it was written by a newer version, upgrade dispatcher"""

    exit_code = ExitCode.TOO_NEW


class TestsNotRun(DispatcherError):
    """the tests did not run: {problem}"""

    exit_code = ExitCode.NOT_RUN
    __test__ = False  # pytest would take it for a test case by its name
