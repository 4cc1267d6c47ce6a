"""Wrong settings: one line with the place, exit code 10, whatever the file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.steps import add, claim, refused, task
from tests.support import Run

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'},*a]\n" for n in range(12)
)
WRONG = {
    "unknown key": (b"claim:\n  leese: 5\n", "line 2, column 3", "claim.lease"),
    "unknown group": (b"nope: 5\n", "line 1", "nope"),
    "group for a key": (b"claim: 5\n", "line 1", "claim"),
    "not a number": (b"claim:\n  lease: soon\n", "line 2", "soon"),
    "too small": (b"claim:\n  lease: -1\n", "line 2", "0.1"),
    "nan": (b"claim:\n  lease: .nan\n", "line 2", "claim.lease"),
    "inf": (b"claim:\n  lease: .inf\n", "line 2", "claim.lease"),
    "null": (b"claim:\n  lease:\n", "line 2", "claim.lease"),
    "list": (b"claim:\n  lease: [1, 2]\n", "line 2", "claim.lease"),
    "date": (b"claim:\n  lease: 2026-01-01\n", "line 2", "claim.lease"),
    "huge": (b"claim:\n  lease: 0x" + b"f" * 5000 + b"\n", "line 2", "claim.lease"),
    "many digits": (b"claim:\n  lease: " + b"9" * 5000 + b"\n", "line 2", ""),
    "fraction": (b"claim:\n  maxAttempts: 2.5\n", "line 2", "whole"),
    "neither true nor false": (b"prune:\n  auto: maybe\n", "line 2", "true or false"),
    "unclosed": (b"claim: {lease: 5\n", "line 2", ""),
    "tab": (b"\tclaim: 1\n", "line 1", ""),
    "twice": (b"claim:\n  lease: 5\nclaim:\n  lease: 6\n", "line 3", "twice"),
    "no mapping": (b"- 1\n- 2\n", "line 1", "key: value"),
    "text": (b"just text\n", "line 1", "key: value"),
    "two documents": (b"--- {}\n--- {}\n", "line 2", "document"),
    "no word for a key": (b"? {a: b}\n: c\n", "line 1", "key"),
    "object": (b"a: !!python/object/apply:os.system [ls]\n", "line 1", ""),
    "binary": (b"\xff\xfe\x00\x01", "config.yaml", ""),
    "escape": (b'claim:\n  lease: "\\e[31m"\n', "line 2", "\\x1b[31m"),
    "aliases": (BOMB.encode(), "line 2", "alias"),
    "deep": (b"[" * 5000, "line 1", "deep"),
    "deep and closed": (b"a: " + b"[" * 5000 + b"]" * 5000 + b"\n", "line 1", "deep"),
    "large": (b"#" + b"x" * 2_000_000 + b"\na: 1\n", "config.yaml", "bytes"),
}


@pytest.mark.parametrize(("data", "place", "word"), WRONG.values(), ids=WRONG)
def test_a_wrong_settings_file_is_refused_with_the_place(
    run: Run, root: Path, data: bytes, place: str, word: str
) -> None:
    (root / "config.yaml").write_bytes(data)
    for argv in (("status",), ("add", "x"), ("config",)):
        ran = run(*argv, code=None)
        refused(ran, 10, "config.yaml", place, word)
        assert len(ran.err) < 600


@pytest.mark.parametrize("data", [b"", b"\n# nothing\n", b"{}\n", b"claim: {}\n", b"\xef\xbb\xbfclaim:\n  lease: 5\n"])
def test_a_settings_file_may_say_little(run: Run, root: Path, data: bytes) -> None:
    (root / "config.yaml").write_bytes(data)
    run("config")


def test_rebuild_works_with_settings_that_cannot_be_read(run: Run, root: Path) -> None:
    (root / "config.yaml").write_text("nope: [")
    run("rebuild")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLAIM_LEASE", "soon"), ("CLAIM_LEASE", "nan"), ("LOCK_TIMEOUT", "-1"), ("PRUNE_AUTO", "perhaps"),
        ("CLAIM_MAX_ATTEMPTS", "2.5"), ("CLAIM_MAX_ATTEMPTS", "9" * 5000),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_refused_by_name(run: Run, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", value)
    ran = run("status", code=None)
    refused(ran, 10, f"DISPATCHER_{name}")
    assert len(ran.err) < 500


def test_settings_take_effect_file_below_variable_below_flag(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = add(run, "one")

    def lease(*options: str) -> float:
        token = claim(run, task_id, *options)
        seconds: float = task(run, task_id)["claim"]["lease"]["seconds"]
        run("release", token)
        return seconds

    assert lease() == 900
    (root / "config.yaml").write_text("claim:\n  lease: 60\n")
    assert lease() == 60
    monkeypatch.setenv("DISPATCHER_CLAIM_LEASE", "70")
    assert lease() == 70
    assert lease("--lease", "80") == 80
