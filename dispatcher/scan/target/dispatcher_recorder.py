"""What the processes of a run write down, or send: each failure, and how each item has ended.

Standard library and pytest (7 and later) only, Python 3.8 and later.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any, Dict, Iterable, Iterator

import dispatcher_failure
import dispatcher_overdue
import dispatcher_stream
import dispatcher_words
import pytest

Control = Dict[str, Any]
"""See dispatcher_pytest.begin."""

MAX_TEXT = 4000
_DRY = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test")
# What a run that only looks again must leave as the first has left it: which tests failed last.
_MEMORIES = ("lfplugin", "nfplugin", "stepwiseplugin")


class _Leg:
    """What the processes that run tests have in common: items that ran before are left out, and files are named."""

    def __init__(self, config: Any, control: Control, writer: dispatcher_stream.Writer) -> None:
        self.config = config
        self.done: dict[str, int] = dict(control["done"])
        self.only = None if control["only"] is None else set(control["only"])
        self.again = control["again"]
        self.stream = writer
        if control["maxfail"]:
            config.option.maxfail = control["maxfail"]
        if control["signal"]:
            dispatcher_overdue.begin(control)

    def pytest_sessionstart(self, session: Any) -> None:
        for name in _MEMORIES if self.again else ():
            plugin = session.config.pluginmanager.get_plugin(name)
            if plugin is not None:
                session.config.pluginmanager.unregister(plugin)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.only is not None:
            items[:] = [item for item in items if dispatcher_words.same(item.nodeid) in self.only]
        if self.done:
            items[:] = [item for item in items if not self._is_done(dispatcher_words.same(item.nodeid))]

    def _is_done(self, test: str) -> bool:
        left = self.done.get(test, 0)
        self.done[test] = left - 1
        return left > 0

    def pytest_collectstart(self, collector: Any) -> None:
        if isinstance(collector, pytest.File):
            self.stream.write({"t": "collecting", "id": collector.nodeid, "pid": os.getpid()})


class Worker(_Leg):
    """In a worker of pytest-xdist: puts into failed reports what only this process can know."""

    def __init__(self, config: Any, control: Control, writer: dispatcher_stream.Writer) -> None:
        super().__init__(config, control, writer)
        self.told: list[Dict[str, Any]] = []

    def pytest_collection_finish(self) -> None:
        self.stream.write({"t": "collecting", "id": "", "pid": os.getpid()})

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.stream.write({"t": "start", "id": nodeid, "pid": os.getpid()})

    def pytest_collectreport(self, report: Any) -> None:
        if not report.failed and not report.result:
            self.told.append(_without_items(report))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[Any]:
        outcome: Any = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None:
            report.dispatcher = dispatcher_failure.describe(call.excinfo, item)
            report.dispatcher_secrets = dispatcher_failure.secrets(call.excinfo)

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if report.when == "collect":
            report.dispatcher = dispatcher_failure.describe(call.excinfo, node)

    def pytest_deselected(self, items: Any) -> None:
        self.told.append({"t": "deselected", "ids": [item.nodeid for item in items]})

    def pytest_sessionfinish(self) -> None:
        self.config.workeroutput["dispatcher"] = self.told


class Recorder(_Leg):
    """In the process that the user would have started: writes the stream."""

    def __init__(self, config: Any, control: Control, writer: dispatcher_stream.Writer) -> None:
        super().__init__(config, control, writer)
        self.control = control
        self.open_items: dict[str, tuple[str, float]] = {}
        self.held: list[tuple[Any, str]] = []
        self.collected = False
        writer.write(
            {
                "t": "session",
                "pid": os.getpid(),
                "python": platform.python_version(),
                "pytest": pytest.__version__,
                "rootdir": str(config.rootpath),
                "positional": [str(arg) for arg in getattr(config.option, "file_or_dir", ())],
                "workers": getattr(config.option, "dist", "no") != "no",
                "dry": any(getattr(config.option, name, False) for name in _DRY),
                "coverage": config.pluginmanager.hasplugin("_cov"),
                "most": getattr(config.option, "maxfail", 0) or 0,
                "libraries": _libraries(),
                "environment": sys.prefix,
            }
        )

    # Collecting

    def pytest_deselected(self, items: Any) -> None:
        self.stream.write({"t": "deselected", "ids": [item.nodeid for item in items]})

    def pytest_collection_finish(self, session: Any) -> None:
        self._collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Any) -> None:
        self._collected(list(ids))

    def _collected(self, ids: list[str]) -> None:
        if ids and not self.collected:  # xdist's own process collects nothing, and each of its workers everything
            self.collected = True
            self.stream.write({"t": "collected", "ids": ids})

    def pytest_collectreport(self, report: Any) -> None:
        self._release()
        if report.failed:
            self._failed(report, "collect")
        elif not report.result:
            self.stream.write(_without_items(report))

    # Running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        self.stream.write({"t": "running"})

    def pytest_runtest_logreport(self, report: Any) -> None:
        when = report.when
        if when not in ("setup", "call", "teardown"):  # xdist tells of a worker that has crashed
            self._tell(report, "call", ())
            self.stream.write(f'["failed",{dispatcher_stream.encode(report.nodeid)},0]')
            return
        if when == "setup":
            if report.passed:
                return
            outcome = _setup_outcome(report)
        elif when == "call":
            outcome = _call_outcome(report)
        else:
            outcome = "error" if report.failed else None
        self._release()
        if report.failed:
            self._failed(report, when)
        nodeid = report.nodeid
        known = self.open_items.get(nodeid)
        # The first bad phase decides; a failed subtest comes before the item's own report.
        if outcome is not None and (known is None or known[0] not in ("failed", "error")):
            known = self.open_items[nodeid] = (outcome, report.duration)
        if when == "teardown":
            self.open_items.pop(nodeid, None)
            if known is not None:
                self.stream.write(f'["{known[0]}",{dispatcher_stream.encode(nodeid)},{known[1]:.4f}]')

    @pytest.hookimpl(tryfirst=True)  # a debugger that comes after may end the run
    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        # With xdist the controller's reports come with their details.
        when = getattr(report, "when", None) or "collect"
        detail = dispatcher_failure.describe(call.excinfo, node)
        self._release(dispatcher_failure.secrets(call.excinfo))
        self.stream.write({"t": "detail", "id": report.nodeid, "when": when, **detail})

    def _failed(self, report: Any, when: str) -> None:
        """Keep a failed report until it is known which secrets were in sight; pytest tells of the exception next."""
        if hasattr(report, "dispatcher"):  # a worker has told
            self._tell(report, when, getattr(report, "dispatcher_secrets", ()))
        else:
            self.held.append((report, when))

    def _release(self, secrets: Iterable[str] = ()) -> None:
        """Write what was kept."""
        while self.held:
            self._tell(*self.held.pop(0), secrets)

    def _tell(self, report: Any, when: str, secrets: Iterable[str]) -> None:
        with dispatcher_words.without(secrets):
            self.stream.write(self._record(report, when))
        detail = getattr(report, "dispatcher", None)
        if detail is not None:
            self.stream.write({"t": "detail", "id": report.nodeid, "when": when, **detail})

    def _record(self, report: Any, when: str) -> dict[str, Any]:
        record = {"t": "fail", "id": report.nodeid, "when": when, "text": _text_of(report.longrepr)}
        context = getattr(report, "context", None)
        if context is not None:
            said = str(getattr(context, "msg", "") or getattr(context, "kwargs", "") or "")
            record["subtest"] = dispatcher_words.head(said, 200)
        for name, text in getattr(report, "sections", ()):
            record.setdefault("sections", []).append([name[:60], dispatcher_words.tail(text, MAX_TEXT)])
        return record

    # Around it

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["dispatcher"] = self.control

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for record in (getattr(node, "workeroutput", None) or {}).get("dispatcher", ()):
            self.stream.write(record)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        self._release()
        self.stream.write({"t": "interrupt", "why": f"{excinfo.typename}: {excinfo.value}".rstrip(": ")[:200]})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        self._release()
        stopped = str(getattr(session, "shouldfail", "") or getattr(session, "shouldstop", "") or "")
        self.stream.write({"t": "end", "exit": int(exitstatus), "stopped": stopped})


def _without_items(report: Any) -> dict[str, Any]:
    return {"t": "without_items", "id": report.nodeid, "skipped": bool(report.skipped)}


def _setup_outcome(report: Any) -> str | None:
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    return "error" if report.failed else None


def _call_outcome(report: Any) -> str | None:
    if report.failed:
        return "failed"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.passed:
        return "xpassed" if hasattr(report, "wasxfail") else "passed"
    return None  # a rerun: another report will say how it ended


def _text_of(longrepr: Any) -> str:
    """Return the words of a report that may have no exception behind it: a doctest, an unexpected pass."""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return str(dispatcher_words.head(str(crash.message), MAX_TEXT))
    try:
        return str(dispatcher_words.head(str(longrepr), MAX_TEXT))
    except Exception as error:
        return f"a report that cannot be shown ({type(error).__name__})"


def _libraries() -> list[str]:
    """Return the folders whose code is not the project's: the standard library's, and those of packages."""
    packages = [path for path in sys.path if path.endswith(("-packages", "-packages" + os.sep))]
    return sorted({os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(pytest.__file__)), *packages})
