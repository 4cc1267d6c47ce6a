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
_MOST_NAMES, _MOST_FRAMES = 20, 3
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
    try:
        text = _Repr().repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} that cannot be shown ({type(error).__name__})>"
    return str(dispatcher_words.head(" ".join(text.split()), MAX_VALUE))


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
    items = [(name, frame.f_locals[name]) for name in names if not isinstance(frame.f_locals[name], _NOT_SHOWN)]
    return iter(items[:_MOST_NAMES])


def compared(frames: List[Any]) -> Dict[str, str] | None:
    """Return what a method of unittest's has compared, if one has."""
    for frame, _ in frames:
        known = frame.f_locals
        if "unittest" in frame.f_code.co_filename and "first" in known and "second" in known:
            return {"left": shown(known["first"]), "op": frame.f_code.co_name, "right": shown(known["second"])}
    return None
