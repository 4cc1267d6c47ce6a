"""Everything that is printed: data on standard output, talk on standard error, all of it made harmless."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from dispatcher import text
from dispatcher.cli import streams
from dispatcher.domain.moment import Moment, from_iso, spoken
from dispatcher.domain.record import Record
from dispatcher.domain.task import Row

if TYPE_CHECKING:
    from dispatcher.dispatch.scan import Scanned

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STATUS_STYLE = {"PENDING": "cyan", "ACTIVE": "yellow", "COMPLETED": "green", "FAILED": "red"}
_NARROWEST_TITLE = 24


# The two streams


def line(words: str = "") -> None:
    """Print one line or several of data; `words` may hold foreign text but no styles."""
    streams.put(text.clean(words))


def note(words: str) -> None:
    """Tell the user something that is not data."""
    streams.say(f"dispatcher: {text.clean_line(words)}")


def hint(words: str) -> None:
    """Tell a person what may come next; scripts are not told."""
    if sys.stdout.isatty():
        note(words)


def error(words: str) -> None:
    """Say in one line what went wrong."""
    streams.say(paint(sys.stderr, "red", "error: ") + text.clean_line(words))


def json(data: Any) -> None:  # noqa: ANN401 - any JSON data
    """Print a JSON document: indented on a terminal, on one line in a pipe."""
    option = orjson.OPT_SORT_KEYS | (orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0)
    streams.put(text.json_line_safe(orjson.dumps(data, option=option)).decode())


def paint(stream: Any, style: str, words: str) -> str:  # noqa: ANN401 - a text stream
    """Return `words`, which are harmless already, in a style if the stream shows styles."""
    if not words or not style or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return words
    return f"\x1b[{_STYLES[style]}m{words}\x1b[0m"


# Tables


def table(rows: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Print cells of (words, style) in aligned columns; the last column is cut to the terminal's width."""
    cleaned = [[(text.clean_line(words), style) for words, style in row] for row in rows]
    widths = [max(text.width(row[i][0]) for row in cleaned) for i in range(len(cleaned[0]) - 1)] if cleaned else []
    room = None
    if sys.stdout.isatty():
        room = max(_NARROWEST_TITLE, shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths))
    for row in cleaned:
        cells = [
            paint(sys.stdout, style, words) + " " * (width - text.width(words))
            for (words, style), width in zip(row, widths, strict=False)
        ]
        words, style = row[-1]
        cells.append(paint(sys.stdout, style, words if room is None else text.fit(words, room)))
        streams.put("  ".join(cells).rstrip())


def tasks(rows: Sequence[Row], now: Moment) -> None:
    """Print tasks as a table, with a heading on a terminal."""
    names = ("TASK", "STATUS", "PRIO", "AGE", "WHO", "TITLE")
    heading = [[(name, "dim") for name in names]] if sys.stdout.isatty() else []
    cells = [
        [
            (row["id"], "bold"),
            (row["status"], _STATUS_STYLE[row["status"]]),
            (f"p{row['priority']}", "dim"),
            (spoken(max(0, (now.wall - from_iso(row["created_at"])) / 1000)), "dim"),
            (_who(row, now.iso), "yellow"),
            (row["title"] + _tags(row), ""),
        ]
        for row in rows
    ]
    table(heading + cells)


def _who(row: Row, iso: str) -> str:
    if row["claimed_by"]:
        return row["claimed_by"]
    if row.get("muted_until", "") > iso:
        return "muted"
    if row.get("archived"):
        return "archived"
    if row.get("held") and row["status"] in ("PENDING", "FAILED"):
        return "held"
    if row["attempts"] and row["status"] == "PENDING":
        return "1 try" if row["attempts"] == 1 else f"{row['attempts']} tries"
    return "-"


def _tags(row: Row) -> str:
    tags = [*row["labels"], _size(row)] if row.get("tests", 1) > 1 else row["labels"]
    return f" [{', '.join(tags)}]" if tags else ""


# A scan


_OUTCOMES = (
    ("passed", "passed", "passed"),
    ("failed", "failed", "failed"),
    ("error", "error", "errors"),
    ("skipped", "skipped", "skipped"),
    ("xfailed", "expected to fail", "expected to fail"),
    ("xpassed", "passed against expectation", "passed against expectation"),
)


