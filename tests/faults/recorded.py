"""A project whose tests are run by a real pytest once, and then are only said to have been: faults come by the hundred.

The Python that runs them is a script. What it has not seen yet it runs, and keeps the stream that the plugin wrote; the
next time it hands out that stream. The streams lie in the project, named by the first line of what is tested, and travel
with its copies.
"""

from __future__ import annotations

import sys
from pathlib import Path

SCAN = ("scan", "--no-evidence", "--python", "./replay", "--quiet")
_REPLAY = """#!/bin/sh
PATH=/usr/bin:/bin
read -r control < "$2"
stream=${control#*'"stream":"'}
stream=${stream%%'"'*}
read -r tested < sums.py
seen=streams/$tested
if [ -f "$seen" ]; then
    sed "s|@HERE@|$PWD|g" "$seen" > "$stream"
else
    PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "@PYTHON@" "$@" >/dev/null
    mkdir -p streams
    sed "s|$PWD|@HERE@|g" "$stream" > "$seen"
fi
"""
_TEST = "from sums import wrong\n\n\ndef test_{0}():\n    if '{0}' in wrong:\n        raise ValueError('{0}')\n"


def write(project: Path, wrong: str, more: str = "") -> None:
    """Write the project: a test for each of five names, of which those in `wrong` fail. `more` has a second one."""
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n")
    (project / "sums.py").write_text(f"wrong = {wrong.split()}\n")
    for name in ("one", "two", "three", "four", "five"):
        (project / f"test_{name}.py").write_text(_TEST.format(name))
    if more:
        test = f"@pytest.mark.parametrize('case', [1, 2])\ndef test_{more}(case):"
        text = _TEST.format(more).replace(f"def test_{more}():", test)
        (project / f"test_{more}.py").write_text(f"import pytest\n{text}")
    replay = project / "replay"
    replay.write_text(_REPLAY.replace("@PYTHON@", sys.executable))
    replay.chmod(0o755)


def remember(project: Path) -> None:
    """Let the tests be run as they are now, so that from now on they need not be."""
    from dispatcher.scan.legs import Order, Part
    from dispatcher.scan.runner import run

    run(Order(project, str(project / "replay")), redact=str, part=Part(ignore=[project / "INBOX"]))
