"""The names that a piece of code refers to, as chains: "f", "pkg.f", "self.f", ".f" for an attribute of a value."""

from __future__ import annotations

import re
import unicodedata
from keyword import kwlist
from typing import NamedTuple

from dispatcher.graph.definition import LOCALS, last_part
from dispatcher.graph.outline import SELF, SUPER
from dispatcher.graph.span import Span

MOST_PARTS = 5
_CHAIN = re.compile(r"\.?[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SPACED = "".join(char if char.isalnum() or char in "_." else " " for char in map(chr, range(128)))
_OWN_HEAD = re.compile(r"\b(def|class)\s+[^\W\d]\w*")
_RAISED = re.compile(r"\braise[ \t(]+([^\W\d][\w.]*)")
_CLASS = re.compile(r"\bclass\s+[^\W\d]\w*\s*(?:\[[^]]*\])?\s*\(")
_BRACKETS = re.compile(r"[()\[\]{}]")
_SUBSCRIPT = re.compile(r"\[[^\[\]]*\]|\([^()]*\)")
_KEYWORDS = frozenset(kwlist)
_KEPT = 200_000
_known: dict[str, tuple[_Chain, ...]] = {}


class _Chain(NamedTuple):
    """A chain in pieces: its first name, the rest, that rest as attributes of a value, and the chain cut to length."""

    base: str
    rest: str
    attributes: tuple[str, ...]
    cut: str


class References(NamedTuple):
    """What decides how names in a definition are meant.

    `values`: its local names that hold some value, neither a function of the file nor an import. `others`: names that
    its code uses besides, in any of these; None for any name. `me`: the first parameter of a method, "" where there is
    none.
    """

    values: frozenset[str]
    others: tuple[frozenset[str], ...] | None
    me: str


def known_of(span: Span, imported: frozenset[str], defined: set[str], inner: frozenset[str]) -> References:
    """Return what decides how names are meant in one definition of a file.

    `imported` and `defined` are all names that the file imports, and defines; `inner` the last parts of those that
    are defined inside functions.
    """
    local = span.local - imported
    if not inner.isdisjoint(local):
        local -= {name for name in local & inner if _is_function(name, span.name, defined)}
    others = None if span.names is None else (span.names, span.local, span.outer, imported)
    outer = span.name.rpartition(".")[0]
    is_method = bool(outer) and outer in defined and not outer.endswith(LOCALS[:-1])
    return References(local, others, span.me if is_method else "")


def _is_function(name: str, scope: str, defined: set[str]) -> bool:
    """Tell whether a local name is that of a function defined in a scope or around it."""
    while scope:
        if f"{scope}{LOCALS}{name}" in defined:
            return True
        scope = scope.rpartition(".")[0]
    return False


def references_of(blank: str, known: References) -> list[str]:
    """Return what a definition refers to, in order of first use; `blank` is its own blanked text."""
    head = _OWN_HEAD.search(blank)
    text = f"{blank[: head.end(1)]}{blank[head.end() :]}" if head else blank
    if "super()." in text:
        text = text.replace("super().", "super.")
    values, others, me = known
    found: dict[str, None] = {}
    for run in _runs(text):
        for base, rest, attributes, cut in _known[run] if run in _known else _pieces(run):
            if base and rest and base == me:
                found[_cut(f"{SELF}.{rest}")] = None
            elif not base or base in values:
                for attribute in attributes:
                    found[attribute] = None
            # Inside classes "__f" is compiled as "_A__f".
            elif (
                others is None
                or base in others[0]
                or _is_in(base, others)
                or base.startswith("__")
                or (base == SUPER and rest)
            ):
                found[cut] = None
    return list(found)


def _runs(text: str) -> dict[str, None]:
    """Return the runs of letters, digits, "_" and "." in a text, each once: nearly always each is one chain."""
    return dict.fromkeys(text.translate(_SPACED).split() if text.isascii() else _CHAIN.findall(text))


def _is_in(name: str, sets: tuple[frozenset[str], ...]) -> bool:
    return any(name in each for each in sets)


def _pieces(run: str) -> tuple[_Chain, ...]:
    """Return the chains in a run of letters, digits, "_" and ".", in pieces."""
    if len(_known) > _KEPT:
        _known.clear()
    chains = []
    for chain in _CHAIN.findall(run):
        base, _, rest = chain.partition(".")
        names = rest.split(".") if rest else []
        attributes = tuple(f".{name}" for name in (names[:MOST_PARTS] if base else names))
        if base not in _KEYWORDS:
            chains.append(_Chain(base, rest, attributes, _cut(chain)))
    found = _known[run] = tuple(chains)
    return found


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
