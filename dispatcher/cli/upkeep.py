"""init, prune, rebuild."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dispatcher import user_cache
from dispatcher.cli import render
from dispatcher.cli.composition import find_project, make_new_root, open_desk, open_store
from dispatcher.cli.options import Json
from dispatcher.dispatch import upkeep
from dispatcher.text import count


def init_command(
    project: Annotated[Path, typer.Argument(metavar="[PROJECT]", help="The project's folder.")] = Path(),
    json: Json = False,
) -> None:
    """Make an INBOX in a project.

    Example: cd myproject && dispatcher init
    """
    path = make_new_root(project)
    made = open_desk(path).store.create()
    if json:
        render.json({"root": str(path), "made": made})
    else:
        render.line(f"{'made' if made else 'already there:'} {path}")


def prune_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False, json: Json = False
) -> None:
    """Archive old tasks and keep the files small.

    Completed tasks past the limits go to the archive, claims whose lease ran out are ended, and a large
    journal begins a new segment. Pending, active and failed tasks stay; 'show' and 'log' still find
    what was archived.

    Example: dispatcher prune --dry-run
    """
    done = upkeep.prune(open_desk(), dry_run=dry_run)
    if json:
        render.json({"dry_run": dry_run, **done._asdict()})
        return
    would = "would have " if dry_run else ""
    render.line(f"{would}archived {count(len(done.archived), 'task')}, {len(done.dropped)} of them out of the ledger")
    if done.trimmed:
        render.line(f"{would}trimmed the progress of {count(len(done.trimmed), 'task')}")
    if done.expired:
        render.line(f"{would}ended {count(len(done.expired), 'claim')} whose lease ran out")
    if done.rotated:
        render.line(f"{would}begun a new journal segment")


def rebuild_command(json: Json = False) -> None:
    """Make all files anew from the journal, and repair it.

    What is kept of the project's source is forgotten, and read anew when it is needed. A damaged journal is kept aside, and what cannot be saved is named. Exits 7 if something was lost.

    Example: dispatcher rebuild
    """
    from dispatcher.graph import graph

    graph.forget(find_project(), user_cache.folder(os.environ))
    done = upkeep.rebuild(open_store())
    if json:
        render.json({"repaired": done.lines, "lost": done.lost})
    else:
        render.line("\n".join(done.lines) or "everything was as the journal says")
    if done.lost:
        raise typer.Exit(7)
