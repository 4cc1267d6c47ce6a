"""Reading one file's text, whatever its path: its outline, and what its definitions are found by."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.graph import blanking, compiled, indented
from dispatcher.graph.definition import LOCALS, last_part
from dispatcher.graph.imports import imports_of
from dispatcher.graph.outline import IMPORTS, NAMES, PACKAGE, RAISES, VALUES, Import, Outline, Part
from dispatcher.graph.references import References, bases_of, known_of, normal, raised_in, references_of
from dispatcher.graph.source import lines_of
from dispatcher.graph.span import Span
from dispatcher.graph.terms import WORD

_KEPT = 200_000
_keys_of: dict[str, tuple[str, ...]] = {}


class Text(NamedTuple):
    """The own text of each part of a file, what is defined inside left out; first the module, which has none.

    `found_by`: keys that each is to be found by besides its terms, see NAMES; no term is like one.
    """

    own: list[str]
    found_by: list[set[str]]


def outline_of(text: str) -> tuple[Outline, Text]:
    """Return what is known of source, of any text. Never raises."""
    blank = normal(blanking.blanked(text))
    lines, blanks = lines_of(text), lines_of(blank)
    imports = imports_of(blank)
    spans = compiled.spans(text, blanks)
    compiles = spans is not None
    if spans is None:
        spans = indented.spans(blanks)
    rows = _own_rows(spans, len(lines))
    bound = frozenset(each.bound for each in imports)
    names = {span.name for span in spans}
    inner = frozenset(last_part(name) for name in names if LOCALS in name)
    parts = [
        _part(span, _text(blanks, own), known_of(span, bound, names, inner))
        for span, own in zip(spans, rows, strict=True)
    ]
    found_by = [_of_imports(imports)]
    found_by += map(_keys, parts)
    return Outline(parts, imports, len(lines), compiles), Text(["", *(_text(lines, own) for own in rows)], found_by)


def _part(span: Span, blank: str, known: References) -> Part:
    bases = bases_of(blank) if span.is_class else []
    refers = references_of(blank, known)
    return Part(span.name, span.is_class, span.first, span.last, refers, bases, raised_in(blank, known))


def _of_imports(imports: list[Import]) -> set[str]:
    """Return what a module is found by: the words of what it imports anywhere."""
    found = {IMPORTS + word for each in imports for word in WORD.findall(f"{each.module} {each.name}")}
    if any(each.level and not each.module for each in imports):
        found.add(PACKAGE)
    return found


def _keys(part: Part) -> set[str]:
    """Return what a part is found by as one that refers to names: at least by all that they may turn out to mean."""
    found = {RAISES + name for name in part.raises}
    for chain in part.refers:
        keys = _keys_of.get(chain)
        found.update(_keys_of_chain(chain) if keys is None else keys)
    for chain in part.bases:
        found.update(NAMES + name for name in chain.split("."))
    return found


def _keys_of_chain(chain: str) -> tuple[str, ...]:
    if len(_keys_of) > _KEPT:
        _keys_of.clear()
    first, *rest = chain.split(".")
    names = [NAMES + first, *(NAMES + name for name in rest)] if first else []
    keys = _keys_of[chain] = (*names, *(VALUES + name for name in rest))
    return keys


def _own_rows(spans: list[Span], count: int) -> list[list[range]]:
    """Return for each definition which lines are its own, from 0: not those of the definitions inside it."""
    own: list[list[range]] = [[] for _ in spans]
    reached = [span.first - 1 for span in spans]
    around: list[int] = []
    for number, span in enumerate(spans):  # inner ones come after what holds them
        while around and spans[around[-1]].last < span.first:
            _leave(around, own, reached, min(spans[around[-1]].last, count))
        if around:
            own[around[-1]].append(range(reached[around[-1]], span.first - 1))
        around.append(number)
    while around:
        _leave(around, own, reached, min(spans[around[-1]].last, count))
    return own


def _leave(around: list[int], own: list[list[range]], reached: list[int], last: int) -> None:
    """Give the innermost definition its lines after what is inside it; what holds it goes on after it."""
    number = around.pop()
    own[number].append(range(reached[number], last))
    if around:
        reached[around[-1]] = max(reached[around[-1]], reached[number], last)


def _text(lines: list[str], own: list[range]) -> str:
    return "\n".join([line for rows in own for line in lines[rows.start : rows.stop]])
