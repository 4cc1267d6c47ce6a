"""What is read from one file: definitions with their lines, imports, references, whatever the text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dispatcher
from dispatcher.graph import source
from dispatcher.graph.blanking import blanked
from dispatcher.graph.imports import imports_of
from dispatcher.graph.reading import outline_of
from tests.unit.graph.written import parts, places

NESTED = '''
import functools

class A(Base, metaclass=M):
    """Doc."""

    @functools.cache
    @other(
        1,
    )
    def f(
        self,
        x,
    ):
        def inner():
            return (lambda: [y for y in x])
        # said
        return inner
        # after the end

    class B:
        async def g(self):
            return f"""
 text
"""

def last(): pass
'''


def walked(text: str) -> list[tuple[str, int, int]]:
    """Return what a walk over the syntax tree finds: what the outline must equal."""
    found: list[tuple[str, int, int]] = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                found.append((prefix + child.name, first, child.end_lineno or 0))
                inside = f"{prefix}{child.name}" + ("." if isinstance(child, ast.ClassDef) else ".<locals>.")
            visit(child, inside)

    visit(ast.parse(text), "")
    return sorted(found, key=lambda each: (each[1], -each[2]))


def test_definitions_have_the_names_and_lines_that_python_gives_them() -> None:
    assert places(NESTED) == [
        ("A", 4, 25), ("A.f", 7, 18), ("A.f.<locals>.inner", 15, 16), ("A.B", 21, 25), ("A.B.g", 22, 25), ("last", 27, 27),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", sorted(Path(dispatcher.__file__).parent.glob("graph/*.py")), ids=lambda path: path.name
)
def test_outlines_of_real_files_equal_a_walk_over_the_syntax_tree(path: Path) -> None:
    text = path.read_text()
    assert [(part.name, part.first, part.last) for part in outline_of(text)[0].parts] == walked(text)


def test_source_that_does_not_compile_is_read_by_its_indents() -> None:
    outline, _ = outline_of(NESTED + "\nprint 'two'\n")
    assert not outline.compiles
    assert [(part.name, part.first, part.last) for part in outline.parts] == places(NESTED)
    assert [part.is_class for part in outline.parts] == [True, False, False, True, False, False]
    assert "inner" in outline.parts[1].refers
    assert outline.parts[0].bases == ["Base"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000, "-" * 20_000 + "1", "x = " + "a." * 50_000 + "b", "\0", "def f(:\n", "'''", '"\\', "\\", "f'{", "\ufeff\ufeff",
        "lambda: " * 400 + "0", "x = " + "[" * 90 + "]" * 90, "if 1:\n" * 3, "def f():\n\treturn 1\n        x = 2\n", "9" * 5000,
        "".join(f"{' ' * i}class A{i}:\n" for i in range(150)), "class A(", "import ", "from . import (", "from .a import", "@",
    ],
)  # fmt: skip
def test_no_text_is_too_odd(text: str) -> None:
    outline, words = outline_of(text)
    assert len(words.own) == len(outline.parts) + 1


def test_a_docstring_alone_is_a_body_and_brackets_may_close_in_the_first_column() -> None:
    assert places('@a\n@b(\n1\n)\ndef f(\n):\n    """One.\n\ntwo"""\n\nx = 1\n') == [("f", 1, 9)]
    assert places("def f():\n    return g(\n1,\n)\n# said\nx = 1\n") == [("f", 1, 4)]


def test_lines_are_those_that_python_counts() -> None:
    text = source.decoded("x = 1\x0c\r\ny = '\u2028\x1c'\r\rdef f():\r\n    pass".encode())
    assert source.lines_of(text) == ["x = 1\x0c", "y = '\u2028\x1c'", "", "def f():", "    pass"]
    assert [(part.name, part.first, part.last) for part in outline_of(text)[0].parts] == [("f", 4, 5)]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("\ufeffx = 'ä'".encode(), "x = 'ä'"),
        ("# -*- coding: latin-1 -*-\nx = 'ä'".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'ä'"),
        ("#!/bin/python\n# vim: set fileencoding=cp1252 :\n'€'".encode("cp1252"), "#!/bin/python\n# vim: set fileencoding=cp1252 :\n'€'"),
        (b"x = 1\n# coding: latin-1\n'\xe4'", "x = 1\n# coding: latin-1\n'\ufffd'"),
        (b"# coding: rot13\n'\xc3\xa4'", "# coding: rot13\n'ä'"),
        (b"# coding: utf-7\n'+2AA-'", "# coding: utf-7\n'\ufffd'"),
        (b"# coding: no-such\n'\xff'", "# coding: no-such\n'\ufffd'"),
    ],
)  # fmt: skip
def test_text_is_decoded_as_python_does_and_never_refused(data: bytes, text: str) -> None:
    assert source.decoded(data) == text


def test_what_is_in_strings_and_comments_is_no_code() -> None:
    text = "a = 'x # y' # z\nb = '''\nimport no\n'''; import yes\nc = rf\"{d} e\"\n"
    assert blanked(text) == 'a = "" \nb = ""\\\n\\\n; import yes\nc = "" d\n'


def test_imports_are_found_wherever_they_stand() -> None:
    text = """
        import a, b.c as d
        from . import (e as f,
                       g)
        from ..h.i import *
        def f():
            if 1: import j.k; from l \\
                import m
        '''
        import no
        '''
        x.from_import = 1
    """
    found = [(each.line, each.words, each.bound) for each in imports_of(blanked(text))]
    assert found == [
        (2, "import a", "a"), (2, "import b.c as d", "d"), (3, "from . import e as f", "f"), (3, "from . import g", "g"),
        (5, "from ..h.i import *", ""), (7, "import j.k", "j"), (7, "from l import m", "m"),
    ]  # fmt: skip


def test_references_are_global_names_attributes_and_what_the_instance_has() -> None:
    (_, method, *_) = parts("""
        class A:
            def f(self, path, n=default):
                def inner(): pass
                for x in path.names(): self.g(x.y, key=n)
                import late
                helper(inner, late.run()).done[0].more
                super().f()
                return f"{shown(x)} hidden" + "path" + __private
    """)
    assert method.refers == [
        "default", ".names", "self.g", ".y", "late", "helper", "inner", "late.run", ".done", ".more", "super.f", "shown", "__private",
    ]  # fmt: skip


def test_exceptions_and_bases_are_named() -> None:
    a, f = parts("""
        class A(m.B[int], C, metaclass=D, **kw): pass
        def f(error):
            if 1: raise ValueError("x") from error
            raise mod.Late
            raise error
            raise zlib.error(1)
            raise make()
    """)
    assert a.bases == ["m.B", "C"]
    assert f.raises == ["ValueError", "Late", "error"]
