"""The source of one function, cut to the lines that matter most. Pure; works by indentation, whatever the syntax.

The lines are put into one order, in which each brings along the headers that enclose it. An excerpt shows as much of
the beginning of that order as fits, so what more room gives is always more of the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from dispatcher.context.layout import Layout, colon_of, definition_of, enclosing, header_of, layout_of, quotes_of

Fits = Callable[[str], bool]
"""Tells whether there is room for a text."""

Ranges = tuple[tuple[int, int], ...]
"""Numbers of lines, from and to, both included."""

_UNKNOWN = 0.05
"""The weight of a line of which nothing is known."""

_AROUND = 0.4
"""The part of a line's weight that the lines before and after it have."""

_OVERHEAD = 12
"""Tokens that are added to each line's cost, so that short lines do not win by being short."""

_LONGEST = 400
"""Characters; of a longer line half of that is shown."""

_SMALL = 45
"""Characters of a line that is shown rather than a note that it is not."""

_ONE_LINE = 100
"""Characters up to which a signature is written on one line."""

_LEAVES = re.compile(r"\s*(?:return|raise|yield|assert)\b")


class Excerpt(NamedTuple):
    """A text and the lines of the source that it shows."""

    text: str
    shown: Ranges


class _Plan(NamedTuple):
    """A function's lines, and the order in which they are shown: step n shows the first `ends[n]` lines of it."""

    source: list[str]
    layout: Layout
    order: list[int]
    ends: list[int]


def excerpt(lines: Sequence[str], first: int, weights: Mapping[int, float], fits: Fits) -> Excerpt:
    """Return as much of a function as fits, the heaviest lines first; its header is always shown.

    `first` is the number of the first line; `weights` has how suspicious lines are by number, from 0 to 1. Without any
    the beginning and the lines that leave the function count most. Overlong lines are shown in part.
    """
    return excerpts(lines, first, lambda: weights)(fits)


def excerpts(lines: Sequence[str], first: int, weights: Callable[[], Mapping[int, float]]) -> Callable[[Fits], Excerpt]:
    """Return what makes excerpts of a function, as `excerpt` does; the order of its lines is found once."""

    @cache
    def plan() -> _Plan:
        source = _cleaned(lines)
        layout = layout_of(source)
        return _Plan(source, layout, *_order(source, layout, _weights(source, layout, first, weights())))

    def made(fits: Fits) -> Excerpt:
        source, layout, order, ends = plan()

        def until(step: int) -> Excerpt:
            return _rendered(source, layout, sorted(order[: ends[step]]), first)

        return until(most(len(ends) - 1, lambda step: fits(until(step).text)))

    return made


def signature(lines: Sequence[str], first: int = 1) -> Excerpt:
    """Return the header of a function with an ellipsis for a body, on one line if it is short; decorators included."""
    if not lines:
        return Excerpt("", ())
    source = _cleaned(lines)
    source = source[: header_of(source)]
    begins = definition_of(source)
    definition, colon = source[begins:], colon_of(source[begins:])
    if colon:
        definition[-1] = definition[-1][: colon[1]]
    if not any("#" in line for line in definition):
        joined = re.sub(r"(?<=[(\[{]) |,? (?=[)\]}])", "", " ".join([definition[0], *map(str.strip, definition[1:])]))
        definition = [joined] if len(joined) <= _ONE_LINE else definition
    return Excerpt("\n".join([*source[:begins], *definition]) + " ...", ((first, first + len(source) - 1),))


def cut(text: str, fits: Fits) -> str:
    """Return a text, or as much of its beginning as fits with a note of how much is gone; that note at least."""
    return text if fits(text) else _until(text, most(len(text), lambda n: fits(_until(text, n))))


def most(limit: int, ok: Callable[[int], bool]) -> int:
    """Return a number up to `limit` that is ok while a larger one is not, or 0, which is not asked.

    Asks about numbers of the result's size, and where more is ok for one question than for another, the result is not
    smaller, even if what is ok has gaps.
    """
    low, high = 0, 1
    while high <= limit and ok(high):
        low, high = high, 2 * high
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ok(middle) else (low, middle)
    return low


