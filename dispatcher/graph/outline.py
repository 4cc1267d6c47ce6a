"""What is known of one file's text, whatever its path: definitions, imports, and the names that each refers to."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.graph import blanking, compiled, indented
from dispatcher.graph.definition import LOCALS, last_part
from dispatcher.graph.imports import Import, imports_of
from dispatcher.graph.references import References, bases_of, known_of, normal, raised_in, references_of
from dispatcher.graph.source import lines_of
from dispatcher.graph.span import Span
from dispatcher.graph.terms import WORD, counted

NAMES, VALUES, RAISES, IMPORTS = "=", ".", "!", "%"
"""What the keys begin with that a definition is found by: names that it refers to, attributes of values that are not
known, exceptions that it raises, and words of what a module imports."""

PACKAGE = IMPORTS
"""The key of modules that import from a package without naming it: "from . import a"."""


class Part(NamedTuple):
    """A definition of a file with what its own text refers to, the definitions inside left out.

    `refers`: chains of names ("f", "pkg.f", "self.f", ".f" for an attribute of what is not known), by first use.
    `bases`: of a class, chains as well. `raises`: names of exceptions.
    """

    name: str
    is_class: bool
    first: int
    last: int
    refers: list[str]
    bases: list[str]
    raises: list[str]


class Outline(NamedTuple):
    """A file: its parts in order of lines, its imports, how many lines it has, and whether it could be compiled."""

    parts: list[Part]
    imports: list[Import]
    lines: int
    compiles: bool


class Text(NamedTuple):
    """The terms of a file: how often each is in the own text of each part; first the module, which has none.

    `found_by`: keys that each is to be found by besides, see NAMES; no term is like one.
    """

    terms: list[dict[str, int]]
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
    owner = _owners(spans, len(lines))
    own, own_blank = _own(lines, owner, len(spans)), _own(blanks, owner, len(spans))
    bound = frozenset(each.bound for each in imports)
    names = {span.name for span in spans}
    inner = frozenset(last_part(name) for name in names if LOCALS in name)
    parts = [
        _part(span, blank_of, known_of(span, bound, names, inner))
        for span, blank_of in zip(spans, own_blank[1:], strict=True)
    ]
    terms = [{}, *(counted(each) for each in own[1:])]
    found_by = [_of_imports(imports)]
    found_by += map(_keys, parts)
    return Outline(parts, imports, len(lines), compiles), Text(terms, found_by)


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
        first, *rest = chain.split(".")
        if first:
            found.add(NAMES + first)
            found.update(NAMES + name for name in rest)
        found.update(VALUES + name for name in rest)
    for chain in part.bases:
        found.update(NAMES + name for name in chain.split("."))
    return found


def _owners(spans: list[Span], count: int) -> list[int]:
    """Return for each line the number of the innermost definition that holds it, from 1; 0 for the module's own."""
    owner = [0] * count
    for number, span in enumerate(spans, 1):  # inner ones come after what holds them
        first, last = span.first - 1, min(span.last, count)
        owner[first:last] = [number] * max(0, last - first)
    return owner


def _own(lines: list[str], owner: list[int], parts: int) -> list[str]:
    own: list[list[str]] = [[] for _ in range(parts + 1)]
    for line, number in zip(lines, owner, strict=False):
        own[number].append(line)
    return ["\n".join(each) for each in own]
