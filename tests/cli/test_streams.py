"""Standard streams that are closed, full, cut off, not UTF-8, or a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.cli.app import main
from tests.cli.processes import environment, on_terminal, program, shell
from tests.cli.steps import add, claim, listed
from tests.support import FakeClock, Run

TITLE = "日本語 のタイトル with a long title that is cut at the width of the terminal"
PRINTING = ("list", "log", "show gamma --json", "rebuild", "--help")


@pytest.fixture
def filled(run: Run, root: Path, project: Path) -> Path:
    """A project with a failed, a pending and a held task."""
    assert root
    add(run, "gamma", "--body", "its body")
    add(run, TITLE, "--label", "x")
    claim(run, "gamma")
    run("fail", "gamma", "--agent", "me", "--reason", "no")
    add(run, "delta")
    claim(run, "delta")
    return project


def test_output_that_cannot_be_delivered_is_an_error_in_one_line(filled: Path) -> None:
    for command in PRINTING:
        ran = shell(f"$D {command} >/dev/full", cwd=filled)
        assert ran.code == 8, (command, ran)
        assert "error: standard output: " in ran.err, (command, ran)
        assert ran.err.count("error") == 1


def test_a_closed_standard_output_is_like_dev_null(filled: Path) -> None:
    for command in PRINTING:
        ran = shell(f"$D {command} >&-", cwd=filled)
        assert ran.code == 0, (command, ran)
        assert "error" not in ran.err


def test_a_command_whose_answer_is_lost_has_happened_all_the_same(run: Run, filled: Path) -> None:
    before = set(listed(run))
    shell("$D add written >&-; $D add written >/dev/full", cwd=filled)
    new = set(listed(run)) - before
    assert len(new) == 2
    assert all(i.startswith("written-") for i in new)


def test_a_reader_that_goes_away_is_no_error_worth_a_word(filled: Path) -> None:
    for command in ("log", "list --json", "config", "--help"):
        ran = shell(f"{{ $D {command}; echo $? >&3; }} 3>code | true; cat code; rm code", cwd=filled)
        assert "error" not in ran.err, ran
        assert int(ran.out) in (0, 141), ran


def test_errors_keep_their_codes_when_nobody_can_hear_them(filled: Path) -> None:
    for target in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert shell(f"$D show nope {target}", cwd=filled).code == 4, target
        assert shell(f"$D list --nope {target}", cwd=filled).code == 2, target


def test_closed_streams_never_become_files_of_the_state(run: Run, filled: Path) -> None:
    """With 0, 1 and 2 closed, the next files that are opened would get these numbers."""
    for n in range(3):
        shell(f"$D add closed{n} <&- >&- 2>&-", cwd=filled)
    assert sum(i.startswith("closed") for i in listed(run)) == 3
    assert run("rebuild").out == "everything was as the journal says\n"


def test_a_closed_standard_input_is_like_dev_null(run: Run, filled: Path) -> None:
    for source in ("<&-", "</dev/null"):
        ran = shell(f"$D add piped --body - {source}", cwd=filled)
        assert run("show", ran.out.strip(), "--json").json["body"] == ""


def test_bytes_that_are_no_utf8_are_kept_as_replacement_characters(run: Run, filled: Path) -> None:
    ran = shell("printf 'b\\377\\376' | $D add \"$(printf 'bad \\377 title')\" --body -", cwd=filled)
    assert run("show", ran.out.strip(), "--json").json["title"] == "bad � title"


def test_a_locale_without_utf8_shows_escapes_and_loses_nothing(run: Run, filled: Path) -> None:
    plain = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "\\u65e5\\u672c\\u8a9e" in program("list", cwd=filled, env=plain).out
    assert TITLE in program("list", cwd=filled, env=environment(LC_ALL="C")).out
    added = program("add", "é in C", cwd=filled, env=plain).out.strip()
    assert run("show", added, "--json").json["title"] == "é in C"


TERMINAL = [
    ("status",), ("list",), ("list", "--json"), ("show", "gamma"), ("show", "gamma", "--json"), ("log",), ("config",),
    ("config", "claim.lease"), ("heartbeat", "delta", "--agent", "me"), ("progress", "text", "delta", "--agent", "me"),
    ("complete", "delta", "--agent", "me"), ("add", "on a terminal"), ("claim", "--agent", "me"), ("reopen", "gamma"),
    ("edit", "gamma", "--priority", "3"), ("mute", "gamma", "--reason", "r"), ("prune", "--dry-run"), ("prune",),
    ("rebuild",), ("init",), ("--help",), ("--version",),
]  # fmt: skip


Shown = Callable[..., tuple[int, str]]


@pytest.fixture
def on_tty(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Run a command in this process with a terminal for its output; return the exit code and what was shown."""

    def on_tty(*argv: str) -> tuple[int, str]:
        terminal, end = pty.openpty()
        shown: list[bytes] = []

        def watch() -> None:
            with contextlib.suppress(OSError):  # Linux ends a terminal whose other side is closed with EIO
                while chunk := os.read(terminal, 65536):
                    shown.append(chunk)

        watching = threading.Thread(target=watch)
        watching.start()
        with os.fdopen(end, "w", encoding="utf-8") as stream, monkeypatch.context() as swapped:
            swapped.setattr("sys.stdout", stream)
            swapped.setattr("sys.stderr", stream)
            code = main(argv, now=clock)
        watching.join()
        os.close(terminal)
        return code, b"".join(shown).decode().replace("\r\n", "\n")

    return on_tty


@pytest.mark.usefixtures("filled")
def test_every_command_works_on_a_terminal(on_tty: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for argv in TERMINAL:
        code, shown = on_tty(*argv)
        assert code == 0, (argv, shown)
        assert shown
        assert "a bug" not in shown


@pytest.mark.usefixtures("filled")
def test_errors_on_a_terminal_are_one_line_too(on_tty: Shown) -> None:
    for argv, wanted in ((("show", "nope"), 4), (("list", "--nope"), 2), (("statu",), 2), (("claim",), 2)):
        code, shown = on_tty(*argv)
        assert code == wanted
        assert shown.count("\n") == 1, shown


@pytest.mark.usefixtures("filled")
def test_colours_are_for_terminals_that_want_them(on_tty: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in on_tty("list")[1]
    assert "\x1b" not in on_tty("list", "--json")[1]
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as plain:
            plain.setenv(name, value)
            for command in ("list", "status", "config"):
                assert "\x1b" not in on_tty(command)[1]


def test_titles_are_cut_to_the_width_of_the_terminal_and_whole_in_a_pipe(filled: Path) -> None:
    env = environment(NO_COLOR="1")
    assert "\x1b[" in on_terminal("status", cwd=filled).out
    wide = on_terminal("list", cwd=filled, env=env, columns=200)
    narrow = on_terminal("list", cwd=filled, env=env, columns=100)
    assert TITLE in wide.out
    assert TITLE not in narrow.out
    assert "…" in narrow.out
    assert TITLE in program("list", cwd=filled).out


@pytest.mark.usefixtures("filled")
def test_json_is_indented_on_a_terminal_and_one_line_in_a_pipe(run: Run, on_tty: Shown) -> None:
    assert on_tty("list", "--json")[1].count("\n") > 10
    assert run("list", "--json").out.count("\n") == 1
