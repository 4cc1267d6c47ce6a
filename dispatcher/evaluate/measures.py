"""What a context shows of a fix: functions, lines, at which place, and why not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from dispatcher.context.builder import Context
from dispatcher.evaluate.truth import Truth

Cause = Literal["not ranked", "ranked too low", "no room"]
CAUSES: Mapping[Cause, str] = {
    "not ranked": "no signal points there",
    "ranked too low": "behind all that is shown",
    "no room": "before something that is shown",
}
"""Why the body of a changed function is not in a context."""


class Missed(TypedDict):
    """A changed function of which the body is not in the context."""

    path: str
    name: str
    cause: Cause


class Measured(TypedDict):
    """One context against one fix.

    `any_function`, `all_functions`: whether the bodies of changed functions are in it, None for a fix that changes none
    (a signature alone does not count); `missed` are those that are not. `lines`: the share of the changed places that
    it shows, None for a fix without. `rank`: the place of the first changed function, None if it is not ranked.
    `shown`: of how many functions the body is in it. `tokens` of the prompt, `seconds` of CPU to make it.
    """

    any_function: bool | None
    all_functions: bool | None
    lines: float | None
    rank: int | None
    shown: int
    tokens: int
    seconds: float
    missed: list[Missed]


def measure(truth: Truth, context: Context, seconds: float) -> Measured:
    """Return what a context shows of what was changed."""
    lines: dict[str, set[int]] = {}
    bodies = set()
    for chosen in context.fitted.chosen:
        if chosen.piece.path is not None and chosen.piece.kind == "code":
            for first, last in chosen.lines:
                lines.setdefault(chosen.piece.path, set()).update(range(first, last + 1))
            if chosen.form != "signature":
                bodies.add((chosen.piece.path, chosen.piece.name))
    changed = set(truth.functions)
    order = dict.fromkeys((r.definition.path, r.definition.name) for r in context.ranked)
    places = {unit: n for n, unit in enumerate(order, 1)}
    hits = [any(n in lines.get(place.path, ()) for n in place.lines) for place in truth.places]
    return {
        "any_function": bool(changed & bodies) if changed else None,
        "all_functions": changed <= bodies if changed else None,
        "lines": sum(hits) / len(hits) if hits else None,
        "rank": min((places[unit] for unit in changed if unit in places), default=None),
        "shown": len(bodies),
        "tokens": context.fitted.tokens.bound,
        "seconds": round(seconds, 4),
        "missed": [
            {"path": path, "name": name, "cause": _cause((path, name), places, bodies)}
            for path, name in sorted(changed - bodies)
        ],
    }


def _cause(unit: tuple[str, str], places: Mapping[tuple[str, str], int], bodies: Iterable[tuple[str, str]]) -> Cause:
    if unit not in places:
        return "not ranked"
    last = max((places.get(each, 0) for each in bodies), default=0)
    return "ranked too low" if places[unit] > last else "no room"


class Total(TypedDict):
    """Means over all bugs; shares from 0 to 1, None where there is no bug to tell by.

    `with_functions` is of how many bugs a function is changed: the shares of functions and ranks are of these.
    """

    bugs: int
    with_functions: int
    any_function: float | None
    all_functions: float | None
    lines: float | None
    first: float | None
    top_3: float | None
    top_5: float | None
    top_10: float | None
    tokens: float | None
    seconds: float | None


def total(measured: Sequence[Measured]) -> Total:
    """Return the means over some bugs."""
    ranked = [m["rank"] for m in measured if m["any_function"] is not None]

    def within(most: int) -> float | None:
        return _mean([rank is not None and rank <= most for rank in ranked])

    return {
        "bugs": len(measured),
        "with_functions": len(ranked),
        "any_function": _mean([m["any_function"] for m in measured]),
        "all_functions": _mean([m["all_functions"] for m in measured]),
        "lines": _mean([m["lines"] for m in measured]),
        "first": within(1),
        "top_3": within(3),
        "top_5": within(5),
        "top_10": within(10),
        "tokens": _mean([m["tokens"] for m in measured]),
        "seconds": _mean([m["seconds"] for m in measured]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
