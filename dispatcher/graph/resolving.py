"""What a name in a file means: a definition of the project, a module of it, or nothing that is known."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.graph.definition import FREE, LOCALS, METHOD, is_test
from dispatcher.graph.index import Index, Part
from dispatcher.graph.modules import Modules
from dispatcher.graph.outline import SELF, STAR, SUPER, Import

MOST_NAMESAKES = 5
"""An attribute of an unknown value may be any definition of its name, if no more than so many have it."""

_MOST_LOOKS = 200
_MOST_BASES = 30
_BUILTIN = frozenset(
    name
    for kind in (str, bytes, list, dict, set, tuple, int, float, type(_ for _ in ()), BaseException, type(lambda: 0))
    for name in dir(kind)
)


class Module(NamedTuple):
    """A module of the project, by its stem."""

    stem: str


class Found(NamedTuple):
    """A definition, and why a name means it."""

    part: Part
    why: str


class _Names(NamedTuple):
    """The names of a module: its own definitions, what it imports by name, and from where it takes all names."""

    own: dict[str, list[int]]
    imported: dict[str, list[Import]]
    stars: list[Import]


class Resolver:
    """Resolves names over the files of an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.modules = Modules(index.contents)
        self._names: dict[str, _Names] = {}
        self._fews: dict[tuple[str, int, bool], list[Found]] = {}

    # Modules

    def imported(self, path: str, each: Import) -> list[str]:
        """Return the stems of the modules that one imported name in a file needs: the module, and it as a submodule."""
        stem = self._module(path, each)
        if stem is None:
            return []
        child = self.modules.child(stem, each.name) if each.name not in ("", STAR) else None
        return [stem] if child is None else [child, stem]

    def _module(self, path: str, each: Import) -> str | None:
        """Return the stem of the longest part of an import's module that is of the project."""
        if each.level:
            return self.modules.relative(path, each.level, each.module)
        dotted = each.module
        while dotted:
            stem = self.modules.absolute(path, dotted)
            if stem is not None:
                return stem
            dotted = dotted.rpartition(".")[0]
        return None

    # Names

    def _names_of(self, path: str) -> _Names:
        names = self._names.get(path)
        if names is None:
            names = self._names[path] = _Names(self._index.numbers(path), {}, [])
            outline = self._index.outline(path)
            for each in outline.imports if outline else ():
                if each.name == STAR:
                    names.stars.append(each)
                else:
                    names.imported.setdefault(each.bound, []).append(each)
        return names

    def _lookup(self, path: str, name: str, seen: set[tuple[str, str]]) -> list[Found] | Module | None:
        """Return what a module-level name of a file means, followed through imports."""
        if (path, name) in seen or len(seen) > _MOST_LOOKS:
            return None
        seen.add((path, name))
        names = self._names_of(path)
        if name in names.own:
            return [Found(Part(path, number), "defined in the same file") for number in names.own[name]]
        for each in names.imported.get(name, ()):
            found = self._taken(path, each, seen)
            if found is not None:
                return found
        for each in names.stars:
            stem = self._module(path, each)
            found = self._member(stem, name, seen) if stem is not None else None
            if found is not None:
                return _imported(found, each)
        return None

    def _taken(self, path: str, each: Import, seen: set[tuple[str, str]]) -> list[Found] | Module | None:
        if each.name:
            stem = self._module(path, each)
            found = None if stem is None else self._member(stem, each.name, seen)
            return None if found is None else _imported(found, each)
        top = each.module if each.bound != each.module.partition(".")[0] else each.bound
        stem = self.modules.absolute(path, top)
        return None if stem is None else Module(stem)

    def _member(self, stem: str, name: str, seen: set[tuple[str, str]]) -> list[Found] | Module | None:
        """Return what `name` means in a module: a name of its own, else a module inside the package."""
        file = self.modules.file_of(stem)
        found = self._lookup(file, name, seen) if file else None
        if found is None and (child := self.modules.child(stem, name)) is not None:
            return Module(child)
        return found

    # Chains

    def meant(self, part: Part, chain: str) -> list[Found]:
        """Return the definitions that a chain of names in a definition may mean; see outline.Part.refers."""
        names = chain.split(".")
        if not names[0]:
            return self._attribute(part, names[1])
        if names[0] in (SELF, SUPER) and len(names) > 1:
            return self._of_self(part, names)
        found = self._in_scope(part, names[0])
        for position, name in enumerate(names[1:], 1):
            if isinstance(found, Module):
                inside = self._member(found.stem, name, set())
                if inside is None:  # a variable of that module, or a name that it gets when it runs
                    return [*self._anywhere(part, name), *self._attributes(part, names[position + 1 :])]
                found = inside
            elif found is None:
                return []
            else:
                return self._of_definitions(part, found, names[position:])
        return found if isinstance(found, list) else []

    def _in_scope(self, part: Part, name: str) -> list[Found] | Module | None:
        """Return what a name means in a definition: of the functions around it, of its class, of its file."""
        own = self._names_of(part.path).own
        scope = self._name_of(part)
        if f"{scope}.{name}" in own:  # a class's own code sees its names
            return [Found(Part(part.path, number), f"in {scope}") for number in own[f"{scope}.{name}"]]
        while scope:
            inner = f"{scope}{LOCALS}{name}"
            if inner in own:
                return [Found(Part(part.path, number), f"defined inside {scope}") for number in own[inner]]
            scope = scope.rpartition(".")[0]
        return self._lookup(part.path, name, set())

    def _name_of(self, part: Part) -> str:
        outline = self._index.outline(part.path) if part.number else None
        return outline.parts[part.number - 1].name if outline else ""

    def _of_self(self, part: Part, names: list[str]) -> list[Found]:
        owner = self._name_of(part).rpartition(".")[0].removesuffix(LOCALS[:-1])
        classes = [Part(part.path, number) for number in self._names_of(part.path).own.get(owner, ())]
        found = [each for start in classes for each in self._method(start, names[1], own=names[0] == SELF)]
        if not found and any(self._outline_bases(start) for start in classes):  # else it is a variable of the instance
            found = self._attribute(part, names[1])
        return _unique([*found, *self._attributes(part, names[2:])])

    def _of_definitions(self, part: Part, found: list[Found], rest: list[str]) -> list[Found]:
        """Return what an attribute of a class or a function means, or that itself where it is not known."""
        methods = [method for each in found for method in self._method(each.part, rest[0], own=True)]
        return _unique([*(methods or found), *self._attributes(part, rest[1:] if methods else rest)])

    def _method(self, start: Part, name: str, *, own: bool) -> list[Found]:
        """Return the definitions of a method in a class or its bases, nearest first."""
        queue, seen = [start], {start}
        for at in queue:
            here = self._name_of(at)
            numbers = self._names_of(at.path).own.get(f"{here}.{name}", ()) if own or at != start else ()
            if numbers:
                return [Found(Part(at.path, number), f"of {here}") for number in numbers]
            for base in self.bases(at):
                if base.part not in seen and len(seen) < _MOST_BASES:
                    seen.add(base.part)
                    queue.append(base.part)
        return []

    def bases(self, part: Part) -> list[Found]:
        """Return the classes of the project that a class derives from."""
        found = []
        for chain in self._outline_bases(part):
            found += [
                each
                for each in self._plain(self.around(part)[0], chain)
                if each.part != part and self._is_class(each.part)
            ]
        return _unique(found)

    def _outline_bases(self, part: Part) -> list[str]:
        outline = self._index.outline(part.path)
        return outline.parts[part.number - 1].bases if outline and part.number else []

    def around(self, part: Part) -> list[Part]:
        """Return what holds a definition directly: the definitions of the outer name, else the module."""
        outer = self._name_of(part).rpartition(".")[0].removesuffix(LOCALS[:-1])
        return [Part(part.path, number) for number in self._names_of(part.path).own.get(outer, (0,))]

    def _plain(self, part: Part, chain: str) -> list[Found]:
        """Return what a dotted name means where no value is involved."""
        first, *rest = chain.split(".")
        found = self._in_scope(part, first)
        for name in rest:
            if isinstance(found, Module):
                found = self._member(found.stem, name, set())
            elif found:
                at = found[0].part
                numbers = self._names_of(at.path).own.get(f"{self._name_of(at)}.{name}", ())
                found = [Found(Part(at.path, number), f"of {self._name_of(at)}") for number in numbers]
        return found if isinstance(found, list) else []

    def _is_class(self, part: Part) -> bool:
        outline = self._index.outline(part.path)
        return bool(outline and part.number and outline.parts[part.number - 1].is_class)

    # Attributes of what is not known

    def _attributes(self, part: Part, names: list[str]) -> list[Found]:
        return [each for name in names for each in self._attribute(part, name)]

    def _attribute(self, part: Part, name: str) -> list[Found]:
        """Return every method of a name if there are few of them."""
        return self._few(name, METHOD, in_tests=is_test(part.path))

    def is_meant_by_attributes(self, name: str) -> bool:
        """Tell whether an attribute of a value that is not known may mean a definition of this name."""
        return any(self._few(name, METHOD, in_tests=in_tests) for in_tests in (False, True))

    def _anywhere(self, part: Part, name: str) -> list[Found]:
        """Return every function and class of a name that stands in no other, if there are few of them."""
        return self._few(name, FREE, in_tests=is_test(part.path))

    def _few(self, name: str, where: int, *, in_tests: bool) -> list[Found]:
        key = (name, where, in_tests)
        found = self._fews.get(key)
        if found is None:
            named = [] if name.startswith("__") else self._index.named(name, where)
            named = [each for each in named if in_tests or not is_test(each.path)]
            few = named if len(named) <= (1 if name in _BUILTIN else MOST_NAMESAKES) else []
            why = f"the only `{name}`" if len(few) == 1 else f"one of {len(few)} called `{name}`"
            found = self._fews[key] = [Found(each, why) for each in few]
        return found


def _imported(found: list[Found] | Module, each: Import) -> list[Found] | Module:
    if isinstance(found, Module):
        return found
    source = "." * each.level + each.module
    return [Found(part, f"imported from {source}") for part, _ in found]


def _unique(found: list[Found]) -> list[Found]:
    kept: dict[Part, Found] = {}
    for each in found:
        kept.setdefault(each.part, each)
    return list(kept.values())
