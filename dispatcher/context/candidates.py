"""The forms of pieces, made and measured when they are asked for, and each only once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dispatcher.context.budget import SAMPLE, TIERS, Meter, size
from dispatcher.context.excerpt import Excerpt, Fits, cut
from dispatcher.context.markdown import Head, neutral, section
from dispatcher.context.pieces import Chosen, Kind, Piece
from dispatcher.text import fence, one_line

_TRIES = 4
"""How often an excerpt is made smaller that has more tokens than was guessed from its bytes."""

_FENCES = 8
"""Tokens of a fence around a text."""


class Rules(NamedTuple):
    """How a budget is shared out; shares are of the whole budget.

    `tiers`: their parts, of 2,048; `first`: what the most suspicious code may have before it is cut to an excerpt,
    `later`: the same for other code, `others` for other kinds, `usual` where these do not say;
    `smallest`: tokens that the text of a piece's smallest form has at most; `least`: tokens that are kept for each
    piece of the second tier before the next is let in, so that there are fewer of them with more to see;
    `render`: what makes the prompt.
    """

    tiers: tuple[int, int, int, int] = TIERS
    first: float = 0.45
    later: float = 0.20
    others: Mapping[Kind, float] = {"test": 0.20, "error": 0.15}
    usual: float = 0.10
    smallest: int = 48
    least: int = 0
    render: Callable[[Head, Sequence[Chosen]], str] = neutral


class Candidates:
    """Pieces by their rank, and what may stand for each of them in a prompt of a budget."""

    def __init__(self, pieces: Sequence[Piece], budget: int, meter: Meter, rules: Rules) -> None:
        self.pieces = pieces
        self._budget, self._meter, self._rules = budget, meter, rules
        self._first = next((n for n, piece in enumerate(pieces) if piece.kind == "code"), None)
        self._smallest: dict[tuple[int, int], Chosen] = {}
        self._rates: dict[int, float] = {}

    def wanted(self, n: int) -> int:
        """Return about how many tokens a piece takes in its best form, up to the budget for one that is far beyond it."""
        content = self.pieces[n].forms[0].content
        if not isinstance(content, Excerpt):
            return self._cap(n)
        if self._meter.is_far_beyond(content.text, self._budget):
            return self._budget
        return self._chosen(self.pieces[n], self.pieces[n].forms[0].name, content).tokens

    def smallest(self, n: int) -> Chosen:
        """Return the smallest form of a piece."""
        return self.squeezed(n, self._rules.smallest)

    def squeezed(self, n: int, most: int) -> Chosen:
        """Return the smallest form of a piece, its text and, where that is tighter than usual, its title cut too."""
        found = self._smallest.get((n, most))
        if found is None:
            found = self._smallest[n, most] = self._squeezed(n, most)
        return found

    def largest(self, n: int, room: int, *, capped: bool = True) -> Chosen | None:
        """Return the best form of a piece that has room, None if even the smallest has not.

        `capped`: no more than a piece of its kind may have, unless that is less than its smallest form.
        """
        cap = min(room, self._cap(n)) if capped else room
        smallest = self.smallest(n)
        if smallest.tokens > room:
            return None
        for form in self.pieces[n].forms[: None if smallest.tokens <= cap else 0]:
            made = self._within(n, form.name, form.content, cap)
            if made is not None and made.tokens <= cap:
                return smallest if made.lines == smallest.lines != () and made.tokens >= smallest.tokens else made
        return smallest

    def is_best(self, n: int, chosen: Chosen) -> bool:
        """Tell whether a piece is in its best form."""
        return chosen.form == self.pieces[n].forms[0].name

    def shortened(self, text: str, most: int) -> str:
        """Return a text cut to so many tokens, its fence not counted."""
        room = most + _FENCES
        if size(fence(text)) < room:
            return text
        rate = self._meter.rate(text)
        while rate < 1:
            made = cut(text, lambda t: size(fence(t)) * rate <= room)  # noqa: B023 - called before the rate changes
            if self._meter.bound(fence(made)) <= room:
                return made
            rate *= max(1.1, self._meter.bound(fence(made)) / room)
        return cut(text, lambda t: size(fence(t)) < room)

    def _squeezed(self, n: int, most: int) -> Chosen:
        piece = self.pieces[n]
        form = piece.forms[-1]
        made = form.content if isinstance(form.content, Excerpt) else form.content(self._guess("", n, most + _FENCES))
        text = self.shortened(made.text, most)
        lines = made.shown if text == made.text else ()
        if most < self._rules.smallest:
            piece = piece._replace(title=self.shortened(one_line(piece.title), most), path=None, reasons=())
            lines = ()
        return self._chosen(piece, form.name, Excerpt(text, lines))

    def _within(self, n: int, name: str, content: Excerpt | Callable[[Fits], Excerpt], room: int) -> Chosen | None:
        """Return a form of a piece, made for a room if it is made; None for what surely has none."""
        piece = self.pieces[n]
        if isinstance(content, Excerpt):
            beyond = self._meter.is_far_beyond(content.text, room)
            return None if beyond else self._chosen(piece, name, content)
        frame = section(Chosen(piece, name, "", (), 0))
        aim = room
        for _ in range(_TRIES):
            made = self._chosen(piece, name, content(self._guess(frame, n, aim)))
            if made.tokens <= room:
                return made
            if aim <= 0:
                break
            aim = min(aim - 1, aim * room // made.tokens)
        return None

    def _guess(self, frame: str, n: int, room: int) -> Fits:
        """Return what tells from its bytes whether a text in a frame is about within a room."""
        most = room / self._rate(n)
        around = size(frame) + 2 * _FENCES
        return lambda text: around + size(fence(text)) <= most

    def _rate(self, n: int) -> float:
        if n not in self._rates:
            self._rates[n] = self._rated(self.pieces[n], *self.pieces[n].forms[0])
        return self._rates[n]

    def _rated(self, piece: Piece, name: str, content: Excerpt | Callable[[Fits], Excerpt]) -> float:
        """Return about how many tokens a byte of a piece takes; the budget has no part in it."""
        made = content if isinstance(content, Excerpt) else content(lambda text: size(text) <= SAMPLE)
        if len(made.text) > SAMPLE:
            return self._meter.rate(made.text)
        chosen = self._chosen(piece, name, made)
        return chosen.tokens / size(section(chosen))

    def _chosen(self, piece: Piece, form: str, made: Excerpt) -> Chosen:
        chosen = Chosen(piece, form, made.text, made.shown, 0)
        return chosen._replace(tokens=self._meter.bound(section(chosen)))

    def _cap(self, n: int) -> int:
        """Return how many tokens a piece may have before it is cut."""
        piece = self.pieces[n]
        if piece.room is not None:
            return piece.room
        share = self._rules.later if piece.kind == "code" else self._rules.others.get(piece.kind, self._rules.usual)
        return int((self._rules.first if n == self._first else share) * self._budget)
