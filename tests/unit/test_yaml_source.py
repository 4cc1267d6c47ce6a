"""YAML from people: every value with its place, every refusal too."""

from __future__ import annotations

import re

import pytest

from dispatcher.errors import BadConfig
from dispatcher.yaml_source import Place, flatten


def test_leaves_come_with_dotted_keys_and_the_place_of_their_key() -> None:
    data = b"a:\n  b: 1\n  c:\n    d: [x, 2]\ne.f: null\n\n# end\ng: 'q'\n"
    assert flatten(data, "f") == {
        "a.b": (1, Place(2, 3)),
        "a.c.d": (["x", 2], Place(4, 5)),
        "e.f": (None, Place(5, 1)),
        "g": ("q", Place(8, 1)),
    }


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"# only\n  # comments\n", b"{}", b"\xef\xbb\xbf# x\n", b"---\n# no more\n"]
)
def test_nothing_is_no_settings(data: bytes) -> None:
    assert flatten(data, "f") == {}


def test_plain_values_are_of_yamls_own_kinds() -> None:
    data = b"i: 7\nh: 0x1f\nf: 1.5\nb: yes\nn: ~\ns: word\nq: '7'\n"
    found = {key: value for key, (value, _) in flatten(data, "f").items()}
    assert found == {"i": 7, "h": 31, "f": 1.5, "b": True, "n": None, "s": "word", "q": "7"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a: 1\nb: [\n", "f, line 3, column 1: did not find"),
        (b"a: 1\n\tb: 2\n", "f, line 2, column 1"),
        (b"a: &x 1\nb: *x\n", "f, line 2, column 4: aliases are not allowed"),
        (b"a: 1\na: 2\n", "f, line 2, column 1: 'a' is given twice"),
        (b"a:\n  b: 1\n  b: 2\n", "f, line 3, column 3: 'a.b' is given twice"),
        (b"? [a]\n: 1\n", "f, line 1, column 3: a key must be a word"),
        (b"- a\n", "f, line 1, column 1: expected settings as 'key: value'"),
        (b"words\n", "f, line 1, column 1: expected settings as 'key: value'"),
        (b"a: 1\n--- \nb: 2\n", "f, line 2, column 1"),
        (b"a: [{b: 1}]\n", "f, line 1, column 5: expected a plain value"),
        (b"a: !!python/object:os.system x\n", "f, line 1, column 4: expected a plain value"),
        (b"a: 2026-99-99\n", "f, line 1, column 4: '2026-99-99' cannot be read as a value"),
        (b"a: '\xff'\n", "f: is not YAML"),
        (b"a: '\x00'\n", "f: is not YAML"),
        (b"x: " + b"[" * 31, "f, line 1, column 33: is nested too deeply"),
    ],
)
def test_what_is_refused_is_named_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(told)):
        flatten(data, "f")
