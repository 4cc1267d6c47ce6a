"""How an evaluation is printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dispatcher.cli import render
from dispatcher.text import count

if TYPE_CHECKING:
    from dispatcher.evaluate.evaluation import Bug, Step
    from dispatcher.evaluate.measures import Measured, Total
    from dispatcher.evaluate.repository import Repository
    from dispatcher.scan.interpreter import Interpreter

_SHARES = (
    ("ANY", "any_function"), ("ALL", "all_functions"), ("LINES", "lines"), ("1ST", "first"), ("TOP3", "top_3"),
    ("TOP5", "top_5"), ("TOP10", "top_10"),
)  # fmt: skip
_KINDS = {"crash": "exceptions in the source", "assertion": "what tests expect"}
_SHORT = 10
_MOST_NAMED = 3


def beginning(repository: Repository, python: Interpreter) -> None:
    """Say on the side what there is to know before anything is run."""
    render.note(f"the tests are run with {python.path}, {python.why}")
    if repository.shallow:
        render.note("the history is cut off, as this is a shallow clone; 'git fetch --unshallow' gets the rest")
    if repository.has_submodules:
        render.note("submodules are not checked out: their folders are empty")


def step(done: Step, number: int, *, quiet: bool) -> None:
    """Print a bug as a line, and say on the side why a commit that might have been one is none."""
    from dispatcher.evaluate.mining import NOT_BOTH
    from dispatcher.evaluate.variants import OURS

    commit = done.changed.commit[:_SHORT]
    if done.why is not None and done.why.reason != NOT_BOTH:
        render.note(f"{commit} left out: {done.why}")
    elif done.bug is not None and quiet:
        render.note(f"{commit} is bug {number}: {done.changed.subject}")
    elif done.bug is not None:
        found = done.bug["measured"][OURS]
        render.line(f"{commit} {done.bug['date']} {done.bug['kind']:<9}  {_words(found)}  {done.changed.subject}")


def _words(found: Measured) -> str:
    names = {None: "none changed", True: "all shown", False: "some shown" if found["any_function"] else "none shown"}
    rank = "unranked" if found["rank"] is None else f"rank {found['rank']}"
    where = f"{names[found['all_functions']]}, {rank}" if found["any_function"] is not None else names[None]
    lines = "-" if found["lines"] is None else f"{found['lines']:.0%}"
    return f"{where:<21}  lines {lines:>4}  {found['tokens']:>5,} tokens  {found['seconds']:.2f} s"


def summary(found: Mapping[str, Any]) -> None:
    """Print what all came to."""
    bugs: list[Bug] = found["bugs"]
    if bugs:
        _table(found)
        _missed(bugs)
    else:
        render.line("no commit is a fix that its tests show")
    if found["left_out"]:
        render.line(f"\nleft out are {count(sum(found['left_out'].values()), 'commit')}:")
    for reason, number in found["left_out"].items():
        render.line(f"  {number:>5,} {reason}")


def _table(found: Mapping[str, Any]) -> None:
    from dispatcher.evaluate.variants import OURS

    totals = found["totals"]
    render.line(
        f"\n{count(len(found['bugs']), 'bug')}, contexts of {found['budget']:,} tokens "
        f"as {found['counted_by'] or 'bytes'} counts them\n"
    )
    heading = [
        ("", ""),
        *((f"{name:>5}", "dim") for name in ("BUGS", *(name for name, _ in _SHARES), "TOKENS", "CPU s")),
    ]
    rows = []
    for name, total in totals["all"].items():
        rows.append(_row(name, total, "bold" if name == OURS else ""))
        if name == OURS:
            rows += [_row(f"  {words}", totals[kind][name], "") for kind, words in _KINDS.items() if totals[kind]]
    render.table([heading, *rows])
    without = sum(not bug["functions"] for bug in found["bugs"])
    if without:
        render.line(f"\n{count(without, 'bug')} changed no function: they count for lines only")


def _row(name: str, total: Total, style: str) -> list[tuple[str, str]]:
    shares = [_percent(total[key]) for _, key in _SHARES]  # type: ignore[literal-required]
    cells = [f"{total['bugs']:,}", *shares, f"{total['tokens']:,.0f}", f"{total['seconds']:.2f}"]
    return [(name, style), *((f"{cell:>5}", "") for cell in cells)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _missed(bugs: Sequence[Bug]) -> None:
    """Print a line for each cause that changed functions are not in the context for."""
    from dispatcher.evaluate.measures import CAUSES
    from dispatcher.evaluate.variants import OURS

    by_cause: dict[str, list[str]] = defaultdict(list)
    for bug in bugs:
        for missed in bug["measured"][OURS]["missed"]:
            by_cause[missed["cause"]].append(bug["commit"][:_SHORT])
    if by_cause:
        every = sum(len(bug["functions"]) for bug in bugs)
        found = sum(map(len, by_cause.values()))
        render.line(f"\nnot in the context are {found:,} of {every:,} changed functions:")
    for cause, why in CAUSES.items():
        if commits := by_cause[cause]:
            named = list(dict.fromkeys(commits))
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            render.line(f"  {len(commits):>3,} {cause}, {why}: {', '.join(named[:_MOST_NAMED])}{more}")
