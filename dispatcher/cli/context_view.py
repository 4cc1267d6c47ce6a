"""The context of a task, printed: the prompt, what is in it and why, or the messages for a model."""

from __future__ import annotations

from typing import Any

from dispatcher import text
from dispatcher.cli import render
from dispatcher.context.budget import allowance
from dispatcher.context.builder import Context
from dispatcher.context.markdown import Edit
from dispatcher.context.markdown import messages as chat
from dispatcher.context.pieces import Piece, Tier
from dispatcher.dispatch.contexts import Made

_HEADING = ("TIER", "TOKENS", "FORM", "SCORE", "WHAT AND WHY")


def prompt(made: Made) -> None:
    """Print the prompt."""
    if made.context:
        render.line(made.context.fitted.prompt.rstrip("\n"))


def messages(made: Made, edit: Edit) -> None:
    """Print the messages that ask a model for a change, each below its role."""
    if made.context:
        for message in chat(made.context.fitted.prompt, edit):
            render.line(f"--- {message['role']}\n{message['content'].rstrip()}\n")


def as_json(made: Made, edit: Edit | None = None) -> dict[str, Any] | None:
    """Return a context as docs/context.md describes it; None where there is none."""
    if made.context is None:
        return None
    fitted = made.context.fitted
    found: dict[str, Any] = {
        "prompt": fitted.prompt,
        "budget": made.budget,
        "tokens": fitted.tokens.bound,
        "count": fitted.tokens.label,
        "by": fitted.tokens.by,
        "items": [
            {
                **_about(each.piece), "lines": each.lines, "form": each.form, "tokens": each.tokens,
                "score": each.piece.score, "reasons": _reasons(each.piece, made.context),
            }
            for each in fitted.chosen
        ],
        "left_out": [{**_about(each.piece), "why": each.why} for each in fitted.left_out],
    }  # fmt: skip
    if edit:
        found["messages"] = chat(fitted.prompt, edit)
    return found


def explain(made: Made) -> None:
    """Print what is in a context and why, what is not, and what each tier has of its allowance."""
    if made.context is None:
        return
    fitted = made.context.fitted
    rows = [[(name, "dim") for name in _HEADING]]
    for each in fitted.chosen:
        why = "; ".join(_reasons(each.piece, made.context))
        lines = ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in each.lines)
        said = _what(each.piece) + (f", lines {lines}" if lines else "") + (f": {why}" if why else "")
        score = f"{each.piece.score:.2f}" if each.piece.score else "-"
        rows.append(
            [(each.piece.tier.name, "bold"), (f"{each.tokens:,}", ""), (each.form, ""), (score, ""), (said, "")]
        )
    render.table(rows)
    if fitted.left_out:
        render.line("\nleft out:")
        render.table([[(e.piece.tier.name, "bold"), (f"{_what(e.piece)}: {e.why}", "")] for e in fitted.left_out])
    render.line()
    render.table([_total(tier, made.budget, made.context) for tier in Tier])
    tokens = fitted.tokens
    render.line(f"{tokens.bound:,} of {made.budget:,} tokens in all; {tokens.label}, by {tokens.by}")


def _total(tier: Tier, budget: int, context: Context) -> list[tuple[str, str]]:
    used = sum(each.tokens for each in context.fitted.chosen if each.piece.tier == tier)
    return [(tier.name, "bold"), (f"{used:,} tokens", ""), (f"of {allowance(budget, tier):,.0f}", "dim")]


def _about(piece: Piece) -> dict[str, Any]:
    return {"kind": piece.kind, "name": piece.name or piece.title, "path": piece.path, "tier": piece.tier.name}


def _what(piece: Piece) -> str:
    name = f", {piece.name}" if piece.name not in piece.title else ""
    where = f" in {piece.path}" if piece.path and piece.path not in piece.title else ""
    return text.one_line(f"{piece.title}{name}{where}")


def _reasons(piece: Piece, context: Context) -> list[str]:
    """Return why a piece is there: its own reasons, and what each signal adds to the score of a function."""
    signals = next(
        (r.signals for r in context.ranked if (r.definition.path, r.definition.name) == (piece.path, piece.name)), {}
    )
    strongest = sorted(signals.items(), key=lambda each: -abs(each[1]))
    return [*piece.reasons, *(f"{name} {value:+.2f}" for name, value in strongest if piece.kind == "code")]
