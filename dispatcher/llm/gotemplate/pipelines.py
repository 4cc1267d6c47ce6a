"""Pipelines, read from a template's tokens: the lower half of Go's text/template/parse/parse.go."""

from __future__ import annotations

from dispatcher.llm.gotemplate.functions import NAMES
from dispatcher.llm.gotemplate.literals import character, number, unquoted
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
from dispatcher.llm.gotemplate.tokens import Token
from dispatcher.llm.unrenderable import Unrenderable

DEEPEST = 40
MOST_OPERANDS = 40
_STARTS = frozenset(
    {"bool", "character", ".", "field", "function", "number", "nil", "raw string", "string", "variable", "("},
)


class Reader:
    """Where the reading of tokens stands, how deep in, and the variables that are known there."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.known = ["$"]
        self._depth = 0

    def deeper(self, by: int) -> None:
        """Go into something, or out of it."""
        self._depth += by
        if self._depth > DEEPEST:
            raise Unrenderable(problem=f"it is nested deeper than {DEEPEST}")

    def peek(self) -> Token:
        """Return the token that comes."""
        return self.tokens[self.at]

    def next(self) -> Token:
        """Take the token that comes."""
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def skip_space(self) -> Token:
        """Return the token that comes after spaces."""
        while self.peek().kind == "space":
            self.at += 1
        return self.peek()

    def next_after_space(self) -> Token:
        """Take the token that comes after spaces."""
        self.skip_space()
        return self.next()

    def expect(self, *kinds: str) -> Token:
        """Take the token that comes after spaces if it is of these kinds. Raises Unrenderable."""
        token = self.next_after_space()
        if token.kind not in kinds:
            raise unexpected(token.kind)
        return token

    def pipe(self, end: str, *, most: int) -> Pipe:
        """Return a pipeline up to its end, which sets so many variables at most. Raises Unrenderable."""
        variables, assigns = self._declared(most)
        commands: list[Command] = []
        while (kind := self.skip_space().kind) != end:
            if kind not in _STARTS:
                raise unexpected(kind)
            commands.append(self._command())
            if len(commands) > 1 and isinstance(commands[-1][0], Literal | Dot | NilWord):
                raise Unrenderable(problem="it gives an argument to something that is no function")
        self.next()
        if not commands:
            raise Unrenderable(problem="it has an action without a value")
        return Pipe(tuple(variables), assigns, tuple(commands))

    def _declared(self, most: int) -> tuple[list[str], bool]:
        """Return the variables that a pipeline sets, at most so many, and whether they are there already."""
        variables: list[str] = []
        while self.skip_space().kind == "variable":
            at, name = self.at, self.next().text
            sign = self.skip_space()
            if sign.kind not in (":=", "=") and sign.text != ",":
                self.at = at
                break
            self.next()
            variables.append(name)
            self.known.append(name)
            if sign.text == "," and (len(variables) >= most or self.skip_space().kind not in ("variable", "}}")):
                raise Unrenderable(problem="it sets more variables at once than Go allows")
            if sign.text != ",":
                return variables, sign.kind == "="
        return variables, False

    def _command(self) -> Command:
        operands: list[Operand] = []
        while True:
            self.skip_space()
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            kind = self.peek().kind
            if kind == "|":
                self.next()
                break
            if kind in ("}}", ")"):
                break
            if kind != "space":
                raise unexpected(kind)
        if not operands or len(operands) > MOST_OPERANDS:
            raise unexpected(kind)
        return tuple(operands)

    def _operand(self) -> Operand | None:
        operand = self._term()
        names: list[str] = []
        while operand is not None and self.peek().kind == "field":
            names.append(self.next().text[1:])
        if not names or operand is None:
            return operand
        if isinstance(operand, Field | Variable):
            return type(operand)((*operand.names, *names))
        if isinstance(operand, Literal | Dot | NilWord):
            raise unexpected("field")
        return Chain(operand, tuple(names))

    def _term(self) -> Operand | None:  # noqa: PLR0911 - one for each kind
        kind, text = self.peek()
        if kind not in _STARTS:
            return None
        self.next()
        match kind:
            case "(":
                return self._parenthesis()
            case "variable":
                if text not in self.known:
                    raise Unrenderable(problem=f"it uses a variable that it does not set: {text}")
                return Variable((text,))
            case "field":
                return Field((text[1:],))
            case "function":
                return _function(text)
            case ".":
                return Dot()
            case "nil":
                return NilWord()
        return Literal(_literal(kind, text))

    def _parenthesis(self) -> Pipe:
        self.deeper(1)
        pipe = self.pipe(")", most=1)
        self.deeper(-1)
        return pipe


def _function(name: str) -> Function:
    if name not in NAMES:
        raise Unrenderable(problem=f"it uses the function '{name}', which is not known here")
    return Function(name)


def _literal(kind: str, text: str) -> str | float | bool:
    if kind == "bool":
        return text == "true"
    if kind == "number":
        return number(text)
    return character(text) if kind == "character" else unquoted(text)


def unexpected(kind: str) -> Unrenderable:
    """Return the error for a token that Go would not take in its place."""
    return Unrenderable(problem=f"it has '{kind}' in a place where Go expects something else")
