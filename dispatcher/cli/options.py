"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli import streams
from dispatcher.domain.task import Row
from dispatcher.errors import DispatcherError


def complete_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the ids that a shell may offer; nothing when the state cannot be read."""
    return [row["id"] for row in _rows(ctx) if row["id"].startswith(incomplete)]


def complete_claims(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the tokens of the claims that a shell may offer."""
    tokens = [f"{row['id']}@{row['generation']}" for row in _rows(ctx) if row["status"] == "ACTIVE"]
    return [token for token in tokens if token.startswith(incomplete)]


def _rows(ctx: typer.Context) -> list[Row]:
    from dispatcher.cli import composition

    named = ctx.find_root().params.get("root")  # as it was typed: nothing is converted while completing
    composition.use_root(Path(named) if named else None)
    try:
        desk = composition.open_desk(tell=lambda _line: None)
        return desk.store.view(lambda ledger: list(ledger.rows.values()))
    except (DispatcherError, OSError):
        return []


TaskId = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id or the start of it.", autocompletion=complete_ids)
]
SomeTask = Annotated[
    str | None,
    typer.Argument(metavar="[TASK]", help="The task: id, start of it, or claim token.", autocompletion=complete_ids),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--claim",
        metavar="TOKEN",
        envvar="DISPATCHER_CLAIM",
        show_envvar=True,
        help="The claim, as 'claim' printed it.",
        autocompletion=complete_claims,
    ),
]
Agent = Annotated[
    str | None,
    typer.Option("--agent", metavar="NAME", envvar="DISPATCHER_AGENT", show_envvar=True, help="The agent's name."),
]
Lease = Annotated[float | None, typer.Option("--lease", metavar="SECONDS", help="How long the claim holds from now.")]
ModelName = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The model, as its server calls it; else llm.model.")
]
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget",
        metavar="N",
        min=256,
        max=1 << 24,
        help="Tokens that the context may have; else a share of the window.",
    ),
]
Session = Annotated[str, typer.Option("--session", metavar="NAME", help="The conversation.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Labels = Annotated[list[str], typer.Option("--label", metavar="LABEL", help="Only with this label; repeatable.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind, such as 'manual'.")]
UnderPath = Annotated[str | None, typer.Option("--path", metavar="PATH", help="Only about this file, folder or glob.")]


def from_stdin(given: str) -> str:
    """Return `given`, or standard input when it is "-"."""
    return streams.read_all(2_000_000) if given == "-" else given
