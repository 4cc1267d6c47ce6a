"""Scan the runs of `measure` again with evidence: how tasks fit the faults then, and how high the guilty function ranks.

Run by scripts/inject-ranking. A line of JSON a run goes to scans.jsonl beside runs.jsonl; runs that are there are not
scanned again, so remove the file after a change of the program. A task counts for the fault that most of its tests
fail for; for "crash" and "assertion" the kind of its failure decides. A fault outside of any function (an
import that is gone) has no function to be ranked.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.bench.injection.faults import Fault
from tests.bench.injection.measure import TUNED_ON, documents
from tests.bench.injection.scoring import Score, b_cubed, mean
from tests.bench.injection.trial import Package
from tests.bench.suites import CACHE, SUITES, prepare

_TOPS = (1, 3, 5)
_ASSERTIONS = ("assertion", "doctest", "xpass")


class Ranked(NamedTuple):
    """Where the guilty function of a task stands among our suspects, and in the traceback alone; None: not at all."""

    run: str
    kind: str
    fault: dict[str, Any]
    ours: int | None
    traceback: int | None


def scans(kept: Path, cache: Path, packages: Sequence[str]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return each run with the tasks of its scan, scanning what was not scanned before."""
    done = {record["run"]: record["tasks"] for record in lines_of(kept / "scans.jsonl")}
    records = [r for r in lines_of(kept / "runs.jsonl") if len(set(r["truth"].values())) > 1]
    if packages:
        records = [r for r in records if r["package"].startswith(tuple(packages))]
    by_package: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["run"] not in done:
            by_package[record["package"]].append(record)
    for key, missing in by_package.items():
        package = Package(prepare(next(s for s in SUITES if s.key == key), cache))
        for record in missing:
            with package.broken([fault_of(f) for f in record["faults"]]):
                found = documents(package)
            tasks = [_task(document) for document in found or ()]
            print(f"  {record['run']}: {len(tasks)} tasks", file=sys.stderr, flush=True)
            with (kept / "scans.jsonl").open("ab") as file:
                file.write(orjson.dumps({"run": record["run"], "tasks": tasks}) + b"\n")
            done[record["run"]] = tasks
        package.close()
    return [(record, done[record["run"]]) for record in records if done[record["run"]]]


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file of JSON lines; none if there is no such file."""
    yield from map(orjson.loads, path.read_bytes().splitlines() if path.is_file() else ())


def fault_of(kept: Mapping[str, Any]) -> Fault:
    """Return a fault from its JSON."""
    return Fault(**{name: kept[name] for name in Fault._fields})


def _task(document: Mapping[str, Any]) -> dict[str, Any]:
    failure, detail = document["failure"], document["detail"]
    frames = detail.get("failure", {}).get("frames", [])
    way = [[path, name] for owner, path, _, name, _ in reversed(frames) if owner != "library"]
    return {
        "id": document["id"],
        "tests": sorted(detail["members"]),
        "kind": "assertion" if failure["kind"] in _ASSERTIONS else "crash",
        "suspects": [[s["path"], s["function"], s["line"]] for s in failure.get("suspects", [])],
        "way": way,
    }


def ranked(record: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> Iterator[Ranked]:
    """Yield where the guilty function of each task stands."""
    faults = {fault["id"]: fault for fault in record["faults"]}
    for task in tasks:
        known = Counter(record["truth"][test] for test in task["tests"] if test in record["truth"])
        fault = faults[known.most_common(1)[0][0]] if known else None
        if fault and fault["function"] != "<module>":
            ours = (n for n, (path, name, line) in enumerate(task["suspects"], 1) if _is(fault, path, name, line))
            way = dict.fromkeys(map(tuple, task["way"]))
            alone = (n for n, (path, name) in enumerate(way, 1) if _is(fault, path, name, None))
            yield Ranked(record["run"], task["kind"], fault, next(ours, None), next(alone, None))


def _is(fault: Mapping[str, Any], path: str, name: str, line: int | None) -> bool:
    """Tell whether a function is the one with the fault; one that was renamed stands where it stood."""
    if path != fault["path"]:
        return False
    wanted = fault["function"]
    renamed = fault["kind"] == "renamed definition" and line == fault["line"]
    return renamed or name == wanted or name.startswith(f"{wanted}.<locals>") or wanted.startswith(f"{name}.<locals>")


def report(found: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], *, misses: bool) -> None:
    """Print how groups fit with evidence, and in how many tasks the guilty function comes first, or among the first."""
    for title, tuned in (("tuned on", True), ("not tuned on", False), ("of all", None)):
        some = [each for each in found if tuned is None or each[0]["package"].startswith(TUNED_ON) is tuned]
        if not some:
            continue
        scores = [_score(record, tasks) for record, tasks in some]
        every = [each for record, tasks in some for each in ranked(record, tasks)]
        print(f"\n{len(some)} runs of packages {title}: B-cubed {', '.join(f'{x:.3f}' for x in mean(scores))}")
        print(
            "| kind | tasks | first | in 3 | in 5 | traceback alone: first | in 3 | in 5 |", "|---" * 8 + "|", sep="\n"
        )
        for kind in ("crash", "assertion"):
            these = [each for each in every if each.kind == kind]
            if these:
                print(
                    f"| {kind} | {len(these)} | {_shares([e.ours for e in these])} | {_shares([e.traceback for e in these])} |"
                )
    if misses:
        for record, tasks in found:
            for each in ranked(record, tasks):
                if each.ours is None:
                    print(each.run, each.kind, each.fault["kind"], each.fault["path"], each.fault["function"])


def _score(record: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> Score:
    groups = {test: task["id"] for task in tasks for test in task["tests"]}
    truth = {test: fault for test, fault in record["truth"].items() if test in groups}
    return b_cubed(groups, truth)


def _shares(ranks: Sequence[int | None]) -> str:
    shares = [statistics.fmean(rank is not None and rank <= top for rank in ranks) for top in _TOPS]
    return " | ".join(f"{share:.0%}" for share in shares)


def main() -> int:
    """Scan, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are prepared and kept")
    parser.add_argument("--keep", type=Path, help="where runs are kept (a folder 'injection' of the cache)")
    parser.add_argument("--packages", default="", help="only these, with commas between them")
    parser.add_argument("--misses", action="store_true", help="print the faults that are not among the suspects")
    given = parser.parse_args()
    cache = given.cache.expanduser().absolute()
    kept = given.keep.expanduser().absolute() if given.keep else cache / "injection"
    found = scans(kept, cache, [name for name in given.packages.split(",") if name])
    if not found:
        raise SystemExit("there are no runs: scripts/inject makes some")
    report(found, misses=given.misses)
    return 0


if __name__ == "__main__":
    sys.exit(main())
