"""Which functions of the project a test executes, and which lines: the cheapest hooks that an interpreter has.

Standard library only, Python 3.8 and later. From Python 3.12 on `sys.monitoring`, which a suite's own tracer and
coverage do not notice. Before that the profiler in C (`_lsprof`) for functions, and `sys.settrace` for lines, unless
somebody else traces already.
"""

from __future__ import annotations

import contextlib
import cProfile
import sys
import threading
import types
from typing import Any, Callable, Dict, Iterable, List, Set, Tuple

Lines = Dict[str, Set[int]]


class Own:
    """Tells the project's files from others. `own` and `copies` are prefixes of paths, `foreign` lie inside `own`."""

    def __init__(self, own: list[str], foreign: list[str], copies: list[str]) -> None:
        self.own, self.foreign, self.copies = tuple(own), tuple(foreign), tuple(copies)
        self.known: dict[str, bool] = {}

    def __call__(self, path: str) -> bool:
        known = self.known.get(path)
        if known is None:
            known = path.startswith(self.copies) or (
                path.startswith(self.own) and not path.startswith(self.foreign) and "site-packages" not in path
            )
            self.known[path] = known
        return known


# A tracer is begun and ended for each item, and is on only while the item's own phases run.
def tracer(own: Own) -> _Monitoring | _Profiling:
    """Return the tracer for this interpreter."""
    if sys.version_info >= (3, 12):
        with contextlib.suppress(ValueError, RuntimeError):  # every tool id is taken
            return _Monitoring(own)
    return _Profiling(own)


class _Monitoring:
    """`sys.monitoring`: each function and each line is heard of once in each test, and after that costs nothing."""

    name = "sys.monitoring"
    lines_are_cheap = True

    def __init__(self, own: Own) -> None:
        self.monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self.tool = next(n for n in (4, 3, 5) if self.monitoring.get_tool(n) is None)
        self.monitoring.use_tool_id(self.tool, "dispatcher")
        self.own = own
        self.codes: dict[int, types.CodeType] = {}
        self.seen: set[int] = set()
        self.lines: Lines = {}
        events = self.monitoring.events
        self.monitoring.register_callback(self.tool, events.PY_START, self._hears())
        self.monitoring.register_callback(self.tool, events.LINE, self._line)
        self.events = events.PY_START | events.LINE

    def begin(self, *, lines: bool) -> None:
        del lines  # they come with the functions
        self.monitoring.restart_events()

    def on(self) -> None:
        self.monitoring.set_events(self.tool, self.events)

    def off(self) -> None:
        self.monitoring.set_events(self.tool, 0)

    def end(self) -> Tuple[List[types.CodeType], Lines]:
        found = [self.codes[key] for key in self.seen], self.lines.copy()
        self.seen.clear()
        self.lines.clear()
        return found

    def _hears(self) -> Callable[[types.CodeType, int], Any]:
        codes, seen, own, disable = self.codes, self.seen, self.own, self.monitoring.DISABLE

        def heard(code: types.CodeType, _offset: int) -> Any:
            if own(code.co_filename):
                codes[id(code)] = code  # which keeps it: no other code gets its id
                seen.add(id(code))
            return disable

        return heard

    def _line(self, code: types.CodeType, line: int) -> Any:
        if self.own(code.co_filename):
            self.lines.setdefault(code.co_filename, set()).add(line)
        return self.monitoring.DISABLE


class _Profiling:
    """Before Python 3.12: a profiler in C, or for lines a tracer in Python."""

    name = "cProfile and sys.settrace"
    lines_are_cheap = False

    def __init__(self, own: Own) -> None:
        self.own = own
        self.profile: Any = None
        self.displaced: list[Any] = []
        self.wants_lines = False
        self.threads: dict[int, types.CodeType] = {}
        self.lines: Lines = {}

    def begin(self, *, lines: bool) -> None:
        self.profile = cProfile.Profile(subcalls=False, builtins=False)
        self.wants_lines = lines

    def on(self) -> None:
        """Begin where nobody else is: a suite's own tracer or profiler goes first."""
        if sys.getprofile() is None:
            if _of_threads("_profile_hook") is None:
                threading.setprofile(self._in_thread)
            self.profile.enable()
        if self.wants_lines and sys.gettrace() is None:
            if _of_threads("_trace_hook") is None:
                threading.settrace(self._call)
            sys.settrace(self._call)

    def off(self) -> None:
        """Take away what is still ours: a test, or its fixtures, may have put its own in its place."""
        profiler: Any = sys.getprofile()
        if profiler is self.profile:
            profiler.disable()
        elif self.profile not in self.displaced[-1:]:
            self.displaced.append(self.profile)  # kept, as one that is freed unsets whatever profiler is set by then
        if sys.gettrace() == self._call:
            sys.settrace(None)
        if _of_threads("_trace_hook") == self._call:
            threading.settrace(None)
        if _of_threads("_profile_hook") == self._in_thread:
            threading.setprofile(None)

    def end(self) -> Tuple[List[types.CodeType], Lines]:
        codes: Iterable[Any] = (entry.code for entry in self.profile.getstats())
        found = {id(c): c for c in codes if isinstance(c, types.CodeType) and self.own(c.co_filename)}
        found.update(self.threads)
        lines = self.lines.copy()
        self.threads.clear()
        self.lines.clear()
        return list(found.values()), lines

    def _in_thread(self, frame: types.FrameType, event: str, _arg: Any) -> None:
        if event == "call" and self.own(frame.f_code.co_filename):
            self.threads[id(frame.f_code)] = frame.f_code

    def _call(self, frame: types.FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if not self.own(code.co_filename):
            return None
        add = self.lines.setdefault(code.co_filename, set()).add
        add(frame.f_lineno or code.co_firstlineno)  # generated code may have no line

        def line(frame: types.FrameType, event: str, _arg: Any) -> Any:
            if event == "line" and frame.f_lineno:
                add(frame.f_lineno)
            return line

        return line


def _of_threads(name: str) -> Any:
    """Return what new threads begin with; there are functions for that from Python 3.10 on only."""
    return getattr(threading, name, None)
