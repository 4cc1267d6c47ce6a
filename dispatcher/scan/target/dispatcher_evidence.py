"""The second pass: some items are run again, and for each is written down what it executed and what it compared.

Standard library and pytest (7 and later) only, Python 3.8 and later. Lines, by `t`: `function` (a number, its file,
qualified name, first and last line), `traced` (an item, the numbers of the functions that it executed, and lines by
file: of items that failed before, and of all where that is cheap), `values` (an item, what was compared, and the variables of the project's frames), `hooks` (which were used).
"""

from __future__ import annotations

import functools
import sys
import time
import types
import unittest.case
from typing import Any, Dict, Iterator, List

import dispatcher_calls
import dispatcher_failure
import dispatcher_trace
import dispatcher_values
import dispatcher_words
import pytest
from _pytest.assertion import rewrite


class Evidence:
    """Runs the items of `wanted["failing"]` and `wanted["passing"]`, in that order, until `wanted["seconds"]` are over."""

    def __init__(self, wanted: Dict[str, Any], writer: Any) -> None:
        self.own = dispatcher_trace.Own(wanted["own"], wanted["foreign"], wanted["copies"])
        self.failing = set(wanted["failing"])
        self.place = {test: n for n, test in enumerate([*wanted["failing"], *wanted["passing"]])}
        self.seconds = wanted["seconds"]
        self.until: float | None = None
        self.stream = writer
        self.tracer = dispatcher_trace.tracer(self.own)
        self.numbers: dict[int, tuple[int, types.CodeType]] = {}
        self.comparison: Any = None
        writer.write({"t": "hooks", "name": self.tracer.name})
        self._do_not_trace(rewrite, "_saferepr")
        self._do_not_trace(rewrite, "_call_reprcompare")
        self._do_not_trace(unittest.case, "safe_repr")

    def _do_not_trace(self, module: Any, name: str) -> None:
        """Leave out what is executed to say what a failed assertion has compared: no passing test does that."""
        function = getattr(module, name, None)
        if function is None:
            return

        @functools.wraps(function)
        def untraced(*arguments: Any, **keywords: Any) -> Any:
            self.tracer.off()
            try:
                return function(*arguments, **keywords)
            finally:
                self.tracer.on()

        setattr(module, name, untraced)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: List[Any]) -> None:
        last = len(self.place)
        chosen = [item for item in items if dispatcher_words.same(item.nodeid) in self.place]
        items[:] = sorted(chosen, key=lambda item: self.place.get(dispatcher_words.same(item.nodeid), last))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.until = self.until or time.monotonic() + self.seconds
        test = dispatcher_words.same(item.nodeid)
        self.comparison = None
        began = time.process_time()
        self.tracer.begin(lines=test in self.failing or self.tracer.lines_are_cheap)
        yield
        dispatcher_calls.quietly(self._traced, item, began)
        if time.monotonic() >= self.until:
            item.session.shouldstop = "the time for evidence was up"

    def _traced(self, item: Any, began: float) -> None:
        codes, lines = self.tracer.end()
        functions = [self._number(code) for code in codes]
        record: Dict[str, Any] = {"t": "traced", "id": item.nodeid, "functions": functions}
        record["lines"] = {path: sorted(numbers) for path, numbers in lines.items()}
        record["cpu"] = round(time.process_time() - began, 5)
        self.stream.write(record)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        self.tracer.on()
        yield
        self.tracer.off()  # what is executed to report a failure is none of the test's

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        self.tracer.on()
        yield
        self.tracer.off()

    def _number(self, code: types.CodeType) -> int:
        known = self.numbers.get(id(code))
        if known is None:
            known = self.numbers[id(code)] = len(self.numbers), code  # which keeps it: no other gets its id
            ends = [line for *_, line in _lines(code)]
            last = max(ends, default=code.co_firstlineno)
            name = dispatcher_failure.qualified(code)
            where = {"path": code.co_filename, "name": name, "line": code.co_firstlineno, "last": last}
            self.stream.write({"t": "function", "n": known[0], **where})
        return known[0]

    def pytest_assertrepr_compare(self, op: str, left: Any, right: Any) -> None:
        frame: Any = sys._getframe()  # noqa: SLF001 - the documented way to one's callers
        while frame is not None and not self.own(frame.f_code.co_filename):
            frame = frame.f_back
        values = {"left": dispatcher_values.spoken(left), "op": op, "right": dispatcher_values.spoken(right)}
        where = (frame, frame.f_lineno) if frame is not None else None
        self.comparison = (where, values)  # an assertion may be caught, and another exception end the test

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, call: Any, report: Any) -> None:
        if getattr(report, "when", None) not in ("setup", "call"):
            return
        values = dispatcher_calls.quietly(self._values, call.excinfo)
        self.comparison = None
        if values is not None:
            self.stream.write({"t": "values", "id": report.nodeid, **values})

    def _values(self, excinfo: Any) -> Dict[str, Any]:
        frames = list(dispatcher_failure.walk(excinfo.tb))
        with dispatcher_words.without(dispatcher_failure.secrets(excinfo)):
            compared = dispatcher_values.compared(frames)
            if self.comparison and isinstance(excinfo.value, AssertionError):
                own = [(frame, line) for frame, line in frames if self.own(frame.f_code.co_filename)]
                compared = self.comparison[1] if own and own[-1] == self.comparison[0] else compared
            compared = compared and {key: dispatcher_values.cut(words) for key, words in compared.items()}
            return {"compared": compared, "frames": dispatcher_values.of(frames, self.own)}


def _lines(code: types.CodeType) -> Iterator[Any]:
    if hasattr(code, "co_lines"):  # from Python 3.10 on
        return (entry for entry in code.co_lines() if entry[2] is not None)
    import dis

    return iter(list(dis.findlinestarts(code)))
