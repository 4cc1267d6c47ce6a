"""Settings: which source wins, and that each value says where it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from dispatcher import config
from dispatcher.config import SPECS, Value
from dispatcher.errors import BadConfig, InvalidInput

KEY = "claim.maxAttempts"
VARIABLE = "DISPATCHER_CLAIM_MAX_ATTEMPTS"
FILE = b"# mine\nclaim:\n  maxAttempts: 4\n  lease: 30\n"


def value(file: bytes | None, environ: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Value:
    return config.load(file, "/state/config.yaml", environ, flags).value(KEY)


def test_a_flag_goes_before_the_environment_and_that_before_the_file() -> None:
    environ, flags = {VARIABLE: "5"}, {KEY: 6}
    assert value(None, {}) == Value(3, "default")
    assert value(FILE, {}) == Value(4, "config.yaml, line 3")
    assert value(FILE, environ) == value(None, environ) == Value(5, VARIABLE)
    assert value(FILE, environ, flags) == value(None, {}, flags) == Value(6, "flag")
    assert value(FILE, environ, {KEY: None}) == Value(5, VARIABLE), "a flag that was not given"
    assert value(FILE, {VARIABLE: ""}) == Value(4, "config.yaml, line 3"), "an empty variable is none"


def test_each_setting_has_its_own_source() -> None:
    settings = config.load(FILE, "f", {"DISPATCHER_PRUNE_AUTO": "no"})
    sources = {key: found.source for key, found in settings if found.source != "default"}
    assert sources == {
        "claim.lease": "config.yaml, line 4",
        "claim.maxAttempts": "config.yaml, line 3",
        "prune.auto": "DISPATCHER_PRUNE_AUTO",
    }
    assert dict(settings).keys() == SPECS.keys()


def test_nested_and_dotted_keys_are_the_same() -> None:
    for file in (b"claim: {lease: 5}", b"claim.lease: 5", b"claim:\n  lease: 5", b'{"claim": {"lease": 5}}'):
        assert config.load(file, "f", {}).seconds("claim.lease") == 5


def test_values_are_of_their_settings_kind() -> None:
    settings = config.load(b"claim: {lease: '7', maxAttempts: 2.0, backoff: 0}\nprune: {auto: 'off'}", "f", {})
    assert (settings.seconds("claim.lease"), settings.number(KEY), settings.seconds("claim.backoff")) == (7.0, 2, 0.0)
    assert not settings.flag("prune.auto")
    assert isinstance(settings.value(KEY).value, int)


@pytest.mark.parametrize(
    ("file", "environ", "flags", "where"),
    [
        (b"claim:\n  maxAttempts: 0", {}, {}, "/state/config.yaml, line 2, column 3: claim.maxAttempts is '0', but it"),
        (
            b"",
            {VARIABLE: "none"},
            {},
            f"{VARIABLE}: claim.maxAttempts is 'none', but it must be a number from 1 to 1000",
        ),
        (b"", {}, {KEY: 1001}, "claim.maxAttempts: claim.maxAttempts is '1001', but it"),
        (b"claim.maxAttempts: 2.5", {}, {}, "must be a whole number"),
        (b"claim.maxAttempts: true", {}, {}, "must be a number"),
        (b"prune.auto: 7", {}, {}, "must be true or false"),
        (b"prune.auto:", {}, {}, "prune.auto has no value"),
        (b"claim.maxattempts: 2", {}, {}, "there is no setting 'claim.maxattempts'; did you mean 'claim.maxAttempts'?"),
        (b"zzz: 2", {}, {}, "there is no setting 'zzz'"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    file: bytes, environ: dict[str, str], flags: dict[str, object], where: str
) -> None:
    with pytest.raises(BadConfig, match=re.escape(where)):
        value(file, environ, flags)


def test_variables_are_told_apart_and_wrong_ones_are_named() -> None:
    assert config.variable(KEY) == VARIABLE
    variables = {config.variable(key) for key in SPECS}
    assert len(variables) == len(SPECS)
    known = dict.fromkeys([*variables, "DISPATCHER_ROOT", "DISPATCHER_AGENT", "DISPATCHER_CLAIM", "PATH"], "x")
    assert config.unknown_variables(known) == []
    assert config.unknown_variables({"DISPATCHER_CLAIM_LEESE": "1"}) == [
        "DISPATCHER_CLAIM_LEESE is no setting; did you mean DISPATCHER_CLAIM_LEASE?"
    ]


def test_an_unknown_setting_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidInput, match=r"did you mean .claim.lease."):
        config.load(None, "f", {}).value("claim.leese")


def test_the_template_changes_nothing_and_every_line_of_it_may_be_used() -> None:
    template = config.template()
    assert dict(config.load(template.encode(), "f", {})) == dict(config.load(None, "f", {}))
    used = re.sub(r"^# (?=[a-z]+\.)", "", template, flags=re.MULTILINE)
    settings = config.load(used.encode(), "f", {})
    assert {key: found.value for key, found in settings} == {key: spec.default for key, spec in SPECS.items()}
    assert all(found.source.startswith("config.yaml") for _, found in settings)


def test_defaults_are_within_their_own_bounds() -> None:
    for spec in SPECS.values():
        assert spec.read(spec.default) == spec.default
        assert type(spec.read(spec.default)) is type(spec.default)


def test_every_setting_is_read_somewhere() -> None:
    """A setting that nobody asks for would be a promise that nobody keeps."""
    package = Path(config.__file__).parent
    code = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "config.py")
    assert [key for key in SPECS if f'"{key}"' not in code] == []
