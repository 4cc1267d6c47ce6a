"""eval."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli import composition, evaluate_view, render
from dispatcher.cli.options import Json, ModelName
from dispatcher.errors import InvalidInput


def eval_command(
    repo: Annotated[Path, typer.Option("--repo", metavar="PATH", help="The repository whose fixes are replayed.")],
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="PATH", help="The Python, or virtual environment, that runs its tests."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Only commits after a date or a revision.")
    ] = None,
    most: Annotated[int, typer.Option("--max", metavar="N", min=1, help="Stop at N bugs.")] = 20,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="Replay the commits listed there, as --json prints them."),
    ] = None,
    budget: Annotated[
        int, typer.Option("--budget", metavar="TOKENS", min=64, help="How many tokens each context may have.")
    ] = 2048,
    model: ModelName = None,
    json: Json = False,
) -> None:
    """Replay fixes of a repository and measure the contexts.

    A fix is a commit that changes source and tests, whose tests fail on the code before it and pass with it. Each is
    scanned as it was before the fix, in a checkout of our own; the repository is only read. Measured is how
    often the changed functions and lines are in the context that its task gets, beside simple ways to
    choose code and beside ours with its signals switched off. What was run once is kept: go on by running it again.

    Example: dispatcher eval --repo ~/src/click --python ~/src/click/.venv --since 2022-01-01 --max 30
    """
    from dispatcher import user_cache
    from dispatcher.context.builder import Asked
    from dispatcher.dispatch import contexts
    from dispatcher.evaluate import cases as case_files
    from dispatcher.evaluate import evaluation
    from dispatcher.evaluate.repository import Repository
    from dispatcher.scan import interpreter

    if cases is not None and since is not None:
        raise InvalidInput(what="--cases and --since", problem="cannot both choose the commits; leave one out")
    repository = Repository(repo)
    chosen = interpreter.choose(repo.absolute(), python, os.environ)
    listed = None if cases is None else case_files.listed(cases)
    commits = evaluation.chosen(repository, since, listed)
    cache = user_cache.folder(os.environ)
    tokens = contexts.reader(composition.settings_anywhere(), model, composition.kept())
    wish = evaluation.Wish(most if listed is None else len(commits), Asked(budget, tokens.count), cache)
    folder = evaluation.folder_of(cache, repository, chosen.path)
    run = evaluation.Evaluation(repository, chosen.path, composition.open_private_desk, folder)
    bugs: list[evaluation.Bug] = []
    why: dict[str, int] = {}
    for step in run.replay(commits, wish):
        evaluate_view.step(step, quiet=json)
        if step.bug is not None:
            bugs.append(step.bug)
        else:
            why[step.why] = why.get(step.why, 0) + 1
    found: dict[str, Any] = {
        "repository": str(repo),
        "python": chosen.path,
        "budget": budget,
        "counted_by": tokens.basis.by,
    }
    found |= {"bugs": bugs, "left_out": why, "totals": evaluation.totals(bugs)}
    render.json(found) if json else evaluate_view.table(found)
