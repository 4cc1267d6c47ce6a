"""What can be said about one failure where it happened: the exception, its frames, and what the test called.

Standard library and pytest only, Python 3.8 and later. Nothing here may raise, run code of the objects that
it looks at (other than their `__str__`), or keep a frame alive.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from typing import Any, Callable, Iterator, List, Sequence, Tuple

import dispatcher_words  # beside this file

Where = Tuple[types.FrameType, int]
Frame = List[Any]
"""A path, a line from 1, a qualified function name, a line of source."""

MAX_TEXT = 4000
MAX_LINE = 200
FIRST_FRAMES, LAST_FRAMES = 10, 40
MAX_CALLS = 8
_MAX_CHAIN = 5
_MAX_CHASE = 3
_trees: dict[str, ast.Module | None] = {}


def describe(excinfo: Any, node: Any) -> dict[str, Any]:
    """Return what is known about an exception that ended an item's phase or a collector's work, as JSON data.

    Nothing is known when looking at it goes wrong: a test may have patched what that takes.

    `type` and `bases` (names, with their module unless it is builtins), `message` (with its notes), `frames`
    (outermost first: path, line, function, source line), `chain` (causes, nearest first, then what an exception
    group held besides: type, message, place), `sites` (frames of the project, innermost first: the failing
    `statement`, and what it `calls` as [name, path], what it is probably about first).
    """
    found: dict[str, Any] | None = _quietly(_describe, excinfo, node)
    return found or {}


def _describe(excinfo: Any, node: Any) -> dict[str, Any]:
    error, root = excinfo.value, str(node.config.rootpath)
    if type(error).__name__ in ("CollectError", "ConftestImportFailure"):
        error = error.__cause__ or getattr(error, "cause", None) or error  # what pytest has wrapped
    traceback = error.__traceback__ if error is not excinfo.value else excinfo.tb
    raw = list(_walk(traceback))
    others: list[BaseException] = []
    while getattr(error, "exceptions", None) and type(error).__name__.endswith("ExceptionGroup"):
        others += [error, *error.exceptions[1:]]
        error = error.exceptions[0]
        raw += list(_walk(error.__traceback__))
    frames = [_frame(frame, line) for frame, line in _bounded(raw)]
    sites: list[dict[str, Any]] = []
    found = {
        "type": _type_name(type(error)),
        "bases": [_type_name(base) for base in type(error).__mro__[1:-1]][:12],
        "message": _message(error),
        "frames": frames,
        "chain": _chain(error) + [_link(other) for other in others[:_MAX_CHAIN]],
        "sites": sites,
    }
    place = _place_of_syntax_error(error) or _quietly(_place_of_example, error)
    if place:
        frames.append(place)
    for frame, line in reversed(raw):
        path = frame.f_code.co_filename
        if path.startswith(root) and "site-packages" not in path and len(sites) < 3:
            site = _quietly(_site, frame, line)
            if site:
                sites.append(site)
    return found


def _walk(traceback: types.TracebackType | None) -> Iterator[Where]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _bounded(raw: list[Where]) -> list[Where]:
    return raw if len(raw) <= FIRST_FRAMES + LAST_FRAMES else raw[:FIRST_FRAMES] + raw[-LAST_FRAMES:]


def _frame(frame: types.FrameType, line: int) -> Frame:
    code = frame.f_code
    text = _quietly(linecache.getline, code.co_filename, line or 0, frame.f_globals) or ""
    return [code.co_filename, line or 0, _qualified(code), dispatcher_words.head(text.strip(), MAX_LINE)]


def _place_of_syntax_error(error: BaseException) -> Frame | None:
    if isinstance(error, SyntaxError) and error.filename:
        return [
            str(error.filename),
            error.lineno or 0,
            "<module>",
            dispatcher_words.head((error.text or "").strip(), MAX_LINE),
        ]
    return None


def _example(error: Any) -> tuple[Any, Any, Any] | None:
    """Return the failed example of a doctest, with the doctest and what it printed, or None."""
    first = getattr(error, "failures", [error])[0]
    return (first.example, first.test, first.got) if type(first).__name__ == "DocTestFailure" else None


def _place_of_example(error: BaseException) -> Frame | None:
    found = _example(error)
    if found is None:
        return None
    example, test, _ = found
    function = test.name.rpartition(".")[2] if str(test.filename).endswith(".py") else "<module>"
    return [
        str(test.filename),
        (test.lineno or 0) + example.lineno + 1,
        function,
        dispatcher_words.head(example.source.strip(), MAX_LINE),
    ]


def _type_name(kind: type) -> str:
    module = getattr(kind, "__module__", "builtins")
    name = getattr(kind, "__qualname__", kind.__name__)
    return name if module == "builtins" else f"{module}.{name}"


def _message(error: BaseException) -> str:
    message: str | None = _quietly(str, error)
    example = _quietly(_example, error)
    if example is not None:
        wanted, got = example[0].want.strip(), str(example[2]).strip()
        message = f">>> {example[0].source.strip()}: expected {wanted}, got {got}"
    if type(error).__name__ == "FixtureLookupError":
        message = f"fixture '{getattr(error, 'argname', '?')}' not found"
    if message is None:
        message = "<the exception cannot be shown>"
    notes = getattr(error, "__notes__", ())
    message = "\n".join([message, *(note for note in notes if isinstance(note, str))])
    return str(dispatcher_words.both(message, MAX_TEXT))


def _chain(error: BaseException | None) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    seen = {id(error)}
    while error is not None and len(chain) < _MAX_CHAIN:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or id(error) in seen:
            break
        seen.add(id(error))
        chain.append(_link(error))
    return chain


def _link(error: BaseException) -> dict[str, Any]:
    walked = list(_walk(error.__traceback__))
    place = _frame(*walked[-1])[:3] if walked else ["", 0, ""]
    return {"type": _type_name(type(error)), "message": dispatcher_words.head(_message(error), 500), "place": place}


# What the failing statement calls


def _site(frame: types.FrameType, line: int) -> dict[str, Any] | None:
    """Return the statement that a frame is in, and what it calls."""
    code = frame.f_code
    function, statement = _find(code.co_filename, line, frame.f_globals)
    if statement is None:
        return None
    lines = range(statement.lineno, min(getattr(statement, "end_lineno", line), statement.lineno + 9) + 1)
    source = [linecache.getline(code.co_filename, n, frame.f_globals) for n in lines]
    calls = _Calls(frame, function)
    for expression in _expressions(statement):
        calls.collect(expression, line)
    return {
        "statement": dispatcher_words.head(" ".join("".join(source).split()), 500),
        "calls": calls.found[:MAX_CALLS],
    }


def _find(path: str, line: int, module_globals: dict[str, Any]) -> tuple[ast.AST | None, ast.stmt | None]:
    """Return the innermost function and the innermost statement that hold a line."""
    tree = _tree(path, module_globals)
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


def _tree(path: str, module_globals: dict[str, Any] | None) -> ast.Module | None:
    if path not in _trees:
        source = "".join(linecache.getlines(path, module_globals))
        _trees[path] = _quietly(ast.parse, source)
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


class _Calls:
    """What a statement calls: [name, path] of each function, in the order found."""

    def __init__(self, frame: types.FrameType, function: ast.AST | None) -> None:
        self.frame = frame
        self.function = function
        self.found: list[list[str]] = []

    def collect(self, expression: ast.AST, line: int, depth: int = 0) -> None:
        """Add what an expression calls, outermost first, then what made the variables that it uses."""
        names = []
        level = [expression]
        while level:
            for node in level:
                if isinstance(node, ast.Call):
                    self._add(node.func)
                elif isinstance(node, ast.Attribute):
                    self._add(node, only_properties=True)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    names.append(node.id)
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if self.function is None or depth >= _MAX_CHASE:
            return
        for name in dict.fromkeys(names):
            made_by = _assignment(self.function, name, line)
            if made_by is not None and made_by.value is not None:
                self.collect(made_by.value, made_by.lineno, depth + 1)

    def _add(self, target: ast.AST, only_properties: bool = False) -> None:
        thing = _quietly(_resolve, target, self.frame, only_properties)
        path, name = _where(thing) if thing is not None else (None, None)
        if path and name and [name, path] not in self.found:
            self.found.append([name, path])


def _assignment(function: ast.AST, name: str, line: int) -> ast.Assign | ast.AnnAssign | None:
    """Return the last assignment to a local variable before a line."""
    found = None
    for node in ast.walk(function):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None or node.lineno >= line:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(part, ast.Name) and part.id == name for target in targets for part in ast.walk(target)):
            found = node if found is None or node.lineno > found.lineno else found
    return found


def _resolve(node: ast.AST, frame: types.FrameType, only_properties: bool = False) -> Any:
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
    return inspect.getattr_static(holder, node.attr, None)


def _where(thing: Any) -> tuple[str | None, str | None]:
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
    return _where(wrapped) if wrapped is not None else (None, None)


def _qualified(code: types.CodeType) -> str:
    """Return a function's name with its classes; the code tells it from Python 3.11 on, before that the source."""
    name = getattr(code, "co_qualname", None)
    if name is not None:
        return str(name)
    tree = _trees.get(code.co_filename) or _tree(code.co_filename, None)
    path = _quietly(_path_to, tree, code.co_name, code.co_firstlineno) if tree else None
    return path or code.co_name


def _path_to(tree: ast.Module, name: str, line: int) -> str | None:
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = min([child.lineno] + [d.lineno for d in child.decorator_list])
                path = prefix + child.name
                if child.name == name and first <= line <= child.lineno:
                    return path
                waiting.append((child, path + ("." if isinstance(child, ast.ClassDef) else ".<locals>.")))
            else:
                waiting.append((child, prefix))
    return None


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or None: what is looked at belongs to the tests, and may do anything."""
    try:
        return function(*arguments)
    except Exception:
        return None
