"""graph."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dispatcher import text, user_cache
from dispatcher.cli import composition, render
from dispatcher.cli.options import Json
from dispatcher.dispatch.desk import Desk
from dispatcher.dispatch.graph_view import KINDS, Near, View
from dispatcher.errors import NoInbox
from dispatcher.graph.definition import Link
from dispatcher.graph.graph import opened

LinkName = StrEnum("LinkName", [(kind.upper(), kind) for kind in KINDS])  # type: ignore[misc] # typer needs an enum


def graph_command(
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE", help="A file, a function or class, file::name, a library, an exception, a task."
        ),
    ],
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=1, max=100, help="So many links away.")] = 1,
    kind: Annotated[list[LinkName], typer.Option("--kind", help="Only such links; repeatable.")] = [],
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="Show so many.")] = 50,
    json: Json = False,
) -> None:
    """Show what a piece of the project is linked to, and why.

    Links are read from the source and from the tasks, and each is there in both directions. Works outside a
    project too, on the files below the working directory.

    Example: dispatcher graph parser.py::parse --kind called_by --depth 2
    """
    desk = _desk()
    kinds = tuple(each.value for each in kind)
    with opened(_project(), user_cache.folder(os.environ)) as graph:
        view = View(graph, desk)
        found = view.node(node)
        if depth > 1:
            near = view.near(found, depth, kinds)
            _print_near(found, near, most, json=json)
        else:
            links = view.links(found, kinds)
            _print_links(found, links, most, json=json)


def _desk() -> Desk | None:
    """Return the desk of the project around, None outside or before `init`; a root that was named must be there."""
    composition.settings_anywhere()
    try:
        desk = composition.open_desk()
        desk.store.view(lambda ledger: ledger.seq)
    except NoInbox:
        return None
    return desk


def _project() -> Path:
    try:
        return composition.find_project()
    except NoInbox:
        return Path.cwd()


def _print_links(node: str, links: list[Link], most: int, *, json: bool) -> None:
    shown = links[:most]
    if json:
        render.json({"node": node, "links": [link._asdict() for link in shown], "more": len(links) - len(shown)})
        return
    render.line(text.clean_line(node))
    for kind in dict.fromkeys(link.kind for link in shown):
        render.line(f"{kind}:")
        render.table([[("", ""), (link.node, "bold"), (link.why, "dim")] for link in shown if link.kind == kind])
    _tell_the_rest(len(links), len(shown))


def _print_near(node: str, near: list[Near], most: int, *, json: bool) -> None:
    shown = near[:most]
    if json:
        render.json({"node": node, "nodes": [each._asdict() for each in shown], "more": len(near) - len(shown)})
        return
    render.line(text.clean_line(node))
    render.table([[("", ""), (str(each.distance), "dim"), (each.node, "")] for each in shown])
    _tell_the_rest(len(near), len(shown))


def _tell_the_rest(found: int, shown: int) -> None:
    if not found:
        render.note("it has no such links")
    if found > shown:
        render.note(f"{found - shown:,} more; --most shows them")
