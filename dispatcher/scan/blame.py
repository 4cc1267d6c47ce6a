"""What evidence says about failures, put where tasks are made from them: suspects, values, and joint causes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from dispatcher.domain.failure import Blamed, Failure
from dispatcher.domain.fingerprint import digest
from dispatcher.scan import misnamed, spectrum
from dispatcher.scan.evidence import Evidence, Function
from dispatcher.scan.history import History
from dispatcher.scan.spectrum import Suspect

SHOWN, KEPT = 5, 300
_MOST_CALLS = 3


def join(failures: Collection[Failure], evidence: Evidence) -> None:
    """Give failures of several causes one cause when what they execute says that one function is to blame for all."""
    groups: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        groups[failure["cause"]].append(failure)
    joint = spectrum.joint_causes({cause: [f["test"] for f in group] for cause, group in groups.items()}, evidence)
    for cause, function in joint.items():
        joined = sorted(other for other, same in joint.items() if same == function)
        for failure in groups[cause]:
            failure["joined"] = joined
            failure["suspect"] = {"path": function.path, "function": function.name}
            failure["cause"] = digest("joint", function.path, function.name)
            failure["because"] = f"of what they execute, {function.name}() of {function.path} explains them best"


def explain(failures: Iterable[Failure], evidence: Evidence, rootdir: Path, history: History) -> None:
    """Add to each failure whom the tests of its cause point to, and with which values it failed if it was run again."""
    groups: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        groups[failure["cause"]].append(failure)
    for group in groups.values():
        first = min(group, key=lambda f: (f["test"] not in evidence.failing, f["test"]))
        traced = sum(failure["test"] in evidence.failing for failure in group)
        ranked = spectrum.rank([f["test"] for f in group], evidence, _way(first))[:KEPT]
        shown = [_blamed(suspect, evidence.spans[suspect.function], history) for suspect in ranked]
        shown = _with_misnamed(shown, first, rootdir, history)[:SHOWN]
        for failure in group:
            if shown:
                failure["suspects"] = shown
            if failure["test"] in evidence.failing:
                bulk = _bulk(failure["test"], ranked, evidence)
                bulk["tests"] = {"failing": traced, "passing": len(evidence.passing), "flipped": evidence.flipped}
                failure.setdefault("detail", {})["evidence"] = bulk


def _way(failure: Failure) -> list[tuple[str, str]]:
    """Return the functions that an exception came through, innermost first; an assertion comes from the test.

    Behind the innermost come those that its failing statement calls: one may have returned what it cannot use. The
    fixture that gave a test nothing comes before all.
    """
    if failure["kind"] in ("assertion", "doctest", "xpass"):
        return []
    detail = failure.get("detail", {})
    own = [(path, name) for owner, path, _, name, _ in reversed(detail.get("frames", [])) if owner != "library"]
    called = [(path, name) for site in detail.get("sites", [])[:1] for name, path in site["calls"]][:_MOST_CALLS]
    given = [(fixture["path"], fixture["function"])] if (fixture := failure.get("given")) else []
    return list(dict.fromkeys([*given, *own[:1], *called, *own[1:]]))


def _with_misnamed(shown: list[Blamed], failure: Failure, rootdir: Path, history: History) -> list[Blamed]:
    """Put behind the first suspect what is not executed because its name, or how it is called, is wrong."""
    paths = [*re.findall(r"\(([^()]+\.py)\)$", failure["message"])]  # as an ImportError tells it
    for module in re.findall(r"^module '([\w.]+)'", failure["message"]):
        inside = module.replace(".", "/")
        paths += [f"{folder}{inside}{end}" for folder in ("", "src/", "lib/") for end in (".py", "/__init__.py")]
    paths += [path for path, _ in _way(failure)] + [s["path"] for s in shown]
    known = {(s["path"], s["function"]) for s in shown[:1]}
    found = [
        _blamed(Suspect(Function(d.path, d.name, "source"), shown[0]["score"] if shown else 1.0, 0, 0), d[2:], history)
        for d in misnamed.candidates(failure, rootdir, paths)
        if d[:2] not in known
    ]
    names = {(s["path"], s["function"]) for s in found}
    rest = [s for s in shown[1:] if (s["path"], s["function"]) not in names]
    return [*shown[:1], *found, *rest]


def _blamed(suspect: Suspect, span: tuple[int, int], history: History) -> Blamed:
    function, (first, last) = suspect.function, span
    blamed: Blamed = {
        "path": function.path,
        "function": function.name,
        "line": first,
        "score": round(suspect.score, 3),
        "failing": suspect.failing,
        "passing": suspect.passing,
    }
    if change := history.latest(function.path, first, last):
        blamed["changed"] = {k: v for k, v in change._asdict().items() if v is not None}
    return blamed


def _bulk(test: str, ranked: Sequence[Suspect], evidence: Evidence) -> dict[str, Any]:
    traced, values = evidence.failing[test], evidence.values.get(test, {})
    return {
        "suspects": [_line(suspect, evidence.spans[suspect.function]) for suspect in ranked],
        "executed": _executed(traced.lines, evidence, [s.function for s in ranked]),
        "compared": values.get("compared"),
        "values": values.get("frames", []),
        "seconds": round(evidence.seconds, 2),
        "hooks": evidence.hooks,
    }


def _line(suspect: Suspect, span: tuple[int, int]) -> list[Any]:
    """Return a suspect as path, function, first line, last line, score, failing and passing tests."""
    return [*suspect.function[:2], *span, round(suspect.score, 3), suspect.failing, suspect.passing]


def _executed(
    lines: Mapping[str, Sequence[int]], evidence: Evidence, functions: Iterable[Function]
) -> dict[str, list[list[int]]]:
    """Return the lines that a test has executed of some functions, as ranges by file.

    A range is its first and last line and, where that is known, how many passing tests execute each of them.
    """
    wanted: dict[str, set[int]] = defaultdict(set)
    for function in functions:
        first, last = evidence.spans[function]
        wanted[function.path].update(n for n in lines.get(function.path, ()) if first <= n <= last)
    passing = evidence.passing_lines
    found: dict[str, list[list[int]]] = {}
    for path, numbers in sorted(wanted.items()):
        counts = [(n, passing[path, n] if passing else -1) for n in sorted(numbers)]
        if counts:
            found[path] = [[*span, count] if passing else span for span, count in _ranges(counts)]
    return found


def _ranges(counts: Sequence[tuple[int, int]]) -> Iterator[tuple[list[int], int]]:
    """Yield sorted numbers, each with a count, as ranges with one count, both ends in."""
    breaks = [at for at, ((a, x), (b, y)) in enumerate(pairwise(counts), 1) if b != a + 1 or x != y]
    for a, b in pairwise([0, *breaks, len(counts)]):
        yield [counts[a][0], counts[b - 1][0]], counts[a][1]
