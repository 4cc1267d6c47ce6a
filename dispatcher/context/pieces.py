"""What a prompt is made of: pieces of code, errors and notes, each in several forms from the whole to a line.

All texts here are data: they go into a prompt only inside fences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

from dispatcher.context.excerpt import Excerpt, Fits, Ranges, cut, excerpts, signature

Kind = Literal["code", "error", "test", "attempt", "note"]


class Tier(IntEnum):
    """How much a piece is needed; the first is always in the prompt."""

    CRITICAL = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Form(NamedTuple):
    """A way to show a piece: a text with the lines it shows, or what makes one that fits."""

    name: str
    content: Excerpt | Callable[[Fits], Excerpt]


class Piece(NamedTuple):
    """Something that may be in a prompt; `forms` has the best first, `reasons` are a few words each.

    `title` is one line, such as "Parser.feed in src/parser.py", `language` that of the fence, `name` that of a function.
    `room`: the tokens that it may have before it is cut; None leaves that to the rules.
    """

    kind: Kind
    tier: Tier
    title: str
    forms: tuple[Form, ...]
    path: str | None = None
    score: float = 0.0
    reasons: tuple[str, ...] = ()
    language: str = ""
    name: str = ""
    room: int | None = None


class Chosen(NamedTuple):
    """A piece as it stands in the prompt, with the bound of its tokens, heading and fence included."""

    piece: Piece
    form: str
    text: str
    lines: Ranges
    tokens: int


class LeftOut(NamedTuple):
    """A piece that is not in the prompt, and why."""

    piece: Piece
    why: str


def code_forms(lines: Sequence[str], first: int, weights: Callable[[], Mapping[int, float]]) -> tuple[Form, ...]:
    """Return the forms of a function's source, of which `first` is the number of the first line.

    `weights` says by number how suspicious a line is, from 0 to 1; it is asked only for an excerpt.
    """
    source = [line.rstrip("\r\n") for line in lines]
    whole = Excerpt("\n".join(source), ((first, first + len(source) - 1),) if source else ())
    return (
        Form("full", whole),
        Form("excerpt", excerpts(source, first, weights)),
        Form("signature", signature(source, first)),
    )


def text_forms(text: str) -> tuple[Form, ...]:
    """Return the forms of a text of which the beginning matters most."""
    return (Form("full", Excerpt(text, ())), Form("excerpt", lambda fits: Excerpt(cut(text, fits), ())))
