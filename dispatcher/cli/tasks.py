"""add, edit, mute, reopen."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli import render
from dispatcher.cli.composition import open_desk
from dispatcher.cli.options import Json, TaskId, complete_ids, from_stdin
from dispatcher.dispatch import tasks
from dispatcher.domain.task import DEFAULT_PRIORITY, Task
from dispatcher.errors import InvalidInput

Priority = Annotated[int, typer.Option("--priority", metavar="0..100", help="100 is the most urgent.")]
Body = Annotated[str, typer.Option("--body", metavar="TEXT", help="What is to be done; '-' reads standard input.")]


def add_command(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is to be done, in one line.")],
    body: Body = "",
    priority: Priority = DEFAULT_PRIORITY,
    label: Annotated[list[str], typer.Option("--label", metavar="LABEL", help="Repeatable.")] = [],
    depends_on: Annotated[
        list[str],
        typer.Option(
            "--depends-on",
            metavar="TASK",
            help="Not before this one is completed; repeatable.",
            autocompletion=complete_ids,
        ),
    ] = [],
    path: Annotated[list[str], typer.Option("--path", metavar="PATH", help="A file it is about; repeatable.")] = [],
    json: Json = False,
) -> None:
    """Add a task by hand and print its id.

    Example: dispatcher add "parse() loses the last line" --label parser --priority 80
    """
    new = tasks.NewTask(title, from_stdin(body), priority, tuple(label), tuple(depends_on), tuple(path))
    task = tasks.add(open_desk(), new)
    render.json(task) if json else render.line(task["id"])


def edit_command(
    task: TaskId,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="A new title.")] = None,
    body: Annotated[
        str | None, typer.Option("--body", metavar="TEXT", help="A new body; '-' reads standard input.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", metavar="0..100", help="100 is the most urgent.")
    ] = None,
    label: Annotated[list[str], typer.Option("--label", metavar="LABEL", help="Add a label; repeatable.")] = [],
    no_label: Annotated[list[str], typer.Option("--no-label", metavar="LABEL", help="Take a label off.")] = [],
    depends_on: Annotated[
        list[str],
        typer.Option("--depends-on", metavar="TASK", help="Wait for this one too.", autocompletion=complete_ids),
    ] = [],
    no_depends_on: Annotated[
        list[str],
        typer.Option(
            "--no-depends-on", metavar="TASK", help="Wait for this one no longer.", autocompletion=complete_ids
        ),
    ] = [],
    json: Json = False,
) -> None:
    """Change a task.

    Example: dispatcher edit parse --priority 90 --no-label later
    """
    new_body = None if body is None else from_stdin(body)
    change = tasks.Edit(
        title, new_body, priority, tuple(label), tuple(no_label), tuple(depends_on), tuple(no_depends_on)
    )
    if change == tasks.Edit():
        raise InvalidInput(what="edit", problem="say what to change; see 'dispatcher edit --help'")
    edited, changed = tasks.edit(open_desk(), task, change)
    _done(edited, json, "edited {}" if changed else "nothing to change in {}")


def mute_command(
    task: TaskId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is set aside.")] = "",
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="A date (2026-12-01), a time or a span (7d, 12h).")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="End the muting.")] = False,
    json: Json = False,
) -> None:
    """Set a known failure aside.

    A muted task is not claimed, and rescans leave it muted.

    Example: dispatcher mute test-upload --reason "server is down" --until 7d
    """
    if off:
        if reason or until:
            raise InvalidInput(what="--off", problem="goes alone")
        _done(tasks.unmute(open_desk(), task), json, "{} is not muted")
        return
    if not reason.strip():
        raise InvalidInput(what="mute", problem="say why: --reason TEXT")
    _done(tasks.mute(open_desk(), task, reason, until), json, "muted {}")


def reopen_command(
    task: TaskId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    json: Json = False,
) -> None:
    """Make a closed task pending again.

    Archived tasks come back too. Attempts are counted from zero again.

    Example: dispatcher reopen parse --reason "fails on Windows"
    """
    _done(tasks.reopen(open_desk(), task, reason), json, "reopened {}")


def _done(task: Task, json: bool, what: str) -> None:
    render.json(task) if json else render.line(what.format(task["id"]))
