"""Runs pytest in the target's interpreter with our plugin, and returns what it has shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dispatcher.domain.failure import Findings
from dispatcher.errors import TestsNotRun
from dispatcher.process import child
from dispatcher.scan import account
from dispatcher.scan.crash import how_it_died
from dispatcher.scan.gist import gist
from dispatcher.scan.layout import Layout
from dispatcher.scan.legs import Legs, Order, Part, Whole
from dispatcher.scan.patience import Limits
from dispatcher.scan.stream import Stream, Text

_ALL, _ANY_TIME = Part(), Limits()
_USAGE = 4


class Progress(NamedTuple):
    """How far a run is: items that have run, of how many, how many failures there are, and what it is for."""

    done: int
    total: int
    bad: int
    stage: str = ""


class Run(NamedTuple):
    """What a run has shown, the layout that its paths are relative to, and whether it was cut short from outside or inside.

    `sudden` are the items that ended the interpreter or did not end by themselves. `alone` are arguments with which pytest stays in one process and measures no coverage.
    """

    findings: Findings
    layout: Layout
    interrupted: bool
    crashed: bool
    alone: tuple[str, ...] = ()
    sudden: frozenset[str] = frozenset()


def run(
    order: Order,
    *,
    redact: Text,
    part: Part = _ALL,
    limits: Limits = _ANY_TIME,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Run:
    """Run the project's tests, or a part of them, once.

    What `on_progress` raises ends the run. Raises TestsNotRun when pytest cannot be started there, refuses its
    command line or a conftest, or finds no test.
    """
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as folder:
        path = Path(folder, "stream.jsonl")
        path.touch(0o600)
        stream = Stream(path, redact)

        def tick() -> None:
            on_progress(Progress(len(stream.outcomes), len(stream.collected), stream.bad))

        try:
            whole = Legs(order, limits, Path(folder), stream, tick).run(part)
            return _run_of(order, stream, whole, all_files=part.files is None)
        except child.NotStarted as error:
            raise TestsNotRun(problem=str(error)) from error
        finally:
            stream.close()


def _run_of(order: Order, stream: Stream, whole: Whole, *, all_files: bool) -> Run:
    session, end, ended = stream.session, stream.end, whole.ended
    if stream.no_pytest is not None:
        raise TestsNotRun(problem=f"{order.python} cannot run pytest ({stream.no_pytest}); name another with --python")
    if session is None and ended.interrupted:
        raise KeyboardInterrupt
    if session is None:
        raise TestsNotRun(problem=_why(order, whole))
    code = end["exit"] if end else ended.code
    filtered = account.is_filtered(order.arguments, session, stream)
    if not stream.outcomes and not stream.fails and not ended.interrupted:
        if all_files and code in account.ALL_RUN and whole.why is None:
            chosen = " with these arguments" if order.arguments else ""
            raise TestsNotRun(problem=f"no tests were found in {order.project}{chosen}")
        if code not in account.ALL_RUN or whole.why:
            raise TestsNotRun(problem=_why(order, whole))
    libraries, tests = session["libraries"], account.files_of_tests(stream.collected)
    layout = Layout(order.project, Path(session["rootdir"]), libraries, session["environment"], tests)
    not_run = stream.not_run()
    stopped = whole.asked_for or bool(end and end["stopped"])
    finished = account.is_whole(stream, whole) and not (stopped or not_run)
    findings = Findings(
        outcomes=stream.outcomes,
        failures=account.failures_of(stream, layout),
        not_run=frozenset(not_run),
        deselected=frozenset(stream.deselected),
        without_items=stream.without_items,
        finished=finished,
        filtered=filtered,
        facts=account.facts_of(stream, session, whole, finished=finished),
    )
    alone = (*(["-n0"] if session["workers"] else []), *(["--no-cov"] if session["coverage"] else []))
    crashed = not (finished or stopped or ended.interrupted)
    return Run(findings, layout, ended.interrupted, crashed, alone, frozenset(stream.sudden))


def _why(order: Order, whole: Whole) -> str:
    """Say why pytest did not get as far as running a test."""
    ended = whole.ended
    if whole.why:
        return f"{order.python}: {whole.why}"
    if ended.code == _USAGE:
        return f"pytest did not start: {gist(ended.output)}"
    said = "" if ended.code < 0 else f": {gist(ended.output)}"
    return f"{order.python}: {how_it_died(ended.code)} before a test ran{said}"
