"""Runs pytest in the target's interpreter with our plugin, and returns what it has shown."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dispatcher import process
from dispatcher.domain.failure import Failure, Findings
from dispatcher.errors import TestsNotRun
from dispatcher.scan import failures
from dispatcher.scan.gist import gist
from dispatcher.scan.layout import Layout
from dispatcher.scan.stream import Stream, Text

_BOOT = Path(__file__).with_name("target") / "dispatcher_boot.py"
_ALWAYS = ("--continue-on-collection-errors",)
_NO_TESTS, _USAGE, _INTERNAL = 5, 4, 3

# What makes pytest leave items out, as the first word of an argument or before its "=".
_SELECTING = {
    "-k", "-m", "--deselect", "--ignore", "--ignore-glob", "--lf", "--last-failed", "--sw", "--stepwise", "--stepwise-skip",
    "--sw-skip", "--co", "--collect-only", "--pyargs", "-x", "--exitfirst", "--maxfail", "--setup-only", "--setup-plan",
    "--fixtures", "--markers", "--help", "-h", "--version", "--noconftest", "--rootdir", "-c", "--config-file",
}  # fmt: skip
_PHASES = ("collect", "setup", "call", "teardown")


class Order(NamedTuple):
    """How the tests are run: where, with which Python, and with which further arguments of pytest's."""

    project: Path
    python: str
    arguments: tuple[str, ...] = ()


class Progress(NamedTuple):
    """How far a run is: items that have run, of how many, and how many failures there are."""

    done: int
    total: int
    bad: int


class Run(NamedTuple):
    """What a run has shown, the layout that its paths are relative to, and whether it was cut short from outside or inside."""

    findings: Findings
    layout: Layout
    interrupted: bool
    crashed: bool


def run(
    order: Order,
    *,
    redact: Text,
    files: Sequence[str] | None = None,
    ignore: Sequence[Path] = (),
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Run:
    """Run the project's tests, or only those of `files` (relative to pytest's root folder), once.

    `ignore` holds folders that pytest must not look into. What `on_progress` raises ends the run. Raises
    TestsNotRun when pytest cannot be started there, refuses its command line or a conftest, or finds no test.
    """
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as folder:
        path, control = Path(folder, "stream.jsonl"), Path(folder, "control.json")
        path.touch(0o600)
        wanted = {"stream": str(path), "files": files, "ignore": [str(p) for p in ignore]}
        control.write_bytes(orjson.dumps(wanted))
        stream = Stream(path, redact)
        argv = [order.python, str(_BOOT), str(control), *_ALWAYS, *order.arguments]

        def look() -> None:
            stream.read()
            on_progress(Progress(len(stream.outcomes), stream.total, stream.bad))

        try:
            ended = process.run(argv, order.project, on_tick=look)
        finally:
            stream.close()
    return _run_of(order, stream, ended, whole=files is None)


def _run_of(order: Order, stream: Stream, ended: process.Ended, *, whole: bool) -> Run:
    session = stream.session
    if stream.no_pytest is not None:
        raise TestsNotRun(problem=f"{order.python} cannot run pytest ({stream.no_pytest}); name another with --python")
    if session is None and ended.interrupted:
        raise KeyboardInterrupt
    if session is None:
        raise TestsNotRun(problem=_why(order, ended))
    code = stream.end["exit"] if stream.end else ended.code
    filtered = _is_filtered(order.arguments, session, stream)
    if not stream.outcomes and not stream.fails and not ended.interrupted:
        if code == _NO_TESTS and whole:
            raise TestsNotRun(
                problem=f"no tests were found in {order.project}{' with these arguments' if filtered else ''}"
            )
        if code not in (0, 1, _NO_TESTS):
            raise TestsNotRun(problem=_why(order, ended))
    layout = Layout(order.project, Path(session["rootdir"]), session["libraries"], session["environment"])
    # 0 and 1 say that everything was run; a run of chosen files may leave nothing to run (5).
    finished = (
        stream.end is not None and code in (0, 1, _NO_TESTS) and not stream.end["stopped"] and not ended.interrupted
    )
    findings = Findings(
        outcomes=stream.outcomes,
        failures=_failures_of(stream, layout),
        not_run=frozenset(stream.end["not_run"] if stream.end else ()),
        deselected=frozenset(stream.deselected),
        finished=finished,
        filtered=filtered,
        facts=_facts(stream, session, ended, finished=finished),
    )
    crashed = not ended.interrupted and (stream.end is None or code in (_USAGE, _INTERNAL))
    return Run(findings, layout, ended.interrupted, crashed)


def _failures_of(stream: Stream, layout: Layout) -> dict[str, Failure]:
    """Return one failure per item: the one of its first bad phase."""
    first: dict[str, tuple[str, str]] = {}
    for test, when in sorted(stream.fails, key=lambda key: (key[0], _PHASES.index(key[1]))):
        # A phase that failed and was tried again (reruns) is no failure of an item that then passed.
        if when == "collect" or stream.outcomes.get(test, "failed") in ("failed", "error"):
            first.setdefault(test, (test, when))
    return {test: failures.make(stream.fails[key], stream.details.get(key), layout) for test, key in first.items()}


def _facts(stream: Stream, session: dict[str, Any], ended: process.Ended, *, finished: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "python": session["python"],
        "pytest": session["pytest"],
        "collected": max(stream.total, len(stream.outcomes)),
        "seconds": round(ended.seconds, 2),
        "cpu_seconds": round(ended.cpu, 2),
    }
    for outcome in stream.outcomes.values():
        facts[outcome] = facts.get(outcome, 0) + 1
    if not finished:
        facts["stopped"] = _how_it_ended(stream, ended)
    return facts


def _how_it_ended(stream: Stream, ended: process.Ended) -> str:
    if ended.interrupted:
        return "interrupted"
    if stream.end is not None and stream.end["stopped"]:
        return str(stream.end["stopped"])[:200]
    if ended.code < 0:
        return f"killed by {signal.Signals(-ended.code).name}"
    if stream.end is None:
        return f"the interpreter exited with code {ended.code} in the middle"
    return f"pytest ended with code {ended.code}: {gist(ended.output)}"


def _why(order: Order, ended: process.Ended) -> str:
    """Say why pytest did not get as far as running a test."""
    if ended.code == _USAGE:
        return f"pytest did not start: {gist(ended.output)}"
    if ended.code < 0:
        return f"{order.python} was killed by {signal.Signals(-ended.code).name} before a test ran"
    return f"{order.python} ended with code {ended.code} before a test ran: {gist(ended.output)}"


def _is_filtered(arguments: tuple[str, ...], session: dict[str, Any], stream: Stream) -> bool:
    """Tell whether somebody asked for a part of the tests, by arguments or by PYTEST_ADDOPTS.

    What the project's own configuration leaves out is no filter: that is how the project runs its tests.
    """
    given = (*arguments, *os.environ.get("PYTEST_ADDOPTS", "").split())
    chosen = any(a in session["positional"] for a in given)
    selecting = any(_option(a) in _SELECTING for a in given)
    return chosen or selecting or bool(given and stream.deselected)


def _option(argument: str) -> str:
    """Return the option that an argument begins with: `-kname`, `-k`, `--deselect=x`."""
    if argument.startswith("--"):
        return argument.partition("=")[0]
    return argument[:2] if argument.startswith("-") else ""
