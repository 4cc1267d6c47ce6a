"""scan --junit and --reportlog: what tests that ran elsewhere have shown."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import orjson

from dispatcher.dispatch.desk import Desk
from dispatcher.domain.failure import Findings, file_of
from dispatcher.domain.fingerprint import digest
from dispatcher.errors import InvalidInput
from dispatcher.scan import account
from dispatcher.scan.layout import Layout
from dispatcher.scan.runner import Run
from dispatcher.scan.stream import Records, Stream

_OPEN_ALREADY = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""How a shell hands over a stream, which can be read without waiting for somebody to write."""

Format = Literal["JUnit", "reportlog"]


class Report(NamedTuple):
    """A file of results, "-" for standard input, and what is in it."""

    format: Format
    name: str


def read(desk: Desk, project: Path, reports: Sequence[Report]) -> Run:
    """Return what some reports tell, as a run of the tests would have. Raises InvalidInput for what is no report."""
    ends = 0
    layout = Layout(project, project, [])
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as folder, Path(folder, "stream.jsonl").open("xb") as file:

        def take(record: Any) -> None:  # noqa: ANN401 - JSON, as our plugin writes it
            nonlocal ends
            ends += isinstance(record, dict) and record["t"] == "end"
            file.write(orjson.dumps(desk.redactor.data(record)) + b"\n")

        for report in reports:
            with _opened(report) as source:
                _reader(report.format)(source, project, take, desk.redactor.text)
        file.flush()
        stream = Stream(Path(file.name), desk.redactor.text)
        try:
            stream.read()
            if not stream.outcomes and not stream.fails:
                raise InvalidInput(what=", ".join(_spoken(r.name) for r in reports), problem="holds no test")
            whole = ends == sum(report.format == "reportlog" for report in reports)
            findings = _findings(stream, layout, reports, finished=whole)
        finally:
            stream.close()
    return Run(findings, layout, interrupted=False, crashed=False)


def _findings(records: Records, layout: Layout, reports: Sequence[Report], *, finished: bool) -> Findings:
    failures = account.failures_of(records, layout)
    for test, failure in failures.items():
        file = file_of(test)
        if not (file.endswith(".py") and (layout.project / file).is_file()):
            failure["source"] = reports[0].format
            failure["cause"] = digest("source", failure["cause"])  # no task holds tests that we can run, and others
    facts: dict[str, Any] = {"report": [_spoken(report.name) for report in reports], "collected": len(records.outcomes)}
    facts |= account.counts_of(records)
    if not finished:
        facts["stopped"] = "the report ends before the run did"
    return Findings(
        outcomes=records.outcomes,
        failures=failures,
        not_run=frozenset(),
        deselected=frozenset(),
        without_items=records.without_items,
        finished=finished,
        filtered=False,
        facts=facts,
        reported=True,
    )


def _spoken(name: str) -> str:
    return "standard input" if name == "-" else name


def _reader(kind: Format) -> Any:  # noqa: ANN401 - one of two functions, each slow to import
    if kind == "JUnit":
        from dispatcher.scan.reports import junit

        return junit.read
    from dispatcher.scan.reports import reportlog

    return reportlog.read


@contextlib.contextmanager
def _opened(report: Report) -> Iterator[BinaryIO]:
    if report.name == "-":
        yield sys.stdin.buffer
        return
    path = Path(report.name)
    try:
        if not (path.is_file() or report.name.startswith(_OPEN_ALREADY)):
            problem = "is not a file" if path.exists() else "there is no such file"
            raise InvalidInput(what=report.name or "''", problem=problem)
        with path.open("rb") as source:
            yield source
    except OSError as error:
        raise InvalidInput(what=report.name, problem=f"cannot be read: {error.strerror or error}") from error
