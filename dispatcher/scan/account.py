"""What the stream of a run adds up to: failures, facts, and whether it can be taken for the whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from dispatcher.domain.failure import BAD, Failure, file_of, function_of
from dispatcher.scan import failures
from dispatcher.scan.crash import how_it_died
from dispatcher.scan.gist import gist
from dispatcher.scan.layout import Layout
from dispatcher.scan.legs import Whole
from dispatcher.scan.stream import Records, Stream

ALL_RUN = (0, 1, 5)
"""Exit codes of pytest's that say that it came to its end; 5 with nothing to run."""

# What makes pytest leave items out, as the first word of an argument or before its "=".
_SELECTING = {
    "-k", "-m", "--deselect", "--ignore", "--ignore-glob", "--lf", "--last-failed", "--sw", "--stepwise", "--stepwise-skip",
    "--sw-skip", "--co", "--collect-only", "--pyargs", "-x", "--exitfirst", "--maxfail", "--setup-only", "--setup-plan",
    "--fixtures", "--markers", "--help", "-h", "--version", "--noconftest", "--rootdir", "-c", "--config-file", "--pdb", "--trace",
}  # fmt: skip
_NOTHING_GIVEN = 4
_MOST_DETAILS = 1000
_PHASES = ("collect", "setup", "call", "teardown")


def failures_of(stream: Records, layout: Layout) -> dict[str, Failure]:
    """Return one failure per item: the one of its first bad phase."""
    first: dict[str, tuple[str, str]] = {}
    for test, when in sorted(stream.fails, key=lambda key: (key[0], _PHASES.index(key[1]))):
        # A phase that failed and was tried again (reruns) is no failure of an item that then passed.
        if when == "collect" or stream.outcomes.get(test, "failed") in BAD:
            first.setdefault(test, (test, when))
    made: dict[str, Failure] = {}
    shown: Counter[str] = Counter()
    shared = _Shared()
    for test, key in first.items():
        made[test] = shared.once(failures.make(*stream.failure(key), layout))
        shown[made[test]["cause"]] += 1
        # A task shows one of its failures, the first; what the others might be shown for has its bounds.
        if len(made) > _MOST_DETAILS and shown[made[test]["cause"]] > 1:
            made[test].pop("detail", None)
    for test, outcome in stream.outcomes.items():
        if outcome in BAD and test not in made:
            told = {"id": test, "when": "call", "text": "it failed, and nothing more was reported"}
            made[test] = failures.make(told, None, layout)
    return made


class _Shared:
    """What thousands of failures of one cause have in common is kept once."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._places: dict[tuple[tuple[str, Any], ...], Any] = {}

    def once(self, failure: Failure) -> Failure:
        """Return a failure that shares its texts with others, its detail apart."""
        known: dict[str, Any] = {}
        for key, value in failure.items():
            if isinstance(value, str):
                known[key] = self._texts.setdefault(value, value)
            elif isinstance(value, list):
                known[key] = [self._texts.setdefault(text, text) for text in value]
            elif key in ("place", "suspect") and isinstance(value, dict):
                known[key] = self._places.setdefault(tuple(value.items()), value)
            else:
                known[key] = value
        return cast(Failure, known)


def files_of_tests(items: Sequence[str]) -> frozenset[str]:
    """Return the files that hold tests. A doctest, whose name has dots, may lie in the code that it is about."""
    return frozenset(file_of(item) for item in items if "." not in function_of(item).rpartition("::")[2])


def is_whole(stream: Stream, whole: Whole) -> bool:
    """Tell whether pytest came to its own end. A last leg that only a file which is left out was for has nothing to do."""
    if whole.why or whole.ended.interrupted or stream.end is None:
        return False
    return stream.end["exit"] in ALL_RUN or (
        stream.legs > 1 and not stream.leg and stream.end["exit"] == _NOTHING_GIVEN
    )


def facts_of(stream: Stream, session: dict[str, Any], whole: Whole, *, finished: bool) -> dict[str, Any]:
    """Return what the record of a run is to say: versions, seconds, and how many items ended how."""
    facts: dict[str, Any] = {
        "python": session["python"],
        "pytest": session["pytest"],
        "collected": max(len(stream.collected), len(stream.outcomes)),
        "seconds": round(whole.ended.seconds, 2),
        "cpu_seconds": round(whole.ended.cpu, 2),
    }
    if stream.legs > 1:
        facts["restarts"] = stream.legs - 1
    facts |= counts_of(stream)
    if not finished:
        facts["stopped"] = _how_it_ended(stream, whole)
    return facts


def counts_of(records: Records) -> dict[str, int]:
    """Return how many items ended how."""
    return dict(Counter(records.outcomes.values()))


def _how_it_ended(stream: Stream, whole: Whole) -> str:
    """Say why not everything was run."""
    end, ended = stream.end, whole.ended
    if whole.why:
        return whole.why
    if stream.interrupt is not None:
        return f"a test ended it with {stream.interrupt}"
    not_run = stream.not_run()
    if end is None:
        return how_it_died(ended.code) + (f" in {not_run[0]}" if not_run else " after the last test")
    if end["stopped"]:
        return str(end["stopped"])[:200]
    left_out = f"pytest left {len(not_run)} of its items out, {not_run[0]} first" if not_run else "nothing ran"
    return left_out if ended.code in ALL_RUN else f"pytest ended with code {ended.code}: {gist(ended.output)}"


def is_filtered(arguments: Sequence[str], session: dict[str, Any], stream: Stream) -> bool:
    """Tell whether somebody asked for a part of the tests, by arguments or by PYTEST_ADDOPTS.

    What the project's own configuration leaves out is no filter: that is how the project runs its tests.
    """
    given = (*arguments, *os.environ.get("PYTEST_ADDOPTS", "").split())
    chosen = any(a in session["positional"] for a in given)
    selecting = any(_option(a) in _SELECTING for a in given)
    return chosen or selecting or bool(given and stream.deselected)


def _option(argument: str) -> str:
    """Return the option that an argument begins with: `-kname`, `-k`, `--deselect=x`."""
    if argument.startswith("--"):
        return argument.partition("=")[0]
    return argument[:2] if argument.startswith("-") else ""
