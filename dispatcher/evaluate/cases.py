"""The bugs that are replayed, and the files that list them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from dispatcher.errors import InvalidInput


class Case(TypedDict):
    """A fix that tests show: what it changed, and which tests it mends.

    `functions` are [path, qualified name] as before the fix; `places` are [path, lines, function] of which seeing one line
    is seeing the change.
    """

    commit: str
    parent: str
    subject: str
    date: str
    functions: list[list[str]]
    places: list[list[Any]]
    tests: list[str]


def listed(path: Path) -> list[str]:
    """Return the commits that a file lists: what `eval --json` has printed, a JSON list of hashes, or a hash on each line.

    Raises InvalidInput, which names the place.
    """
    import orjson

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(what=f"--cases '{path}'", problem=(error.strerror or str(error)).lower()) from error
    if data.lstrip()[:1] not in (b"{", b"["):
        words = (line.partition(b"#")[0].split() for line in data.splitlines())
        return [_hash(path, n, found[0].decode(errors="replace")) for n, found in enumerate(words, 1) if found]
    try:
        told = orjson.loads(data)
    except ValueError as error:
        raise InvalidInput(what=f"--cases '{path}'", problem=f"is no JSON: {error}") from error
    rows = told.get("bugs", told.get("cases")) if isinstance(told, dict) else told
    if not isinstance(rows, list):
        raise InvalidInput(what=f"--cases '{path}'", problem="has no list of bugs")
    return [_hash(path, n, row.get("commit") if isinstance(row, dict) else row) for n, row in enumerate(rows, 1)]


def _hash(path: Path, place: int, given: object) -> str:
    if isinstance(given, str) and 4 <= len(given) <= 64 and all(c in "0123456789abcdefABCDEF" for c in given):
        return given
    raise InvalidInput(what=f"--cases '{path}', entry {place}", problem="is no commit's hash")
