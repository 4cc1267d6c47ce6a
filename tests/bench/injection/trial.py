"""A package that can be broken, run and mended again; what its tests do is read from our plugin's stream."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dispatcher.domain.failure import Failure
from dispatcher.scan import account
from dispatcher.scan.layout import Layout
from dispatcher.scan.legs import Legs, Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.stream import Stream
from tests.bench.injection.faults import Fault, broken, possible
from tests.bench.suites import Prepared, locked
from tests.cli.processes import environment

ALWAYS = ("-p", "no:cacheprovider")
_REACHED = Path(__file__).with_name("reached.py")
_RAN, _FAILED = 0.5, 0.25
"""What part of its items a package must still run with a fault, and may fail: more hides other faults."""


class Seen(NamedTuple):
    """How a failing item fails: what one compares two runs by."""

    exception: str
    message: str
    place: str

    @classmethod
    def of(cls, failure: Failure) -> Seen:
        """Return how a failure is seen."""
        place = failure["place"]
        where = f"{place['path']}:{place['line']}" if place else ""
        return cls(failure["exception"], failure["message"], where)


class Outcome(NamedTuple):
    """How a run of the tests ended: failing items and how they fail, how many items ran, and the seconds it took."""

    failing: dict[str, Seen]
    ran: int
    seconds: float


class Package:
    """A prepared suite while this process alone works on its tree."""

    def __init__(self, made: Prepared) -> None:
        self.made = made
        self.folder = made.folder / "injection"
        self.folder.mkdir(exist_ok=True)
        self.limit = 300.0
        self._lock = locked(made)
        self.base = self._base()
        self.limit = 5 * self.base.seconds + 20

    def close(self) -> None:
        """Let others work on the tree."""
        self._lock.close()

    # Breaking and mending

    @contextmanager
    def broken(self, faults: Sequence[Fault]) -> Iterator[None]:
        """Have faults in the tree for a while.

        A mended file has its old time again, and a broken one never that time: bytecode that the first run
        has left is right for the one and stale for the other. No further bytecode is written.
        """
        paths = sorted({fault.path for fault in faults})
        try:
            for path in paths:
                data = (self.made.pristine / path).read_bytes()
                (self.made.tree / path).write_bytes(broken(data, [f for f in faults if f.path == path]))
            yield
        finally:
            for path in paths:
                shutil.copy2(self.made.pristine / path, self.made.tree / path)

    # Running

    def run(self, kept: Path | None = None, *, bytecode: bool = False) -> Outcome | None:
        """Run the tests as the tree is now; None if they do not end in time. `kept` gets the plugin's stream."""
        with tempfile.TemporaryDirectory() as folder, _environment(bytecode=bytecode):
            path = Path(folder, "stream.jsonl")
            path.touch()
            stream = Stream(path, str)
            order = Order(self.made.tree, self.made.python, self.arguments)
            begun = time.monotonic()
            whole = Legs(order, Limits(run=self.limit), Path(folder), stream, lambda: None).run(Part())
            stream.close()
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(gzip.compress(path.read_bytes()))
        if whole.why or stream.session is None:
            return None
        failing = {test: Seen.of(failure) for test, failure in _failures(stream, self.made.tree).items()}
        return Outcome(failing, len(stream.outcomes), time.monotonic() - begun)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What is given to pytest."""
        return (*ALWAYS, *self.made.suite.arguments)

    def _base(self) -> Outcome:
        """Run the tests of the package as it is, twice: what fails in either run is nobody's fault."""
        path = self.folder / "base.json"
        if not path.is_file():
            runs = [self.run(bytecode=True), self.run()]
            ended = [run for run in runs if run is not None]
            if len(ended) < len(runs):
                raise SystemExit(f"the tests of {self.made.suite.key} cannot be run as they are: see scripts/suites")
            failing = {test: seen for run in ended for test, seen in run.failing.items()}
            path.write_bytes(orjson.dumps([failing, ended[0].ran, ended[1].seconds], default=list))
        failing, ran, seconds = orjson.loads(path.read_bytes())
        return Outcome(failing, ran, seconds)

    # Faults

    def pool(self, wanted: int, seed: int, most: int) -> dict[str, tuple[Fault, Outcome]]:
        """Return the first `wanted` faults, in a random order, that tests notice; at most `most` are tried.

        Kinds come equally often, and functions equally often for each kind.
        """
        known = self._known()
        good: dict[str, tuple[Fault, Outcome]] = {}
        with (self.folder / "singles.jsonl").open("ab") as file:
            order = _shuffled(self._candidates(), random.Random(seed))  # noqa: S311 - to be repeatable
            for fault in order[:most]:
                if len(good) >= wanted:
                    break
                if fault.id not in known:
                    with self.broken([fault]):
                        outcome = self.run()
                    file.write(orjson.dumps([fault.id, fault, outcome], default=list) + b"\n")
                    file.flush()
                    known[fault.id] = outcome
                outcome = known[fault.id]
                if outcome is not None and self._fits(outcome):
                    good[fault.id] = (fault, outcome)
        return good

    def _fits(self, outcome: Outcome) -> bool:
        """Tell whether tests notice a fault, and leave room for others."""
        failing = len(set(outcome.failing) - set(self.base.failing))
        return 0 < failing <= _FAILED * self.base.ran and outcome.ran >= _RAN * self.base.ran

    def _known(self) -> dict[str, Outcome | None]:
        path = self.folder / "singles.jsonl"
        lines = path.read_bytes().splitlines() if path.is_file() else []
        return {name: outcome_of(outcome) for name, _, outcome in map(orjson.loads, lines)}

    def _candidates(self) -> list[Fault]:
        path = self.folder / "reached.json"
        if not path.is_file():
            argv = [self.made.python, str(_REACHED), str(path), str(self.made.tree), "-q", "--tb=no", *self.arguments]
            with _environment(bytecode=False), Path(os.devnull).open("wb") as null:
                subprocess.run(argv, cwd=self.made.tree, stdout=null, stderr=null, check=False, timeout=900)
        reached: dict[str, set[int]] = {}
        for name, line in orjson.loads(path.read_bytes()):
            reached.setdefault(name, set()).add(line)
        found: list[Fault] = []
        for name, lines in sorted(reached.items()):
            source = self.made.pristine / name
            if source.is_file() and source.suffix == ".py" and name not in ("setup.py", "docs/conf.py"):
                found += possible(name, source.read_bytes(), frozenset(lines))
        return found


