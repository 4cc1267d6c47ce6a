"""What counts as changed by a fix: small sources before and after, and the lines that are to be seen."""

from __future__ import annotations

import difflib

import pytest

from dispatcher.evaluate import truth
from dispatcher.evaluate.hunks import Hunk, hunks_of
from dispatcher.evaluate.truth import Difference, Truth


def fix(before: str, after: str) -> Truth:
    """Tell what a fix changed, by the difference that git would show."""
    told = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    difference = "\n".join(told).encode()
    return truth.of({"a.py": Difference(before.encode(), after.encode(), hunks_of(difference))})


def names(found: Truth) -> list[str]:
    return [name for _, name in found.functions]


def seen(found: Truth) -> list[tuple[tuple[int, ...], str]]:
    return [(place.lines, place.holder) for place in found.places]


F = "def f(a):\n    x = a\n    return x\n"
DOCUMENTED = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
PROPERTY = (
    "class A:\n    @property\n    def v(self):\n        return self._v\n\n"
    "    @v.setter\n    def v(self, v):\n        self._v = v\n"
)
NESTED = "def f():\n    def g():\n        return 1\n    return g\n"


@pytest.mark.parametrize(
    ("before", "after", "functions", "places"),
    [
        pytest.param(F, F.replace("= a", "= a + 1"), ["f"], [((2,), "f")], id="a line of a function"),
        pytest.param(F, F.replace("    x", "    # why\n    x"), [], [], id="a comment"),
        pytest.param(F, F.replace("= a\n", "= a  # why\n"), [], [], id="a comment behind code"),
        pytest.param(F, F.replace("    return", "\n    return"), [], [], id="a blank line"),
        pytest.param(F, F.replace("x = a", "x = (\n        a)"), [], [], id="another layout"),
        pytest.param(DOCUMENTED, DOCUMENTED.replace("Two", "2"), [], [], id="a docstring"),
        pytest.param(
            DOCUMENTED, DOCUMENTED.replace("Two", "2").replace("return 1", "return 2"), ["f"], [((6,), "f")],
            id="a docstring beside code",
        ),
        pytest.param(F, F.replace("    return", "    x += 1\n    return"), ["f"], [((2, 3), "f")], id="an addition"),
        pytest.param(
            "def f():\n    a()\n\n\n\ndef g():\n    pass\n", "def f():\n    a()\n    b()\n\n\n\ndef g():\n    pass\n",
            ["f"], [((2,), "f")], id="an addition at the end does not show in the next function",
        ),
        pytest.param(
            "def f():\n    a()\n\n    c()\n", "def f():\n    a()\n    b()\n    c()\n", ["f"], [((2, 4), "f")],
            id="code in place of a blank line",
        ),
        pytest.param(F, F.replace("    x = a\n", "").replace("x\n", "a\n"), ["f"], [((2,), "f"), ((3,), "f")], id="less"),
        pytest.param(F, "@cached\n" + F, ["f"], [((1,), "f")], id="a decorator is the function's"),
        pytest.param("@old\n" + F, "@new\n" + F, ["f"], [((1,), "f")], id="another decorator"),
        pytest.param(F, F.replace("(a)", "(a, b=1)"), ["f"], [((1,), "f")], id="a signature"),
        pytest.param(F, F.replace("def", "async def"), ["f"], [((1,), "f")], id="async"),
        pytest.param(NESTED, NESTED.replace("1", "2"), ["f.<locals>.g"], [((3,), "f.<locals>.g")], id="an inner function"),
        pytest.param(NESTED, NESTED.replace("return g", "return g()"), ["f"], [((4,), "f")], id="around an inner one"),
        pytest.param(
            F, F.replace("    x", "    def g(): return 1\n    x"), ["f"], [((1, 2), "f")], id="a new inner function"
        ),
        pytest.param(PROPERTY, PROPERTY.replace("= v", "= int(v)"), ["A.v"], [((8,), "A.v")], id="a setter"),
        pytest.param(F, F + "\n\ndef g():\n    return 2\n", [], [], id="a new function"),
        pytest.param(F, F + "\n\n@late\nclass A(B):\n    x = 1\n\n    def m(self): pass\n", [], [], id="a new class"),
        pytest.param("class A:\n    x = 1\n", "class A:\n    x = 1\n\n    def m(self):\n        pass\n", [], [], id="a method"),
        pytest.param("import a\nX = 1\n", "import b\nX = 1\n", [], [], id="an import"),
        pytest.param("X = 1\n", "from b import (\n    c,\n)\nX = 1\n", [], [], id="a new import"),
        pytest.param("if X:\n    import a\n", "if X:\n    import b\n", [], [], id="an import under a condition"),
        pytest.param(
            "def f():\n    import a\n", "def f():\n    import b\n", ["f"], [((2,), "f")], id="an import of a function's"
        ),
        pytest.param("import a\nX = 1\n", "import a\nX = 2\n", [], [((2,), "")], id="a constant"),
        pytest.param(
            "X = {\n    1: 2,\n}\n", "X = {\n    1: 2,\n    3: 4,\n}\n", [], [((2, 3), "")], id="an entry of a constant"
        ),
        pytest.param("X = 1\n", "X = 1\nY = 2\n", [], [], id="a new constant"),
        pytest.param(F + "X = 1\n", F + "if a():\n    X = 1\n", [], [((4,), "")], id="a condition around a constant"),
        pytest.param("class A:\n    x = 1\n", "class A:\n    x = 1\n    y = 2\n", [], [], id="a class's new value"),
        pytest.param(
            "class A:\n    x = [\n        1,\n    ]\n", "class A:\n    x = [\n        1,\n        2,\n    ]\n", [],
            [((3, 4), "")], id="a class's value becomes longer",
        ),
        pytest.param("if T:\n    import a\nX = 1\n", "X = 1\n", [], [], id="a condition for an import goes"),
        pytest.param(
            "try:\n    import a\nexcept E:\n    a = None\n", "try:\n    import a\nexcept F:\n    a = None\n", [],
            [((3,), "")], id="a condition for more than an import",
        ),
        pytest.param("class A:\n    x = 1\n", "class A:\n    x = 2\n", [], [((2,), "")], id="a class's value"),
        pytest.param('"""Old."""\nX = 1\n', '"""New."""\nX = 1\n', [], [], id="a module's docstring"),
        pytest.param('class A:\n    """Old."""\n', 'class A:\n    """New."""\n', [], [], id="a class's docstring"),
        pytest.param("X = '''a\n# b\n'''\n", "X = '''a\n# c\n'''\n", [], [((2,), "")], id="no comment but a string"),
        pytest.param(F + "\n\ndef g(): pass\n", F, ["g"], [((6,), "g")], id="a function goes"),
        pytest.param(F, F.replace("def f", "def g"), ["f"], [((1,), "f")], id="another name"),
        pytest.param(F.replace("\n", "\r\n"), F.replace("= a", "= 2").replace("\n", "\r\n"), ["f"], [((2,), "f")], id="CRLF"),
    ],
)  # fmt: skip
def test_changes(before: str, after: str, functions: list[str], places: list[tuple[tuple[int, ...], str]]) -> None:
    found = fix(before, after)
    assert names(found) == functions
    assert seen(found) == places


