"""The graph over random projects: links have inverses, an index kept up to date answers like a new one, nothing raises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.graph import source
from dispatcher.graph.cycles import components
from dispatcher.graph.definition import INVERSE
from dispatcher.graph.graph import Graph, opened
from dispatcher.graph.reading import outline_of
from dispatcher.graph.terms import terms_of
from tests.property.world import examples

PATHS = (
    "a.py", "b.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/sub/__init__.py", "pkg/sub/c.py", "src/lib/__init__.py",
    "src/lib/d.py", "tests/test_a.py", "tests/helper.py", "bare/e.py", "__init__.py", "pkg/ä.py",
)  # fmt: skip
MODULES = (
    "a",
    "b",
    "pkg",
    "pkg.a",
    "pkg.b",
    "pkg.sub.c",
    "lib",
    "lib.d",
    "tests.helper",
    "bare.e",
    "os",
    "requests",
    "pkg.ä",
    "helper",
)
NAMES = ("f", "g", "run", "get", "Alpha", "B", "Test_x", "test_y", "ä", "ﬁ", "__hidden", "parseHTML2", "a")
modules, names = st.sampled_from(MODULES), st.sampled_from(NAMES)
chains = st.builds(
    ".".join,
    st.lists(st.one_of(names, st.sampled_from(["self", "super()", "pkg", "lib", "x"])), min_size=1, max_size=3),
)
levels = st.sampled_from(["", ".", "..", "..."])


@st.composite
def imports(draw: st.DrawFn) -> str:
    renamed = draw(st.sampled_from(["", f" as {draw(names)}"]))
    dots = draw(levels)
    module = draw(modules) if not dots or draw(st.booleans()) else ""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return f"import {draw(modules)}{renamed}"
    if kind == 1:
        return f"from {dots}{module} import *"
    return f"from {dots}{module} import {draw(st.one_of(names, st.sampled_from(['a', 'b', 'sub'])))}{renamed}"


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


statements = st.one_of(
    chains.map(lambda chain: f"{chain}()"), imports(), names.map(lambda name: f"raise {name}(1)"),
    st.sampled_from(["x = 1", "'text of f and g'", "# get", "", "return f'{g} no'"]),
)  # fmt: skip


@st.composite
def definitions(draw: st.DrawFn, depth: int = 2) -> list[str]:
    body = indented([*draw(st.lists(statements, max_size=4)), "pass"])
    if depth:
        for inner in draw(st.lists(definitions(depth - 1), max_size=2)):
            body += indented(inner)
    decorator = [f"@{draw(chains)}"] if draw(st.booleans()) else []
    if draw(st.booleans()):
        return [*decorator, f"def {draw(names)}({draw(st.sampled_from(['self', 'x', '', 'self, f']))}):", *body]
    bases = ", ".join(draw(st.lists(st.one_of(names, modules), max_size=2)))
    return [*decorator, f"class {draw(names)}({bases}):", *body]


@st.composite
def sources(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(imports(), max_size=3))
    for each in draw(st.lists(definitions(), max_size=3)):
        lines += each
    lines += draw(st.sampled_from([[], [], [], ["def broken(:", "    g()"], ["print 'two'"], ["\x0c"]]))
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join([*lines, ""])
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return b"# coding: latin-1\n" + text.encode("latin-1", "replace")
    return (b"\xef\xbb\xbf" if kind == 1 else b"") + text.encode()


projects = st.dictionaries(st.sampled_from(PATHS), sources(), max_size=6)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    in_memory = Path("/dev/shm")  # noqa: S108 - a file system, not a name in it
    with tempfile.TemporaryDirectory(dir=in_memory if os.access(in_memory, os.W_OK) else None) as name:
        yield Path(name)


def put(project: Path, files: dict[str, bytes]) -> None:
    """Make these the files of a project, and no others; what is as it was is left alone."""
    for path in sorted(project.rglob("*.py")):
        if str(path.relative_to(project)) not in files:
            path.unlink()
    for name, data in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def nodes(graph: Graph) -> list[str]:
    found = {f"module:{path}" for path in graph.files()}
    found |= {each.node for path in graph.files() for each in graph.definitions(path)}
    found |= {link.node for node in sorted(found) for link in graph.links(node)}
    return sorted(found)


def answers(graph: Graph) -> dict[str, Any]:
    """Return everything that a graph says."""
    every = [each for path in graph.files() for each in graph.definitions(path)]
    query = {**terms_of(" ".join(NAMES)), "text": 2.0}
    return {
        "definitions": every,
        "lines": {path: graph.lines(path) for path in graph.files()},
        "links": {node: graph.links(node) for node in nodes(graph)},
        "named": {name: graph.named(name) for name in NAMES},
        "callees": {each: graph.callees(each) for each in every},
        "callers": {each: graph.callers(each) for each in every},
        "imports": {path: (graph.imports(path), graph.importers(path)) for path in graph.files()},
        "search": graph.search(query, 5),
        "score": graph.score(query, every),
        "cycles": graph.cycles(),
    }


@examples(35)
@given(projects)
def test_the_inverse_of_every_link_is_among_the_links_of_its_other_end(folder: Path, files: dict[str, bytes]) -> None:
    put(folder, files)
    with opened(folder, None) as graph:
        links = {node: graph.links(node) for node in nodes(graph)}
        for node, found in links.items():
            assert len({(link.kind, link.node) for link in found}) == len(found)
            for link in found:
                assert link.node != node
                back = [each for each in links[link.node] if (each.kind, each.node) == (INVERSE[link.kind], node)]
                assert [each.why for each in back] == [link.why], (node, link)


@examples(20)
@given(projects)
def test_callers_and_importers_are_callees_and_imports_turned_round(folder: Path, files: dict[str, bytes]) -> None:
    put(folder, files)
    with opened(folder, None) as graph:
        every = [each for path in graph.files() for each in graph.definitions(path)]
        callees = {each: graph.callees(each) for each in every}
        callers = {each: graph.callers(each) for each in every}
        for each in every:
            users = {c.node for c in every if each.node in {x.node for x in callees[c]}}
            assert users >= {c.node for c in callers[each]}
            assert all(each in callers[callee] for callee in callees[each])
        for path in graph.files():
            assert [other for other in graph.files() if path in graph.imports(other)] == graph.importers(path)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, bytes]]:
    """States of a project one after the other: files added, changed, removed, renamed, and put back."""
    files = draw(projects)
    states = [files]
    for _ in range(draw(st.integers(1, 4))):
        files = dict(files)
        kind = draw(st.integers(0, 4))
        if kind == 0 and files:
            del files[draw(st.sampled_from(sorted(files)))]
        elif kind == 1 and files:
            old = draw(st.sampled_from(sorted(files)))
            files[draw(st.sampled_from(PATHS))] = files.pop(old)
        elif kind == 2:
            files = draw(st.sampled_from(states))
        else:
            files[draw(st.sampled_from(PATHS))] = draw(sources())
        states.append(files)
    return states


@examples(9)
@given(histories())
def test_an_index_that_was_kept_up_to_date_answers_like_a_new_one(folder: Path, states: list[dict[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        for files in states:
            put(folder, files)
            with opened(folder, cache) as kept, opened(folder, None) as new:
                assert kept.files() == new.files()
                assert answers(kept) == answers(new)


@examples(100)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        sources(),
    )
)
def test_the_outline_of_any_bytes_is_made_and_stays_within_them(data: bytes) -> None:
    text = source.decoded(data)
    outline, words = outline_of(text)
    assert len(words.own) == len(words.found_by) == len(outline.parts) + 1
    assert outline.lines == len(source.lines_of(text))
    for part in outline.parts:
        assert 1 <= part.first <= part.last <= outline.lines


@examples(50)
@given(sources())
def test_reading_by_indents_finds_what_the_compiler_finds(data: bytes) -> None:
    text = source.decoded(data)
    outline, _ = outline_of(text)
    if outline.compiles:
        broken, _ = outline_of(text + "\n\nx = )\n")
        assert not broken.compiles
        read, compiled = ([part[:4] for part in each.parts] for each in (broken, outline))
        # Python leaves out what stands behind a return or raise, for it can never run.
        assert read == compiled or ("raise" in text or "return" in text)
        assert [each for each in read if each in compiled] == compiled


@examples(100)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"))))
def test_components_are_the_nodes_that_reach_each_other(links: dict[str, list[str]]) -> None:
    reach = {node: {node} for node in links}
    for _ in links:
        for node, found in reach.items():
            found |= {each for at in sorted(found) for each in links[at] if each in links}
            assert node in found
    wanted = {tuple(sorted(other for other in reach[node] if node in reach[other])) for node in links}
    found_components = components(links)
    assert {tuple(each) for each in found_components} == wanted
    assert len(found_components) == len(wanted)
