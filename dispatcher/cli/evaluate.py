"""eval."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dispatcher.cli import composition, evaluate_view, render
from dispatcher.cli.options import Json, ModelName
from dispatcher.cli.progress import Shown
from dispatcher.errors import InvalidInput
from dispatcher.text import count, well_formed

if TYPE_CHECKING:
    from dispatcher.evaluate.evaluation import Bug, Evaluation, Step
    from dispatcher.evaluate.measures import Total
    from dispatcher.evaluate.mining import Candidate
    from dispatcher.evaluate.repository import Repository

_USUAL = 20


def eval_command(
    repo: Annotated[Path, typer.Option("--repo", metavar="PATH", help="The repository whose fixes are replayed.")],
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="PATH", help="The Python, or virtual environment, that runs its tests."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Only commits after a date or a revision.")
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max", metavar="N", min=1, help="Stop at N bugs. [default: 20; all of --cases]")
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="Replay the commits listed there, as --json prints them."),
    ] = None,
    budget: Annotated[
        int, typer.Option("--budget", metavar="TOKENS", min=64, help="How many tokens each context may have.")
    ] = 2048,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="For one run of a commit's tests.")
    ] = 600.0,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Measure tiers, hops and excerpts switched off too.")
    ] = False,
    model: ModelName = None,
    json: Json = False,
) -> None:
    """Replay fixes of a repository and measure the contexts.

    A fix is a commit that changes source and tests, whose tests fail on the code before it and pass with it. Each is
    scanned as it was before the fix, in a checkout of our own; the repository is only read. Measured is how
    often the changed functions and lines are in the context that its task gets, beside simple ways to
    choose code and beside ours with its signals switched off. What was run once is kept: go on by running it again.
    The tests that are run are the repository's own, with all that they may do: name one that you trust.

    Example: dispatcher eval --repo ~/src/click --python ~/src/click/.venv --since 2022-01-01 --max 30
    """
    from dispatcher import user_cache
    from dispatcher.context.builder import Asked
    from dispatcher.dispatch import contexts
    from dispatcher.evaluate import cases as case_files
    from dispatcher.evaluate import repository
    from dispatcher.evaluate.evaluation import Wish
    from dispatcher.evaluate.variants import ABLATIONS, VARIANTS
    from dispatcher.scan import interpreter

    if cases is not None and since is not None:
        raise InvalidInput(what="--cases and --since", problem="cannot both choose the commits; leave one out")
    found = repository.found_at(repo)
    listed = None if cases is None else [found.resolve(each) for each in case_files.listed(cases)]
    chosen = interpreter.choose(repo.absolute(), python, os.environ)
    evaluate_view.beginning(found, chosen)
    with _trying(found, _Chosen(listed, since), chosen.path, timeout) as (replaying, candidates):
        tokens = contexts.reader(composition.settings_anywhere(), model, composition.kept())
        most = most or len(listed or ()) or _USUAL
        variants = {**VARIANTS, **(ABLATIONS if ablations else {})}
        wish = Wish(most, Asked(budget, tokens.count), user_cache.folder(os.environ), variants)
        bugs, left_out = _followed(replaying.replay(candidates, wish), quiet=json)
    done = {
        "repository": well_formed(str(repo)), "python": well_formed(chosen.path), "budget": budget, "counted_by": tokens.basis.by,
        "bugs": bugs, "left_out": left_out, "totals": _totals(bugs),
    }  # fmt: skip
    render.json(done) if json else evaluate_view.summary(done)


class _Chosen(NamedTuple):
    """Which commits are tried: those listed, else those of the history since a date or a revision."""

    listed: list[str] | None
    since: str | None


@contextmanager
def _trying(
    repository: Repository, which: _Chosen, python: str, seconds: float
) -> Iterator[tuple[Evaluation, Iterator[Candidate]]]:
    """Have the repository's place for ourselves; yield what replays its commits, and these, read as they are asked for."""
    from dispatcher import user_cache
    from dispatcher.evaluate import mining, tested
    from dispatcher.evaluate.checkout import Checkout
    from dispatcher.evaluate.evaluation import Evaluation
    from dispatcher.evaluate.history import History
    from dispatcher.evaluate.kept import Place
    from dispatcher.evaluate.proof import Bench
    from dispatcher.evaluate.shield import shielded

    place = Place(user_cache.folder(os.environ), repository, python)
    since = repository.since(which.since) if which.since else None
    with place.held() as in_order, shielded(place.path):
        runs = tested.found(python, place.path)
        checkout = Checkout(repository, place.tree, anew=not in_order)
        watch = partial(Shown, quiet=not sys.stderr.isatty())
        bench = Bench(checkout, repository.worktree, runs, seconds, composition.open_private_desk, watch)
        history = History(checkout.path, repository.prefix)
        commits = history.behind(repository.head, since) if which.listed is None else history.of(which.listed)
        yield Evaluation(bench, place), mining.candidates(history, commits)


def _followed(steps: Iterator[Step], *, quiet: bool) -> tuple[list[Bug], dict[str, int]]:
    """Take the steps and tell of each; return the bugs, and how many commits were left out for which reason."""
    bugs: list[Bug] = []
    left_out: Counter[str] = Counter()
    try:
        for step in steps:
            evaluate_view.step(step, len(bugs) + 1, quiet=quiet)
            if step.why is not None:
                left_out[step.why.reason] += 1
            elif step.bug is not None:
                bugs.append(step.bug)
    except KeyboardInterrupt:
        render.note(f"{count(len(bugs), 'bug')} so far; what was run is kept: the same command goes on from here")
        raise
    return bugs, dict(left_out.most_common())


def _totals(bugs: list[Bug]) -> dict[str, dict[str, Total]]:
    """Return the means over all bugs and over those of each kind, by the way in which the contexts were made."""
    from dispatcher.evaluate.evaluation import KINDS, totals

    return {"all": totals(bugs), **{kind: totals(bugs, kind) for kind in KINDS}}
