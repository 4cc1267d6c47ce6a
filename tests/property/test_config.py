"""Any bytes as config.yaml either load or are refused in one way, with the place."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher import config
from dispatcher.config import SPECS, Settings
from dispatcher.errors import BadConfig
from dispatcher.yaml_source import MAX_DEPTH, flatten
from tests.property.world import examples

SOUND = ["5", "3", "1e2", "'7'", '"8"', "true", "off", "0x10", "0o17", "1_000", "0.5"]
NASTY = [
    "", "~", "null", "nan", ".nan", ".inf", "-.inf", "-1", "1e400", "9" * 5000, "0x" + "f" * 6000, "1:2:3:4:5", "[]",
    "{}", "[1, [2]]", "{a: {b: c}}", "&a 5", "*a", "<<: *a", "!!int ''", "!!int 'x'", "!!float ''", "!!bool x",
    "!!timestamp x", "2020-99-99", "2026-11-21", "!!binary x", "!!set {a}", "!!python/object:os.system x", "!x y",
    "'", '"', "|", ">", "- 1", "%YAML 9", "\t1", "'\x01'", "\ufeff", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "@", "`", "{", "[" * 40, "{a: " * 40, "? a", ": a", "#", "---", "...", "\\x80", '"\\ud800"', '"\\U00110000"',
]  # fmt: skip
KEYS = [
    *SPECS,
    "claim",
    "prune",
    "claim.nothing",
    "",
    "a.b.c",
    "'claim.lease'",
    "? [x]",
    "1",
    "null",
    "<<",
    "!!str lease",
]


@st.composite
def near_yaml(draw: st.DrawFn) -> bytes:
    """Lines that look like settings, some of them nested, in some encoding."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        indent = draw(st.sampled_from(["", "", "  ", "    "]))
        value = draw(st.sampled_from(SOUND + NASTY) | st.text(max_size=8))
        lines.append(f"{indent}{draw(st.sampled_from(KEYS))}: {value}")
    text = "\n".join(lines)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"])), "replace")


def loads_or_is_refused(data: bytes) -> None:
    try:
        settings = config.load(data, "config.yaml", {})
    except BadConfig as error:
        assert str(error).startswith("config.yaml")  # noqa: PT017 - either may be the case
        assert len(str(error)) < 600  # noqa: PT017 - as above
        return
    assert isinstance(settings, Settings)
    for key, (value, source) in settings:
        assert SPECS[key].read(value) == value, "what was taken is within the setting's bounds"
        assert source == "default" or source.startswith("config.yaml, line ")


@examples(300)
@given(st.binary(max_size=60))
def test_any_bytes_load_or_are_refused(data: bytes) -> None:
    loads_or_is_refused(data)


@examples(300)
@given(st.text(st.sampled_from("ab: \n-[]{},&*!|>'\"%@#?~.0x\t\\\x00\ufeff\x85")))
def test_any_marks_of_yaml_load_or_are_refused(marks: str) -> None:
    loads_or_is_refused(marks.encode())


@examples(300)
@given(near_yaml())
@example(b"claim.lease: !!bool x")
def test_anything_like_settings_loads_or_is_refused(data: bytes) -> None:
    loads_or_is_refused(data)


@pytest.mark.parametrize(
    "value", [v for v in NASTY if not v.startswith(("!!int '", "!!float", "!!bool", "!!timestamp"))]
)
@pytest.mark.parametrize("key", ["claim.lease", "prune.auto", "prune.keepClosed"])
def test_every_nasty_value_loads_or_is_refused(key: str, value: str) -> None:
    loads_or_is_refused(f"{key}: {value}".encode())
    loads_or_is_refused(f"claim:\n  {key.rpartition('.')[2]}: {value}\n".encode())


@examples(100)
@given(
    st.sampled_from([*SPECS]), st.text(max_size=8) | st.sampled_from(SOUND + [v for v in NASTY if "\ud83d" not in v])
)
def test_any_variable_is_read_or_refused(key: str, value: str) -> None:
    variable = config.variable(key)
    try:
        found = config.load(None, "config.yaml", {variable: value}).value(key)
    except BadConfig as error:
        assert str(error).startswith(f"{variable}: ")  # noqa: PT017 - either may be the case
    else:
        assert found.source == (variable if value else "default")
        assert SPECS[key].read(found.value) == found.value


BOMB = b"a: &a [x, x]\n" + b"".join(b"k%d: &k%d [*a, *a, *a, *a]\n" % (n, n) for n in range(30))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (BOMB, "aliases are not allowed"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{a: " * 100_000, "nested too deeply"),
        (b"".join(b" " * n + b"a:\n" for n in range(400)), "nested too deeply"),
        (b"claim.lease: 5\nclaim.lease: 6\n", "given twice"),
        (b"claim:\n  lease: 5\nclaim.lease: 6\n", "given twice"),
        (b"claim.lease: 6\nclaim:\n  lease: 5\n", "given twice"),
        (b"claim: {lease: 1}\nclaim: {maxAttempts: 2}\n", "given twice"),
        (b"a: 1\n" * 2, "given twice"),
        (b"#" + b" " * 1_000_001, "larger than"),
    ],
)
def test_bombs_depth_duplicates_and_size_are_named(data: bytes, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        config.load(data, "config.yaml", {})


@examples(100)
@given(st.integers(1, 2 * MAX_DEPTH))
def test_depth_is_allowed_up_to_its_limit(depth: int) -> None:
    data = b"".join(b" " * n + b"a:\n" for n in range(depth - 1)) + b" " * (depth - 1) + b"a: 1\n"
    if depth <= MAX_DEPTH:
        assert list(flatten(data, "x")) == [".".join("a" * depth)]
    else:
        with pytest.raises(BadConfig, match="nested too deeply"):
            flatten(data, "x")


def test_the_time_it_takes_is_linear() -> None:
    """CPU time, least of several: eight times the keys take eight times as long, and not sixty-four times."""

    def seconds(keys: int) -> float:
        began = time.process_time()
        flatten("".join(f"k{n}:\n" for n in range(keys)).encode(), "x")
        return time.process_time() - began

    assert min(seconds(8000) for _ in range(3)) < 24 * max(min(seconds(1000) for _ in range(5)), 0.001)
