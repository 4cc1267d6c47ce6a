"""What a failing statement calls: the functions that a failure is probably about.

Standard library only, Python 3.8 and later. No code of the objects that are looked at is run.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from typing import Any, Callable, Dict, Iterator, NamedTuple, Sequence, Tuple

import dispatcher_words  # beside this file

MAX_CALLS = 12
_MAX_CHASE = 3
_trees: dict[str, ast.Module | None] = {}


def fixtures_of(node: Any) -> Dict[str, Any]:
    """Return the functions that make an item's arguments."""
    known = getattr(getattr(node, "_fixtureinfo", None), "name2fixturedefs", {})
    return {name: definitions[-1].func for name, definitions in known.items() if definitions}


def site(frame: types.FrameType, line: int, fixtures: Dict[str, Any]) -> dict[str, Any] | None:
    """Return the statement that a frame is in, what it `calls`, and the `names` of the variables in it.

    `empty` is the fixture that has given one of these None.
    """
    code = frame.f_code
    function, statement = _find(code.co_filename, line, frame.f_globals)
    if statement is None:
        return None
    lines = range(statement.lineno, min(getattr(statement, "end_lineno", line), statement.lineno + 9) + 1)
    source = [linecache.getline(code.co_filename, n, frame.f_globals) for n in lines]
    calls = _Calls(frame, function)
    for expression in _expressions(statement):
        calls.collect(expression, line)
    calls.look_into_helpers()
    empty = [fixtures[n] for n in calls.arguments if n in fixtures and frame.f_locals.get(n, n) is None]
    return {
        "statement": dispatcher_words.head(" ".join("".join(source).split()), 500),
        "calls": calls.found[:MAX_CALLS],
        "names": list(calls.names),
        "empty": list(where(empty[0]))[::-1] if empty else None,
    }


def _find(path: str, line: int, module_globals: dict[str, Any]) -> tuple[ast.AST | None, ast.stmt | None]:
    """Return the innermost function and the innermost statement that hold a line."""
    tree = tree_of(path, module_globals)
    function = statement = None
    body: list[Any] = list(tree.body) if tree else []
    while body:
        holder = None
        for node in body:
            first = min([node.lineno] + [d.lineno for d in getattr(node, "decorator_list", ())])
            if first <= line <= getattr(node, "end_lineno", node.lineno):
                holder = node
        if holder is None:
            break
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = holder
        statement = holder
        body = [n for n in ast.iter_child_nodes(holder) if isinstance(n, (ast.stmt, ast.ExceptHandler))]
    return function, statement


def tree_of(path: str, module_globals: dict[str, Any] | None) -> ast.Module | None:
    """Return the syntax tree of a file, if it has one."""
    if path not in _trees:
        source = "".join(linecache.getlines(path, module_globals))
        _trees[path] = quietly(ast.parse, source)
    return _trees[path]


def _expressions(statement: ast.stmt) -> Sequence[ast.AST]:
    """Return what to look for calls in, what the statement is about first."""
    if isinstance(statement, ast.Assert):
        return [statement.test]
    if isinstance(statement, (ast.With, ast.AsyncWith)):  # `with pytest.raises(...)`: what it holds
        return [*statement.body, *[item.context_expr for item in statement.items]]
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return [statement.iter]
    if isinstance(statement, (ast.If, ast.While)):
        return [statement.test]
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return list(statement.decorator_list)
    return [statement]


class _Scope(NamedTuple):
    """Where names are looked up: what a frame has of that."""

    f_locals: Dict[str, Any]
    f_globals: Dict[str, Any]
    f_builtins: Dict[str, Any]