def scan(done: Scanned) -> None:
    """Print what a scan has changed, and what it came to."""
    kinds = (("new", "red", done.added), ("back again", "red", done.reopened), ("changed", "yellow", done.changed),
             ("resolved", "green", done.resolved))  # fmt: skip
    rows = [
        [(name, style), (row["id"], "bold"), (_size(row), "dim"), (row["title"], "")]
        for name, style, rows in kinds
        for row in rows
    ]
    rows += [[("held open", "yellow"), (i, "bold"), ("", ""), (why, "")] for i, why in done.held.items()]
    table(rows)
    facts = done.facts
    shown = [f"{facts[key]:,} {one if facts[key] == 1 else more}" for key, one, more in _OUTCOMES if key in facts]
    shown += [text.count(done.uncollected, "collection error")] if done.uncollected else []
    tests = f"{facts['collected']:,} test{'s' if facts['collected'] != 1 else ''}"
    how = (
        f"as {', '.join(facts['report'])} tells"
        if "report" in facts
        else (f"in {facts['seconds']:.1f} s, Python {facts['python']} {done.interpreter.why}")
    )
    line(f"{tests} {how}: {', '.join(shown) or 'none was run'}")
    if "stopped" in facts:
        line(f"not all were run: {facts['stopped']}; what was seen is kept, and nothing was closed")
    elif done.filtered:
        line("only a part was asked for: nothing was closed")
    if done.open_rows:
        line(f"{text.count(len(done.open_rows), 'task')} to do")


def scan_json(done: Scanned, code: int) -> None:
    """Print what a scan has changed as JSON."""
    lists = {name: getattr(done, name) for name in ("added", "reopened", "changed", "resolved")}
    facts = {**done.facts, "filtered": done.filtered, "python_path": done.interpreter.path}
    json(
        {
            **lists,
            "held": done.held,
            "failing_items": done.failing,
            "to_do": len(done.open_rows),
            "run": facts,
            "exit_code": code,
        }
    )


def _size(row: Row) -> str:
    return text.count(row.get("tests", 1), "test")


# The whole


def status(data: dict[str, Any]) -> None:
    """Print the state of the whole in a few lines."""
    counts = data["counts"]
    shown = "  ".join(f"{paint(sys.stdout, _STATUS_STYLE[name.upper()], str(n))} {name}" for name, n in counts.items())
    streams.put(shown)
    details = [f"{data['ready']} ready to claim"]
    details += [f"{data['muted']} muted"] if data["muted"] else []
    details += [f"{data['archived']} archived"] if data["archived"] else []
    line(", ".join(details))
    if oldest := data["oldest_pending"]:
        line(f"oldest pending: {oldest['task']}, {spoken(oldest['seconds'])}")
    for agent in data["agents"]:
        left = agent["lease_seconds_left"]
        ends = f"{spoken(left)} left" if left > 0 else f"lease ran out {spoken(-left)} ago"
        line(f"{agent['agent']}: {agent['task']}@{agent['generation']}, {ends}")
    context = data["context"]
    share = f"{context['usage_percent']:g} % of {context['window']:,}"
    if scan := data["last_scan"]:
        line(f"last scan: {spoken(scan['seconds'])} ago, {scan['said']}")
    about = "" if context["count"].startswith("exact") else "about "
    line(f"ledger: {text.count(context['ledger_tasks'], 'task')}, {about}{context['ledger_tokens']:,} tokens ({share})")
    if context["warning"]:
        line(
            f"warning: 'dispatcher prune' would take {text.count(context['prunable'], 'closed task')} out of the ledger"
        )


def records(found: Iterable[Record]) -> None:
    """Print journal records, an event a line, cut to the width of a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for record in found:
        for event in record.events:
            what, said = event.get("task", ""), _said(event)
            when = f"{record.at[:19]}Z"
            words = text.clean_line(
                f"{record.seq:>5}  {when}  {record.writer}  {event['type']}  {what}  {said}".rstrip()
            )
            streams.put(words if columns is None else text.fit(words, columns))


def _said(event: dict[str, Any]) -> str:
    if event["type"] == "pruned":
        return f"{text.count(len(event['archived']), 'task')} archived, {len(event['dropped'])} out of the ledger"
    if event["type"] == "checkpoint":
        return f"after {event['previous']['segment'] or 'the start'}"
    if event["type"] == "journal_repaired":
        return f"missing: {', '.join(event['lost'])}" if event["lost"] else "nothing was missing"
    if event["type"] == "context_given":
        return f"{event['tokens']:,} of {event['budget']:,} tokens, {event['count']}"
    return text.one_line(next((event[k] for k in ("text", "note", "reason", "title") if event.get(k)), ""))


def settings(values: Iterable[tuple[str, Any, str, str]]) -> None:
    """Print settings as key, value, source and purpose."""
    table(
        [
            [(key, "bold"), (_setting(value), ""), (source, "dim"), (purpose, "")]
            for key, value, source, purpose in values
        ]
    )


def _setting(value: object) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.15g}" if isinstance(value, float) else str(value)
    )
