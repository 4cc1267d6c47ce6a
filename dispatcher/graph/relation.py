"""The one relation that links come from: what a definition is linked to, and by whom it is.

The second is found with the first: those whose text has the name are asked what they are linked to. So the inverse of
every link is among the links of its other end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from dispatcher.graph.definition import INVERSE, LOCALS, Definition, Link, LinkKind, is_test, last_part
from dispatcher.graph.index import Index, Part
from dispatcher.graph.modules import stem_of, word_of
from dispatcher.graph.outline import IMPORTS, NAMES, PACKAGE, VALUES
from dispatcher.graph.resolving import Found, Resolver

LIBRARY, ERROR = "library:", "error:"


class _To(NamedTuple):
    """One link of a definition outwards; `part` is None where it leads to a library or an error."""

    kind: LinkKind
    node: str
    why: str
    part: Part | None


class Relation:
    """The links between definitions, modules, libraries and exceptions of an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.resolver = Resolver(index)
        self._outward: dict[Part, list[_To]] = {}
        self._inside: dict[str, dict[str, list[int]]] = {}

    def outward(self, part: Part) -> list[_To]:
        """Return what a module or definition contains, depends on, calls, tests and raises, in order of first use."""
        found = self._outward.get(part)
        if found is None:
            own = self._index.definition(part).node
            kept: dict[tuple[LinkKind, str], _To] = {}
            for each in self._all_outward(part, None):
                if each.node != own:
                    kept.setdefault((each.kind, each.node), each)
            found = self._outward[part] = list(kept.values())
        return found

    def _all_outward(self, part: Part, names: AbstractSet[str] | None) -> Iterator[_To]:
        return self._of_definition(part, names) if part.number else self._of_module(part)

    def references(self, part: Part, names: AbstractSet[str] | None = None) -> Iterator[Found]:
        """Yield the definitions that a definition refers to, in order of first use; with `names`, only by these."""
        outline = self._index.outline(part.path)
        if outline is None or not part.number:
            return
        for chain in outline.parts[part.number - 1].refers:
            if names is not None and names.isdisjoint(chain.split(".")):
                continue
            for found, why in self.resolver.meant(part, chain):
                yield Found(found, f"refers to `{chain.lstrip('.')}`, {why}")

    def _of_module(self, part: Part) -> Iterator[_To]:
        yield from self._contained(part, "")
        outline = self._index.outline(part.path)
        for each in outline.imports if outline else ():
            why = f"line {each.line}: {each.words}"
            files = [self.resolver.modules.file_of(stem) for stem in self.resolver.imported(part.path, each)]
            for path in files:
                if path:
                    yield _To("depends_on", f"module:{path}", why, Part(path, 0))
            if not each.level and not files and each.module:
                yield _To("depends_on", f"{LIBRARY}{each.module.partition('.')[0]}", why, None)

    def _of_definition(self, part: Part, names: AbstractSet[str] | None) -> Iterator[_To]:
        here = self._index.definition(part)
        yield from self._contained(part, here.name)
        bases = self.resolver.bases(part)
        for base in bases:
            yield self._to("depends_on", base.part, f"`class {last_part(here.name)}` derives from it")
        derived_from = {base.part for base in bases}
        for found, why in self.references(part, names):
            if found in derived_from:
                continue
            target = self._index.definition(found)
            tests = here.kind == "test" and not is_test(target.path)
            yield self._to("tests" if tests else "calls", found, why)
        outline = self._index.outline(part.path)
        for name in outline.parts[part.number - 1].raises if outline else ():
            yield _To("raises", f"{ERROR}{name}", f"raise {name}", None)

    def _contained(self, part: Part, name: str) -> Iterator[_To]:
        """Yield what stands directly inside a module, class or function."""
        inside = self._inside.get(part.path)
        if inside is None:
            inside = self._inside[part.path] = {}
            for number, each in enumerate(self._index.definitions(part.path), 1):
                inside.setdefault(each.name.rpartition(".")[0].removesuffix(LOCALS[:-1]), []).append(number)
        for number in inside.get(name, ()):
            first = self._index.definitions(part.path)[number - 1].first
            yield self._to("contains", Part(part.path, number), f"line {first}")

    def _to(self, kind: LinkKind, part: Part, why: str) -> _To:
        return _To(kind, self._index.definition(part).node, why, part)

    # The other way

    def inward(self, part: Part) -> Iterator[tuple[Part, Link]]:
        """Yield who is linked to a module or definition, each with the link as it is seen from here."""
        definition = self._index.definition(part)
        if definition.kind == "module":
            yield from self.inward_to(definition.node, self._may_import(definition.path))
            return
        names, users = self.may_use(definition)
        # What holds a definition comes last, as its name need not be in that one's own text.
        yield from self.inward_to(definition.node, [*users, *self.resolver.around(part)], names)

    def inward_to(
        self, node: str, candidates: Iterable[Part], names: AbstractSet[str] | None = None
    ) -> Iterator[tuple[Part, Link]]:
        """Yield who among the candidates is linked to a node, which they may refer to by these names only."""
        for each in dict.fromkeys(candidates):
            for kind, to, why, _ in self._all_outward(each, names):
                if to == node and (own := self._index.definition(each).node) != node:
                    yield each, Link(INVERSE[kind], own, why)

    def may_use(self, definition: Definition) -> tuple[AbstractSet[str], list[Part]]:
        """Return the names that a definition goes by, and those whose text has one: all that refer to it, and others."""
        name = last_part(definition.name)
        names = self._index.other_names(name)
        keys = {f"{NAMES}{each}" for each in names}
        if self.resolver.is_meant_by_attributes(name):
            keys.add(f"{VALUES}{name}")
        return names, sorted({part for key in keys for part in self._index.parts_with(key)})

    def _may_import(self, path: str) -> list[Part]:
        """Return the modules that name a module's word anywhere, or may import it from inside its folder."""
        stem = stem_of(path)
        found = self._index.parts_with(f"{IMPORTS}{word_of(stem)}") if stem else []
        inside = f"{stem}/" if stem else ""
        return found + [part for part in self._index.parts_with(PACKAGE) if part.path.startswith(inside)]
