"""The JSON lines of pytest-reportlog, read as the records that our plugin writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dispatcher.errors import InvalidInput
from dispatcher.scan.reports.lines import lines_of, parsed
from dispatcher.scan.reports.refusal import Refused, name_of
from dispatcher.scan.reports.sources import Place, Sources
from dispatcher.scan.reports.texts import MAX_LINE, MAX_TEXT, Redact, clean, head, shortened, tail
from dispatcher.scan.reports.traces import Said, describe

_MOST_OPEN = 10_000

Take = Callable[[Any], None]
Data = dict[str, Any]


def read(source: BinaryIO, project: Path, take: Take, redact: Redact) -> None:
    """Give `take` the records of what a report log tells. Memory stays bounded whatever the file holds.

    `redact` takes the secrets out of texts that are cut; those in ids are left to `take`.

    A last line that is cut off, as a run that was killed leaves it, counts for nothing. Raises InvalidInput for what
    is no report log.
    """
    log = _Log(Sources(project, redact), take, redact)
    try:
        for number, line, whole in lines_of(source):
            if not line.strip():
                continue
            try:
                record = parsed(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            except (ValueError, RecursionError) as error:
                if not whole and log.has_begun:
                    break
                raise Refused(f"line {number}: no JSON: {error}") from error
            log.add(record, number)
        log.end()
    except Refused as error:
        raise InvalidInput(what=name_of(source), problem=str(error)) from error


# Records

_KINDS = ("$report_type", "_report_type")
_OUTCOMES = ("passed", "failed", "skipped", "rerun")


class _Log:
    """Combines the reports of an item's phases into how it ended, as the plugin does."""

    def __init__(self, sources: Sources, take: Take, redact: Redact) -> None:
        self._redact = redact
        self._sources = sources
        self._take = take
        self._open: dict[str, tuple[str, float]] = {}
        self.has_begun = False

    def add(self, record: Any, number: int) -> None:  # noqa: ANN401 - JSON of another program's
        """Take in the record of a line."""
        kind = next((record[key] for key in _KINDS if key in record), None) if isinstance(record, dict) else None
        if kind is None and (not self.has_begun or not isinstance(record, dict)):
            raise Refused(f"line {number}: no report of pytest-reportlog's")
        self.has_begun = True
        if kind in ("TestReport", "CollectReport", "SubTestReport", "SubtestReport"):
            if not isinstance(record.get("nodeid"), str) or record.get("outcome") not in _OUTCOMES:
                raise Refused(f"line {number}: a {kind} without a nodeid or an outcome")
            record["nodeid"] = clean(record["nodeid"])
            self._collected(record) if kind == "CollectReport" else self._ran(record)
        elif kind == "SessionFinish" and isinstance(record.get("exitstatus"), int):
            self._take({"t": "end", "exit": record["exitstatus"], "stopped": ""})

    def end(self) -> None:
        """Take it that nothing more comes; an item without a teardown has not ended."""
        if not self.has_begun:
            raise Refused("it is empty, and no log of pytest-reportlog's")

    def _collected(self, report: Data) -> None:
        if report["outcome"] == "failed":
            self._failed(report, "collect")
        elif report["outcome"] == "skipped":
            self._take({"t": "without_items", "id": report["nodeid"], "skipped": True})

    def _ran(self, report: Data) -> None:
        test, when = report["nodeid"], report.get("when")
        failed = report["outcome"] == "failed"
        if when not in ("setup", "call", "teardown"):  # xdist tells of a worker that has crashed
            if failed:
                self._failed(report, "call")
                self._take(["failed", test, 0.0])
            return
        if failed:
            self._failed(report, when)
        outcome = _outcome(report, when)
        known = self._open.get(test)
        # The first bad phase decides; a failed subtest comes before the item's own report.
        if outcome is not None and (known is None or known[0] not in ("failed", "error")):
            known = self._open[test] = (outcome, _seconds(report.get("duration")))
        if when == "teardown":
            self._open.pop(test, None)
            if known is not None:
                self._take([known[0], test, known[1]])
        if len(self._open) > _MOST_OPEN:  # no run has so many under way
            del self._open[next(iter(self._open))]

    def _failed(self, report: Data, when: str) -> None:
        said = _said(report.get("longrepr"))
        said = said._replace(message=self._redact(said.message), text=self._redact(said.text))
        sections = [
            [head(self._known(name), 60), tail(self._known(text), MAX_TEXT)] for name, text in _sections(report)
        ]
        text = shortened(said.message or said.text)
        record = {"t": "fail", "id": report["nodeid"], "when": when, "text": text, "sections": sections}
        context = report.get("_subtest.context")
        if isinstance(context, dict):
            record["subtest"] = head(self._known(context.get("msg") or context.get("kwargs") or ""), MAX_LINE)
        self._take(record)
        detail = describe(said, self._sources)
        if detail is not None:
            self._take({"t": "detail", "id": report["nodeid"], "when": when, **detail})

    def _known(self, text: object) -> str:
        return self._redact(clean(str(text)))


