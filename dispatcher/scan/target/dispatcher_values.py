"""The values at the place of a failure: what was compared, and the variables of the project's innermost frames.

Standard library only, Python 3.8 and later. `repr` of a test's objects may do anything; it is asked for only in
the second pass, in which nothing is decided.
"""

from __future__ import annotations

import reprlib
import types
from typing import Any, Dict, Iterator, List

import dispatcher_words  # beside this file

MAX_VALUE = 200
_MOST_KEPT = 20_000
_MOST_NAMES, _MOST_FRAMES = 20, 3
# Parameters of unittest's assertions.
_COMPARED = (
    ("first", "second"), ("list1", "list2"), ("tuple1", "tuple2"), ("seq1", "seq2"), ("set1", "set2"), ("d1", "d2"),
    ("member", "container"), ("expr1", "expr2"), ("a", "b"),
)  # fmt: skip
_NOT_SHOWN = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


class _Repr(reprlib.Repr):
    """`repr` that looks at a few elements of what holds many, and leaves cutting strings to us."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 20
        self.maxstring = self.maxlong = self.maxother = 20_000

    def repr_str(self, x: str, _level: int) -> str:
        return repr(x[: self.maxstring])  # with its middle: where it is cut, is for dispatcher_words to say

    def repr_instance(self, x: Any, _level: int) -> str:
        return repr(x)


def shown(value: Any) -> str:
    """Return a value as words, without secrets and bounded."""
    return cut(spoken(value))


def cut(words: str) -> str:
    """Return the beginning of some words without secrets; those in sight now may not have been when they were made."""
    return str(dispatcher_words.head(words, MAX_VALUE))


def spoken(value: Any) -> str:
    """Return a value as words, all of them as far as they are not too many to be kept for a while."""
    try:
        text = _Repr().repr(value)
    except BaseException as error:  # an exit, or an outcome of pytest's, is not meant for us
        text = f"<{type(value).__name__} that cannot be shown ({type(error).__name__})>"
    return " ".join(text[:_MOST_KEPT].split())


def of(frames: List[Any], own: Any) -> List[Dict[str, Any]]:
    """Return the variables of the project's innermost frames, innermost first. `frames`: (frame, line), outermost first."""
    found: List[Dict[str, Any]] = []
    for frame, line in reversed(frames):
        if own(frame.f_code.co_filename) and frame.f_locals is not frame.f_globals and len(found) < _MOST_FRAMES:
            values = {name: shown(value) for name, value in _variables(frame)}
            found.append({"path": frame.f_code.co_filename, "line": line, "values": values})
    return found


def _variables(frame: types.FrameType) -> Iterator[Any]:
    names = [name for name in frame.f_locals if not name.startswith(("@", "__", "."))]
    # `isinstance` would ask the value, which may be anything.
    items = [(n, frame.f_locals[n]) for n in names if not issubclass(type(frame.f_locals[n]), _NOT_SHOWN)]
    return iter(items[:_MOST_NAMES])


def compared(frames: List[Any]) -> Dict[str, str] | None:
    """Return what a method of unittest's has compared, if one has."""
    for frame, _ in frames:
        known = frame.f_locals
        for left, right in _COMPARED if "unittest" in frame.f_code.co_filename else ():
            if left in known and right in known:
                return {"left": shown(known[left]), "op": frame.f_code.co_name, "right": shown(known[right])}
    return None
