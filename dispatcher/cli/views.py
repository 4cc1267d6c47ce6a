"""list, show, status, log."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dispatcher.cli import document, render
from dispatcher.cli.composition import count_ledger, open_desk
from dispatcher.cli.options import Json, Kind, Labels, TaskId, UnderPath, complete_ids
from dispatcher.dispatch import views


class StatusName(StrEnum):
    """What --status takes, in either case."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


def list_command(
    status: Annotated[
        list[StatusName], typer.Option("--status", case_sensitive=False, help="Only these; repeatable.")
    ] = [],
    label: Labels = [],
    kind: Kind = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Only claimed by this one.")] = None,
    path: UnderPath = None,
    muted: Annotated[bool, typer.Option("--muted", help="Only muted ones.")] = False,
    json: Json = False,
) -> None:
    """List the tasks in the ledger.

    Active ones come first, then pending by urgency, failed, completed.

    Example: dispatcher list --status pending --label parser
    """
    desk = open_desk()
    wanted = views.Filter(tuple(s.value for s in status), tuple(label), kind, agent, path, muted)
    rows = views.list_tasks(desk, wanted)
    if json:
        render.json({"tasks": rows})
    elif rows:
        render.tasks(rows, desk.clock())
    else:
        render.note("no task fits" if wanted != views.Filter() else "no tasks yet; 'dispatcher scan' makes some")


def show_command(task: TaskId, json: Json = False) -> None:
    """Show a whole task, archived ones too.

    Example: dispatcher show parse --json | jq .attempt_log
    """
    shown = views.show(open_desk(), task)
    render.json(shown) if json else document.task(shown)


def status_command(json: Json = False) -> None:
    """Show counts, agents and the size of the ledger.

    Example: dispatcher status --json | jq .counts.pending
    """
    desk = open_desk()
    data = views.status(desk, count_ledger(desk.settings))
    render.json(data) if json else render.status(data)


def log_command(
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Only about this task.", autocompletion=complete_ids)
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Only by this agent.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="EVENT", help="Only such events.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="A date, a time, or a span back (7d, 12h).")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the last N.")] = None,
    json: Json = False,
) -> None:
    """Show what happened, oldest first.

    The log goes back through all segments of the journal.

    Example: dispatcher log --task parse --since 7d
    """
    found = views.log(open_desk(), views.LogFilter(task, agent, kind, since, limit))
    if json:
        render.json({"records": [record._asdict() for record in found]})
    else:
        render.records(found)