def _outcome(report: Data, when: str) -> str | None:
    """Return how a phase ended, if that says how the item ended."""
    outcome, expected = report["outcome"], "wasxfail" in report
    if outcome == "failed":
        return "failed" if when == "call" else "error"
    if outcome == "skipped" and when != "teardown":
        return "xfailed" if expected else "skipped"
    if outcome == "passed" and when == "call":
        return "xpassed" if expected else "passed"
    return None  # another report will say how it ended, also after a rerun


def _seconds(duration: object) -> float:
    if isinstance(duration, (int, float)) and math.isfinite(duration) and duration >= 0:
        return round(float(duration), 4)
    return 0.0


def _sections(report: Data) -> list[list[Any]]:
    sections = report.get("sections")
    return [s for s in sections if isinstance(s, list) and len(s) == 2] if isinstance(sections, list) else []


# How a failure is shown


def _said(longrepr: object) -> Said:
    """Return what a report says of its failure: as data, or as a text for what has no exception."""
    if not isinstance(longrepr, dict):
        parts = longrepr if isinstance(longrepr, list) else [longrepr]
        text = clean(str(parts[-1] if parts and parts[-1] is not None else ""))
        return Said("", text)
    crash, trace = _dict(longrepr.get("reprcrash")), _dict(longrepr.get("reprtraceback"))
    chain = longrepr.get("chain")
    if not trace and isinstance(chain, list) and chain and isinstance(chain[-1], list) and chain[-1]:
        trace = _dict(chain[-1][0])  # the last is what is shown at the end
    entries = trace.get("reprentries")
    known = [_dict(_dict(entry).get("data")) for entry in entries] if isinstance(entries, list) else []
    lines = [clean(str(line)).rstrip("\n") for data in known for line in _list(data.get("lines"))]
    places = [place for data in known if (place := _place(data))]
    last = known[-1] if known else {}
    kind = str(_dict(last.get("reprfileloc")).get("message") or "")
    message = clean(str(crash.get("message") or ""))
    return Said(message, "\n".join(lines), "" if kind.startswith("in ") else kind, places=places)


def _place(data: Data) -> Place | None:
    where = _dict(data.get("reprfileloc"))
    line = where.get("lineno")
    if not isinstance(where.get("path"), str) or not isinstance(line, int):
        return None
    said = str(where.get("message") or "")
    lines = [clean(str(text)) for text in _list(data.get("lines"))]
    marked = [text[1:] for text in lines if text.startswith(">")] or (lines[:1] if said.startswith("in ") else [])
    code = marked[-1].strip() if marked else ""
    function = said[3:] if said.startswith("in ") else ""
    return Place(clean(where["path"]), line, head(function, MAX_LINE), code if code != "???" else "")


def _dict(value: object) -> Data:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
