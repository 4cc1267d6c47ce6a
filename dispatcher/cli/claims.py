"""claim, complete, fail, release, heartbeat, progress."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli import document, render
from dispatcher.cli.composition import open_desk
from dispatcher.cli.options import Agent, Json, Kind, Labels, Lease, SomeTask, Token, UnderPath
from dispatcher.dispatch import claims
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Wanted
from dispatcher.errors import InvalidInput
from dispatcher.text import count as counted


def claim_command(
    task: SomeTask = None,
    agent: Agent = None,
    label: Labels = [],
    kind: Kind = None,
    path: UnderPath = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Claim up to N tasks.")] = 1,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="Wait for a task to become claimable.")] = 0,
    lease: Lease = None,
    json: Json = False,
) -> None:
    """Claim the most urgent task and print it.

    The claim token that is printed with it is what complete, fail, release, heartbeat and progress take.
    Exits 3 when there is nothing to claim.

    Example: dispatcher claim --agent me --label parser --json
    """
    if not agent:
        raise InvalidInput(what="claim", problem="say who you are: --agent NAME (or DISPATCHER_AGENT)")
    if task and (label or kind or path or count > 1 or wait):
        raise InvalidInput(what="claim", problem="a task given by its id takes no filters, --count or --wait")
    wanted = Wanted(agent, count, task, tuple(label), kind, path)
    desk = open_desk()
    granted = claims.claim(desk, wanted, lease, wait)
    if json:
        render.json({"claims": [{"token": str(c.token), "task": c.task} for c in granted.claims]})
    else:
        for number, one in enumerate(granted.claims):
            render.line("\n---\n") if number else None
            document.task(one.task, str(one.token))
        render.hint(f"finish with 'dispatcher complete --claim {granted.claims[0].token}', or fail, or release")
    keep_small(desk, granted.ledger)


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
