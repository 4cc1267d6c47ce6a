"""Secrets taken out of text before it reaches a file.

This file is also loaded by the Python that runs a project's tests: standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dispatcher.domain.record import Event

_NAMES = ("TOKEN", "SECRET", "KEY", "PASSWORD", "PASSWD")
_SHORTEST_VALUE = 6
_SHORTEST_PIECE = 4
# "..." of pytest's, "[9 chars]" of unittest's; a diff whose common beginning or end is skipped is cut at its lines.
_MARKS = ("...", "…", " chars]", "Skipping")
_CUTS = re.compile(r"(\.\.\.|…|\[\d+ chars\])")
_CUTS_OF_DIFFS = re.compile(r"(\.\.\.|…|\[\d+ chars\]|\n[-+? ]*)")

# At the beginning of a word, where the "n" of an escaped line end ("\\nghp_...") is no part of it.
_ESCAPE = r"(?<=\\[abfnrtv])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})"
_START = rf"(?:(?<![A-Za-z0-9_])|{_ESCAPE})"

# Per format: a literal that every match contains, in lower case (so that most text costs one
# search and no regular expression), the format's name, and its expression.
_FORMATS = (
    ("akia", "aws-key", _START + r"AKIA[0-9A-Z]{16}\b"),
    ("asia", "aws-key", _START + r"ASIA[0-9A-Z]{16}\b"),
    ("ghp_", "github-token", _START + r"ghp_[A-Za-z0-9]{30,255}"),
    ("gho_", "github-token", _START + r"gho_[A-Za-z0-9]{30,255}"),
    ("ghu_", "github-token", _START + r"ghu_[A-Za-z0-9]{30,255}"),
    ("ghs_", "github-token", _START + r"ghs_[A-Za-z0-9]{30,255}"),
    ("ghr_", "github-token", _START + r"ghr_[A-Za-z0-9]{30,255}"),
    ("github_pat_", "github-token", _START + r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("glpat-", "gitlab-token", _START + r"glpat-[A-Za-z0-9_-]{20,}"),
    ("xox", "slack-token", _START + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("hooks.slack.com", "slack-webhook", r"https://hooks\.slack\.com/services/[A-Za-z0-9/+]{20,}"),
    ("sk-", "api-key", _START + r"sk-[A-Za-z0-9_-]{20,}"),
    ("sk_live_", "stripe-key", _START + r"sk_live_[A-Za-z0-9]{16,}"),
    ("rk_live_", "stripe-key", _START + r"rk_live_[A-Za-z0-9]{16,}"),
    ("aiza", "google-key", _START + r"AIza[0-9A-Za-z_-]{35}"),
    ("ya29.", "google-token", _START + r"ya29\.[0-9A-Za-z_-]{20,}"),
    ("npm_", "npm-token", _START + r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", "pypi-token", _START + r"pypi-[A-Za-z0-9_-]{50,}"),
    ("hf_", "huggingface-token", _START + r"hf_[A-Za-z0-9]{30,}"),
    ("sg.", "sendgrid-key", _START + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("eyj", "jwt", rf"(?:(?<![A-Za-z0-9_-])|{_ESCAPE})eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]*"),
    (
        "private key",
        "private-key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    ("://", "url-password", r"(?<=://)[^\s/:@]{0,80}:[^\s/@]{3,}(?=@)"),
    ("bearer ", "bearer-token", r"(?i:(?<=bearer ))[A-Za-z0-9._~+/-]{16,}=*"),
    ("authorization", "authorization", r"(?i:(?<=authorization: basic ))[A-Za-z0-9+/=]{8,}"),
)

# Fields that the program itself filled (ids, checked names, numbers, times) or that have been through
# here before. All else is foreign text.
_OWN_FIELDS = frozenset(
    [
        "type",
        "task",
        "agent",
        "depends_on",
        "expired_at",
        "to",
        "not_before",
        "until",
        "lease",
        "archived",
        "dropped",
        "trimmed",
        "document",
        "state",
        "previous",
    ]
)


class Redactor:
    """Knows the secrets of one environment and the formats of well-known keys.

    Environment values are secrets when the variable's name holds TOKEN, SECRET, KEY, PASSWORD or
    PASSWD and the value has at least 6 characters. Does not find a secret that is encoded
    (base64, percent) or split over lines.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        named = {k: v for k, v in environ.items() if any(n in k.upper() for n in _NAMES)}
        found = {form: k for k, v in named.items() for form in (v, v.strip()) if len(form) >= _SHORTEST_VALUE}
        # Longest first: one secret may begin with another.
        self._values = sorted(found.items(), key=lambda item: (-len(item[0]), item))

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by "[redacted:<what it was>]"."""
        for value, name in self._values:
            text = replaced(text, value, f"[redacted:{name}]")
        lower = text.lower()
        for literal, name, expression in _FORMATS:
            if literal in lower:
                text = _compiled(expression).sub(f"[redacted:{name}]", text)
        return text

    def data(self, value: object) -> object:
        """Return JSON data with every string, keys of objects included, redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return {self.text(k): self.data(v) for k, v in value.items()}
        return value

    def event(self, event: Event) -> Event:
        """Return an event with every field that holds foreign text redacted."""
        return {k: v if k in _OWN_FIELDS else self.data(v) for k, v in event.items()}


def replaced(text: str, secret: str, by: str) -> str:
    """Return a text with a secret replaced, and what is left of it where pytest or unittest have cut a value short."""
    if secret in text:
        text = text.replace(secret, by)
    if not any(mark in text for mark in _MARKS):
        return text
    cuts = _CUTS_OF_DIFFS if "Skipping" in text else _CUTS
    parts = cuts.split(text)  # every other one is what stands for what was cut
    for n in range(0, len(parts), 2):
        if n + 1 < len(parts):
            parts[n] = _without(parts[n], secret, by, at_end=True)
        if n:
            parts[n] = _without(parts[n], secret, by, at_end=False)
    return "".join(parts)


def _without(part: str, secret: str, by: str, *, at_end: bool) -> str:
    """Return a text without the piece of a secret that it ends, or begins, with."""
    for size in range(min(len(secret) - 1, len(part)), _SHORTEST_PIECE - 1, -1):
        if at_end and part.endswith(secret[:size]):
            return part[:-size] + by
        if not at_end and part.startswith(secret[-size:]):
            return by + part[size:]
    return part


@lru_cache(maxsize=len(_FORMATS))
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)
