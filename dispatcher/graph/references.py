"""The names that a piece of code refers to, as chains: "f", "pkg.f", "self.f", ".f" for an attribute of a value."""

from __future__ import annotations

import re
import unicodedata
from keyword import kwlist
from typing import NamedTuple

from dispatcher.graph.definition import LOCALS, last_part
from dispatcher.graph.span import Span

SELF, SUPER = "self", "super"
MOST_PARTS = 5
_CHAIN = re.compile(r"\.?[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_OWN_HEAD = re.compile(r"\b(def|class)\s+[^\W\d]\w*")
_RAISED = re.compile(r"\braise[ \t(]+([^\W\d][\w.]*)")
_CLASS = re.compile(r"\bclass\s+[^\W\d]\w*\s*(?:\[[^]]*\])?\s*\(")
_BRACKETS = re.compile(r"[()\[\]{}]")
_SUBSCRIPT = re.compile(r"\[[^\[\]]*\]|\([^()]*\)")
_KEYWORDS = frozenset(kwlist)


class References(NamedTuple):
    """What decides how names in a definition are meant.

    `values`: its local names that hold some value, neither a function of the file nor an import. `others`: names that
    its code uses besides, None for any. `me`: the first parameter of a method, "" where there is none.
    """

    values: frozenset[str]
    others: frozenset[str] | None
    me: str


def known_of(span: Span, imported: frozenset[str], defined: set[str], inner: frozenset[str]) -> References:
    """Return what decides how names are meant in one definition of a file.

    `imported` and `defined` are all names that the file imports, and defines; `inner` the last parts of those that
    are defined inside functions.
    """
    local = span.local - imported
    values = local - {name for name in local & inner if _is_function(name, span.name, defined)}
    others = None if span.names is None else span.names | imported | span.local
    outer = span.name.rpartition(".")[0]
    is_method = bool(outer) and outer in defined and not outer.endswith(LOCALS[:-1])
    return References(values, others, span.me if is_method else "")


def _is_function(name: str, scope: str, defined: set[str]) -> bool:
    """Tell whether a local name is that of a function defined in a scope or around it."""
    while scope:
        if f"{scope}{LOCALS}{name}" in defined:
            return True
        scope = scope.rpartition(".")[0]
    return False


def references_of(blank: str, known: References) -> list[str]:
    """Return what a definition refers to, in order of first use; `blank` is its own blanked text."""
    text = _OWN_HEAD.sub(r"\1", blank, count=1).replace("super().", "super.")
    found: dict[str, None] = {}
    for chain in dict.fromkeys(_CHAIN.findall(text)):
        base, _, rest = chain.partition(".")
        if not base:
            for attribute in rest.split("."):
                found[f".{attribute}"] = None
        elif base in known.values or base in _KEYWORDS or (rest and base == known.me):
            found.update(dict.fromkeys(_of_value(base, rest, known)))
        # Inside classes "__f" is compiled as "_A__f".
        elif known.others is None or base in known.others or base.startswith("__") or (base == SUPER and rest):
            found[_cut(chain)] = None
    return list(found)


def _of_value(base: str, rest: str, known: References) -> list[str]:
    """Return what a chain means that begins with a local name or a keyword."""
    if not rest or base in _KEYWORDS:
        return []
    return [_cut(f"{SELF}.{rest}")] if base == known.me else _attributes(rest)


def _attributes(rest: str) -> list[str]:
    return [f".{name}" for name in rest.split(".")[:MOST_PARTS]]


def _cut(chain: str) -> str:
    return ".".join(chain.split(".")[:MOST_PARTS])


def raised_in(blank: str, known: References) -> list[str]:
    """Return the names of the exceptions that a definition raises: what begins with a capital, or ends in "error"."""
    if "raise" not in blank:
        return []
    found: dict[str, None] = {}
    for chain in _RAISED.findall(blank):
        name = last_part(chain)
        if (name.lstrip("_")[:1].isupper() or name.endswith("error")) and chain.partition(".")[0] not in known.values:
            found[name] = None
    return list(found)


def bases_of(blank: str) -> list[str]:
    """Return a class's bases as chains, without their type parameters; `blank` begins with its header."""
    match = _CLASS.search(blank)
    if match is None:
        return []
    depth, end = 1, len(blank)
    for bracket in _BRACKETS.finditer(blank, match.end()):
        depth += 1 if bracket[0] in "([{" else -1
        if not depth:
            end = bracket.start()
            break
    inside, before = blank[match.end() : end], ""
    while inside != before:
        inside, before = _SUBSCRIPT.sub("", inside), inside
    each = (part.strip(" \t\n\\\f") for part in inside.split(","))
    return [_cut(part) for part in each if _CHAIN.fullmatch(part) and not part.startswith(".")]


def normal(text: str) -> str:
    """Return text with the names in it as Python normalizes them (PEP 3131)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)
