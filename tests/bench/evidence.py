"""What the second pass of a scan costs, beside a plain run of the same items (run by scripts/bench-evidence).

For each project: CPU seconds of the processes, medians over rounds in turn, and their ratio, with what starting and
collecting take in both, and without. For each Python: nanoseconds that a call of a project's function costs more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from dispatcher.scan import evidence, runner, sample
from dispatcher.scan.evidence import Evidence, Sample
from dispatcher.scan.legs import Legs, Order, Part
from dispatcher.scan.patience import Limits
from dispatcher.scan.runner import Run
from dispatcher.scan.stream import Stream

_CALLS = 1_000_000
_NO_LIMITS = Limits()
_CALLING = f"""
    def nothing(n):
        return n

    def call():
        for n in range({_CALLS}):
            nothing(n)
"""
_TESTS = "import calls\n\n\ndef test_calls():\n    calls.call()\n"


class Cost(NamedTuple):
    """CPU seconds of a run of some items, of collecting them, and of running them for evidence."""

    plain: float
    collecting: float
    traced: float


def cost(order: Order, ran: Run, wanted: Sample) -> tuple[Cost, Evidence]:
    """Measure one round."""
    tests = [*wanted.failing, *wanted.passing]
    files = sorted({test.partition("::")[0] for test in tests})
    plain, collecting = (_cpu(order, Part(files, only=only)) for only in (tests, []))
    alone = order._replace(arguments=(*order.arguments, *ran.alone))
    found = evidence.gather(alone, ran.layout, wanted, redact=str, on_progress=lambda _progress: None)
    return Cost(plain, collecting, found.cpu), found


def _cpu(order: Order, part: Part) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream.jsonl")
        path.touch()
        stream = Stream(path, str)
        whole = Legs(order, _NO_LIMITS, Path(folder), stream, lambda: None).run(part)
        stream.close()
    return whole.ended.cpu


def of_project(project: Path, python: str, arguments: Sequence[str], rounds: int) -> None:
    """Print what evidence costs for a project as it is."""
    order = Order(project, python, ("-p", "no:cacheprovider", *arguments))
    ran = runner.run(order, redact=str)
    failing = sample.failing(f for t, f in ran.findings.failures.items() if t not in ran.sudden)
    passing = sample.passing(ran.findings.outcomes, failing)
    measured = [cost(order, ran, Sample(failing, passing, 3600.0)) for _ in range(rounds)]
    plain, collecting, traced = (statistics.median(each[n] for each, _ in measured) for n in range(3))
    _, found = measured[0]
    items = statistics.median((each.traced - each.collecting) / (each.plain - each.collecting) for each, _ in measured)
    print(
        f"| {project.name} | {found.hooks} | {len(found.failing)} + {len(found.passing)} | {plain:.2f} s | {traced:.2f} s "
        f"| {traced / plain:.2f} | {items:.2f} (collecting: {collecting:.2f} s) |"
    )


def of_call(python: str, rounds: int) -> None:
    """Print what a call of a function costs more, as a passing and as a failing test would be traced."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "calls.py").write_text(dedent(_CALLING))
        (project / "test_calls.py").write_text(_TESTS)
        (project / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
        order = Order(project, python, ("-p", "no:cacheprovider"))
        ran = runner.run(order, redact=str)
        test = "test_calls.py::test_calls"
        figures = []
        for wanted in (Sample([], [test], 3600.0), Sample([test], [], 3600.0)):
            rounds_of = [cost(order, ran, wanted) for _ in range(rounds)]
            more = statistics.median(each.traced - each.plain for each, _ in rounds_of)
            hooks = rounds_of[0][1].hooks
            figures.append(f"{more / _CALLS * 1e9:.0f} ns")
        print(f"| Python {ran.findings.facts['python']} | {hooks} | {' | '.join(figures)} |")


def main(argv: list[str]) -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", nargs="*", metavar="PYTHON", default=[], help="Pythons with pytest: cost of a call")
    parser.add_argument("--project", nargs=2, action="append", metavar=("FOLDER", "PYTHON"), default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("arguments", nargs="*", help="further arguments for pytest in the projects")
    asked = parser.parse_args(argv)
    if asked.calls:
        print("| Python | hooks | a call, functions only | a call, lines too |", "|---|---|---|---|", sep="\n")
        for python in asked.calls:
            of_call(python, asked.rounds)
    if asked.project:
        print(
            "| project | hooks | items | plain | evidence | ratio | items alone |",
            "|---|---|---|---|---|---|---|",
            sep="\n",
        )
        for folder, python in asked.project:
            of_project(Path(folder).absolute(), python, asked.arguments, asked.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