def _until(text: str, length: int) -> str:
    gone = len(text) - length
    return f"{text[:length]}… ({gone:,} more characters)" if gone else text


def _cleaned(lines: Sequence[str]) -> list[str]:
    """Return lines without white space at their ends, none too long to be looked at closely."""
    return [_shortened(line.strip("\f").rstrip()) for line in lines]


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST // 2]} ... # {len(line) - _LONGEST // 2:,} more characters"


def _weights(source: Sequence[str], layout: Layout, first: int, given: Mapping[int, float]) -> list[float]:
    """Return the weight of each line: its own, or part of that of the line before or after it."""
    numbers = range(first, first + len(source))
    known = any(given.get(n, 0.0) > 0 for n in numbers)
    own = [
        given.get(n, _UNKNOWN) if known else 1 / (2 + max(0, n - first - layout.docstring))
        for n in numbers[layout.header :]
    ]
    for n, line in enumerate(source[layout.header :]):
        if _LEAVES.match(line):
            own[n] = max(own[n], 2 * _UNKNOWN if known else 0.5)
        elif not line or line.lstrip().startswith("#"):
            own[n] /= 2
    near = [0.0, *own, 0.0]
    around = [max(w, _AROUND * near[n], _AROUND * near[n + 2]) for n, w in enumerate(own)]
    return [1.0] * layout.header + around


def _order(source: Sequence[str], layout: Layout, weights: Sequence[float]) -> tuple[list[int], list[int]]:
    """Return the lines in the order in which they are shown, and how many each step has shown; the docstring is last."""
    headers = enclosing(source, layout)
    body = range(layout.docstring, len(source))
    steps = sorted(body, key=lambda n: (-weights[n] / (_OVERHEAD + len(source[n]) / 4), n))
    docstring = range(layout.header, layout.docstring)
    spoken = [n for n in docstring[:1] if len(docstring) == 1 or source[n].strip("rRuU \t\"'")]
    order, ends = list(range(layout.header)), [layout.header]
    shown = set(order)
    for step in ([n] for n in [*steps, *spoken]):
        for n in step:
            if n not in shown:
                shown.add(n)
                order.append(n)
                step.extend(headers[n])
        if len(order) > ends[-1]:
            ends.append(len(order))
    rest = [n for n in docstring if n not in shown]
    return order + rest, [*ends, len(order) + len(rest)] if rest else ends


def _rendered(source: Sequence[str], layout: Layout, chosen: Sequence[int], first: int) -> Excerpt:
    """Return the chosen lines with a line for each gap; a gap of one short line is shown instead."""
    shown = list(_without_small_gaps(source, chosen))
    rows: list[str] = []
    ranges: list[tuple[int, int]] = []
    due = 0
    for n in [*shown, len(source)]:
        if n > due:
            rows.append(_gap(source[due:n]))
        if n == len(source):
            break
        rows.append(source[n])
        if n == due and ranges:
            ranges[-1] = ranges[-1][0], first + n
        else:
            ranges.append((first + n, first + n))
        due = n + 1
        if n == layout.header and layout.docstring > n + 1 and due not in shown[len(rows) - 1 : len(rows) + 1]:
            rows[-1] += quotes_of(source[n])
    return Excerpt("\n".join(rows), tuple(ranges))


def _without_small_gaps(source: Sequence[str], chosen: Sequence[int]) -> Iterator[int]:
    due = 0
    for n in [*chosen, len(source)]:
        if n == due + 1 and len(source[due].lstrip()) <= _SMALL:
            yield due
        if n < len(source):
            yield n
        due = n + 1


def _gap(hidden: Sequence[str]) -> str:
    """Return what stands for lines that are left out: no more than that, for there may be many such places."""
    begins = next((line for line in hidden if line), "")
    return f"{begins[: len(begins) - len(begins.lstrip())]}# ..."
