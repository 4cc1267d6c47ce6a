"""Shell completion: the ids of the state that the command would use, and silence otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.processes import environment, program
from tests.cli.steps import add, claim
from tests.support import Run

Offered = Callable[[str], list[str]]


@pytest.fixture
def ids(run: Run, root: Path) -> list[str]:
    assert root
    return [add(run, "alpha one"), add(run, "alpha two"), add(run, "gamma")]


@pytest.fixture
def offered(run: Run, monkeypatch: pytest.MonkeyPatch) -> Offered:
    """What bash would be offered for a line, asked for as typer's script asks."""

    def offered(line: str) -> list[str]:
        with monkeypatch.context() as asked:
            asked.setenv("_DISPATCHER_COMPLETE", "complete_bash")
            asked.setenv("COMP_WORDS", line)
            asked.setenv("COMP_CWORD", f"{line.count(' ')}")
            ran = run()
        assert ran.err == "", "a shell's prompt is no place for talk"
        return ran.out.split()

    return offered


def test_commands_that_take_a_task_offer_ids(offered: Offered, ids: list[str]) -> None:
    for command in ("show", "edit", "mute", "reopen", "claim", "complete", "fail", "release", "heartbeat"):
        assert offered(f"dispatcher {command} a") == ids[:2], command
    assert offered("dispatcher show ") == ids
    assert offered("dispatcher show alpha-t") == [ids[1]]
    assert offered("dispatcher progress text g") == [ids[2]]


def test_options_that_take_a_task_offer_ids(run: Run, offered: Offered, ids: list[str]) -> None:
    for line in ("log --task", "add x --depends-on", "edit gamma --depends-on", "edit gamma --no-depends-on"):
        assert offered(f"dispatcher {line} a") == ids[:2], line
    token = claim(run, ids[0])
    assert offered("dispatcher complete --claim a") == [token]


def test_commands_and_choices_are_offered(offered: Offered) -> None:
    assert offered("dispatcher comp") == ["complete"]
    assert {word.lower() for word in offered("dispatcher list --status ")} == {
        "pending", "active", "completed", "failed",
    }  # fmt: skip


def test_ids_come_from_the_root_that_is_named(
    run: Run, offered: Offered, project: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--root", str(project / "other"), "init")
    other = run("--root", str(project / "other"), "add", "another").out.strip()
    assert offered(f"dispatcher --root {project / 'other'} show a") == [other]
    monkeypatch.setenv("DISPATCHER_ROOT", str(project / "other"))
    assert offered("dispatcher show a") == [other]
    monkeypatch.delenv("DISPATCHER_ROOT")
    assert offered("dispatcher show a") == ids[:2]


def test_where_nothing_can_be_offered_nothing_is_said(offered: Offered, root: Path, ids: list[str]) -> None:
    assert offered("dispatcher show zzz") == []
    (root / "DISPATCH_LEDGER.json").write_bytes(b"nonsense")
    assert offered("dispatcher show a") == ids[:2]
    (root / "config.yaml").write_text("nope: 1")
    assert offered("dispatcher show a") == []
    (root / "config.yaml").unlink()
    (root / "JOURNAL.jsonl").write_bytes(b"")
    assert offered("dispatcher show a") == []


def test_outside_of_any_inbox_nothing_is_offered_and_nothing_said(offered: Offered) -> None:
    assert offered("dispatcher show a") == []


def test_each_shell_is_offered_ids_by_its_own_protocol(project: Path, ids: list[str]) -> None:
    bash = environment(_DISPATCHER_COMPLETE="complete_bash", COMP_WORDS="dispatcher show a", COMP_CWORD="2")
    assert program(cwd=project, env=bash).out.split() == ids[:2]
    zsh = environment(_DISPATCHER_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="dispatcher show a")
    said = program(cwd=project, env=zsh)
    assert [i in said.out for i in ids] == [True, True, False]
    fish = environment(
        _DISPATCHER_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args", _TYPER_COMPLETE_ARGS="dispatcher show a"
    )  # fmt: skip
    assert program(cwd=project, env=fish).out.split() == ids[:2]


def test_the_script_for_each_shell_can_be_had(project: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        said = program(cwd=project, env=environment(_DISPATCHER_COMPLETE=f"source_{shell}"))
        assert f"complete_{shell}" in said.out
