"""Git, run so that it only does what it is asked: no hooks, no filters, no helpers, and nobody's settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from dispatcher.errors import InvalidInput

_SECONDS = 300.0
_CHUNK = 1 << 16
_QUIET = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false",
)  # fmt: skip
"""What a repository's own settings must not bring about: hooks, programs that watch, tidying up in the background."""

_ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1", "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}  # fmt: skip
NOBODYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
"""What makes git read no settings but a repository's own (git-config(1))."""


class GitFailed(Exception):
    """A git command that failed, and what it said."""


def without_git(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what points git to another repository, other settings or other programs."""
    return {name: value for name, value in environ.items() if not name.startswith("GIT_")}


def git(folder: Path, *arguments: str, data: bytes = b"", settings: bool = False) -> bytes:
    """Run git in a folder and return what it prints; `settings`: with those of the user.

    Raises GitFailed, and InvalidInput where there is no git.
    """
    try:
        ended = subprocess.run(
            _argv(folder, arguments), env=_environ(settings=settings),
            capture_output=True, check=False, timeout=_SECONDS, input=data,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise InvalidInput(what="eval", problem="needs git, which is not on the path") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} did not end within {_SECONDS:.0f} seconds") from error
    if ended.returncode:
        raise GitFailed(_said(ended.stderr) or f"git {arguments[0]} failed")
    return ended.stdout


def fields(folder: Path, *arguments: str, data: bytes = b"") -> Iterator[bytes]:
    """Run git in a folder and yield what it prints, cut at NULs, as soon as it comes. Raises GitFailed.

    Git is ended when no more is asked for: a long history is read no further than it is needed.
    """
    with subprocess.Popen(
        _argv(folder, arguments), env=_environ(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            if process.stdin is None or process.stdout is None or process.stderr is None:
                return  # never so: all three are pipes
            process.stdin.write(data)
            process.stdin.close()
            yield from _cut(iter(lambda: os.read(process.stdout.fileno(), _CHUNK), b""))  # type: ignore[union-attr]
            said = process.stderr.read()
            if process.wait():
                raise GitFailed(_said(said) or f"git {arguments[0]} failed")
        finally:
            process.kill()


def _cut(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _argv(folder: Path, arguments: tuple[str, ...]) -> list[str]:
    return ["git", "-C", str(folder), *_QUIET, *arguments]


def _environ(*, settings: bool = False) -> dict[str, str]:
    given = without_git(os.environ)
    if settings and "GIT_CONFIG_GLOBAL" in os.environ:
        given["GIT_CONFIG_GLOBAL"] = os.environ["GIT_CONFIG_GLOBAL"]
    return {**given, **_ALWAYS, **({} if settings else NOBODYS)}


def _said(printed: bytes) -> str:
    lines = printed.decode(errors="replace").strip().splitlines()
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or [""])[0].removeprefix("fatal: ").removeprefix("error: ")
