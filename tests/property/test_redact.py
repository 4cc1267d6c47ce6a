"""Secrets: none survives, wherever it stands; what is none is left as it is."""

from __future__ import annotations

import string
import time
from typing import NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.redact import Redactor
from tests.property.world import examples

ALNUM = string.ascii_letters + string.digits
WIDE = ALNUM + "_-"


class Format(NamedTuple):
    """How a well-known secret looks, and which part of it is the secret."""

    before: str
    parts: tuple[tuple[str, str, int], ...]
    after: str = ""


def one(prefix: str, alphabet: str, length: int) -> Format:
    return Format("", ((prefix, alphabet, length),))


FORMATS = {
    "AWS key": one("AKIA", string.ascii_uppercase + string.digits, 16),
    "AWS session key": one("ASIA", string.ascii_uppercase + string.digits, 16),
    "GitHub": one("ghp_", ALNUM, 36),
    "GitHub OAuth": one("gho_", ALNUM, 36),
    "GitHub server": one("ghs_", ALNUM, 36),
    "GitHub fine": one("github_pat_", ALNUM + "_", 82),
    "GitLab": one("glpat-", WIDE, 20),
    "Slack": one("xoxb-", string.digits + "-", 24),
    "Slack hook": one("https://hooks.slack.com/services/", ALNUM + "/", 44),
    "OpenAI": one("sk-", WIDE, 48),
    "Anthropic": one("sk-ant-api03-", WIDE, 80),
    "Stripe": one("sk_live_", ALNUM, 24),
    "Stripe restricted": one("rk_live_", ALNUM, 24),
    "Google": one("AIza", WIDE, 35),
    "Google OAuth": one("ya29.", WIDE, 60),
    "npm": one("npm_", ALNUM, 36),
    "PyPI": one("pypi-", WIDE, 80),
    "Hugging Face": one("hf_", ALNUM, 34),
    "SendGrid": Format("", (("SG.", WIDE, 22), (".", WIDE, 43))),
    "JWT": Format("", (("eyJ", WIDE, 20), (".eyJ", WIDE, 30), (".", WIDE, 43))),
    "RSA key": Format("", (("-----BEGIN RSA PRIVATE KEY-----\n", ALNUM + "+/\n", 90),), "\n-----END RSA PRIVATE KEY-----"),
    "EC key": Format("", (("-----BEGIN EC PRIVATE KEY-----\n", ALNUM, 60),), "\n-----END EC PRIVATE KEY-----"),
    "cut key": one("-----BEGIN PRIVATE KEY-----\n", ALNUM + "\n", 90),
    "URL": Format("postgres://user:", (("", ALNUM + "%.!$", 12),), "@db.example.com:5432/app"),
    "URL without user": Format("redis://:", (("", ALNUM, 12),), "@cache"),
    "Bearer": Format("Authorization: Bearer ", (("", WIDE, 30),)),
    "bearer": Format("authorization: bearer ", (("", ALNUM, 20),), "=="),
    "Basic": Format("Authorization: Basic ", (("", ALNUM, 24),), "=="),
}  # fmt: skip
ENVIRON = {"DB_PASSWORD": "correct horse", "api_key": "k3y.*(", "MY_SECRET": "line\nbreak", "NPM_TOKEN": "correct"}

# Ordinary neighbours of a secret in output.
BEFORE = st.sampled_from(["", " ", "\n", "\t", '"', "'", "=", ": ", "(", ",", "[", "{", "<", ">", "|", "é "])
AFTER = st.sampled_from(["", " ", "\n", '"', "'", ",", ")", "]", "}", ";", "<", "\\n", "…"])
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, str]:
    """Return the part that must not survive, and what was printed."""
    form = FORMATS[draw(st.sampled_from(sorted(FORMATS)))]
    secret = "".join(
        prefix + "".join(draw(st.lists(st.sampled_from(alphabet), min_size=length, max_size=length)))
        for prefix, alphabet, length in form.parts
    )
    return secret, form.before + secret + form.after


