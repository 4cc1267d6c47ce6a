"""What a file imports, read from its blanked text."""

from __future__ import annotations

import re

from dispatcher.graph.outline import STAR, Import

# It begins with plain letters, which are found at the speed of C: that they begin a word is looked at afterwards.
_IMPORT = re.compile(r"import(?<!\wimport)\b")
_BEFORE = re.compile(r"(?:.*[;:])?[ \t\f]*(?:from[ \t]*(\.[. \t]*[\w.]*|[ \t][\w.]+)[ \t]*)?\Z")
_AFTER = re.compile(r"[ \t]*(\([^()]*\)?|[^\n;]*)")
_NAMED = re.compile(r"([^\W\d][\w.]*|\*)(?:[ \t\n]+as[ \t\n]+([^\W\d]\w*))?")


def imports_of(blank: str) -> list[Import]:
    """Return what a file imports anywhere, in order; `blank` is its blanked text."""
    if "import" not in blank:
        return []
    text = blank.replace("\\\n", "\0")  # a continued line is one, and still counts as two
    found: list[Import] = []
    line, counted = 1, 0
    for match in _IMPORT.finditer(text):
        start = text.rfind("\n", 0, match.start()) + 1
        before = _BEFORE.match(text[start : match.start()].replace("\0", " "))
        after = _AFTER.match(text, match.end())
        if before is None or after is None:
            continue
        line += text.count("\n", counted, start) + text.count("\0", counted, start)
        counted = start
        names = after[1].replace("\0", " ")
        found.extend(_whole(names, line) if before[1] is None else _taken(before[1], names, line))
    return found


def _taken(source: str, names: str, line: int) -> list[Import]:
    source = source.replace(" ", "").replace("\t", "")
    module = source.lstrip(".")
    level = len(source) - len(module)
    module = module.strip(".")
    return [
        Import(level, module, name, "" if name == STAR else bound or name, line)
        for name, bound in _NAMED.findall(names)
        if "." not in name
    ]


def _whole(modules: str, line: int) -> list[Import]:
    return [
        Import(0, name.strip("."), "", bound or name.partition(".")[0], line)
        for name, bound in _NAMED.findall(modules)
        if name != STAR
    ]
