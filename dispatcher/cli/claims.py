"""claim, complete, fail, release, heartbeat, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.cli import document, render
from dispatcher.cli.composition import context_place, open_desk
from dispatcher.cli.options import Agent, Budget, Json, Kind, Labels, Lease, ModelName, SomeTask, Token, UnderPath
from dispatcher.dispatch import claims
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Wanted
from dispatcher.errors import InvalidInput
from dispatcher.text import count as counted

if TYPE_CHECKING:
    from dispatcher.dispatch.giving import Given


def claim_command(
    task: SomeTask = None,
    agent: Agent = None,
    label: Labels = [],
    kind: Kind = None,
    path: UnderPath = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Claim up to N tasks.")] = 1,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="Wait for a task to become claimable.")] = 0,
    lease: Lease = None,
    budget: Budget = None,
    model: ModelName = None,
    json: Json = False,
) -> None:
    """Claim the most urgent task and print its context.

    That is how it fails, the code that is to blame and what was tried, within a budget of tokens of the model that will
    read it. The claim token in its first line is what complete, fail, release, heartbeat and progress take.
    Exits 3 when there is nothing to claim.

    Example: dispatcher claim --agent me --label parser --json
    """
    if not agent:
        raise InvalidInput(what="claim", problem="say who you are: --agent NAME (or DISPATCHER_AGENT)")
    if task and (label or kind or path or count > 1 or wait):
        raise InvalidInput(what="claim", problem="a task given by its id takes no filters, --count or --wait")
    # Before anything is claimed: what cannot be loaded must not keep a task from its agent.
    from dispatcher.cli import context_view  # noqa: F401
    from dispatcher.dispatch import giving
    from dispatcher.dispatch.contexts import Wish

    wanted = Wanted(agent, count, task, tuple(label), kind, path)
    desk = open_desk()
    granted = claims.claim(desk, wanted, lease, wait)
    _print(granted, giving.give(desk, granted, Wish(budget, model), context_place(desk.settings)), json=json)
    keep_small(desk, granted.ledger)


def _print(granted: claims.Granted, given: Given, *, json: bool) -> None:
    """Print what was claimed with its context, or whole where there is none."""
    from dispatcher.cli import context_view

    for words in given.notes:
        render.note(words)
    both = list(zip(granted.claims, given.made, strict=True))
    if json:
        parts = [{"token": str(c.token), "task": c.task, "context": context_view.as_json(made)} for c, made in both]
        render.json({"claims": parts})
        return
    for number, (one, made) in enumerate(both):
        render.line("\n---\n") if number else None
        context_view.prompt(made) if made.context else document.task(one.task, str(one.token))
    render.hint(f"finish with 'dispatcher complete --claim {granted.claims[0].token}', or fail, or release")


def fail_command(
    task: SomeTask = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it cannot be done (needed).")] = "",
    claim: Token = None,
    agent: Agent = None,
    json: Json = False,
) -> None:
    """Close a claimed task as one that could not be done.

    Example: dispatcher fail --claim parse-1f2e3d4c@1 --reason "needs a license"
    """
    if not reason.strip():
        raise InvalidInput(what="fail", problem="say why: --reason TEXT")
    desk = open_desk()
    closed = claims.fail(desk, Whose(task, claim, agent), reason)
    again = " before" if closed.again else ""
    render.json(closed.task) if json else render.line(f"failed {closed.task['id']}{again}")
    keep_small(desk, closed.ledger)


def release_command(
    task: SomeTask = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    claim: Token = None,
    agent: Agent = None,
    json: Json = False,
) -> None:
    """Give a claimed task back; that counts as no attempt.

    Example: dispatcher release --claim parse-1f2e3d4c@1
    """
    released = claims.release(open_desk(), Whose(task, claim, agent), reason)
    render.json(released) if json else render.line(f"released {released['id']}")


def heartbeat_command(
    task: SomeTask = None, claim: Token = None, agent: Agent = None, lease: Lease = None, json: Json = False
) -> None:
    """Renew a claim's lease, counted from now.

    Example: dispatcher heartbeat --claim parse-1f2e3d4c@1 --lease 600
    """
    kept = claims.heartbeat(open_desk(), Whose(task, claim, agent), lease)
    held = kept["claim"]
    if json:
        render.json(kept)
    elif held:
        render.line(f"{kept['id']}@{held['generation']} is held until {held['lease']['expires_at']}")


def progress_command(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One line about what was done or found.")],
    task: SomeTask = None,
    claim: Token = None,
    agent: Agent = None,
    json: Json = False,
) -> None:
    """Add a line to a claimed task's log.

    Example: dispatcher progress "the bug is in tokenize()" --claim parse-1f2e3d4c@1
    """
    noted = claims.progress(open_desk(), Whose(task, claim, agent), text)
    kept = counted(len(noted["progress"]), "line")
    render.json(noted) if json else render.line(f"noted on {noted['id']} ({kept} kept)")


def keep_small(desk: Desk, ledger: Ledger) -> None:
    """Prune if that is due: the user's command has succeeded and has been answered."""
    from dispatcher.dispatch import upkeep

    pruned = upkeep.prune_if_due(desk, ledger)
    if pruned and pruned.archived:
        render.note(f"pruned: {counted(len(pruned.archived), 'task')} archived")
