"""The pytest plugin: writes what happens to a stream of JSON lines, each flushed as it happens.

Standard library and pytest (7 and later) only, Python 3.8 and later. PYTEST_DONT_REWRITE: it is loaded
before pytest, and has nothing to rewrite.

Lines, by `t`: `session` (versions, folders), `collected` (ids), `deselected` (ids),
`without_items` (a collector that is sound, or skipped, and has nothing to run), `fail` (one
failed phase of one item, or one collector that failed), `detail` (what `dispatcher_failure` found out about
it), `interrupt` (a test ended the run), `end` (exit status, and why it stopped before all was run, if it did). An item that has run is an array: its outcome ("passed",
"failed", "error", "skipped", "xfailed", "xpassed"), its id, seconds.

Passing items must cost next to nothing: one line each. With
pytest-xdist the workers load this too; they analyse failures and send the result along with the report.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any, Dict, Iterator

import dispatcher_failure  # type: ignore[import-not-found]  # beside this file, and on the path while this is loaded
import pytest

Control = Dict[str, Any]

MAX_TEXT = 4000
_HERE = os.path.dirname(os.path.abspath(__file__))
# Chosen files are run to their end, whatever the arguments say of stopping and of the last run.
_ALL_THE_WAY = {
    "maxfail": 0,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "stepwise_skip": False,
}
_controls: list[Control] = []


def begin(control: Control) -> None:
    """Take over what the scan asks for.

    `stream`: the file to append to. `files`: paths, relative to pytest's root folder, to collect instead of
    what the arguments say; None for all. `ignore`: folders not to be collected.
    """
    _controls.append(control)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Take our folder off the path again; see dispatcher_boot."""
    if _HERE in sys.path:
        sys.path.remove(_HERE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Begin to write, or in a worker to send."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        if _HERE in sys.path:
            sys.path.remove(_HERE)
        if "dispatcher" in worker:
            _narrow(config, worker["dispatcher"])
            config.pluginmanager.register(_Worker(config), "dispatcher-worker")
    elif _controls:
        control = _controls.pop()  # once: a session that a test starts is none of ours
        _narrow(config, control)
        config.pluginmanager.register(_Recorder(config, control), "dispatcher-recorder")


def _narrow(config: Any, control: Control) -> None:
    if control["files"] is not None and "[" not in str(config.rootpath):
        config.args = _paths(config, control["files"])
        for name, value in _ALL_THE_WAY.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
    config.option.ignore = [*(config.option.ignore or ()), *control["ignore"]]


def _paths(config: Any, names: list[str]) -> list[str]:
    """Return the paths to collect; what is gone has no tests. pytest takes a "[" for the start of a parameter."""
    paths: dict[str, None] = {}
    for name in names:
        path = name
        while "[" in path:
            path = os.path.dirname(path)
        paths[os.path.join(str(config.rootpath), path)] = None
    return [path for path in paths if os.path.exists(path)]


class _System:
    """What a line is written with, as it was before any test had its hands on it (they patch modules, not classes)."""

    open = staticmethod(os.open)
    fstat = staticmethod(os.fstat)
    write = staticmethod(os.write)
    encode = staticmethod(json.JSONEncoder(ensure_ascii=False).encode)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


class _Worker:
    """In a worker of pytest-xdist: puts into failed reports what only this process can know."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.told: list[dict[str, Any]] = []

    def pytest_collectreport(self, report: Any) -> None:
        if not report.failed and not report.result:
            self.told.append(_without_items(report))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[Any]:
        outcome: Any = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None:
            report.dispatcher = dispatcher_failure.describe(call.excinfo, item)

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if report.when == "collect":
            report.dispatcher = dispatcher_failure.describe(call.excinfo, node)

    def pytest_deselected(self, items: Any) -> None:
        self.told.append({"t": "deselected", "ids": [item.nodeid for item in items]})

    def pytest_sessionfinish(self) -> None:
        self.config.workeroutput["dispatcher"] = self.told


class _Recorder:
    """In the process that the user would have started: writes the stream."""

    def __init__(self, config: Any, control: Control) -> None:
        self.control = control
        self.waiting: list[bytes] = []
        self.stream = _System.open(control["stream"], _System.flags)
        inode = os.fstat(self.stream)
        self.inode = (inode.st_dev, inode.st_ino)
        self.open_items: dict[str, tuple[str, float]] = {}
        self.collected = False
        self.write(
            {
                "t": "session",
                "python": platform.python_version(),
                "pytest": pytest.__version__,
                "rootdir": str(config.rootpath),
                "positional": [str(arg) for arg in getattr(config.option, "file_or_dir", ())],
                "libraries": _libraries(),
                "environment": sys.prefix,
            }
        )

    def write(self, record: Any) -> None:
        """Append one line.

        The file is opened again if a test has closed our descriptor, or put another file there. What cannot be
        written now goes with the next line: a test may have patched what writing takes.
        """
        try:
            text = record if isinstance(record, str) else _System.encode(record)
            self.waiting.append(text.encode("utf-8", "replace") + b"\n")  # lone surrogates are no JSON
            if not self._is_ours():
                self.stream = _System.open(self.control["stream"], _System.flags)
            _System.write(self.stream, b"".join(self.waiting))
            self.waiting.clear()
        except Exception:  # no trouble of ours may become the run's
            return

    def _is_ours(self) -> bool:
        try:
            state = _System.fstat(self.stream)
        except OSError:
            return False
        return (state.st_dev, state.st_ino) == self.inode

    # Collecting

    def pytest_deselected(self, items: Any) -> None:
        self.write({"t": "deselected", "ids": [item.nodeid for item in items]})

    def pytest_collection_finish(self, session: Any) -> None:
        self._collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Any) -> None:
        self._collected(list(ids))

    def _collected(self, ids: list[str]) -> None:
        if ids and not self.collected:  # xdist's own process collects nothing, and each of its workers everything
            self.collected = True
            self.write({"t": "collected", "ids": ids})

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._failed(report, "collect")
        elif not report.result:
            self.write(_without_items(report))

    # Running

    def pytest_runtest_logreport(self, report: Any) -> None:
        when = report.when
        if when not in ("setup", "call", "teardown"):  # xdist tells of a worker that has crashed
            self._failed(report, "call")
            self.write(f'["failed",{_System.encode(report.nodeid)},0]')
            return
        if when == "setup":
            if report.passed:
                return
            outcome = _setup_outcome(report)
        elif when == "call":
            outcome = _call_outcome(report)
        else:
            outcome = "error" if report.failed else None
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
                self.write(f'["{known[0]}",{_System.encode(nodeid)},{known[1]:.4f}]')

    @pytest.hookimpl(tryfirst=True)  # a debugger that comes after may end the run
    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        # With xdist the controller's reports come with their details.
        when = getattr(report, "when", None) or "collect"
        self.write(
            {"t": "detail", "id": report.nodeid, "when": when, **dispatcher_failure.describe(call.excinfo, node)}
        )

    def _failed(self, report: Any, when: str) -> None:
        record = {"t": "fail", "id": report.nodeid, "when": when, "text": _text_of(report.longrepr)}
        context = getattr(report, "context", None)
        if context is not None:
            record["subtest"] = str(getattr(context, "msg", "") or getattr(context, "kwargs", "") or "")[:200]
        for name, text in getattr(report, "sections", ()):
            record.setdefault("sections", []).append([name[:60], text[-MAX_TEXT:]])
        self.write(record)
        detail = getattr(report, "dispatcher", None)
        if detail is not None:
            self.write({"t": "detail", "id": report.nodeid, "when": when, **detail})

    # Around it

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["dispatcher"] = {"files": self.control["files"], "ignore": self.control["ignore"]}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for record in (getattr(node, "workeroutput", None) or {}).get("dispatcher", ()):
            self.write(record)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        self.write({"t": "interrupt", "why": f"{excinfo.typename}: {excinfo.value}".rstrip(": ")[:200]})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        stopped = str(getattr(session, "shouldfail", "") or getattr(session, "shouldstop", "") or "")
        self.write({"t": "end", "exit": int(exitstatus), "stopped": stopped})


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
        return str(crash.message)[:MAX_TEXT]
    try:
        return str(longrepr)[:MAX_TEXT]
    except Exception as error:
        return f"a report that cannot be shown ({type(error).__name__})"


def _libraries() -> list[str]:
    """Return the folders whose code is not the project's: the standard library's, and those of packages."""
    packages = [path for path in sys.path if path.endswith(("-packages", "-packages" + os.sep))]
    return sorted({os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(pytest.__file__)), *packages})