@examples(300)
@given(planted(), WORDS, BEFORE, AFTER, WORDS)
def test_no_well_known_secret_survives(secret: tuple[str, str], words: str, before: str, after: str, more: str) -> None:
    value, printed = secret
    redacted = Redactor({}).text(f"{words} {before}{printed}{after}{more}")
    longest = max(value.split("\n"), key=len)
    assert value not in redacted
    assert longest[len(longest) // 3 :] not in redacted
    assert "[redacted:" in redacted


@examples(100)
@given(st.sampled_from(sorted(ENVIRON)), WORDS, WORDS)
def test_no_secret_of_the_environment_survives(name: str, before: str, after: str) -> None:
    """It needs no neighbour: a value is a secret in the middle of a word, too."""
    redacted = Redactor(ENVIRON).text(before + ENVIRON[name] + after)
    assert ENVIRON[name] not in redacted
    assert "[redacted:" in redacted


@pytest.mark.parametrize("name", ["MY_TOKEN", "client_secret", "KeyFile", "PGPASSWORD", "ROOT_PASSWD"])
def test_the_name_says_what_is_a_secret(name: str) -> None:
    assert Redactor({name: "s3cr3t!"}).text("it is s3cr3t!.") == f"it is [redacted:{name}]."


def test_short_values_and_other_names_are_no_secrets() -> None:
    said = "12345 /home/ann true"
    assert Redactor({"PIN_TOKEN": "12345", "HOME": "/home/ann", "SSL_KEY": ""}).text(said) == said


@examples(200)
@given(st.text())
def test_text_without_a_secret_is_not_changed(words: str) -> None:
    assert Redactor(ENVIRON).text(words) == words


@pytest.mark.parametrize(
    "said",
    [
        "commit 4f0c2d1be8a79e63d5c4b3a2918f7e6d5c4b3a29 by ann@example.com",
        "see https://example.com:8443/a/b?c=d#e and http://localhost:11434/api/show",
        "git@github.com:me/project.git, ssh://git@example.com/x.git",
        "id 123e4567-e89b-12d3-a456-426614174000, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tests/test_sk-learn.py::test_ask[risk-averse] FAILED, npm_config_registry, hf_hub_download, SG.x, xoxo-",
        "AKIA is a prefix, so are ghp_, glpat-, AIza and eyJ",
        "a bearer of news; the bearer token is missing; Authorization: none",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_is_left(said: str) -> None:
    assert Redactor({}).text(said) == said


@examples(200)
@given(st.lists(planted(), max_size=3), st.lists(st.sampled_from(sorted(ENVIRON)), max_size=2), WORDS)
def test_redacting_twice_is_redacting_once(secrets: list[tuple[str, str]], names: list[str], words: str) -> None:
    redactor = Redactor(ENVIRON)
    once = redactor.text(" ".join([*(s[1] for s in secrets), words, *(ENVIRON[n] for n in names)]))
    assert redactor.text(once) == once


@examples(100)
@given(planted(), st.sampled_from(sorted(ENVIRON)))
def test_json_data_is_redacted_in_every_place(secret: tuple[str, str], name: str) -> None:
    value = ENVIRON[name]
    data = {"list": [secret[1], {secret[1]: value}], value: {"n": 1, "deep": [[value]]}, "none": None, "yes": True}
    redacted = Redactor(ENVIRON).data(data)
    assert secret[0] not in repr(redacted)
    assert value not in orjson.dumps(redacted).decode()
    assert isinstance(redacted, dict)
    assert (redacted["none"], redacted["yes"]) == (None, True)


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\r", "\\x1b"])
def test_a_secret_behind_an_escape_is_one(escape: str) -> None:
    """As in every repr of captured output, which is what assertion errors show."""
    assert "k3yk3y" not in Redactor({}).text(f"assert 'token:{escape}ghp_{'k3y' * 12}' == ''")


def test_the_time_it_takes_is_linear() -> None:
    """Foreign text is redacted under the lock: it must not be able to make that take minutes."""

    def seconds(size: int) -> float:
        hostile = ("-eyJaaaaaaaa" * size)[:size]
        began = time.perf_counter()
        Redactor({}).text(hostile)
        return time.perf_counter() - began

    assert min(seconds(80_000) for _ in range(3)) < 10 * max(min(seconds(20_000) for _ in range(3)), 0.001)
