"""What a cold count costs: a 10 KB prompt in a fresh process, beside an interpreter that does nothing.

Prints a table: what is over the bare interpreter, in CPU (user and system) and by the clock, each the median over
interleaved runs, and the lexicon that is counted with: its size and what making it takes. The vocabularies are those in
the folder `vocabularies` of $DISPATCHER_ENGINE. Run it with `python -m tests.bench.tokens [--runs N] [NAME ...]`.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dispatcher.llm import lexicons
from tests.data.tokens import corpus, vocabularies

PROMPT_BYTES = 10_000
COUNT = """
import sys
from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
def made(): raise AssertionError("it is there")
with open(sys.argv[2], encoding="utf-8") as file:
    Counter(lexicons.opened(sys.argv[1], made, sys.argv[3])).count(file.read())
"""


def prompt() -> str:
    """Return a prompt as tasks have them: source, a traceback and JSON."""
    parts, number = random.Random(7), 0  # noqa: S311 - a text, the same each time
    text = ""
    while len(text.encode()) < PROMPT_BYTES:
        text += corpus.text(("source", "traceback", "json")[number % 3], parts) + "\n\n"
        number += 1
    return text.encode()[:PROMPT_BYTES].decode("utf-8", "ignore")


def spent(command: Sequence[str]) -> tuple[float, float]:
    """Return the milliseconds of CPU and of the clock that one run of `command` took."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environ)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed")
    return (usage.ru_utime + usage.ru_stime) * 1000, wall * 1000


def medians(commands: Sequence[Sequence[str]], runs: int) -> list[tuple[float, float]]:
    """Return the medians of each command over rounds that run them in turn, after one warm-up."""
    rounds = [[spent(command) for command in commands] for _ in range(runs + 1)][1:]
    columns = zip(*rounds, strict=True)
    return [(statistics.median(c for c, _ in column), statistics.median(w for _, w in column)) for column in columns]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=31)
    options.add_argument("names", nargs="*", default=[])
    given = options.parse_args()
    bare = [sys.executable, "-c", "pass"]
    print(f"{'vocabulary':<16} {'lexicon MB':>10} {'made s':>7} {'CPU ms over':>12} {'clock ms over':>14} {'bare':>6}")
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "prompt")
        text.write_text(prompt(), encoding="utf-8")
        for path in vocabularies.found():
            name = vocabularies.name(path)
            if given.names and name not in given.names:
                continue
            start = time.process_time()
            lexicons.opened(name, lambda path=path: vocabularies.read(path), folder)  # type: ignore[misc]
            made = time.process_time() - start
            size = max(file.stat().st_size for file in Path(folder).glob(f"{name}.*"))
            nothing, cold = medians([bare, [sys.executable, "-c", COUNT, name, str(text), folder]], given.runs)
            print(
                f"{name:<16} {size / 1e6:>10.1f} {made:>7.1f} {cold[0] - nothing[0]:>12.1f} "
                f"{cold[1] - nothing[1]:>14.1f} {nothing[1]:>6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
