"""Run pytest and write down which functions it enters: `reached.py OUT ROOT [pytest's arguments]`.

Run by the package's own Python (3.8 or later). OUT becomes a JSON list of [path relative to ROOT, first line]
of the code of ROOT that was entered.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import types
from typing import Any

import pytest

_seen: set[types.CodeType] = set()


def _enter(frame: types.FrameType, event: str, _argument: Any) -> None:  # noqa: ANN401 - of sys.setprofile
    if event == "call":
        _seen.add(frame.f_code)


def main() -> int:
    """Run the tests under the profiler, and write."""
    out, root, *arguments = sys.argv[1:]
    sys.path[0] = os.path.dirname(sys.executable)  # as it is for the command `pytest`
    threading.setprofile(_enter)
    sys.setprofile(_enter)
    code = pytest.main(arguments)
    sys.setprofile(None)
    home = os.path.realpath(root) + os.sep
    found = {(os.path.realpath(c.co_filename), c.co_firstlineno) for c in _seen if c.co_filename[:1] != "<"}
    inside = sorted([path[len(home) :], line] for path, line in found if path.startswith(home))
    with open(out, "w", encoding="utf-8") as file:
        json.dump(inside, file)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
