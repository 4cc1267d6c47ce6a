"""Reports that pytest really writes, and files that are made while they are read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# What pytest-reportlog 1.0 does; it is no dependency of ours.
PLUGIN = """\
import json

class Log:
    def __init__(self, config):
        self.config, self.file = config, open("log.jsonl", "w")
        self.put({"pytest_version": "9", "$report_type": "SessionStart"})
    def put(self, data):
        print(json.dumps(data, default=repr), file=self.file, flush=True)
    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        if "result" in data:
            data["result"] = None
        self.put(data)
    pytest_collectreport = pytest_runtest_logreport
    def pytest_warning_recorded(self, warning_message, when, nodeid):
        self.put({"category": "W", "when": when, "$report_type": "WarningMessage"})
    def pytest_sessionfinish(self, exitstatus):
        self.put({"exitstatus": exitstatus, "$report_type": "SessionFinish"})

def pytest_configure(config):
    config.pluginmanager.register(Log(config))
"""


def run_pytest(project: Path, *arguments: str) -> None:
    """Run the tests of a project, which must not all pass, and leave there report.xml and log.jsonl."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    plugin = project.parent / f"{project.name}-plugin"
    plugin.mkdir(exist_ok=True)
    (plugin / "reportlog_like.py").write_text(PLUGIN)
    env["PYTHONPATH"] = str(plugin)
    always = ("-q", "-p", "no:cacheprovider", "-p", "reportlog_like", "--junitxml=report.xml")
    argv = [sys.executable, "-m", "pytest", *always, "--continue-on-collection-errors", *arguments]
    ended = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stdout[-2000:] + ended.stderr


class Generated:
    """A file that is made while it is read."""

    name = "generated.xml"

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts: Iterator[bytes] = iter(parts)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (part := next(self._parts, b"")):
            self._rest += part
        given, self._rest = self._rest[:size], self._rest[size:]
        return given
