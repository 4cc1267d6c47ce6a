"""What people type wrong: one line that says what, its exit code, and nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.text import clean_line
from tests.cli.steps import add, bytes_of, claim, close, refused
from tests.support import FakeClock, Run

LONG = "x" * 5000

USAGE: list[tuple[tuple[str, ...], str]] = [
    (("claim",), "--agent"),
    (("claim", "--agent", ""), "--agent"),
    (("claim", "--agent", "../x"), "agent"),
    (("claim", "--agent", "a\nb"), "a\\x0ab"),
    (("claim", "--agent", "me", "--count", "0"), "--count"),
    (("claim", "--agent", "me", "--count", "many"), "--count"),
    (("claim", "--agent", "me", "--wait", "-1"), "--wait"),
    (("claim", "--agent", "me", "--wait", "nan"), "--wait"),
    (("claim", "--agent", "me", "--lease", "0"), "--lease"),
    (("claim", "--agent", "me", "--lease", "nan"), "--lease"),
    (("claim", "--agent", "me", "--lease", "inf"), "--lease"),
    (("claim", "--agent", "me", "--lease", "1e12"), "--lease"),
    (("claim", "one", "--agent", "me", "--label", "x"), "filters"),
    (("heartbeat", "held", "--agent", "me", "--lease", "1e15"), "--lease"),
    (("heartbeat",), "--claim"),
    (("complete",), "--claim"),
    (("complete", "one"), "--agent"),
    (("complete", "--claim", "one"), "<id>@<generation>"),
    (("complete", "../x@1"), "<id>@<generation>"),
    (("complete", "one@x"), "<id>@<generation>"),
    (("complete", "one", "--claim", "held@1"), "not a claim of"),
    (("fail", "held", "--agent", "me"), "reason"),
    (("fail", "held", "--agent", "me", "--reason", "  "), "reason"),
    (("progress",), "text"),
    (("progress", "", "held", "--agent", "me"), "empty"),
    (("mute", "one"), "reason"),
    (("mute", "one", "--reason", "r", "--until", "2020-01-01"), "past"),
    (("mute", "one", "--reason", "r", "--until", "tomorrow"), "--until"),
    (("mute", "one", "--reason", "r", "--until", "999999w"), "--until"),
    (("mute", "one", "--off", "--reason", "r"), "--off"),
    (("add",), "title"),
    (("add", ""), "title"),
    (("add", " \n "), "title"),
    (("add", LONG), "title"),
    (("add", "a", "b"), "b"),
    (("add", "a", "--priority", "101"), "101"),
    (("add", "a", "--priority", "-1"), "-1"),
    (("add", "a", "--priority", "high"), "--priority"),
    (("add", "a", "--label", "two words"), "two words"),
    (("add", "a", "--path", ""), "path"),
    (("add", "a", "--body", "b" * 1_000_001), "body"),
    (("edit", "one"), "edit"),
    (("edit", "one", "--title", ""), "title"),
    (("show",), "task"),
    (("list", "--status", "open"), "open"),
    (("list", "--nope"), "--nope"),
    (("log", "--since", "yesterday"), "--since"),
    (("log", "--since", "999999w"), "--since"),
    (("log", "--kind", "nope"), "task_added"),
    (("log", "--limit", "0"), "--limit"),
    (("config", "claim.leese"), "claim.lease"),
    (("status", "extra"), "extra"),
    (("statu",), "status"),
    (("--nope",), "--nope"),
]

UNKNOWN = ["nope", "../one", "../../../etc/passwd", "/etc/passwd", "o/ne", ".", "..", "a\nb", "\x1b[31m", "*"]


@pytest.fixture
def filled(run: Run, root: Path) -> Path:
    """A store with a pending task, a held one, and two whose ids begin alike."""
    add(run, "held")
    claim(run)
    for title in ("one", "alpha one", "alpha two"):
        add(run, title)
    return root


@pytest.mark.parametrize("command", sorted({argv[0] for argv, _ in USAGE}))
def test_a_wrong_argument_is_one_line_that_names_it_and_changes_nothing(run: Run, filled: Path, command: str) -> None:
    before = bytes_of(filled, but=(".lock",))
    for argv, word in USAGE:
        if argv[0] == command:
            ran = run(*argv, code=None)
            refused(ran, 2)
            assert word.lower() in ran.err.lower(), ran.err
            assert len(ran.err) < 500, "a long argument is not repeated in full"
            assert bytes_of(filled, but=(".lock",)) == before, argv


@pytest.mark.parametrize(
    "argv",
    [
        ("show",), ("edit", "--title", "t"), ("mute", "--reason", "r"), ("reopen",), ("log", "--task"),
        ("claim", "--agent", "me"), ("release", "--agent", "me"),
    ],
    ids=lambda argv: argv[0],
)  # fmt: skip
@pytest.mark.usefixtures("filled")
def test_an_unknown_id_whatever_it_holds_is_not_found(run: Run, argv: tuple[str, ...]) -> None:
    for given in UNKNOWN:
        ran = run(*argv, given, code=None)
        refused(ran, 4)
        assert "\x1b" not in ran.err
        assert clean_line(given) in ran.err


@pytest.mark.parametrize("argv", [("show",), ("edit", "--title", "t"), ("mute", "--reason", "r"), ("reopen",)])
@pytest.mark.usefixtures("filled")
def test_an_empty_id_is_not_found_either(run: Run, argv: tuple[str, ...]) -> None:
    for given in ("", " "):
        refused(run(*argv, given, code=None), 4)


@pytest.mark.usefixtures("filled")
def test_a_number_may_be_as_large_as_one_likes_where_it_is_a_limit(run: Run) -> None:
    assert run("log", "--limit", "9" * 30).out == run("log").out
    assert len(run("claim", "--agent", "me", "--count", "9" * 30, "--json").json["claims"]) == 3


@pytest.mark.usefixtures("filled")
def test_an_unknown_dependency_is_not_found(run: Run) -> None:
    for given in (*UNKNOWN, "\udcff", "o"):
        code = 0 if given == "o" else 4
        assert run("add", "waits", "--depends-on", given, code=None).code == code, given


@pytest.mark.usefixtures("filled")
def test_a_long_unknown_id_is_not_repeated_in_full(run: Run) -> None:
    ran = run("show", LONG, code=None)
    refused(ran, 4)
    assert len(ran.err) < 500


@pytest.mark.usefixtures("filled")
def test_an_ambiguous_prefix_lists_what_it_fits(run: Run) -> None:
    for argv in (("show", "alpha"), ("edit", "alpha", "--title", "t"), ("claim", "alpha", "--agent", "me")):
        refused(run(*argv, code=None), 4, "2 tasks", "alpha-one-", "alpha-two-")


@pytest.mark.usefixtures("filled")
def test_a_whole_id_is_not_ambiguous_because_another_begins_with_it(run: Run) -> None:
    first = add(run, "fix")
    longer = [add(run, f"{first} again"), add(run, f"{first} once more")]
    assert all(task_id.startswith(first) for task_id in longer)
    assert run("show", first).out.startswith("# fix\n")
    assert claim(run, first) == f"{first}@1"


@pytest.mark.usefixtures("filled")
def test_a_mistyped_id_lists_near_matches(run: Run) -> None:
    for given in ("alpha-on3", "aplha", "two"):
        refused(run("show", given, code=None), 4, "did you mean", "alpha-")


@pytest.mark.usefixtures("filled")
def test_any_unique_prefix_and_case_is_enough(run: Run) -> None:
    whole = run("show", "alpha-o").out
    assert whole == run("show", "ALPHA-ONE").out == run("show", whole.split("task: ")[1].split()[0]).out


@pytest.mark.usefixtures("root")
def test_an_archived_task_is_said_to_be_archived_and_not_to_be_unknown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "0")
    task_id = close(run, "closed")
    run("prune")
    for argv in (
        ("edit", task_id, "--title", "t"), ("mute", task_id, "--reason", "r"), ("claim", task_id, "--agent", "me"),
    ):  # fmt: skip
        refused(run(*argv, code=None), 5, "archived", "reopen")


def test_without_an_inbox_every_command_says_how_to_make_one(run: Run) -> None:
    for argv in (
        ("status",), ("list",), ("log",), ("config",), ("prune",), ("rebuild",), ("add", "t"), ("show", "x"),
        ("claim", "--agent", "me"), ("complete", "x@1"), ("edit", "x", "--title", "t"), ("mute", "x", "--reason", "r"),
    ):  # fmt: skip
        refused(run(*argv, code=None), 9, "no INBOX", "dispatcher init")


def test_a_root_that_is_none_is_not_to_be_moved_away(run: Run, project: Path) -> None:
    (project / "file").write_text("precious")
    (project / "folder").mkdir()
    for where in ("nowhere", "file", "folder"):
        ran = run("--root", str(project / where), "status", code=None)
        refused(ran, 9)
        assert "move" not in ran.err


def test_init_makes_no_project_and_nothing_below_a_file(run: Run, project: Path) -> None:
    (project / "file").write_text("precious")
    refused(run("init", "typo/in/the/path", code=None), 2, "typo")
    assert not (project / "typo").exists()
    assert run("init", "file", code=None).code in (2, 8)
    assert (project / "file").read_text() == "precious"


def test_init_makes_no_inbox_inside_an_inbox(run: Run, root: Path) -> None:
    refused(run("init", str(root / "OUTPUTS"), code=None), 2, str(root))
    refused(run("init", str(root), code=None), 2, str(root))
    assert not (root / "INBOX").exists()


@pytest.mark.usefixtures("root")
def test_a_wrong_clock_is_no_reason_to_fail(run: Run, clock: FakeClock) -> None:
    add(run, "made now")
    clock.set_wall(-50 * 365 * 86_400)
    assert "made now" in run("list").out
    assert run("status").code == 0
    claim(run)
