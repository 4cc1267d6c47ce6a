"""Run as a script by the target's interpreter: start pytest as its own command does, with our plugin loaded.

`python dispatcher_boot.py CONTROL [pytest's arguments]`; CONTROL is a JSON file (see dispatcher_pytest.begin).
Standard library only, Python 3.8 and later. Nothing is installed and no environment variable is set, so
that the processes which tests start see nothing of this.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict


def main() -> int:
    """Run pytest and return its exit code; 4, as for a wrong command line, when it is missing or too old."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(sys.argv[1], encoding="utf-8") as file:
        control = json.load(file)
    scripts = os.path.dirname(sys.executable)
    if sys.path and os.path.abspath(sys.path[0]) == here:
        sys.path[0] = scripts  # as it is for the command `pytest`
    # Behind everything of the target's own, and only until the plugins are loaded: pytest-xdist
    # gives its workers a copy of the path as it is when it is loaded itself.
    sys.path.append(here)
    try:
        import pytest
    except ImportError as error:
        return _give_up(control, {"t": "no_pytest", "why": str(error)})
    if int(pytest.__version__.split(".")[0]) < 7:
        return _give_up(control, {"t": "no_pytest", "why": f"pytest {pytest.__version__} is too old"})
    import dispatcher_pytest  # beside this file

    dispatcher_pytest.begin(control)
    sys.argv[:] = [os.path.join(scripts, "pytest"), "-p", "dispatcher_pytest", *sys.argv[2:]]
    from _pytest import config

    # What the command `pytest` calls; the public name is deprecated from pytest 9.1 on.
    start = getattr(config, "_console_main", None) or pytest.console_main
    return int(start())


def _give_up(control: Dict[str, Any], record: Dict[str, Any]) -> int:
    with open(control["stream"], "a", encoding="utf-8") as stream:
        stream.write(json.dumps(record) + "\n")
    return 4


if __name__ == "__main__":
    sys.exit(main())
