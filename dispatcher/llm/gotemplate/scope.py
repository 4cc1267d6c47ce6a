"""The value of a pipeline: the lower half of Go's text/template/exec.go, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dispatcher.llm.gotemplate.functions import Signature, typescript
from dispatcher.llm.gotemplate.nodes import (
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Literal,
    NilWord,
    Operand,
    Pipe,
    Variable,
)
from dispatcher.llm.gotemplate.printing import string_method
from dispatcher.llm.gotemplate.values import NIL, NOTHING, Map, Slice, Struct, Value, shown, truth
from dispatcher.llm.unrenderable import Unrenderable

DEEPEST = 80
STEPS = 200_000
LETTERS_A_STEP = 32


class Scope:
    """The variables that are set, the latest last; and what was spent of the steps that a template may take."""

    def __init__(self, functions: Mapping[str, Signature]) -> None:
        self.variables: list[tuple[str, Value]] = []
        self._functions = functions
        self._steps = 0
        self._depth = 0

    def spend(self, letters: int = 0) -> None:
        """Count a step, and what is made of so many letters. Raises Unrenderable."""
        self._steps += 1 + letters // LETTERS_A_STEP
        if self._steps > STEPS:
            raise Unrenderable(problem="it takes too many steps")

    def deeper(self, by: int) -> None:
        """Go into something, or out of it. Raises Unrenderable."""
        self._depth += by
        if self._depth > DEEPEST:
            raise Unrenderable(problem="its templates call each other too deeply")

    def assign(self, name: str, value: Value) -> None:
        """Set a variable that is there. Raises Unrenderable."""
        for n in range(len(self.variables) - 1, -1, -1):
            if self.variables[n][0] == name:
                self.variables[n] = (name, value)
                return
        raise Unrenderable(problem=f"it sets a variable that is not there: {name}")

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise Unrenderable(problem=f"it uses a variable that is not there: {name}")

    def pipe(self, pipe: Pipe, dot: Value) -> Value:
        """Return a pipeline's value, its variables set."""
        last: list[Value] = []
        for command in pipe.commands:
            self.spend()
            last = [shown(self._command(command, dot, last))]
        for name in pipe.variables:
            if pipe.assigns:
                self.assign(name, last[0])
            else:
                self.variables.append((name, last[0]))
        return last[0]

    def _command(self, command: Command, dot: Value, last: list[Value]) -> Value:
        first = command[0]
        if isinstance(first, Function):
            return self._function(first.name, command[1:], dot, last)
        if len(command) > 1 or last:
            raise Unrenderable(problem="it gives an argument to something that is no function")
        if isinstance(first, NilWord):
            raise Unrenderable(problem="it has nil where Go expects a value")
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: Value) -> Value:  # noqa: PLR0911 - one for each kind
        match operand:
            case Literal(written):
                return written
            case Dot():
                return dot
            case Field(names):
                return self._fields(dot, names)
            case Variable(names):
                return self._fields(self._variable(names[0]), names[1:])
            case Chain(inner, names):
                return self._fields(self._operand(inner, dot), names)
            case Function(name):
                return self._function(name, (), dot, [])
            case Pipe():
                self.deeper(1)
                value = self.pipe(operand, dot)
                self.deeper(-1)
                return value
        return NIL

    def _fields(self, value: Value, names: Sequence[str]) -> Value:
        for name in names:
            value = self._field(value, name)
        return value

    def _field(self, value: Value, name: str) -> Value:
        if value is NOTHING:
            return NOTHING
        if name == "String" and (text := string_method(value)) is not None:
            self.spend(len(text))
            return text
        if isinstance(value, Struct) and name == "ToTypeScriptType" and value.shape.has_typescript:
            return typescript(value)
        if isinstance(value, Struct) and name in value.fields:
            return value.fields[name]
        if isinstance(value, Map):
            return value.entries.get(name, value.missing)
        raise Unrenderable(problem=f"it uses .{name} of something that has no such field")

    def _function(self, name: str, operands: Command, dot: Value, last: list[Value]) -> Value:
        if name in ("and", "or"):
            return self._decided(name, operands, dot, last)
        signature = self._functions.get(name)
        if signature is None:
            raise Unrenderable(problem=f"it uses the function '{name}', which is not known here")
        values = [self._operand(operand, dot) for operand in operands] + last
        if not signature.least <= len(values) <= signature.most:
            raise Unrenderable(problem=f"it gives the function '{name}' a wrong number of arguments")
        if not all(isinstance(value, str) for value in values[: signature.strings]):
            raise Unrenderable(problem=f"it gives the function '{name}' something that is no string")
        self.spend(sum(len(value) for value in values if isinstance(value, str)))
        made = signature.call(values)
        self.spend(len(made) if isinstance(made, str) else len(made.items) if isinstance(made, Slice) else 0)
        return made

    def _decided(self, name: str, operands: Command, dot: Value, last: list[Value]) -> Value:
        """Return the first value that decides `and` or `or`; what comes after it is not looked at."""
        value: Value = NOTHING
        for operand in operands:
            value = self._operand(operand, dot)
            if truth(value) == (name == "or"):
                return value
        if not operands and not last:
            raise Unrenderable(problem=f"it gives the function '{name}' a wrong number of arguments")
        return last[0] if last else value
