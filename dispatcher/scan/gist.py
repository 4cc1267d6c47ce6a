"""The one line of a program's output that says what went wrong."""

from __future__ import annotations

import re

_LONGEST = 300


def gist(output: str) -> str:
    """Return what pytest, or the interpreter, complains of: the place and the error, in one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m|^INTERNALERROR> ?", "", output, flags=re.MULTILINE)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    where = next((line for line in lines if "while loading conftest" in line), "").rstrip(".")
    errors = [line.removeprefix("E").strip() for line in lines if re.match(r"E\s{2,}", line)]
    complaints = [line for line in lines if re.search(r"(?:^|\s)(?:ERROR|error|Error):", line) and "usage:" not in line]
    raised = [line for line in lines if re.match(r"[\w.]+(?:Error|Exception|Exit|Warning)\b", line)]
    found = errors[-1:] or complaints[:1] or raised[-1:] or lines[-1:] or ["it said nothing"]
    said = re.sub(r"^(?:ERROR|pytest: error|__main__.py: error): ", "", found[0])
    return (f"{where}: {said}" if where else said)[:_LONGEST]
