"""scan and complete: the commands that run the project's tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli import render
from dispatcher.cli.claims import keep_small
from dispatcher.cli.composition import find_project, open_desk
from dispatcher.cli.options import Agent, Json, SomeTask, Token
from dispatcher.cli.progress import Shown
from dispatcher.dispatch import completing, scan
from dispatcher.dispatch.completing import Check
from dispatcher.dispatch.desk import Whose
from dispatcher.dispatch.reported import Report
from dispatcher.dispatch.scan import Asked
from dispatcher.errors import ExitCode, InvalidInput


def scan_command(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PYTEST ARGUMENTS]", help="Further arguments for pytest.")
    ] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="PATH", help="The Python, or virtual environment, that runs the tests."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="For the whole run; 0: no limit.")
    ] = None,
    test_timeout: Annotated[
        float | None, typer.Option("--test-timeout", metavar="SECONDS", min=0, help="For one test; 0: no limit.")
    ] = None,
    junit: Annotated[
        list[str],
        typer.Option("--junit", metavar="FILE", help="Run nothing; take JUnit XML, - for standard input. Repeatable."),
    ] = [],
    reportlog: Annotated[
        list[str], typer.Option("--reportlog", metavar="FILE", help="Run nothing; take what pytest-reportlog wrote.")
    ] = [],
    reruns: Annotated[
        int, typer.Option("--reruns", metavar="N", min=0, max=1000, help="Run what fails N times more: is it flaky?")
    ] = 0,
    evidence: Annotated[
        bool | None,
        typer.Option("--evidence/--no-evidence", help="Run new failures again to see whom to blame (scan.evidence)."),
    ] = None,
    no_group: Annotated[bool, typer.Option("--no-group", help="One task for each failing test.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing when nothing has changed.")] = False,
    json: Json = False,
) -> None:
    """Run the tests and turn what fails into tasks.

    Failures with one cause are one task. Known failures are not added twice, tasks whose tests pass are
    completed, and one that comes back is reopened. A scan of a part (dispatcher scan -- -k name) closes nothing.
    The Python is the active environment's, else that of the project's .venv, venv or env, else dispatcher's own.

    Exits 0 when nothing fails, 1 when there are failing tasks, 12 when the tests could not be run.

    Example: dispatcher scan -- -n 4
    """
    asked = Asked(
        find_project(), python, tuple(arguments or ()),
        group=not no_group, reruns=reruns, evidence=evidence, seconds=timeout, test_seconds=test_timeout,
    )  # fmt: skip
    for option, given in (("--timeout", timeout), ("--test-timeout", test_timeout)):
        if given is not None and not math.isfinite(given):
            raise InvalidInput(what=f"{option} {given}", problem="must be a number of seconds; 0 means no limit")
    reports = [*(Report("JUnit", name) for name in junit), *(Report("reportlog", name) for name in reportlog)]
    if reports and asked != Asked(asked.project, group=asked.group):
        raise InvalidInput(
            what="--junit and --reportlog", problem="run nothing: options for running do not go with them"
        )
    if len([report for report in reports if report.name == "-"]) > 1:
        raise InvalidInput(what="-", problem="standard input can be read once")
    desk = open_desk()
    if reports:
        done = scan.take_in(desk, asked, reports)
    else:
        with Shown(quiet=quiet or json) as progress:
            done = scan.scan(desk, asked, progress)
    code = _code(done)
    if json:
        render.scan_json(done, code)
    elif done.news or not quiet:
        render.scan(done)
    keep_small(desk, done.ledger)
    if done.hint and not (quiet and not done.news):
        render.note(done.hint)
    if done.interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(code)


def _code(done: scan.Scanned) -> int:
    if done.crashed:
        return ExitCode.NOT_RUN
    return ExitCode.FAILING if done.open_rows else ExitCode.OK


def complete_command(
    task: SomeTask = None,
    claim: Token = None,
    agent: Agent = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was done.")] = "",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not run the tests; that is recorded.")] = False,
    allow_changed_tests: Annotated[
        bool,
        typer.Option("--allow-changed-tests", help="Accept that its tests were changed, skipped or taken away."),
    ] = False,
    tree: Annotated[
        Path | None,
        typer.Option("--tree", metavar="PATH", help="Run the tests of another checkout, such as a git worktree."),
    ] = None,
    json: Json = False,
) -> None:
    """Close a claimed task as done, once its tests pass.

    The task's tests and all others of their files are run as the scan ran them. Refused (exit 5) while one of
    the task's tests fails, when one that passed before fails now, or when its tests are not what they were.

    Example: dispatcher complete --claim parse-1f2e3d4c@1 --note "off by one"
    """
    if tree is not None and not tree.is_dir():
        raise InvalidInput(what=f"--tree {tree}", problem="is not a folder")
    desk = open_desk()
    with Shown(quiet=json) as progress:
        check = Check(find_project(), not no_verify, allow_changed_tests, progress, tree)
        closed = completing.complete(desk, Whose(task, claim, agent), note, check)
    result = closed.task["result"]
    if json:
        render.json(closed.task)
    elif closed.again:
        render.line(f"{closed.task['id']} was completed by this claim before")
    elif result and result["verified"]:
        allowed = f", though {result['allowed']}" if "allowed" in result else ""
        render.line(f"completed {closed.task['id']}: its tests pass{allowed}")
    elif result:
        render.line(f"completed {closed.task['id']}, unverified: {result.get('unverified_because')}")
    keep_small(desk, closed.ledger)
