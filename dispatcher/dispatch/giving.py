"""Giving agents the contexts of the tasks that they have claimed, and keeping what each was given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dispatcher.dispatch import finding, intake, related, views
from dispatcher.dispatch.claims import Claimed, Granted
from dispatcher.dispatch.contexts import Contexts, Made, Place, Wish
from dispatcher.dispatch.desk import Desk, filled_in
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Event
from dispatcher.errors import DispatcherError, InvalidInput, Unrepairable
from dispatcher.store.base import Change


class Given(NamedTuple):
    """What agents were given with their claims, in the claims' order, and what a person should know of it."""

    made: list[Made]
    notes: list[str]


def give(desk: Desk, granted: Granted, wish: Wish, place: Place) -> Given:
    """Make the contexts of claims that were granted, and keep those with code in them. Never raises for a reason of either."""
    with Contexts(desk.settings, wish, place) as contexts:
        made = [
            contexts.make(each.task, related.beside(granted.ledger, each.task), str(each.token))
            for each in granted.claims
        ]
        notes = contexts.notes
    notes = [
        *notes,
        *(f"{each.task['id']}: {_told(one)}" for each, one in zip(granted.claims, made, strict=True) if one.why),
    ]
    try:
        _keep(desk, granted.claims, made)
    except (DispatcherError, OSError) as error:
        notes.append(f"what was given is not kept: {error}")
    return Given(made, notes)


def look(desk: Desk, given: str, wish: Wish, place: Place) -> tuple[Made, list[str]]:
    """Return the context that a task would have now, one from the archive too, and what a person should know of it."""
    task = views.show(desk, given)
    beside = desk.store.view(lambda ledger: related.beside(ledger, task))
    with Contexts(desk.settings, wish, place) as contexts:
        made = contexts.make(task, beside)
        return made, [*contexts.notes, *([_told(made)] if made.why and made.context else [])]


def given_by(desk: Desk, named: str, when: str) -> dict[str, Any]:
    """Return what was given with the task's last claim up to then, as the journal has it: `prompt`, `budget`, `agent` ...

    `when` is a sequence number, a date, a time or a span back. Raises InvalidInput where nothing was given by then.
    """
    until = int(when) if re.fullmatch(r"[0-9]{1,18}", when) else None
    try:
        at = "" if until is not None else intake.moment_in_time("--at", when, desk.clock(), past=True)
    except InvalidInput:
        problem = "must be a sequence number, a date (2026-12-01), a time or a span back (7d, 12h)"
        raise InvalidInput(what=f"--at '{when}'", problem=problem) from None
    task, _ = desk.store.view(lambda ledger: finding.find(desk, ledger, named))
    last = None
    for record in desk.store.history():
        if record.seq > until if until is not None else record.at > at:
            break
        for event in record.events:
            if event["type"] == "context_given" and event["task"] == task:
                last = {**event, "seq": record.seq, "at": record.at}
    if last is None:
        problem = f"no claim of {task} had been given a context by then; 'dispatcher log --task {task}' tells its story"
        raise InvalidInput(what=f"--at '{when}'", problem=problem)
    found = filled_in(desk, last)
    if "prompt" not in found:
        raise Unrepairable(
            file=f"BLOBS/{found['prompt_blob'].partition('#')[0]}", problem="is gone, and the prompt was in it"
        )
    return found


def _told(made: Made) -> str:
    without = "its context is without code" if made.context and not made.has_code else "its context is a simpler one"
    return f"{without if made.context else 'it has no context'}: {made.why}"


def _keep(desk: Desk, claims: Sequence[Claimed], made: Sequence[Made]) -> None:
    """Write the second record: what was given with each claim that still holds."""
    given = [(claim, each) for claim, each in zip(claims, made, strict=True) if each.has_code]
    if not given:
        return

    def decide(ledger: Ledger, _now: Moment) -> Change:
        events = [_event(claim, each) for claim, each in given if _holds(ledger, claim)]
        return Change(events, events[0]["agent"] if events else None)

    desk.store.transact("claim", decide)


def _holds(ledger: Ledger, claim: Claimed) -> bool:
    row = ledger.rows.get(claim.token.task)
    return row is not None and row["status"] == "ACTIVE" and row.get("generation") == claim.token.generation


def _event(claim: Claimed, made: Made) -> Event:
    assert made.context is not None  # noqa: S101 - it has code
    held, fitted = claim.task["claim"], made.context.fitted
    return {
        "type": "context_given", "task": claim.token.task, "agent": held["agent"] if held else "",
        "generation": claim.token.generation, "budget": made.budget, "tokens": fitted.tokens.bound,
        "count": fitted.tokens.label, "by": fitted.tokens.by, "prompt": fitted.prompt,
    }  # fmt: skip
