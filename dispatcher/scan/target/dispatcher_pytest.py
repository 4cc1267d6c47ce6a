"""The pytest plugin: writes what happens to a stream of JSON lines, each flushed as it happens.

Standard library and pytest (7 and later) only, Python 3.8 and later. PYTEST_DONT_REWRITE: it is loaded
before pytest, and has nothing to rewrite.

Lines, by `t`: `session` (versions, folders), `collecting` (a file, or none any more, and the process), `collected` (ids),
`running` (the first item is about to run), `start` (an item, and the process: only of pytest-xdist's workers), `deselected` (ids),
`without_items` (a collector that is sound, or skipped, and has nothing to run), `fail` (one
failed phase of one item, or one collector that failed), `detail` (what `dispatcher_failure` found out about
it), `interrupt` (a test ended the run), `end` (exit status, and why it stopped before all was run, if it
did). An item that has run is an array: its outcome ("passed", "failed", "error", "skipped", "xfailed", "xpassed"),
its id, seconds.

Passing items must cost next to nothing: one line each. With
pytest-xdist the workers load this too; they analyse failures and send the result along with the report.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Dict

# These lie beside this file, whose folder is on the path while this is loaded.
import dispatcher_recorder
import dispatcher_stream
import dispatcher_words
import pytest

Control = Dict[str, Any]

_HERE = os.path.dirname(os.path.abspath(__file__))
# Chosen files are run to their end, whatever the arguments say of stopping and of the last run.
_ALL_THE_WAY = {
    "maxfail": 0,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "stepwise_skip": False,
}
# What a run that only looks again must leave as the first has left it: reports.
_REPORTS = ("xmlpath", "report_log", "htmlpath", "json_report_file")
_controls: list[Control] = []


def begin(control: Control) -> None:
    """Take over what the scan asks for.

    `stream`: the file to append to. `files`: paths, relative to pytest's root folder, to collect instead of
    what the arguments say; None for all. `ignore`: paths not to be collected. `done`: items not to be run, as
    `dispatcher_words.same` gives them, and how many of each. `only`: the items to be run, None for all. `again`: they have been run
    before. `maxfail`: in place of the option, if not 0. `redact`: a file (see dispatcher_words). `signal` (0 for none), `limit` and
    `stacks`: see dispatcher_overdue. `evidence`: see dispatcher_evidence, None for a first pass.
    """
    if control["evidence"]:
        import dispatcher_evidence  # noqa: F401 - now, while its folder is on the path
    _controls.append(control)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Take our folder off the path again; see dispatcher_boot."""
    if _HERE in sys.path:
        sys.path.remove(_HERE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Begin to write, or in a worker to send."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        if _HERE in sys.path:
            sys.path.remove(_HERE)
        if "dispatcher" in worker:
            _register(dispatcher_recorder.Worker, config, worker["dispatcher"])
    elif _controls:
        _register(
            dispatcher_recorder.Recorder, config, _controls.pop()
        )  # once: a session that a test starts is none of ours


def _register(kind: Any, config: Any, control: Control) -> None:
    dispatcher_words.begin(control["redact"])
    _narrow(config, control)
    with contextlib.suppress(OSError):  # a worker on another machine has no such file
        writer = dispatcher_stream.Writer(control["stream"])
        config.pluginmanager.register(kind(config, control, writer), "dispatcher")
        if control["evidence"]:
            evidence = sys.modules["dispatcher_evidence"].Evidence(control["evidence"], writer)
            config.pluginmanager.register(evidence, "dispatcher-evidence")


def _narrow(config: Any, control: Control) -> None:
    if control["files"] is not None and "[" not in str(config.rootpath):
        config.args = _paths(config, control["files"])
        for name, value in _ALL_THE_WAY.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
    if control["again"]:
        for name in _REPORTS:
            if hasattr(config.option, name):
                setattr(config.option, name, None)
    config.option.ignore = [*(config.option.ignore or ()), *control["ignore"]]


def _paths(config: Any, names: list[str]) -> list[str]:
    """Return the paths to collect; what is gone has no tests. pytest takes a "[" for the start of a parameter."""
    paths: dict[str, None] = {}
    for name in names:
        path = name
        while "[" in path:
            path = os.path.dirname(path)
        paths[os.path.join(str(config.rootpath), path)] = None
    return [path for path in paths if os.path.exists(path)]
