"""Put several known faults at once into real packages, scan, and measure how well the tasks fit the faults.

Run by scripts/inject. One line of JSON a run goes to runs.jsonl in the cache folder, with the faults, and the
tests and the true fault of each task; runs that are there are not made again. `--regroup` groups the kept
failures by the rules as they are now and runs no tests.
"""

from __future__ import annotations

import argparse
import gzip
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dispatcher.domain.failure import Failure
from tests.bench.injection.faults import Fault
from tests.bench.injection.scoring import BASELINES, Score, b_cubed, mean, truth_of
from tests.bench.injection.trial import Outcome, Package, failures_in
from tests.bench.suites import CACHE, Prepared, Suite, chosen, prepare
from tests.cli.processes import environment

_MEMORY = 6 * 2**30
_FEWEST, _MOST = 3, 8
OURS = "dispatcher"


class Asked(NamedTuple):
    """What is to be measured."""

    cache: Path
    kept: Path
    suites: list[Suite]
    runs: int
    seed: int
    pool: int
    regroup: bool


def measure(asked: Asked) -> list[dict[str, Any]]:
    """Return the record of each run, making those that are missing."""
    done = _done(asked.kept)
    found: list[dict[str, Any]] = []
    for suite in asked.suites:
        names = [f"{suite.key}-{asked.seed}-{asked.pool}-{number}" for number in range(asked.runs)]
        if any(name not in done for name in names) and not asked.regroup:
            for record in _make(asked, prepare(suite, asked.cache), names, done):
                done[record["run"]] = record
        found += [done[name] for name in names if name in done and len(set(done[name]["truth"].values())) > 1]
    return found


def _done(kept: Path) -> dict[str, dict[str, Any]]:
    path = kept / "runs.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return {record["run"]: record for record in map(orjson.loads, lines)}


def _make(asked: Asked, made: Prepared, names: list[str], done: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Make the runs of a package that are missing."""
    package = Package(made)
    pool = package.pool(asked.pool, asked.seed, 2 * asked.pool)
    _say(f"{made.suite.key}: {package.base.ran} items in {package.base.seconds:.1f} s, {len(pool)} faults")
    asked.kept.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        if name in done:
            continue
        chance = random.Random(f"{made.suite.key}-{asked.seed}-{number}")  # noqa: S311 - to be repeatable
        faults = _some(pool, chance)
        record = _run(asked, package, name, faults)
        with (asked.kept / "runs.jsonl").open("ab") as file:
            file.write(orjson.dumps(record, default=list) + b"\n")
        yield record
    package.close()


def _some(pool: Mapping[str, tuple[Fault, Outcome]], chance: random.Random) -> dict[str, tuple[Fault, Outcome]]:
    """Choose some faults, each in another function."""
    wanted = chance.randint(_FEWEST, _MOST)
    picked: dict[str, tuple[Fault, Outcome]] = {}
    for name in chance.sample(sorted(pool), len(pool)):
        fault, _ = pool[name]
        others = [other for other, _ in picked.values() if other.path == fault.path]
        apart = all(fault.end < other.start or other.end < fault.start for other in others)
        if len(picked) < wanted and apart and fault.function not in [o.function for o in others]:
            picked[name] = pool[name]
    return picked


def _run(asked: Asked, package: Package, name: str, faults: dict[str, tuple[Fault, Outcome]]) -> dict[str, Any]:
    """Scan a package with some faults in it, and tell which task holds what."""
    record: dict[str, Any] = {"run": name, "package": package.made.suite.key, "truth": {}, "tasks": []}
    stream = asked.kept / "streams" / f"{name}.jsonl.gz"
    with package.broken([fault for fault, _ in faults.values()]):
        combined = package.run(stream)
        tasks = scanned(package) if combined is not None else None
    if combined is None or tasks is None:
        return record | {"why": "it did not end in time"}
    truth = truth_of(combined.failing, {i: outcome for i, (_, outcome) in faults.items()}, package.base)
    both = {test: fault for test, fault in truth.fault.items() if any(test in task for task in tasks.values())}
    _say(f"  {name}: {len(faults)} faults, {len(combined.failing)} failures, {len(tasks)} tasks")
    return record | {
        "faults": [{"id": fault.id, **fault._asdict()} for fault, _ in faults.values()],
        "truth": both,
        "ambiguous": truth.ambiguous,
        "unexplained": truth.unexplained,
        "unsteady": len(truth.fault) - len(both),
        "tasks": [{"id": i, "tests": tests, "faults": _faults_of(tests, both)} for i, tests in tasks.items()],
    }


def _faults_of(tests: list[str], truth: Mapping[str, str]) -> dict[str, int]:
    return dict(Counter(truth[test] for test in tests if test in truth).most_common())


def scanned(package: Package) -> dict[str, list[str]] | None:
    """Scan a package; return the tests of each task."""
    found = documents(package, "--no-evidence")
    return None if found is None else {task["id"]: sorted(task["detail"]["members"]) for task in found}


def documents(package: Package, *options: str) -> list[dict[str, Any]] | None:
    """Scan a package into a new INBOX outside of it; return its tasks, None if the scan does not end in time."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(DISPATCHER_ROOT=folder, PYTHONHASHSEED="0")

        def dispatcher(*argv: str) -> Any:  # noqa: ANN401 - JSON of any command
            program = [sys.executable, "-m", "dispatcher", *argv]
            child = subprocess.Popen(program, cwd=package.made.tree, env=env, stdout=subprocess.PIPE)
            try:
                said, _ = child.communicate(timeout=6 * package.limit)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGINT)  # it ends the tests
                child.communicate()
                return None
            assert child.returncode in (0, 1), argv
            return orjson.loads(said) if "--json" in argv else True

        dispatcher("init")
        if not dispatcher("scan", "--quiet", *options, "--python", package.made.python, "--", *package.arguments):
            return None
        names = [task["id"] for task in dispatcher("list", "--json")["tasks"]]
        return [dispatcher("show", name, "--json") for name in names]


