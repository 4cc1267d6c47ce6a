"""The stacks that an interpreter leaves behind when it dies, or when it is asked by a signal (faulthandler)."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from dispatcher.domain.failure import function_of
from dispatcher.scan import pieces

_THREAD = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+.*:$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
_RUNS_A_TEST = re.compile(r'runner\.py", line \d+ in from_call')
_MOST = 60
_MAX_LINE = 200


def frames(words: str) -> list[list[Any]]:
    """Return the last stack of the thread that ran a test, outermost first: path, line, function, source line.

    Of several dumps the last counts; of its threads the one that pytest runs tests in, else the current one.
    """
    starts = [match.start() for match in _THREAD.finditer(words)]
    threads = [words[a:b] for a, b in pairwise([*starts, len(words)])]
    running = [t for t in threads if _RUNS_A_TEST.search(t)]
    chosen = (running or [t for t in threads if t.startswith("Current")] or threads or [""])[-1]
    found = [(path, int(line), name) for path, line, name in _FRAME.findall(chosen.partition("\n\n")[0])]
    return [_frame(*each) for each in reversed(found[:_MOST])]


def definition(rootdir: Path, test: str) -> list[list[Any]]:
    """Return as the one frame where a test is defined; none if that cannot be found."""
    file, _, name = function_of(test).partition("::")
    tree = pieces.parse(_text(rootdir / file)) if name and file.endswith(".py") else None
    line = pieces.definition_line(tree, name) if tree else None
    return [] if line is None else [_frame(str(rootdir / file), line, name.rpartition("::")[2])]


def of_test(output: str, function: str) -> str:
    """Return the part of an output in which an interpreter that ran a test function tells how it died."""
    dumps = re.split(r"(?=Fatal Python error: )", output)[1:]
    return next(
        (each for each in reversed(dumps) if re.search(rf"line \d+ in {re.escape(function)}$", each, re.MULTILINE)), ""
    )


def said(output: str) -> str | None:
    """Return what the interpreter called the error that it died of."""
    found = re.findall(r"Fatal Python error: (.+)", output)
    return found[-1] if found else None


def _frame(path: str, line: int, name: str) -> list[Any]:
    text = _text(Path(path))
    if text is None:
        return [path, line, name, ""]
    lines = pieces.lines_of(text)
    code = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    tree = pieces.parse(text) if path.endswith(".py") else None
    return [path, line, (tree and pieces.function_at(tree, line)) or name, code[:_MAX_LINE]]


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return None
