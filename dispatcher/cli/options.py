"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli import streams
from dispatcher.errors import DispatcherError


def complete_ids(incomplete: str) -> list[str]:
    """Return the ids that a shell may offer; nothing when the state cannot be read."""
    from dispatcher.cli import composition

    try:
        ids = composition.open_desk().store.view(lambda ledger: list(ledger.rows))
    except (DispatcherError, OSError):
        return []
    return [i for i in ids if i.startswith(incomplete)]


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
    ),
]
Agent = Annotated[
    str | None,
    typer.Option("--agent", metavar="NAME", envvar="DISPATCHER_AGENT", show_envvar=True, help="The agent's name."),
]
Lease = Annotated[float | None, typer.Option("--lease", metavar="SECONDS", help="How long the claim holds from now.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Labels = Annotated[list[str], typer.Option("--label", metavar="LABEL", help="Only with this label; repeatable.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind, such as 'manual'.")]
UnderPath = Annotated[str | None, typer.Option("--path", metavar="PATH", help="Only about this file, folder or glob.")]


def from_stdin(given: str) -> str:
    """Return `given`, or standard input when it is "-"."""
    return streams.read_all(2_000_000) if given == "-" else given
