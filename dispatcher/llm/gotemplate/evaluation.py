"""Carrying out a template: Go's text/template/exec.go, within bounds, for templates come from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dispatcher.llm.gotemplate.functions import ENDLESS, Signature
from dispatcher.llm.gotemplate.nodes import Action, Branch, Call, Jump, Nodes, Pipe, Text
from dispatcher.llm.gotemplate.parser import ROOT
from dispatcher.llm.gotemplate.printing import output
from dispatcher.llm.gotemplate.scope import Scope
from dispatcher.llm.gotemplate.values import NIL, NOTHING, Map, Slice, Value, truth
from dispatcher.llm.unrenderable import Unrenderable

LONGEST = 16_000_000


class Setting(NamedTuple):
    """What a template finds around it; `missing` is what the data give for a field that they have not."""

    trees: Mapping[str, Nodes]
    functions: Mapping[str, Signature]
    missing: Value = NIL


def executed(setting: Setting, data: Mapping[str, Value]) -> str:
    """Return what the main template writes for data. Raises Unrenderable, at the latest after 200,000 steps."""
    run = _Run(setting)
    run.template(setting.trees[ROOT], Map(data, setting.missing))
    return "".join(run.written)


class _Run:
    """What was written, and what is in force."""

    def __init__(self, setting: Setting) -> None:
        self.written: list[str] = []
        self._trees = setting.trees
        self._scope = Scope(setting.functions)
        self._letters = 0

    def template(self, nodes: Nodes, dot: Value) -> None:
        outer, self._scope.variables = self._scope.variables, [("$", dot)]
        self._scope.deeper(1)
        self._nodes(nodes, dot)
        self._scope.deeper(-1)
        self._scope.variables = outer

    def _write(self, text: str) -> None:
        self._letters += len(text)
        if self._letters > LONGEST:
            raise Unrenderable(problem="what it makes is too long")
        self.written.append(text)

    def _nodes(self, nodes: Nodes, dot: Value) -> str:
        """Write nodes; return the word of the jump that ended them, or nothing."""
        for node in nodes:
            self._scope.spend()
            match node:
                case Text(text):
                    self._write(text)
                case Action(pipe):
                    value = self._scope.pipe(pipe, dot)
                    if not pipe.variables:
                        self._write(output(value))
                case Call(name, pipe):
                    self._call(name, self._scope.pipe(pipe, dot) if pipe else NOTHING)
                case Jump(word):
                    return word
                case Branch():
                    if word := self._branch(node, dot):
                        return word
        return ""

    def _call(self, name: str, dot: Value) -> None:
        if name not in self._trees:
            raise Unrenderable(problem=f"it calls the template '{name}', which it does not define")
        self.template(self._trees[name], dot)

    def _branch(self, node: Branch, dot: Value) -> str:
        mark = len(self._scope.variables)
        self._scope.deeper(1)
        value = self._scope.pipe(node.pipe, dot)
        if node.word == "range":
            word = self._range(node, value, dot)
        elif truth(value):
            word = self._nodes(node.body, value if node.word == "with" else dot)
        else:
            word = self._nodes(node.otherwise or (), dot)
        self._scope.deeper(-1)
        del self._scope.variables[mark:]
        return word

    def _range(self, node: Branch, value: Value, dot: Value) -> str:
        mark = len(self._scope.variables)
        is_empty, word = True, ""
        for index, element in _elements(value, len(node.pipe.variables)):
            is_empty = False
            self._scope.spend()
            self._set_range(node.pipe, index, element)
            word = self._nodes(node.body, element)
            del self._scope.variables[mark:]
            if word == "break":
                break
        word = self._nodes(node.otherwise or (), dot) if is_empty else ""
        # Go ends the inner range at a break in its else, though it belongs to the outer one.
        return "" if word == "break" else word

    def _set_range(self, pipe: Pipe, index: Value, element: Value) -> None:
        """Set the variables of a range: the element last, the index before it."""
        values = (index, element)[2 - len(pipe.variables) :]
        for n, (name, value) in enumerate(zip(pipe.variables, values, strict=True)):
            if pipe.assigns:
                self._scope.assign(name, value)
            else:
                self._scope.variables[n - len(values)] = (name, value)


def _elements(value: Value, variables: int) -> Iterator[tuple[Value, Value]]:
    match value:
        case Slice(items):
            yield from enumerate(items)
        case Map(entries):
            yield from ((key, entries[key]) for key in sorted(entries))
        case int() if not isinstance(value, bool) and variables < 2 and value < ENDLESS:
            yield from ((NOTHING, n) for n in range(value))
        case _ if value is not NOTHING:
            raise Unrenderable(problem="it goes through something that is no list")
