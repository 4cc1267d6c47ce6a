"""The files that list which commits are replayed."""

from __future__ import annotations

from pathlib import Path

from dispatcher.errors import InvalidInput

_SHORTEST, _LONGEST = 4, 64
_DIGITS = frozenset("0123456789abcdefABCDEF")


def listed(path: Path) -> list[str]:
    """Return the commits that a file lists: what `eval --json` has printed, a JSON list of hashes, or a hash on each line.

    What follows a hash on its line, or a "#", is for people. Raises InvalidInput, which names the place.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(what=f"--cases '{path}'", problem=(error.strerror or str(error)).lower()) from error
    found = _in_json(path, data) if data.lstrip()[:1] in (b"{", b"[") else _in_lines(path, data)
    if not found:
        raise InvalidInput(what=f"--cases '{path}'", problem="lists no commit")
    return list(dict.fromkeys(found))


def _in_lines(path: Path, data: bytes) -> list[str]:
    words = (line.partition(b"#")[0].split() for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())
    return [_hash(path, f"line {n}", found[0].decode(errors="replace")) for n, found in enumerate(words, 1) if found]


def _in_json(path: Path, data: bytes) -> list[str]:
    import orjson

    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        problem = f"no JSON in line {error.lineno}, column {error.colno}: {error.msg}"
        raise InvalidInput(what=f"--cases '{path}'", problem=problem) from error
    rows = told.get("bugs") if isinstance(told, dict) else told
    if not isinstance(rows, list):
        raise InvalidInput(what=f"--cases '{path}'", problem="has no list 'bugs'")
    return [
        _hash(path, f"entry {n}", row.get("commit") if isinstance(row, dict) else row) for n, row in enumerate(rows, 1)
    ]


def _hash(path: Path, place: str, given: object) -> str:
    if isinstance(given, str) and _SHORTEST <= len(given) <= _LONGEST and _DIGITS.issuperset(given):
        return given
    raise InvalidInput(what=f"--cases '{path}'", problem=f"{place} has no commit's hash")
