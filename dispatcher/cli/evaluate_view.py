"""How an evaluation is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.cli import render
from dispatcher.evaluate.evaluation import OURS, Step
from dispatcher.text import count

_COLUMNS = (
    ("ANY", "any_function"), ("ALL", "all_functions"), ("LINES", "lines"), ("1ST", "first"), ("TOP3", "top_3"),
    ("TOP5", "top_5"), ("TOP10", "top_10"), ("CRASH3", "crash_top_3"), ("ASSERT10", "assertion_top_10"),
)  # fmt: skip


def step(done: Step, *, quiet: bool) -> None:
    """Print a bug as a line, and say on the side why a commit is none."""
    commit, subject = done.changed.commit[:10], done.changed.subject
    if done.bug is None:
        render.note(f"{done.tried} of {done.of}: {commit} is left out: {done.why}")
        return
    if quiet:
        render.note(f"{done.tried} of {done.of}: {commit} {subject}")
        return
    found = done.bug["measured"][OURS]
    shown = {None: "-", True: "yes", False: "no"}
    lines = "-" if found["lines"] is None else f"{found['lines']:.0%}"
    rank = found["rank"] if found["rank"] is not None else "-"
    words = f"any {shown[found['any_function']]}, all {shown[found['all_functions']]}, lines {lines}, rank {rank}"
    render.line(
        f"{commit} {done.bug['date']} {done.bug['kind']}: {words}, {found['tokens']:,} tokens, {found['seconds']:.2f} s: {subject}"
    )


def table(found: Mapping[str, Any]) -> None:
    """Print the totals, a line for each way to make a context."""
    bugs = found["bugs"]
    if not bugs:
        render.line("no commit is a fix that its tests show")
        return
    crashes = sum(bug["kind"] == "crash" for bug in bugs)
    render.line(
        f"\n{count(len(bugs), 'bug')} ({crashes} by an exception in the source), "
        f"contexts of {found['budget']:,} tokens by {found['counted_by'] or 'bytes'}\n"
    )
    heading = [("", ""), *((name, "dim") for name, _ in _COLUMNS), ("TOKENS", "dim")]
    rows = [
        [
            (name, "bold" if name == OURS else ""),
            *((_percent(total[key]), "") for _, key in _COLUMNS),
            (f"{total['tokens']:,.0f}", ""),
        ]
        for name, total in found["totals"].items()
    ]
    render.table([heading, *rows])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
