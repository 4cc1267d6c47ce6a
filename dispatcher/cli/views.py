"""list, show, status, log."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.cli import document, render
from dispatcher.cli.composition import context_place, count_ledger, open_desk
from dispatcher.cli.options import Budget, Json, Kind, Labels, ModelName, TaskId, UnderPath, complete_ids
from dispatcher.dispatch import views
from dispatcher.errors import InvalidInput

if TYPE_CHECKING:
    from dispatcher.context.markdown import Edit


class StatusName(StrEnum):
    """What --status takes, in either case."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class EditForm(StrEnum):
    """What --edit takes."""

    function = "function"
    blocks = "blocks"
    diff = "diff"


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


def show_command(
    task: TaskId,
    context: Annotated[bool, typer.Option("--context", help="What an agent is given to read.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --context: what is in it and why, and what is not.")
    ] = False,
    edit: Annotated[
        EditForm | None, typer.Option("--edit", help="With --context: messages that ask a model for a change so.")
    ] = None,
    budget: Budget = None,
    model: ModelName = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="SEQ|TIME", help="With --context: what the claim was given that was the last then."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show a whole task, or its context.

    Archived tasks too. The context is what 'claim' would print now, or what it did print once (--at, by a sequence
    number of the log, a date, a time or a span back); --edit shows it as it is sent to a model.

    Example: dispatcher show parse --context --explain
    """
    making = {"--explain": explain, "--edit": edit, "--budget": budget, "--model": model}
    given = [name for name, value in making.items() if value]
    if not context and (given or at is not None):
        what = ", ".join([*given, *(["--at"] if at is not None else [])])
        raise InvalidInput(what=what, problem="says something about the context: give --context too")
    if at is not None and given:
        raise InvalidInput(what=f"--at and {', '.join(given)}", problem="what was given then is not made anew")
    if explain and (edit or json):
        raise InvalidInput(what="--explain", problem="is for people; --json tells all of it, --edit shows messages")
    if at is not None:
        _show_given(task, at, json=json)
    elif context:
        _show_context(task, budget, model, edit.value if edit else None, explain=explain, json=json)
    else:
        shown = views.show(open_desk(), task)
        render.json(shown) if json else document.task(shown)


def _show_given(task: str, at: str, *, json: bool) -> None:
    """Print the context that a claim was given once. Raises InvalidInput where there was none by then."""
    from dispatcher.dispatch import giving

    found = giving.given_by(open_desk(), task, at)
    render.json(found) if json else render.line(found["prompt"].rstrip("\n"))


def _show_context(
    task: str, budget: int | None, model: str | None, form: Edit | None, *, explain: bool, json: bool
) -> None:
    """Print the context that a task has now. Raises InvalidInput for a budget that nothing fits in."""
    from dispatcher.cli import context_view
    from dispatcher.dispatch import giving
    from dispatcher.dispatch.contexts import Wish

    desk = open_desk()
    made, notes = giving.look(desk, task, Wish(budget, model, told=form is not None), context_place(desk.settings))
    for words in notes:
        render.note(words)
    if made.context is None:
        raise InvalidInput(what="--context", problem=made.why)
    if json:
        render.json(context_view.as_json(made, form))
    elif explain:
        context_view.explain(made)
    elif form:
        context_view.messages(made, form)
    else:
        context_view.prompt(made)


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
