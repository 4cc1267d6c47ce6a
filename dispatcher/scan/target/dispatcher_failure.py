"""What can be said about one failure where it happened: the exception, its frames, and what the test called.

Standard library and pytest only, Python 3.8 and later. Nothing here may raise, run code of the objects that
it looks at (other than their `__str__`), or keep a frame alive.
"""

from __future__ import annotations

import ast
import linecache
import types
from typing import Any, Iterator, List, Tuple

import dispatcher_calls  # beside this file
import dispatcher_words
from dispatcher_calls import quietly

Where = Tuple[types.FrameType, int]
Frame = List[Any]
"""A path, a line from 1, a qualified function name, a line of source."""

MAX_TEXT = 4000
MAX_LINE = 200
FIRST_FRAMES, LAST_FRAMES = 10, 40
_MAX_CHAIN = 5


def describe(excinfo: Any, node: Any) -> dict[str, Any]:
    """Return what is known about an exception that ended an item's phase or a collector's work, as JSON data.

    Nothing is known when looking at it goes wrong: a test may have patched what that takes.

    `type` and `bases` (names, with their module unless it is builtins), `message` (with its notes), `frames`
    (outermost first: path, line, function, source line), `chain` (causes, nearest first, then what an exception
    group held besides: type, message, place), `sites` (frames of the project, innermost first: the failing
    `statement`, and what it `calls` as [name, path], what it is probably about first), and if there is such a
    thing `kept` (an exception that a value in the statement keeps) and `empty` (the fixture that gave it None).
    """
    with dispatcher_words.without(secrets(excinfo)):
        found: dict[str, Any] | None = quietly(_describe, excinfo, node)
    return found or {}


def secrets(excinfo: Any) -> list[str]:
    """Return the values of variables on an exception's way that are secrets, as far as their names tell."""
    found: list[str] = []
    for frame, _ in _bounded(list(walk(excinfo.tb))):
        if "site-packages" not in frame.f_code.co_filename:
            found += quietly(list, dispatcher_words.secrets_of(frame.f_locals)) or []
    return found


def _describe(excinfo: Any, node: Any) -> dict[str, Any]:
    error, root = excinfo.value, str(node.config.rootpath)
    if type(error).__name__ in ("CollectError", "ConftestImportFailure"):
        error = error.__cause__ or getattr(error, "cause", None) or error  # what pytest has wrapped
    traceback = error.__traceback__ if error is not excinfo.value else excinfo.tb
    raw = list(walk(traceback))
    others: list[BaseException] = []
    while getattr(error, "exceptions", None) and type(error).__name__.endswith("ExceptionGroup"):
        others += [error, *error.exceptions[1:]]
        error = error.exceptions[0]
        raw += list(walk(error.__traceback__))
    frames = [_frame(frame, line) for frame, line in _bounded(raw)]
    place = _place_of_syntax_error(error) or quietly(_place_of_example, error)
    if place:
        frames.append(place)
    kinds = [type(error)]
    raised = quietly(_raised_in_example, error)
    if raised is not None:  # what the code has raised says more than that an example has raised something
        error = raised
        kinds.append(type(error))
        inner = list(walk(error.__traceback__))
        raw += inner
        frames += [_frame(frame, line) for frame, line in _bounded(inner)]
    sites: list[dict[str, Any]] = []
    found = {
        "type": _type_name(type(error)),
        "bases": [_type_name(base) for base in (*kinds[:-1], *kinds[-1].__mro__[1:-1])][:12],
        "message": _message(error),
        "frames": frames,
        "chain": _chain(error) + [_link(other) for other in others[:_MAX_CHAIN]],
        "sites": sites,
    }
    fixtures = quietly(dispatcher_calls.fixtures_of, node) or {}
    for frame, line in reversed(raw):
        path = frame.f_code.co_filename
        if path.startswith(root) and "site-packages" not in path and len(sites) < 3:
            site = quietly(dispatcher_calls.site, frame, line, fixtures)
            if site:
                kept = [quietly(_kept, frame.f_locals.get(name)) for name in site.pop("names") if name != "self"]
                about = {"kept": next(filter(None, kept), None), "empty": site.pop("empty")}
                found.update({name: said for name, said in about.items() if said and name not in found})
                sites.append(site)
    return found


def walk(traceback: types.TracebackType | None) -> Iterator[Where]:
    """Yield the frames of a traceback with their lines, outermost first."""
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _bounded(raw: list[Where]) -> list[Where]:
    return raw if len(raw) <= FIRST_FRAMES + LAST_FRAMES else raw[:FIRST_FRAMES] + raw[-LAST_FRAMES:]


def _frame(frame: types.FrameType, line: int) -> Frame:
    code = frame.f_code
    text = quietly(linecache.getline, code.co_filename, line or 0, frame.f_globals) or ""
    return [code.co_filename, line or 0, qualified(code), dispatcher_words.head(text.strip(), MAX_LINE)]


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
    """Return the failed example of a doctest, with the doctest and what it printed (None: it raised), or None."""
    first = getattr(error, "failures", [error])[0]
    if type(first).__name__ not in ("DocTestFailure", "UnexpectedException"):
        return None
    return first.example, first.test, getattr(first, "got", None)


def _raised_in_example(error: Any) -> BaseException | None:
    first = getattr(error, "failures", [error])[0]
    return first.exc_info[1] if type(first).__name__ == "UnexpectedException" else None


def _place_of_example(error: BaseException) -> Frame | None:
    found = _example(error)
    if found is None:
        return None
    example, test, _ = found
    module = str(test.globs.get("__name__", ""))
    documented = test.name[len(module) + 1 :] if test.name.startswith(module + ".") else test.name.rpartition(".")[2]
    function = documented if str(test.filename).endswith(".py") and test.name != module else "<module>"
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
    message: str | None = quietly(str, error)
    example = quietly(_example, error)
    if example is not None and example[2] is not None:
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
    walked = list(walk(error.__traceback__))
    place = _frame(*walked[-1])[:3] if walked else ["", 0, ""]
    return {"type": _type_name(type(error)), "message": dispatcher_words.head(_message(error), 500), "place": place}


def _kept(value: Any) -> dict[str, Any] | None:
    """Return the exception that an object keeps, as the results of test clients and command runners do.

    What `pytest.raises` and `assertRaises` give keep one that was asked for, and mocks one that they are to raise.
    """
    kind = type(value)
    if value is None or issubclass(kind, type) or kind.__module__.startswith(("_pytest", "unittest", "mock")):
        return None
    for part in object.__getattribute__(value, "__dict__").values():
        if issubclass(type(part), Exception) and part.__traceback__ is not None:
            walked = list(walk(part.__traceback__))
            frames = [_frame(frame, line) for frame, line in _bounded(walked)]
            return {
                "type": _type_name(type(part)),
                "message": dispatcher_words.head(_message(part), 500),
                "frames": frames,
            }
    return None


def qualified(code: types.CodeType) -> str:
    """Return a function's name with its classes; the code tells it from Python 3.11 on, before that the source."""
    name = getattr(code, "co_qualname", None)
    if name is not None:
        return str(name)
    tree = dispatcher_calls.tree_of(code.co_filename, None)
    path = quietly(_path_to, tree, code.co_name, code.co_firstlineno) if tree else None
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
