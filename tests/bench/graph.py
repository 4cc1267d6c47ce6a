"""What the graph costs: first index, one changed file, and questions to a warm index, as a project grows.

Prints a table of CPU seconds (user and system) beside what `ast.parse` alone takes for the same files. The projects are
made of real source, the standard library's unless folders are given: each copy of a file stands in a package of its own
and has names of its own, so that no two texts are the same. Run it with `python -m tests.bench.graph [--files N ...]
[FOLDER ...]`.
"""

from __future__ import annotations

import argparse
import ast
import gc
import os
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from dispatcher.graph import source
from dispatcher.graph.graph import opened
from dispatcher.graph.terms import terms_of

SIZES = (100, 1000, 10_000)
SHORTEST, LONGEST = 40, 1500
"""Lines of the files that are taken: those of most projects; together they have about 225 in the mean."""

TERMS, NODES, LINES = 60, 30, 10


class Row(NamedTuple):
    """One project: files, lines, and CPU seconds."""

    files: int
    lines: int
    parse: float
    first: float
    changed: float
    warm: float
    walk: float
    query: float


def corpus(folders: Sequence[str]) -> list[str]:
    """Return the texts that projects are made of, in a fixed order that mixes folders."""
    paths = sorted(
        (path for folder in folders for path in Path(folder).rglob("*.py")), key=lambda path: (path.name, path)
    )
    texts = (source.decoded(path.read_bytes()) for path in paths if "site-packages" not in path.parts)
    return [text for text in texts if SHORTEST <= text.count("\n") <= LONGEST]


def make(project: Path, texts: Sequence[str], files: int) -> int:
    """Write a project of so many files; return how many lines they have. It is nearly 225 per file."""
    wanted, lines = files * 225, 0
    for number, text in enumerate(islice(cycle(texts), files)):
        whole = text.split("\n")
        room = max(SHORTEST, (wanted - lines) // (files - number) * 2)
        path = project / f"package_{number // 50}" / f"module_{number}.py"
        path.parent.mkdir(exist_ok=True)
        body = _first_lines(whole, room)
        path.write_text(f"{body}\n\n\nNUMBER = {number}\n\n\ndef only_{number}():\n    return NUMBER\n")
        lines += body.count("\n") + 5
    return lines


def _first_lines(lines: list[str], most: int) -> str:
    """Return the beginning of a file up to a statement of its own: cut elsewhere it would not compile."""
    for end in range(min(most, len(lines)), 0, -1):
        if end == len(lines) or lines[end][:1] not in ("", " ", "\t", ")", "]", "}", "#", '"', "'"):
            body = "\n".join(lines[:end])
            try:
                ast.parse(body)
            except SyntaxError:
                continue
            return body
    return ""


def spent(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes, without the garbage collector, as in a command."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    work()
    taken = time.process_time() - start
    gc.enable()
    return taken


def measure(project: Path, cache: str, lines: int) -> Row:
    """Measure one project."""
    texts = [path.read_text() for path in project.rglob("*.py")]
    parse = spent(lambda: [ast.parse(text) for text in texts])
    first = spent(lambda: opened(project, cache).close())
    _age(project)
    opened(project, cache).close()
    with next(project.rglob("module_7.py")).open("a") as file:
        file.write("\n\ndef added(): pass\n")
    changed = spent(lambda: opened(project, cache).close())
    warm = min(spent(lambda: opened(project, cache).close()) for _ in range(3))
    walk = min(spent(lambda: source.walk(str(project))) for _ in range(3))
    return Row(len(texts), lines, parse, first, changed, warm, walk, spent(lambda: ask(project, cache)) - walk)


def _age(project: Path) -> None:
    """Wait until no file is so new that it would be looked at again."""
    newest = max(os.stat(path).st_ctime for path in project.rglob("*.py"))
    time.sleep(max(0.0, newest + 2.1 - time.time()))


def ask(project: Path, cache: str) -> None:
    """Open a graph and ask what the making of a context asks: a search, scores, and about what these find."""
    with opened(project, cache) as graph:
        text = "\n".join(graph.lines(graph.files()[3])[:200])
        terms = dict.fromkeys(list(terms_of(text))[:TERMS], 1.0)
        found = [each for each, _ in graph.search(terms, NODES, tests=False)]
        near = [callee for each in found for callee in graph.callees(each)]
        graph.score(terms, dict.fromkeys([*found, *near]))
        for each in (*found, *near):
            graph.find(each.path, each.name)
        for each in found[:LINES]:
            graph.lines(each.path)


def main(argv: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_path("stdlib")])
    given = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    texts = corpus(given.folders)
    print(
        f"{'files':>7} {'lines':>9} {'ast.parse':>9} {'first':>8} {'changed':>8} {'warm':>8} {'walk':>8} {'query':>8}"
    )
    for files in given.files:
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder, "project")
            project.mkdir()
            row = measure(project, str(Path(folder, "cache")), make(project, texts, files))
        times = "".join(f"{value:9.3f}" for value in row[2:])
        print(f"{row.files:7,} {row.lines:9,} {times}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
