"""Which pieces go into a prompt and in which form, so that it never has more tokens than its budget.

Tokens of parts do not add up to those of the whole, so it is the whole that is counted in the end; until it fits, pieces
are made smaller. Which pieces of the two first tiers are there is settled before anything else, by their smallest
forms: a larger budget never loses one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dispatcher.context.budget import Meter, allowance, limits
from dispatcher.context.candidates import Candidates, Rules
from dispatcher.context.markdown import Head, ordered
from dispatcher.context.pieces import Chosen, LeftOut, Piece, Tier
from dispatcher.errors import InvalidInput
from dispatcher.llm.tokens import Count

_TRIES = 6
"""How often all is made smaller, because the whole has more tokens than its parts, until only the smallest forms stay."""

_SQUEEZED = (24, 12)
"""Tokens of each text where the smallest forms are too much: with the second, four pieces are within 256."""


class Fitted(NamedTuple):
    """A prompt, its tokens, the pieces in it in the order that they have there, and those that are not."""

    prompt: str
    tokens: Count
    chosen: list[Chosen]
    left_out: list[LeftOut]


class _Base(NamedTuple):
    """The prompt with the fewest pieces, all in their smallest forms: what any other falls back on."""

    head: Head
    chosen: dict[int, Chosen]
    squeezed: bool = False


def fit(
    head: Head,
    pieces: Sequence[Piece],
    budget: int,
    count: Callable[[str], Count],
    rules: Rules = Rules(),  # noqa: B008 - a tuple
) -> Fitted:
    """Return a prompt of which the bound of the tokens is within `budget`; pieces of a tier are in the order of rank.

    Raises InvalidInput, which says the least budget that would do, where what is CRITICAL does not fit.
    """
    meter = Meter(count)
    ranked = sorted(pieces, key=lambda piece: piece.tier)
    return _Fitting(head, Candidates(ranked, budget, meter, rules), budget, meter, rules).fitted()


class _Fitting:
    """The making of one prompt; pieces are known by their rank."""

    def __init__(self, head: Head, candidates: Candidates, budget: int, meter: Meter, rules: Rules) -> None:
        self._candidates, self._budget, self._meter, self._render = candidates, budget, meter, rules.render
        self._pieces = candidates.pieces
        self._head = head
        self._rules = rules
        self._limits: dict[Tier, int] = {}

    def fitted(self) -> Fitted:
        base = self._critical()
        if base.squeezed:
            return self._result(base.head, base.chosen, {})
        self._limits = limits(self._budget, self._wanted(), self._rules.tiers)
        base = self._with_high(base)
        aim = self._budget
        for _ in range(_TRIES):
            chosen, left = self._filled(base, self._budget - aim)
            whole = self._whole(base.head, chosen).bound
            if whole <= self._budget:
                return self._result(base.head, chosen, left)
            aim = min(aim - 1, aim * self._budget // whole)
        return self._result(base.head, base.chosen, {})

    def _critical(self) -> _Base:
        """Return what is always there. Raises InvalidInput where even that does not fit."""
        ranks = self._ranks(Tier.CRITICAL)
        plain = _Base(self._cut_head(self._rules.smallest), {n: self._candidates.smallest(n) for n in ranks})
        tighter = (
            _Base(self._cut_head(most), {n: self._candidates.squeezed(n, most) for n in ranks}, squeezed=True)
            for most in _SQUEEZED
        )
        least = 0
        for base in (plain, *tighter):
            least = self._whole(base.head, base.chosen).bound
            if least <= self._budget:
                return base
        raise InvalidInput(what=f"a budget of {self._budget:,} tokens", problem=f"the least that would do is {least:,}")

    def _cut_head(self, most: int) -> Head:
        return Head(*(self._candidates.shortened(text, most) for text in self._head))

    def _wanted(self) -> dict[Tier, int]:
        """Return the tokens that each tier would take in full, or its allowance if it would take more than that."""
        found = {}
        for tier in Tier:
            enough, wanted = self._allowance(tier), 0
            for n in self._ranks(tier):
                if wanted >= enough:
                    break
                wanted += self._candidates.wanted(n)
            found[tier] = wanted
        return found

    def _allowance(self, tier: Tier) -> float:
        return allowance(self._budget, tier, self._rules.tiers)

    def _at_least(self, tier: Tier, used: int) -> int:
        """Return a tier's limit: what those before it have overdrawn is not its loss, but that of those after it."""
        return min(self._budget, max(self._limits[tier], used + int(self._allowance(tier))))

    def _with_high(self, base: _Base) -> _Base:
        """Return the base with as many of the next tier, in order of rank, as its limit holds in their smallest forms."""
        chosen = dict(base.chosen)
        used = self._whole(base.head, chosen).bound
        self._limits[Tier.HIGH] = limit = self._at_least(Tier.HIGH, used)
        for n in self._ranks(Tier.HIGH):
            used += self._kept(n)
            if used > limit:
                break
            chosen[n] = self._candidates.smallest(n)
        while len(chosen) > len(base.chosen) and self._whole(base.head, chosen).bound > limit:
            chosen.popitem()
        return base._replace(chosen=chosen)

    def _kept(self, n: int) -> int:
        """Return the tokens that are kept for a piece of the first tiers whatever others would take."""
        smallest, least = self._candidates.smallest(n).tokens, self._rules.least
        return max(smallest, min(least, self._candidates.wanted(n))) if self._pieces[n].tier else smallest

    def _filled(self, base: _Base, slack: int) -> tuple[dict[int, Chosen], dict[int, int]]:
        """Return pieces in the best forms that have room, and for those that have none how much there was."""
        limit = {tier: tokens - slack for tier, tokens in self._limits.items()}
        before = Tier.HIGH
        used = self._meter.bound(self._render(base.head, ()))
        chosen: dict[int, Chosen] = {}
        left: dict[int, int] = {}
        kept = {n: self._kept(n) for n in base.chosen}
        for n in self._ranks(*Tier):
            tier = self._pieces[n].tier
            if tier > before:
                before, limit[tier] = tier, self._at_least(tier, used) - slack
            smallest = kept.pop(n, None)
            if smallest is None and tier == Tier.HIGH:
                left[n] = max(0, limit[tier] - used - sum(kept.values()))
                continue
            owed = (sum(t for m, t in kept.items() if self._pieces[m].tier <= upto) for upto in Tier)
            room = min(limit[upto] - used - due for upto, due in zip(Tier, owed, strict=True) if upto >= tier)
            made = self._candidates.largest(n, room) or base.chosen.get(n)
            if made is None:
                left[n] = max(0, room)
            else:
                chosen[n] = made
                used += made.tokens
        self._use_up(chosen, left, self._budget - slack - used)
        return chosen, left

    def _use_up(self, chosen: dict[int, Chosen], left: dict[int, int], room: int) -> None:
        """Improve forms with the room that is left, in order of rank; then add what had none before."""
        for n in sorted(chosen):
            if not self._candidates.is_best(n, chosen[n]):
                better = self._candidates.largest(n, room + chosen[n].tokens, capped=False)
                if better is not None and better.tokens > chosen[n].tokens:
                    room -= better.tokens - chosen[n].tokens
                    chosen[n] = better
        for n in sorted(left):
            made = self._candidates.largest(n, room) if self._pieces[n].tier > Tier.HIGH else None
            if made is not None:
                room -= made.tokens
                chosen[n] = made
                del left[n]
            else:
                left[n] = max(0, room)

    def _whole(self, head: Head, chosen: dict[int, Chosen]) -> Count:
        return self._meter.count(self._render(head, [chosen[n] for n in sorted(chosen)]))

    def _result(self, head: Head, chosen: dict[int, Chosen], left: dict[int, int]) -> Fitted:
        inside = [chosen[n] for n in sorted(chosen)]
        prompt = self._render(head, inside)
        tokens = self._meter.count(prompt)
        free = self._budget - tokens.bound
        outside = [
            LeftOut(self._pieces[n], self._why(n, left.get(n, free))) for n in self._ranks(*Tier) if n not in chosen
        ]
        return Fitted(prompt, tokens.against(self._budget), ordered(inside), outside)

    def _why(self, n: int, room: int) -> str:
        return f"no room: needs {self._candidates.smallest(n).tokens:,} tokens, {room:,} left"

    def _ranks(self, *tiers: Tier) -> list[int]:
        return [n for n, piece in enumerate(self._pieces) if piece.tier in tiers]
