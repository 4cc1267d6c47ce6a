"""A small project on disk, and what is asked of it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from dispatcher.graph.graph import Graph, opened
from dispatcher.graph.outline import Part
from dispatcher.graph.reading import outline_of


def write(project: Path, files: Mapping[str, str | bytes]) -> Path:
    """Put files below a folder, texts without their common indent."""
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return project


def graph_of(project: Path, files: Mapping[str, str | bytes]) -> Graph:
    """Return the graph of a project with these files, in memory."""
    return opened(write(project, files), None)


def parts(source: str) -> list[Part]:
    """Return the parts of source without its common indent."""
    return outline_of(textwrap.dedent(source))[0].parts


def places(source: str) -> list[tuple[str, int, int]]:
    """Return names with first and last lines."""
    return [(part.name, part.first, part.last) for part in parts(source)]
