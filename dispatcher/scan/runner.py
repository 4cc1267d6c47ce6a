"""Runs pytest in the target's interpreter with our plugin, and returns what it has shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from dispatcher import process
from dispatcher.domain.failure import Findings
from dispatcher.errors import TestsNotRun
from dispatcher.scan import account
from dispatcher.scan.gist import gist
from dispatcher.scan.layout import Layout
from dispatcher.scan.stream import Stream, Text

_BOOT = Path(__file__).with_name("target") / "dispatcher_boot.py"
_ALWAYS = ("--continue-on-collection-errors",)
_USAGE = 4


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
            on_progress(Progress(len(stream.outcomes), len(stream.collected), stream.bad))

        try:
            ended = process.run(argv, order.project, on_tick=look)
        except process.NotStarted as error:
            raise TestsNotRun(problem=str(error)) from error
        finally:
            stream.close()
    return _run_of(order, stream, ended, whole=files is None)


def _run_of(order: Order, stream: Stream, ended: process.Ended, *, whole: bool) -> Run:
    session, end = stream.session, stream.end
    if stream.no_pytest is not None:
        raise TestsNotRun(problem=f"{order.python} cannot run pytest ({stream.no_pytest}); name another with --python")
    if session is None and ended.interrupted:
        raise KeyboardInterrupt
    if session is None:
        raise TestsNotRun(problem=_why(order, ended))
    code = end["exit"] if end else ended.code
    filtered = account.is_filtered(order.arguments, session, stream)
    if not stream.outcomes and not stream.fails and not ended.interrupted:
        if whole and code in account.ALL_RUN:
            chosen = " with these arguments" if order.arguments else ""
            raise TestsNotRun(problem=f"no tests were found in {order.project}{chosen}")
        if code not in account.ALL_RUN:
            raise TestsNotRun(problem=_why(order, ended))
    layout = Layout(order.project, Path(session["rootdir"]), session["libraries"], session["environment"])
    not_run = stream.not_run()
    stopped = bool(end and end["stopped"])
    finished = code in account.ALL_RUN and not (end is None or stopped or not_run or ended.interrupted)
    findings = Findings(
        outcomes=stream.outcomes,
        failures=account.failures_of(stream, layout),
        not_run=frozenset(not_run),
        deselected=frozenset(stream.deselected),
        without_items=stream.without_items,
        finished=finished,
        filtered=filtered,
        facts=account.facts_of(stream, session, ended, finished=finished),
    )
    return Run(findings, layout, ended.interrupted, crashed=not (finished or stopped or ended.interrupted))


def _why(order: Order, ended: process.Ended) -> str:
    """Say why pytest did not get as far as running a test."""
    if ended.code == _USAGE:
        return f"pytest did not start: {gist(ended.output)}"
    said = "" if ended.code < 0 else f": {gist(ended.output)}"
    return f"{order.python}: {account.how_it_died(ended.code)} before a test ran{said}"