# What came of it


def groups_of(
    record: Mapping[str, Any], failures: Mapping[str, Failure], *, regroup: bool
) -> dict[str, dict[str, str]]:
    """Return the groups of the known items of a run, by each way of grouping."""
    known = record["truth"]
    ours = {test: task["id"] for task in record["tasks"] for test in task["tests"]}
    if regroup:
        ours = {test: failure["cause"] for test, failure in failures.items()}
    ways = {OURS: {test: ours[test] for test in known}}
    for name, key in BASELINES.items():
        ways[name] = {test: key(failures[test]) for test in known}
    return ways


def scores_of(asked: Asked, record: Mapping[str, Any]) -> dict[str, Score]:
    """Return the score of each way of grouping in a run."""
    failures = kept_failures(asked, record)
    ways = groups_of(record, failures, regroup=asked.regroup)
    return {name: b_cubed(groups, record["truth"]) for name, groups in ways.items()}


def kept_failures(asked: Asked, record: Mapping[str, Any]) -> dict[str, Failure]:
    """Return the failures of a run, made by the rules as they are now from what the plugin had written."""
    data = gzip.decompress((asked.kept / "streams" / f"{record['run']}.jsonl.gz").read_bytes())
    return failures_in(data, asked.cache / record["package"] / "tree")


def report(asked: Asked, records: list[dict[str, Any]]) -> None:
    """Print the figures: of each package, and the mean over all runs of the packages that rules were tuned on or not."""
    scores = {record["run"]: scores_of(asked, record) for record in records}
    by_package: dict[str, list[dict[str, Score]]] = defaultdict(list)
    for record in records:
        by_package[record["package"]].append(scores[record["run"]])
    print("| package | runs | precision | recall | F1 |", "|---|---|---|---|---|", sep="\n")
    for package, runs in by_package.items():
        print(f"| {package} | {len(runs)} | {_figures(mean(run[OURS] for run in runs))} |")
    for title, tuned in (("tuned on", True), ("not tuned on", False)):
        some = [record for record in records if record["package"].startswith(TUNED_ON) is tuned]
        if some:
            _report_some(f"{len(some)} runs of packages {title}", some, scores)
    print(
        f"\n{asked.runs * len(asked.suites) - len(records)} runs did not end in time, or showed fewer than two faults"
    )


def _report_some(title: str, records: list[dict[str, Any]], scores: Mapping[str, dict[str, Score]]) -> None:
    every = [scores[record["run"]] for record in records]
    print(f"\n| {title}, grouped by | precision | recall | F1 |", "|---|---|---|---|", sep="\n")
    for name in every[0]:
        print(f"| {name} | {_figures(mean(run[name] for run in every))} |")
    known, faults = sum(len(r["truth"]) for r in records), sum(len(set(r["truth"].values())) for r in records)
    left = {why: sum(r[why] for r in records) for why in ("ambiguous", "unexplained", "unsteady")}
    print(f"\n{known} failures of {faults} visible faults; left out: {left}")


def _figures(score: Score) -> str:
    return " | ".join(f"{figure:.3f}" for figure in score)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are prepared and kept")
    parser.add_argument("--keep", type=Path, help="where runs are kept (a folder 'injection' of the cache)")
    parser.add_argument("--packages", default=",".join(FAST), help="these, with commas between them")
    parser.add_argument("--runs", type=int, default=8, help="runs of each package")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", type=int, default=12, help="faults that tests notice, to choose from")
    parser.add_argument("--regroup", action="store_true", help="group what is kept anew, and run nothing")
    given = parser.parse_args()
    cache = given.cache.expanduser().absolute()
    kept = given.keep.expanduser().absolute() if given.keep else cache / "injection"
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))  # a fault may make a loop endless
    asked = Asked(cache, kept, chosen(given.packages), given.runs, given.seed, given.pool, given.regroup)
    records = measure(asked)
    if not records:
        raise SystemExit("no run has shown anything")
    report(asked, records)
    return 0


# The rules were made looking at runs of these; of the others only figures were looked at.
TUNED_ON = ("cachetools", "click", "sqlparse", "toolz")
FAST = (*TUNED_ON, "hyperlink", "itsdangerous", "wtforms", "humanize", "markdown-3.2.2-py3.9")

if __name__ == "__main__":
    sys.exit(main())
