"""What a template is made of: the nodes of Go's text/template/parse/node.go, without positions."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """`.A.B`: fields of the dot."""

    names: tuple[str, ...]


class Variable(NamedTuple):
    """`$x.A`: a variable by its name with the dollar, and fields of it."""

    names: tuple[str, ...]


class Chain(NamedTuple):
    """`(pipeline).A.B` or `function.A`: fields of what an operand gives."""

    operand: Operand
    names: tuple[str, ...]


class Function(NamedTuple):
    """A function's name."""

    name: str


class Literal(NamedTuple):
    """A string, number or truth value."""

    value: str | float | bool


class Dot(NamedTuple):
    """`.`."""


class NilWord(NamedTuple):
    """`nil`."""


class Pipe(NamedTuple):
    """Commands, each with the result of the one before as its last argument; the variables that get the last result."""

    variables: tuple[str, ...]
    assigns: bool
    commands: tuple[Command, ...]


Operand = Field | Variable | Chain | Function | Literal | Dot | NilWord | Pipe
Command = tuple[Operand, ...]


class Text(NamedTuple):
    """Text as it stands."""

    text: str


class Action(NamedTuple):
    """`{{pipeline}}`."""

    pipe: Pipe


class Branch(NamedTuple):
    """`if`, `with` or `range`; `otherwise` is None where there is no else."""

    word: str
    pipe: Pipe
    body: Nodes
    otherwise: Nodes | None


class Call(NamedTuple):
    """`{{template "name" pipeline}}`, and where a block stood."""

    name: str
    pipe: Pipe | None


class Jump(NamedTuple):
    """`break` or `continue`."""

    word: str


Node = Text | Action | Branch | Call | Jump
Nodes = tuple[Node, ...]
