"""One task, printed as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dispatcher import text
from dispatcher.cli import render
from dispatcher.domain.task import Task

_MOST_TESTS, _MOST_OUTPUT = 20, 40


def task(document: Task, token: str | None = None) -> None:
    """Print a task as Markdown."""
    render.line(f"# {document['title']}")
    render.line()
    if token:
        render.line(f"- claim: {token}")
    render.line(f"- task: {document['id']} ({document['kind']}, priority {document['priority']})")
    render.line(f"- status: {_standing(document)}")
    for name, values in (
        ("labels", document["labels"]), ("paths", document["paths"]), ("waits for", document["depends_on"]),
    ):  # fmt: skip
        if values:
            render.line(f"- {name}: {', '.join(values)}")
    if muted := document["muted"]:
        render.line(f"- muted: until {muted['until'] or 'further notice'}: {text.one_line(muted['reason'])}")
    render.line(f"- created: {document['created_at']}")
    _seen(document)
    if document["body"]:
        render.line(f"\n{document['body']}")
    if "failure" in document:
        _failure(document)
    _log_of(document)


def _failure(document: Task) -> None:
    """Print what a scan knows of a task's failures."""
    failure, detail = document["failure"], document.get("detail") or {}
    about = detail.get("failure", {})
    render.line(f"\n## {text.one_line(failure['exception'])} in {text.one_line(failure['test'])}\n")
    _indented(str(about.get("message", failure["message"])).splitlines())
    if suspect := failure["suspect"]:
        function = "" if suspect["function"] == "<module>" else f"{suspect['function']}() in "
        render.line(f"\nLook at {function}{suspect['path']}.")
    if failure["frames"]:
        render.line("\nThe way there, innermost last:\n")
        _indented(failure["frames"])
    _suspects(failure.get("suspects", []), (about.get("evidence") or {}).get("tests", {}))
    _values(about.get("evidence") or {})
    _tests(list(detail.get("members", document["tests"])), failure["because"])
    for name, output in about.get("output", []):
        render.line(f"\n## {name}\n")
        _indented(output.splitlines()[-_MOST_OUTPUT:])


def _suspects(suspects: list[dict[str, Any]], tests: dict[str, int]) -> None:
    """Print whom the tests point to."""
    if not suspects:
        return
    render.line(
        f"\n## Suspects, by what {text.count(tests.get('failing', 0), 'failing test')} and {tests.get('passing', 0):,} passing ones execute\n"
    )
    for number, s in enumerate(suspects, 1):
        where = f"{s['function']}() in {s['path']}:{s['line']}"
        runs = f"{s['failing']} failing, {s['passing']} passing"
        render.line(f"{number}. {where}: {s['score']:.2f} ({runs}){_changed(s.get('changed'))}")


def _changed(change: dict[str, Any] | None) -> str:
    if change is None:
        return ""
    if "commit" not in change:
        return ", not committed yet"
    said = text.one_line(f"{change['author']}: {change['summary']}")
    return f", changed {change['date']} in {change['commit'][:10]} by {said}"


def _values(evidence: dict[str, Any]) -> None:
    """Print what was compared, and the variables at the place of the failure."""
    compared, frames = evidence.get("compared"), evidence.get("values", [])
    if not compared and not frames:
        return
    render.line("\n## Values\n")
    if compared:
        _indented([f"{compared['left']} {compared['op']} {compared['right']}"])
    for frame in frames:
        _indented([f"{frame['path']}:{frame['line']}", *(f"  {name} = {v}" for name, v in frame["values"].items())])


def _tests(tests: list[str], because: str) -> None:
    render.line("\n## Tests\n")
    if len(tests) > 1:
        render.line(f"These {len(tests)} tests are one task because {because}.\n")
    for test in tests[:_MOST_TESTS]:
        render.line(f"- {text.one_line(test)}")
    if len(tests) > _MOST_TESTS:
        render.line(f"- and {len(tests) - _MOST_TESTS:,} more ('show --json' has all)")


def _indented(lines: Iterable[str]) -> None:
    for words in lines:
        render.line(f"    {words}")


def _seen(document: Task) -> None:
    """Print what became of the failures since, as far as it is known."""
    if (scan := document.get("scan")) and document["status"] != "COMPLETED":
        held = f"; held open: {scan['held_open']}" if scan["held_open"] else ""
        render.line(f"- last seen: {scan['failing']} failing, {scan['passing']} passing, {scan['at']}{held}")
    if flaky := document.get("flaky"):
        render.line(f"- flaky: passed in {flaky['passed']} of {text.count(flaky['runs'], 'run')}")
    if times := document.get("regressions"):
        render.line(f"- came back: {text.count(times, 'time')}")
    if check := document.get("last_check"):
        render.line(f"- refused: {check['at']}, {check['agent']}: {text.one_line(check['why'])}")


def _standing(document: Task) -> str:
    if claim := document["claim"]:
        return f"{document['status']}, claimed by {claim['agent']} until {claim['lease']['expires_at']}"
    words: str = document["status"]
    if result := document["result"]:
        words += f" by {result['agent']} on {result['at']}"
        if result.get("resolved"):
            words += ", resolved: its tests pass"
        elif result["outcome"] == "completed" and not result["verified"]:
            words += f", unverified ({result.get('unverified_because', 'no reason given')})"
    if document["archived_at"]:
        words += f", archived {document['archived_at']}"
    if document["not_before"]:
        words += f", held back until {document['not_before']}"
    return words


def _log_of(document: Task) -> None:
    if document["attempt_log"]:
        render.line("\n## Attempts\n")
        for attempt in document["attempt_log"]:
            said = f": {text.one_line(attempt['note'])}" if attempt.get("note") else ""
            render.line(
                f"{attempt['generation']}. {attempt['outcome']} by {attempt['agent']}, {attempt['ended_at']}{said}"
            )
    if document["progress"]:
        render.line("\n## Progress\n")
        for step in document["progress"]:
            render.line(f"- {step['at']} {step['agent']}: {text.one_line(step['text'])}")