PYTHON_2 = 'class A:\n    def f(self):\n        """Old."""\n        print "x"\n\n    def g(self):\n        print "y"\n'


@pytest.mark.parametrize(
    ("old", "new", "functions", "places"),
    [
        ('"x"', '"z"', ["A.f"], [((4,), "A.f")]),
        ("Old.", "New.", [], []),
        ('        print "y"', '        # why\n        print "y"', [], []),
        ('        print "y"', '        print "y"\n        return 1', ["A.g"], [((7,), "A.g")]),
        ('print "x"', "print('x')", ["A.f"], [((4,), "A.f")]),
    ],
)
def test_source_of_another_python_is_read_by_lines(
    old: str, new: str, functions: list[str], places: list[tuple[tuple[int, ...], str]]
) -> None:
    found = fix(PYTHON_2, PYTHON_2.replace(old, new))
    assert names(found) == functions
    assert seen(found) == places


def test_a_file_that_goes_takes_its_functions_along() -> None:
    assert names(truth.of({"a.py": Difference(F.encode(), b"", [])})) == ["f"]


def test_of_overloads_each_is_the_function() -> None:
    before = "@overload\ndef f(a: int): ...\n@overload\ndef f(a: str): ...\ndef g(): ...\ndef f(a): return a\n"
    assert seen(fix(before, before.replace("a: str", "a: bytes"))) == [((4,), "f")]
    assert names(fix(before, before.replace("def g(): ...", "def g(): return 1"))) == ["g"]


def test_lines_that_look_like_heads_of_hunks_are_none() -> None:
    told = b"--- a/x\n+++ b/x\n@@ -3 +3,2 @@ def f\n--- a/y\n+@@ -7 +7 @@\n+++ b/y\n\\ No newline at end of file\n@@ -9,0 +11 @@\n+x\n"
    assert hunks_of(told) == [Hunk(range(3, 4), 2, range(3, 5)), Hunk(range(9, 9), 9, range(11, 12))]


@pytest.mark.parametrize("source", ["(" * 500, "x = \x00", "\ufeffdef f(: pass", "-" * 20_000 + "1", ""])
def test_odd_sources_are_read_somehow(source: str) -> None:
    assert fix(source, f"{source}\ny = 1\n").functions == ()
