"""The second pass: some of the tests run again, to see what they execute and with which values they fail."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.domain.failure import BAD
from dispatcher.process import child
from dispatcher.scan.account import ALL_RUN
from dispatcher.scan.crash import how_it_died
from dispatcher.scan.failures import named
from dispatcher.scan.gist import gist
from dispatcher.scan.layout import Layout, Owner
from dispatcher.scan.legs import Legs, Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.runner import Progress
from dispatcher.scan.stream import Stream, Text

_BY_ITSELF = (*ALL_RUN, 2)
"""How pytest ends when all items have been run, or the time was up."""


class Function(NamedTuple):
    """A function of the project: its file, its qualified name, and whose file it is."""

    path: str
    name: str
    owner: Owner


class Traced(NamedTuple):
    """What one item has executed; `lines` by file, of failing items only."""

    functions: frozenset[Function]
    lines: dict[str, list[int]]


@dataclass
class Evidence:
    """What a second pass has shown, by item.

    `passing_lines` counts how many passing items have executed a line (path, number); it is empty where the
    interpreter cannot tell lines cheaply. `spans` are the first and the last line of each function. `values` is what was
    compared at the place of a failure, and the variables of the project's frames there. `flipped` counts items that
    ended in another way than before. `hooks` names what the interpreter offered. `cpu` (seconds) is that of the whole
    process. `cut_short` says how it ended when it was not by itself.
    """

    failing: dict[str, Traced] = field(default_factory=dict)
    passing: dict[str, Traced] = field(default_factory=dict)
    passing_lines: Counter[tuple[str, int]] = field(default_factory=Counter)
    spans: dict[Function, tuple[int, int]] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    flipped: int = 0
    hooks: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    interrupted: bool = False
    cut_short: str | None = None


class _Trace(Stream):
    """The stream of a second pass."""

    def __init__(self, path: Path, redact: Text, layout: Layout, failing: Sequence[str]) -> None:
        super().__init__(path, redact)
        self._layout = layout
        self._failing = frozenset(failing)
        self.passing_lines: Counter[tuple[str, int]] = Counter()
        self._functions: dict[int, Function] = {}
        self.spans: dict[Function, tuple[int, int]] = {}
        self.traced: dict[str, Traced] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.hooks = ""

    def take_other(self, record: dict[str, Any]) -> None:
        kind = record["t"]
        if kind == "function":
            self._function(record)
        elif kind == "traced":
            self._traced(record)
        elif kind == "values":
            for frame in record["frames"]:
                frame["path"] = self._layout.locate(frame["path"]).path
            self.values.setdefault(self.id_of(record["id"]), {k: record[k] for k in ("compared", "frames")})
        elif kind == "hooks":
            self.hooks = record["name"]

    def _traced(self, record: dict[str, Any]) -> None:
        test = self.id_of(record["id"])
        functions = frozenset(self._functions[n] for n in record["functions"] if n in self._functions)
        lines = {self._layout.locate(path).path: numbers for path, numbers in record["lines"].items()}
        self.traced[test] = Traced(functions, lines if test in self._failing else {})
        if test not in self._failing and self.outcomes.get(test) == "passed":
            self.passing_lines.update((path, n) for path, numbers in lines.items() for n in numbers)

    def _function(self, record: dict[str, Any]) -> None:
        owner, path = self._layout.locate(record["path"])
        function = Function(path, named(record["name"]), owner)
        if owner == "library" or function.name == "<module>":
            return
        self._functions[record["n"]] = function
        first, last = self.spans.get(function, (record["line"], record["last"]))
        self.spans[function] = min(first, record["line"]), max(last, record["last"])


class Sample(NamedTuple):
    """Items to run again: failing ones and passing ones, each in order, for so many seconds at most.

    `limits` are those of the first pass.
    """

    failing: Sequence[str]
    passing: Sequence[str]
    seconds: float
    limits: Limits = Limits()


def gather(
    order: Order,
    layout: Layout,
    sample: Sample,
    *,
    redact: Text,
    on_progress: Callable[[Progress], None],
) -> Evidence:
    """Run a sample of the items again. Starting and collecting come on top of the sample's seconds.

    What cannot be had is not there: a second pass that does not even start leaves no evidence. What `on_progress`
    raises ends it.
    """
    failing, passing, seconds, limits = sample
    files = sorted({test.partition("::")[0] for test in (*failing, *passing)})
    asked = {"failing": list(failing), "passing": list(passing), "seconds": seconds, **layout.prefixes()}
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as folder:
        path = Path(folder, "stream.jsonl")
        path.touch(0o600)
        trace = _Trace(path, redact, layout, failing)

        def tick() -> None:
            on_progress(Progress(len(trace.outcomes), len(failing) + len(passing), trace.bad, "looking for the cause"))

        shorter = limits._replace(item=min(limits.item or seconds, seconds), run=0)
        try:
            ended = Legs(order, shorter, Path(folder), trace, tick).once(Part(files, evidence=asked))
        except child.NotStarted:
            return Evidence(cut_short="it did not start")
        finally:
            trace.close()
    return _made_of(trace, ended, failing, passing)


def _made_of(trace: _Trace, ended: child.Ended, failing: Sequence[str], passing: Sequence[str]) -> Evidence:
    found = Evidence(spans=trace.spans, hooks=trace.hooks, seconds=ended.seconds, cpu=ended.cpu)
    found.interrupted, found.passing_lines = ended.interrupted, trace.passing_lines
    found.cut_short = _cut_short(trace, ended)
    for tests, expected, place in ((failing, BAD, found.failing), (passing, ("passed",), found.passing)):
        for test in tests:
            if test in trace.traced and trace.outcomes.get(test) in expected:
                place[test] = trace.traced[test]
            elif test in trace.traced:
                found.flipped += 1
    found.values = {test: values for test, values in trace.values.items() if test in found.failing}
    return found


def _cut_short(trace: _Trace, ended: child.Ended) -> str | None:
    if ended.interrupted or (trace.end is not None and ended.code in _BY_ITSELF):
        return None
    return (
        how_it_died(ended.code) if trace.end is None else f"pytest ended with code {ended.code}: {gist(ended.output)}"
    )
