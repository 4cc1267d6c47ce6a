"""What a scan costs beside plain pytest on a suite of fast tests (run by scripts/bench-scan).

Runs take turns, so that a busy machine slows both alike; medians are compared. CPU seconds are those of whole
processes. "All else" is what the scan uses besides its pytest child; memory is of the scan's own process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson

from dispatcher.scan.legs import Part, control_of
from dispatcher.scan.patience import Limits

_HOME = Path(__file__).parents[2]
# Runs one scan and tells, on the last line of standard error, what its process itself has used.
_SCAN = """
import resource, sys
from dispatcher.cli.app import main
code = main(["scan", "--json"])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Cost(NamedTuple):
    """CPU seconds of pytest and of all else, and megabytes."""

    pytest: float
    other: float
    memory: float


def write_suite(folder: Path, files: int, tests: int) -> None:
    """Write `files` test files with `tests` trivial tests each."""
    for number in range(files):
        body = "\n".join(f"def test_{n}():\n    assert {n} + 1 == {n + 1}\n" for n in range(tests))
        (folder / f"test_part_{number:03}.py").write_text(body)


def plain(folder: Path) -> float:
    """Return the CPU seconds of plain pytest."""
    with Path(os.devnull).open("wb") as null:
        argv = [*_PLAIN, *_ARGUMENTS]
        child = subprocess.Popen(argv, cwd=folder, stdout=null, stderr=null)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"plain pytest ended with {child.returncode}")
    return used.ru_utime + used.ru_stime


def scan(folder: Path) -> Cost:
    """Return what a scan costs."""
    env = {**os.environ, "PYTHONPATH": str(_HOME)}
    ended = subprocess.run([sys.executable, "-c", _SCAN], cwd=folder, env=env, capture_output=True, check=True)
    own, kilobytes = map(float, ended.stderr.split()[-2:])
    return Cost(orjson.loads(ended.stdout)["run"]["cpu_seconds"], own, kilobytes / 1024)


_PLAIN = (sys.executable, str(Path(sys.executable).with_name("pytest")))
_ARGUMENTS = ("--continue-on-collection-errors", "--ignore=INBOX")


def _pair(folder: Path, turn: int) -> tuple[float, Cost]:
    """Run both, each first every other time: a machine that slows down must not favour one."""
    if turn % 2:
        return plain(folder), scan(folder)
    cost = scan(folder)
    return plain(folder), cost


def instructions(folder: Path) -> tuple[int, int]:
    """Return the instructions of plain pytest and of pytest under scan, which no other load can change."""
    control = folder / "control.json"
    stream, stacks = folder / "stream.jsonl", folder / "stacks"
    control.write_bytes(orjson.dumps(control_of(Part(), Limits(item=300), stream, stacks)))
    stream.touch()
    stacks.touch()
    boot = str(_HOME / "dispatcher/scan/target/dispatcher_boot.py")
    counts = []
    for argv in (_PLAIN, (sys.executable, boot, str(control))):
        counter = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        ended = subprocess.run([*counter, *argv, *_ARGUMENTS], cwd=folder, env=env, capture_output=True, check=True)
        counts.append(int(ended.stderr.rpartition(b"Collected : ")[2].split()[0]))
    return counts[0], counts[1]


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--files", type=int, default=25)
    asked.add_argument("--tests", type=int, default=100)
    asked.add_argument("--instructions", action="store_true", help="count instructions with valgrind (minutes)")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, given.files, given.tests)
        if given.instructions:
            plain(folder)  # bytecode and caches
            before, under_scan = instructions(folder)
            print(
                f"{given.files * given.tests:,} tests: {before:,} and {under_scan:,} instructions, ratio {under_scan / before:.4f}"
            )
            return
        subprocess.run([sys.executable, "-m", "dispatcher", "init"], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "PYTHONPATH": str(_HOME)})  # fmt: skip
        plain(folder), scan(folder)  # bytecode and caches
        pairs = [_pair(folder, turn) for turn in range(given.rounds)]
    ratio = statistics.median(cost.pytest / base for base, cost in pairs)
    base = statistics.median(base for base, _ in pairs)
    child, other, memory = (statistics.median(values) for values in zip(*(cost for _, cost in pairs), strict=True))
    print(f"{given.files * given.tests:,} tests, {given.rounds} rounds, medians")
    print(f"plain pytest {base:.2f} s CPU, pytest under scan {child:.2f} s, ratio {ratio:.3f} (bar 1.03)")
    print(f"all else {other:.2f} s CPU (bar 0.40), memory {memory:.0f} MB (bar 150)")


if __name__ == "__main__":
    main()
