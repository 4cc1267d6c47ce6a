"""Which task or claim is meant: ids and their beginnings, tokens, the ledger and the archive."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.domain import ids
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Holder
from dispatcher.domain.task import Task
from dispatcher.errors import InvalidInput, Refused, UnknownTask

MAX_DEPENDENCIES = 100


def find(desk: Desk, ledger: Ledger, given: str) -> tuple[str, Task | None]:
    """Return the id that `given` means and, if the task has left the ledger, the task as it was archived.

    The beginning of an id means a task in the ledger rather than an archived one; a whole id means itself.
    Raises UnknownTask or AmbiguousTask.
    """
    wanted = given.strip().lower().partition("@")[0] or given
    try:
        task_id = ids.find(wanted, ledger.rows.keys())
    except UnknownTask:
        archived = {t["id"]: t for t in desk.store.archived(wanted)} if ids.is_id(wanted) else {}
        if not archived:
            raise
        task_id = ids.find(wanted, archived.keys())
        return task_id, archived[task_id]
    if task_id != wanted and ids.looks_whole(wanted):
        for task in desk.store.archived(wanted):
            if task["id"] == wanted:
                return wanted, task
    return task_id, None


def find_here(desk: Desk, ledger: Ledger, given: str) -> str:
    """Return the id of the task in the ledger that `given` means; an archived one is refused, saying so."""
    task_id, archived = find(desk, ledger, given)
    if archived or ledger.rows[task_id].get("archived"):
        raise Refused(task=task_id, why="it is archived; 'dispatcher reopen' brings it back")
    return task_id


def holder(desk: Desk, ledger: Ledger, whose: Whose) -> tuple[Holder, Task]:
    """Return the claim that is meant and its task. A whole token means exactly the task that it names.

    Raises InvalidInput when it is not said whose claim it is.
    """
    token = _token(whose)
    named = None if whose.task and "@" in whose.task else whose.task
    if token is None and not (named and whose.agent):
        problem = "say whose it is: --claim TOKEN (or DISPATCHER_CLAIM), or the task and --agent NAME"
        raise InvalidInput(what="claim", problem=problem)
    task_id, archived = find(desk, ledger, token.task if token else named or "")
    if token and task_id != token.task and ids.looks_whole(token.task):
        raise UnknownTask(given=token.task, near=ids.near(token.task, ledger.rows))
    if token and named and find(desk, ledger, named)[0] != task_id:
        raise InvalidInput(what=f"claim '{token}'", problem=f"is not a claim of task '{named}'")
    task = archived or ledger.task(task_id)
    return Holder(task_id, token.generation if token else None, whose.agent), task


def _token(whose: Whose) -> ids.Token | None:
    """Return the claim token among what was given: as the task's name it goes before the one of --claim."""
    given = whose.task if whose.task and "@" in whose.task else whose.claim
    return ids.parse_token(given) if given else None


def dependencies(desk: Desk, ledger: Ledger, given: Iterable[str]) -> list[str]:
    """Return the ids of the tasks to wait for; one that is archived is done already and is left out."""
    kept: dict[str, None] = {}
    for name in given:
        task_id, archived = find(desk, ledger, name)
        if not archived:
            kept[task_id] = None
    if len(kept) > MAX_DEPENDENCIES:
        raise InvalidInput(what="dependencies", problem=f"{len(kept)} given, {MAX_DEPENDENCIES} at most")
    return list(kept)