def outcome_of(known: Any) -> Outcome | None:  # noqa: ANN401 - JSON of ours
    """Return an outcome from its JSON."""
    if known is None:
        return None
    failing, ran, seconds = known
    return Outcome({test: Seen(*seen) for test, seen in failing.items()}, ran, seconds)


def failures_in(data: bytes, tree: Path) -> dict[str, Failure]:
    """Return the failures that a kept stream tells of, by the rules as they are now."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream.jsonl")
        path.write_bytes(data)
        stream = Stream(path, str)
        stream.read()
        stream.close()
    return _failures(stream, tree)


def _failures(stream: Stream, tree: Path) -> dict[str, Failure]:
    session = stream.session
    assert session is not None
    layout = Layout(tree, Path(session["rootdir"]), session["libraries"], session["environment"])
    return account.failures_of(stream, layout)


def _shuffled(candidates: list[Fault], chance: random.Random) -> list[Fault]:
    """Return one fault of each function and kind at a time, kinds in turn."""
    kinds: dict[str, dict[tuple[str, str], list[Fault]]] = {}
    for fault in candidates:
        kinds.setdefault(fault.kind, {}).setdefault((fault.path, fault.function), []).append(fault)
    order: list[list[Fault]] = []
    for kind in sorted(kinds):
        functions = [chance.choice(faults) for _, faults in sorted(kinds[kind].items())]
        chance.shuffle(functions)
        order.append(functions)
    longest = max(map(len, order), default=0)
    return [functions[n] for n in range(longest) for functions in order if n < len(functions)]


@contextmanager
def _environment(*, bytecode: bool) -> Iterator[None]:
    """Have an environment in which two runs of the same code say the same, for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(PYTHONHASHSEED="0"))
    del os.environ["PYTHONPATH"]
    if bytecode:
        del os.environ["PYTHONDONTWRITEBYTECODE"]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