class _Calls:
    """What a statement calls: [name, path] of each function, in the order found."""

    def __init__(self, frame: types.FrameType, function: ast.AST | None) -> None:
        self.frame = frame
        self.function = function
        self.found: list[list[str]] = []
        self.arguments: dict[str, None] = {}
        self.names: dict[str, None] = {}
        self.helpers: list[types.FunctionType] = []
        given = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        self._given = frame.f_code.co_varnames[:given]

    def collect(self, expression: ast.AST, line: int, depth: int = 0) -> None:
        """Add what an expression calls, outermost first, then what made the variables that it uses."""
        names: Dict[str, None] = {}
        level = [expression]
        while level:
            for node in level:
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    names[node.id] = None
                self._take(node)
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        self.names.update(names)
        if self.function is None or depth >= _MAX_CHASE:
            return
        for name in names:
            made_by = _assignment(self.function, name, line)
            if made_by is not None:
                self.collect(made_by, made_by.lineno, depth + 1)
            elif name in self._given and name not in ("self", "cls"):
                self.arguments[name] = None

    def _take(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._add(node.func)
        elif isinstance(node, ast.Attribute):
            self._add(node, only_properties=True)
        if isinstance(node, (ast.Call, ast.Subscript, ast.Compare, ast.BinOp)):
            method, value = _operated(node)
            self._note(quietly(_method_of, method, value, self.frame))

    def _add(self, target: ast.AST, only_properties: bool = False) -> None:
        thing = quietly(_resolve, target, self.frame, only_properties)
        own = isinstance(thing, types.FunctionType) and thing.__code__.co_filename == self.frame.f_code.co_filename
        if self._note(thing) and own:
            self.helpers.append(thing)

    def _note(self, thing: Any) -> bool:
        path, name = where(thing) if thing is not None else (None, None)
        new = bool(path and name and [name, path] not in self.found)
        if new:
            self.found.append([str(name), str(path)])
        return new

    def look_into_helpers(self) -> None:
        """Add what functions of the same file call that the statement calls: helpers of the tests."""
        for helper in self.helpers[:MAX_CALLS]:
            code = helper.__code__
            body, _ = _find(code.co_filename, code.co_firstlineno, helper.__globals__)
            for node in ast.walk(body) if body is not None else ():
                if isinstance(node, ast.Call):
                    self._note(quietly(_resolve, node.func, _Scope({}, helper.__globals__, {})))


def _method_of(name: str, value: ast.AST, frame: types.FrameType) -> Any:
    """Return a method of what an expression gives; a call gives an instance of what it calls, if that is a class."""
    thing = _resolve(value, frame)
    holder = thing if isinstance(value, ast.Call) else type(thing)
    return inspect.getattr_static(holder, name, None) if thing is not None else None


_BUILTINS = {
    "len": "__len__", "str": "__str__", "repr": "__repr__", "bool": "__bool__", "hash": "__hash__", "iter": "__iter__",
    "list": "__iter__", "tuple": "__iter__", "set": "__iter__", "dict": "__iter__", "sorted": "__iter__", "next": "__next__",
    "int": "__int__", "float": "__float__", "bytes": "__bytes__",
}  # fmt: skip
_SIGNS = {
    "In": "__contains__", "NotIn": "__contains__", "Lt": "__lt__", "Gt": "__gt__",
    "LtE": "__le__", "GtE": "__ge__", "Add": "__add__", "Sub": "__sub__", "Mult": "__mul__", "Div": "__truediv__",
    "FloorDiv": "__floordiv__", "Mod": "__mod__", "BitAnd": "__and__", "BitOr": "__or__", "BitXor": "__xor__",
    "LShift": "__lshift__", "RShift": "__rshift__", "Pow": "__pow__", "MatMult": "__matmul__",
}  # fmt: skip


def _operated(node: Any) -> Tuple[str, Any]:
    """Return which method an expression calls without naming it, and of what."""
    if isinstance(node, ast.Subscript):
        return "__getitem__", node.value
    if isinstance(node, ast.BinOp):
        return _SIGNS.get(type(node.op).__name__, ""), node.left
    if isinstance(node, ast.Compare):
        sign = type(node.ops[0]).__name__
        return _SIGNS.get(sign, ""), node.comparators[0] if sign in ("In", "NotIn") else node.left
    if isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _BUILTINS.get(node.func.id, ""), node.args[0]
    return "", ast.Constant(value=None)


def _assignment(function: ast.AST, name: str, line: int) -> ast.expr | None:
    """Return what a local variable was made from last before a line."""
    found: tuple[int, ast.expr] | None = None
    for node in ast.walk(function):
        for target, value in _made(node):
            if value.lineno >= line or (found is not None and value.lineno <= found[0]):
                continue
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(target)):
                found = (value.lineno, value)
    return found[1] if found is not None else None


def _made(node: ast.AST) -> Iterator[Tuple[ast.expr, ast.expr]]:
    """Return what a statement gives names to, and from what."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield target, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield node.target, node.iter
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None:
                yield item.optional_vars, item.context_expr


def _resolve(node: ast.AST, frame: types.FrameType | _Scope, only_properties: bool = False) -> Any:
    """Return the function or class that an expression names; None when that cannot be said without running code."""
    if isinstance(node, ast.Name):
        scopes = (frame.f_locals, frame.f_globals, frame.f_builtins)
        return next((scope[node.id] for scope in scopes if node.id in scope), None)
    if isinstance(node, ast.Call):
        made = _resolve(node.func, frame)
        return made if isinstance(made, type) else None
    if not isinstance(node, ast.Attribute):
        return None
    base = _resolve(node.value, frame)
    found = None if base is None else _attribute(base, node, of_instance=isinstance(node.value, ast.Call))
    return found if not only_properties or isinstance(found, (property, functools.cached_property)) else None


def _attribute(base: Any, node: Any, of_instance: bool) -> Any:
    """Return what an attribute is, as its holder's class or module has it."""
    if isinstance(base, types.ModuleType):
        return base.__dict__.get(node.attr)
    holder = base if isinstance(base, type) or of_instance else type(base)
    if holder is not base and not of_instance:  # what a decorator has put on a function, a callback
        own = (quietly(object.__getattribute__, base, "__dict__") or {}).get(node.attr)
        if isinstance(own, (types.FunctionType, types.MethodType)):
            return own
    return inspect.getattr_static(holder, node.attr, None)


def where(thing: Any) -> tuple[str | None, str | None]:
    """Return the file and the qualified name of a function or a class."""
    for _ in range(10):
        if isinstance(thing, (staticmethod, classmethod, types.MethodType)):
            thing = thing.__func__
        elif isinstance(thing, property):
            thing = thing.fget
        elif isinstance(thing, (functools.partial, functools.cached_property)):
            thing = thing.func
        elif isinstance(thing, (types.FunctionType, type)) and "__wrapped__" in vars(thing):
            thing = vars(thing)["__wrapped__"]
        elif hasattr(type(thing), "__wrapped__"):
            thing = inspect.getattr_static(thing, "__wrapped__")
        else:
            break
    if isinstance(thing, types.FunctionType):
        return thing.__code__.co_filename, thing.__qualname__
    if isinstance(thing, type):
        module = sys.modules.get(thing.__module__)
        return getattr(module, "__file__", None), thing.__qualname__
    # lru_cache and its like are objects that keep the function.
    wrapped = getattr(thing, "__wrapped__", None) if type(thing).__module__ == "functools" else None
    return where(wrapped) if wrapped is not None else (None, None)


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or None: what is looked at belongs to the tests, and may do anything."""
    try:
        return function(*arguments)
    except Exception:
        return None
