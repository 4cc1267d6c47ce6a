"""What a context shows of a fix: functions, lines, and at which place. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from dispatcher.context.builder import Context
from dispatcher.evaluate.cases import Case


class Measured(TypedDict):
    """One context against one fix.

    `any_function`, `all_functions`: whether the bodies of changed functions are in it, None for a fix that changes none
    (a signature alone does not count). `lines`: the share of the changed places that it shows. `rank`: the place of the
    first changed function, None if it is not ranked. `shown`: how many functions. `tokens` of the prompt, `seconds` of
    CPU to make it.
    """

    any_function: bool | None
    all_functions: bool | None
    lines: float | None
    rank: int | None
    shown: int
    tokens: int
    seconds: float


def measure(case: Case, context: Context, seconds: float) -> Measured:
    """Return what a context shows of a case."""
    lines: dict[str, set[int]] = {}
    bodies = set()
    for chosen in context.fitted.chosen:
        if chosen.piece.path is not None and chosen.piece.kind == "code":
            for first, last in chosen.lines:
                lines.setdefault(chosen.piece.path, set()).update(range(first, last + 1))
            if chosen.form != "signature":
                bodies.add((chosen.piece.path, chosen.piece.name))
    changed = {(path, name) for path, name in case["functions"]}
    order = list(dict.fromkeys((r.definition.path, r.definition.name) for r in context.ranked))
    ranks = [n for n, unit in enumerate(order, 1) if unit in changed]
    hits = [any(n in lines.get(path, ()) for n in numbers) for path, numbers, _ in case["places"]]
    return {
        "any_function": bool(changed & bodies) if changed else None,
        "all_functions": changed <= bodies if changed else None,
        "lines": sum(hits) / len(hits) if hits else None,
        "rank": min(ranks, default=None),
        "shown": len(bodies),
        "tokens": context.fitted.tokens.bound,
        "seconds": round(seconds, 4),
    }


class Total(TypedDict):
    """The shares over all bugs, from 0 to 1, None where there is no bug to tell by; `crash_top_3` and `assertion_top_10` are of these kinds."""

    bugs: int
    any_function: float | None
    all_functions: float | None
    lines: float | None
    first: float | None
    top_3: float | None
    top_5: float | None
    top_10: float | None
    crash_top_3: float | None
    assertion_top_10: float | None
    tokens: float | None
    seconds: float | None


def total(measured: Sequence[tuple[str, Measured]]) -> Total:
    """Return the shares over some bugs, each with its kind: "crash" or "assertion"."""
    every = [m for _, m in measured]
    ranked = [(kind, m) for kind, m in measured if m["any_function"] is not None]

    def within(most: int, kind: str | None = None) -> float | None:
        return _mean([m["rank"] is not None and m["rank"] <= most for k, m in ranked if kind in (None, k)])

    return {
        "bugs": len(every),
        "any_function": _mean([m["any_function"] for m in every]),
        "all_functions": _mean([m["all_functions"] for m in every]),
        "lines": _mean([m["lines"] for m in every]),
        "first": within(1),
        "top_3": within(3),
        "top_5": within(5),
        "top_10": within(10),
        "crash_top_3": within(3, "crash"),
        "assertion_top_10": within(10, "assertion"),
        "tokens": _mean([m["tokens"] for m in every]),
        "seconds": _mean([m["seconds"] for m in every]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
