"""Whether failures keep their names: the same fingerprint and the same cause when nothing that matters has changed.

Run by scripts/inject-stability on runs that scripts/inject has kept: their faults are put into a copy of the package,
and its failures are compared with those of the same code in another folder, with 100 lines before each first
definition, in reverse order, with pytest-xdist, and, where another Python is given, in another Python.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.domain.failure import Failure
from dispatcher.scan import runner
from dispatcher.scan.legs import Order
from dispatcher.scan.patience import Limits
from tests.bench.injection.faults import broken
from tests.bench.injection.ranking import fault_of, lines_of
from tests.bench.suites import CACHE, SUITES, Prepared, prepare

_LIMITS = Limits(item=60, file=120, run=600)
_REVERSE = "def pytest_collection_modifyitems(items):\n    items.reverse()\n"
_WITH_XDIST = ("-p", "xdist.plugin", "-n", "2")
_MOVED = "# moved\n" * 100

Names = dict[str, tuple[str, str]]


def names(tree: Path, made: Prepared, *arguments: str) -> Names:
    """Return each failing item's fingerprint and cause."""
    order = Order(tree, made.python, ("-p", "no:cacheprovider", *made.suite.arguments, *arguments))
    found: Mapping[str, Failure] = runner.run(order, redact=str, limits=_LIMITS).findings.failures
    return {test: (failure["fingerprint"], failure["cause"]) for test, failure in found.items()}


def move(tree: Path) -> None:
    """Put 100 lines before the first definition of each file of a package and its tests."""
    for path in tree.rglob("*.py"):
        text = path.read_text(errors="surrogateescape")
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
        first = next((n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)), None)
        if first is not None:
            line = min([first.lineno, *(d.lineno for d in first.decorator_list)])
            lines = text.splitlines(keepends=True)
            moved = "".join([*lines[: line - 1], _MOVED, *lines[line - 1 :]])
            path.write_text(moved, errors="surrogateescape")


@contextmanager
def _path(*folders: Path) -> Iterator[None]:
    """Have folders on the path of the Pythons that are started."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def _plugins(folder: Path) -> Path:
    """Return a folder with a plugin that reverses items, and with pytest-xdist, which is Python alone."""
    folder.mkdir()
    (folder / "reverse_items.py").write_text(_REVERSE)
    for name in ("xdist", "execnet"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            shutil.copytree(Path(spec.origin).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def compare(record: Mapping[str, Any], cache: Path, other_python: str | None) -> dict[str, tuple[int, int]]:
    """Return for each variation how many failures kept their names, of how many."""
    made = prepare(next(s for s in SUITES if s.key == record["package"]), cache)
    kept: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        plugins = _plugins(Path(folder) / "plugins")
        tree, moved = Path(folder) / "here", Path(folder) / "far" / "away from here"
        shutil.copytree(made.tree, tree, ignore=shutil.ignore_patterns("INBOX", "__pycache__", ".pytest_cache"))
        faults = [fault_of(fault) for fault in record["faults"]]
        for path in {fault.path for fault in faults}:
            data = (made.pristine / path).read_bytes()
            (tree / path).write_bytes(broken(data, [f for f in faults if f.path == path]))
        shutil.copytree(tree, moved)
        ways: dict[str, Callable[[], Names]] = {
            "another folder": lambda: names(moved, made),
            "reverse order": lambda: names(tree, made, "-p", "reverse_items"),
            "pytest-xdist": lambda: names(tree, made, *_WITH_XDIST),
        }
        with _path(plugins, tree / "src", tree):
            first, again = names(tree, made), names(tree, made)
            steady = {test: known for test, known in first.items() if again.get(test) == known}
            kept["the same again"] = len(steady), len(first)
            for way in ("reverse order", "pytest-xdist"):
                kept[way] = _same(steady, ways[way]())
        with _path(plugins, moved / "src", moved):
            kept["another folder"] = _same(steady, ways["another folder"]())
            move(moved)
            kept["moved by 100 lines"] = _same(steady, names(moved, made))
        if other_python:
            other = prepare(made.suite._replace(python=other_python), cache)
            with _path(tree / "src", tree):
                kept[f"Python {other.used}, not {made.used}"] = _same(steady, names(tree, other))
    return kept


def _same(known: Names, found: Names) -> tuple[int, int]:
    both = [test for test in known if test in found]  # what does not fail there has no name to keep
    return sum(known[test] == found[test] for test in both), len(both)


def main() -> int:
    """Compare, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are prepared and kept")
    parser.add_argument("--keep", type=Path, help="where runs are kept (a folder 'injection' of the cache)")
    parser.add_argument("--runs", type=int, default=1, help="runs of each package")
    parser.add_argument("--other-python", help="compare with this Python too, such as 3.12")
    given = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    cache = given.cache.expanduser().absolute()
    kept = given.keep.expanduser().absolute() if given.keep else cache / "injection"
    seen: dict[str, int] = {}
    totals: dict[str, tuple[int, int]] = {}
    for record in lines_of(kept / "runs.jsonl"):
        seen[record["package"]] = seen.get(record["package"], 0) + 1
        if seen[record["package"]] <= given.runs and record["truth"]:
            found = compare(record, cache, given.other_python)
            print(record["run"], {way: f"{same}/{of}" for way, (same, of) in found.items()}, flush=True)
            for way, (same, of) in found.items():
                before = totals.get(way, (0, 0))
                totals[way] = before[0] + same, before[1] + of
    print("\n| what differs | failures | same names |", "|---|---|---|", sep="\n")
    for way, (same, of) in totals.items():
        print(f"| {way} | {of} | {same / max(of, 1):.2%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
