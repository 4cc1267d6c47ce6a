"""What Ollama's template/template.go looks up in a template, and what it cuts from one."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.llm.gotemplate.nodes import Action, Branch, Call, Command, Field, Node, Nodes, Operand, Pipe, Variable
from dispatcher.llm.unrenderable import Unrenderable

RESPONSE = Action(Pipe((), False, ((Field(("Response",)),),)))


def identifiers(nodes: Nodes) -> Iterator[str]:
    """Yield the names of the fields and variables that Ollama sees in nodes, as Identifiers does. Raises Unrenderable."""
    for node in nodes:
        if isinstance(node, Call) and node.pipe is None:
            raise Unrenderable(problem="it calls a template without giving it a value, which Ollama does not take")
        if isinstance(node, Action | Branch | Call) and node.pipe is not None:
            yield from _in_pipe(node.pipe)
        if isinstance(node, Branch):
            yield from identifiers(node.body)
            yield from identifiers(node.otherwise or ())


def _in_pipe(pipe: Pipe) -> Iterator[str]:
    for command in pipe.commands:
        for operand in command:
            if isinstance(operand, Pipe):
                yield from _in_pipe(operand)
            elif isinstance(operand, Field | Variable):
                yield from operand.names


def up_to_response(nodes: Nodes) -> Nodes:
    """Return nodes without what comes after the first `.Response`, as deleteNode leaves them. Raises Unrenderable."""
    return _Cut().nodes(nodes)


class _Cut:
    """Whether the response was met; what is met after it goes."""

    def __init__(self) -> None:
        self._met = False

    def nodes(self, nodes: Nodes) -> Nodes:
        kept = (self._node(node) for node in nodes)
        return tuple(node for node in kept if node is not None)

    def _node(self, node: Node) -> Node | None:
        if self._met:
            return None
        if isinstance(node, Action):
            pipe = self._pipe(node.pipe)
            return node._replace(pipe=pipe) if pipe else None
        if isinstance(node, Branch):
            body = self.nodes(node.body)
            if node.otherwise is None:
                return node._replace(body=body)
            if self._met:
                raise Unrenderable(problem="it has the answer in an if with an else, over which Ollama stumbles")
            return node._replace(body=body, otherwise=self.nodes(node.otherwise))
        return node

    def _pipe(self, pipe: Pipe) -> Pipe | None:
        commands: list[Command] = []
        for command in pipe.commands:
            operands = [kept for operand in command if (kept := self._operand(operand)) is not None]
            if not operands:
                return None
            commands.append(tuple(operands))
        return pipe._replace(commands=tuple(commands))

    def _operand(self, operand: Operand) -> Operand | None:
        if self._met:
            return None
        if isinstance(operand, Field) and "Response" in operand.names:
            self._met = True
        return self._pipe(operand) if isinstance(operand, Pipe) else operand
