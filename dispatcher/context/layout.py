"""How the source of a function is laid out, told by its indentation and its brackets, whatever the syntax. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_MARKS = re.compile(
    r"""(?P<skip>[rbuf]{0,2}"(?:\\.|[^"\\])*"|[rbuf]{0,2}'(?:\\.|[^'\\])*'|\#.*)|[(\[{]|[)\]}]|:""", re.IGNORECASE
)
_DEFINES = re.compile(r"\s*(?:async\s+)?(?:def|class)\b")
_DOCSTRING = re.compile(r"""\s*[rRuU]?(\"{3}|'{3}|"|')""")
_OPENS = re.compile(r"\s*(?:async\s+)?(?:if|for|while|with|try|def|class|match|case)\b|.*[(\[{,:\\]$")
_GOES_ON = re.compile(r"\s*(?:elif|else|except|finally)\b")


class Layout(NamedTuple):
    """Where the parts of a function end (indexes of lines): its header, its docstring."""

    header: int
    docstring: int


def layout_of(source: Sequence[str]) -> Layout:
    """Return where a function's header and its docstring end."""
    header = header_of(source)
    found = _DOCSTRING.match(source[header]) if header < len(source) else None
    if found is None:
        return Layout(header, header)
    rest = source[header][found.end() :]
    if found[1] in rest or len(found[1]) == 1:
        return Layout(header, header + 1)
    last = next((n for n in range(header + 1, len(source)) if found[1] in source[n]), header)
    return Layout(header, last + 1)


def header_of(source: Sequence[str]) -> int:
    """Return how many lines the header has: decorators and the definition up to its colon."""
    begins = definition_of(source)
    colon = colon_of(source[begins:])
    return min(begins + 1, len(source)) if colon is None else begins + colon[0] + 1


def definition_of(source: Sequence[str]) -> int:
    """Return the line where the definition begins, after its decorators; the first if there is none."""
    if not source or not source[0].lstrip().startswith("@"):
        return 0
    return next((n for n, line in enumerate(source) if _DEFINES.match(line)), 0)


def colon_of(definition: Sequence[str]) -> tuple[int, int] | None:
    """Return where the colon is that ends a definition's header, as the line and the column after it."""
    depth = 0
    if not definition or not _DEFINES.match(definition[0]):
        return None
    for n, line in enumerate(definition):
        for mark in _MARKS.finditer(line):
            if mark["skip"] is None:
                depth += (mark[0] in "([{") - (mark[0] in ")]}")
                if mark[0] == ":" and depth <= 0:
                    return n, mark.end()
    return None


class _Block(NamedTuple):
    """An open block: how far its header is indented, the header, and for an `else` the header that it belongs to."""

    indent: int
    header: int
    begun: int


def enclosing(source: Sequence[str], layout: Layout) -> list[tuple[int, ...]]:
    """Return for each line the one that it is indented below, and for an `else` and its like what it belongs to."""
    base = _indent(source[0]) if source else 0
    blocks: list[_Block] = []
    found: list[tuple[int, ...]] = [()] * layout.docstring
    for n in range(layout.docstring, len(source)):
        line, indent = source[n], _indent(source[n])
        if not line or indent <= base:
            found.append(())
            continue
        while blocks and blocks[-1].indent > indent:
            blocks.pop()
        before = blocks.pop() if blocks and blocks[-1].indent == indent else None
        begun = before.begun if before and _GOES_ON.match(line) else n
        found.append((*(block.header for block in blocks[-1:]), *([begun] if begun != n else [])))
        if begun != n or _OPENS.match(line):
            blocks.append(_Block(indent, n, begun))
    return found


def quotes_of(line: str) -> str:
    """Return the quotes that a docstring's first line begins with."""
    found = _DOCSTRING.match(line)
    return found[1] if found else ""


def _indent(line: str) -> int:
    """Return how many columns a line is indented."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs())
