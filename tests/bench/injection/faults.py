"""Small faults in Python source: what can be broken in a file, and the file with it broken.

A fault replaces a range of bytes and keeps the number of lines, so that it moves nothing else. All are
found by `ast` in the source as it was; which of them a test notices is for others to find out.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dispatcher.domain.testcode import is_test_code

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.FloorDiv: ("//", "*"), ast.Div: ("/", "*"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
_WRONG = {"ValueError": "KeyError", "TypeError": "ValueError"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FIXTURE_NAMES = ("setUp", "setup_method", "setup_class", "setUpClass", "setup_module", "setup_function")


class Fault(NamedTuple):
    """One thing broken: where, in what way, and the bytes from `start` to `end` that `text` replaces."""

    path: str
    function: str
    kind: str
    line: int
    start: int
    end: int
    text: str

    @property
    def id(self) -> str:
        """Its name: the same for the same fault in the same source."""
        return hashlib.sha256(repr(tuple(self)).encode()).hexdigest()[:12]


class Source:
    """A file's bytes, and where the nodes of its syntax tree are in them."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.tree = ast.parse(data)
        self._starts = [0]
        for line in data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        """Return where a line and a column in bytes are."""
        return self._starts[line - 1] + column

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node begins."""
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node ends."""
        return self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def text(self, node: ast.expr | ast.stmt) -> str:
        """Return a node's source."""
        return self.data[self.start(node) : self.end(node)].decode()


def broken(data: bytes, faults: Iterable[Fault]) -> bytes:
    """Return a file with some faults in it, which must not overlap; line numbers stay."""
    for fault in sorted(faults, key=lambda f: f.start, reverse=True):
        lost = data.count(b"\n", fault.start, fault.end) - fault.text.count("\n")
        data = data[: fault.start] + fault.text.encode() + b"\n" * lost + data[fault.end :]
    return data


def possible(path: str, data: bytes, reached: frozenset[int]) -> list[Fault]:
    """Return the faults that can be put into the code of a file whose first lines are among `reached`.

    In tests only fixtures are broken. What the file would not compile with is left out.
    """
    try:
        source = Source(path, data)
    except (SyntaxError, ValueError):
        return []
    found = _of_module(source) if not is_test_code(path) else iter(())
    faults = [*found, *_of_functions(source, reached)]
    return [fault for fault in faults if _compiles(broken(data, [fault]))]


def _compiles(data: bytes) -> bool:
    try:
        compile(data, "broken.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _of_functions(source: Source, reached: frozenset[int]) -> Iterator[Fault]:
    waiting: list[tuple[ast.AST, str]] = [(source.tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                waiting.append((child, f"{prefix}{child.name}."))
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append((child, f"{prefix}{child.name}.<locals>."))
                if min([child.lineno, *(d.lineno for d in child.decorator_list)]) in reached:
                    yield from _of_function(source, child, prefix + child.name)
            else:
                waiting.append((child, prefix))


def _of_function(source: Source, function: _Function, name: str) -> Iterator[Fault]:
    if is_test_code(source.path):
        found = _broken_fixture(source, function) if _is_fixture(function) else iter(())
    else:
        found = _in_source(source, function)
    for kind, start, end, text in found:
        line = source.data.count(b"\n", 0, start) + 1
        yield Fault(source.path, name, kind, line, start, end, text)


Change = tuple[str, int, int, str]


def _is_fixture(function: _Function) -> bool:
    marks = [ast.unparse(decorator) for decorator in function.decorator_list]
    return function.name in _FIXTURE_NAMES or any("fixture" in mark for mark in marks)


def _broken_fixture(source: Source, function: _Function) -> Iterator[Change]:
    first = _body(function)[0]
    yield "broken fixture", source.start(first), source.end(first), 'raise OSError("not available")'
    for node in _own(function):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield "broken fixture", source.start(node.value), source.end(node.value), "None"


def _in_source(source: Source, function: _Function) -> Iterator[Change]:
    yield from _definition(source, function)
    for node in _own(function):
        yield from _expression(source, node)
        yield from _statement(source, node)


def _definition(source: Source, function: _Function) -> Iterator[Change]:
    """Break a function as a whole."""
    head = source.data.index(function.name.encode(), source.start(function) + len("def"))
    if not function.name.startswith("__"):
        yield "renamed definition", head, head + len(function.name.encode()), f"{function.name}_x"
    first = _body(function)[0]
    yield "raised exception", source.start(first), source.end(first), 'raise RuntimeError("unexpected state")'


def _body(function: _Function) -> list[ast.stmt]:
    """Return a function's statements without its docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.body[1:] if documented and len(function.body) > 1 else function.body


def _own(function: _Function) -> Iterator[ast.AST]:
    """Return what a function does itself: nothing of functions in it, nothing inside f-strings."""
    waiting: list[ast.AST] = list(_body(function))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.JoinedStr):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _expression(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _between(source, node.left, node.comparators[0], _COMPARISONS[type(node.ops[0])])
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield from _between(source, node.left, node.right, _OPERATORS[type(node.op)][1])
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        yield from _between(source, node.values[0], node.values[1], "or" if isinstance(node.op, ast.And) else "and")
    elif isinstance(node, ast.Constant):
        yield from _constant(source, node)
    elif isinstance(node, ast.Call):
        yield from _call(source, node)
    elif isinstance(node, ast.If | ast.IfExp):
        condition = node.test
        yield "negated condition", source.start(condition), source.end(condition), f"(not ({source.text(condition)}))"


def _between(source: Source, left: ast.expr, right: ast.expr, sign: str) -> Iterator[Change]:
    """Replace the sign between two operands, unless there are brackets around one."""
    start, end = source.end(left), source.start(right)
    between = source.data[start:end].decode()
    if not set(between) & set("()#\\\n"):
        yield "swapped operator", start, end, f" {sign} "


def _constant(source: Source, node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        text = repr(not value)
    elif isinstance(value, int):
        text = repr(value + 1)
    elif isinstance(value, str) and value and "\n" not in source.text(node):
        text = repr(value + "x")
    else:
        return
    yield "changed constant", source.start(node), source.end(node), text


def _call(source: Source, node: ast.Call) -> Iterator[Change]:
    """Drop the last argument; the comma before it may stay."""
    if not node.args or node.keywords or isinstance(node.args[-1], ast.GeneratorExp | ast.Starred):
        return
    last = node.args[-1]
    start = source.end(node.args[-2]) if len(node.args) > 1 else source.start(last)
    yield "dropped argument", start, source.end(last), ""


def _statement(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield "returns None", source.start(node.value), source.end(node.value), "None"
    elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
        called = node.exc.func
        yield "wrong exception", source.start(called), source.end(called), _WRONG.get(called.id, "RuntimeError")
    elif isinstance(node, ast.Expr | ast.Assign | ast.AugAssign) and not _is_text(node):
        yield "deleted statement", source.start(node), source.end(node), "pass"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        end = source.end(node.targets[0])
        yield "renamed attribute", end, end, "_x"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of_module(source: Source) -> Iterator[Fault]:
    """Break what a module imports, and the constants that it defines."""
    for node in source.tree.body:
        line = node.lineno
        if isinstance(node, ast.Import | ast.ImportFrom) and node.names[0].name != "*":
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                continue
            start, end = source.start(node), source.end(node)
            yield Fault(source.path, "<module>", "removed import", line, start, end, "pass")
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for kind, start, end, text in _constant(source, node.value):
                yield Fault(source.path, "<module>", kind, line, start, end, text)
