"""A suite that fails in every way that leaves the interpreter alive, by file; one text for all who want it."""

from __future__ import annotations

CONFIG = """
    [pytest]
    pythonpath = src .
    testpaths = tests docs src
    addopts = --doctest-modules --doctest-ignore-import-errors --doctest-glob=*.txt
    filterwarnings =
        error::DeprecationWarning
"""
SHOP = '''
    import warnings


    def deep(n):
        if n == 0:
            raise ValueError(f"deep down: {n}")
        return deep(n - 1)


    def comprehended(items):
        return [1 // item for item in items]


    def generated(items):
        return sum(1 // item for item in items)


    def in_a_lambda(item):
        return (lambda x: 1 // x)(item)


    def endless(n):
        return endless(n + 1)


    def chained():
        try:
            return {}["key"]
        except KeyError as error:
            raise RuntimeError("no such price") from error


    def grouped():
        raise ExceptionGroup("two", [ValueError("first of two"), TypeError("second of two")])


    def old():
        warnings.warn("old() goes away", DeprecationWarning, stacklevel=1)


    def exampled(x):
        """Add one.

        >>> exampled(1)
        3
        """
        return x + 1


    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("cannot be shown")


    def broken():
        raise Broken
'''
EXCEPTIONS = """
    import sys

    import pytest

    import shop

    def test_deep():
        shop.deep(3)

    def test_comprehension():
        shop.comprehended([1, 0])

    def test_generator():
        shop.generated([1, 0])

    def test_lambda():
        shop.in_a_lambda(0)

    def test_in_the_test_itself():
        [int(word) for word in ("1", "one")]

    def test_in_the_standard_library():
        import json
        json.loads("{")

    def test_endless():
        shop.endless(0)

    def test_chained():
        shop.chained()

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups")
    def test_grouped():
        shop.grouped()

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="no notes")
    def test_noted():
        error = ValueError("falsified")
        error.add_note("by n=" + str(100))
        raise error

    def test_warned():
        shop.old()

    def test_broken():
        shop.broken()

    def test_sys_exit():
        sys.exit(3)

    @pytest.mark.xfail(strict=True, reason="not yet")
    def test_passes_against_expectation():
        pass

    @pytest.mark.xfail(raises=ValueError)
    def test_fails_against_expectation():
        raise KeyError("another")

    def test_takes_what_is_not_there(no_such_thing):
        pass

    @pytest.mark.skip(reason="never")
    def test_skipped():
        assert False

    @pytest.mark.xfail
    def test_expected():
        assert False

    def test_fine():
        pass
"""
FIXTURES = """
    import pytest

    @pytest.fixture
    def refuses():
        raise OSError("no room")

    @pytest.fixture
    def breaks_afterwards():
        yield
        raise RuntimeError("left in a mess")

    def test_setup(refuses):
        pass

    def test_teardown(breaks_afterwards):
        pass

    def test_both(breaks_afterwards):
        assert 1 == 2
"""
UNIT = """
    import unittest

    class TestRefused(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise OSError("no class")

        def test_one(self):
            pass

        def test_two(self):
            pass

    class TestAround(unittest.TestCase):
        def setUp(self):
            raise OSError("no set up")

        def test_one(self):
            pass

    class TestUnexpected(unittest.TestCase):
        @unittest.expectedFailure
        def test_passes(self):
            pass

        def test_parts(self):
            for n in range(3):
                with self.subTest(n=n):
                    self.assertEqual(n, 1)
"""
SUBTESTS = """
    def test_parts(subtests):
        for n in range(3):
            with subtests.test("part", n=n):
                assert n == 1

    def test_part_and_whole(subtests):
        with subtests.test("part"):
            assert 1 == 2
        raise ValueError("the whole")
"""
ODD_PARAMETERS = (
    "[1]", "a b", "a\nb", "a - b", "a::b", "ünï-日本", "[", "]", "a[b", "", "a/b", "x\ty", "tests/test_x.py::test_y",
    "\x1b[31mred", "% {} \\ ' \"", "é" * 200,
)  # fmt: skip
PARAMETERS = f"""
    import pytest

    @pytest.mark.parametrize("given", {ODD_PARAMETERS!r})
    def test_odd(given):
        assert given is None

    @pytest.mark.parametrize("given", [1.5, None, b"\\xff"], ids=repr)
    def test_shown(given):
        assert given == "nothing"

    @pytest.mark.parametrize("a", [1, 2])
    @pytest.mark.parametrize("b", [3, 4])
    def test_crossed(a, b):
        assert a * b == 8
"""
DOC = """
    A text with an example:

    >>> 1 + 1
    3
"""
FILES = {
    "pytest.ini": CONFIG,
    "src/shop.py": SHOP,
    "src/unreadable.py": "def broken(:\n",
    "docs/guide.txt": DOC,
    "tests/test_exceptions.py": EXCEPTIONS,
    "tests/test_fixtures.py": FIXTURES,
    "tests/test_unit.py": UNIT,
    "tests/test_subtests.py": SUBTESTS,
    "tests/test_parameters.py": PARAMETERS,
    "tests/test_no_module.py": "import there_is_no_such_module\n\ndef test_one():\n    pass\n",
    "tests/test_no_name.py": "from shop import no_such_name\n\ndef test_one():\n    pass\n",
    "tests/test_at_module_level.py": "import shop\n\nshop.deep(2)\n\ndef test_one():\n    pass\n",
    "tests/test_syntax.py": "def test_one():\n    x = = 1\n",
    "tests/test_needs_unreadable.py": "import unreadable\n\ndef test_one():\n    pass\n",
    "tests/test_too_few.py": (
        "import pytest\n\n@pytest.mark.parametrize('a, b', [(1,)])\ndef test_one(a, b):\n    pass\n"
    ),
    "tests/test_twice.py": (
        "import pytest\n\n@pytest.mark.parametrize('a', [1])\n@pytest.mark.parametrize('a', [2])\n"
        "def test_one(a):\n    pass\n"
    ),
    "tests/sub/conftest.py": "raise RuntimeError('this conftest raises')\n",
    "tests/sub/test_below.py": "def test_one():\n    pass\n",
    "tests/test_fine.py": "def test_fine():\n    pass\n",
}
