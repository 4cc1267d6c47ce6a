"""schedule: the line for cron and the units for systemd do what they say, and nobody else's lines are touched.

`crontab` and `systemctl` are small programs here that keep what they are told in files beside them.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.steps import STATE, refused
from tests.support import Ran, Run

CRONTAB = r"""#!/bin/sh
here=${0%/*}
if [ -e "$here/hung" ]; then exec sleep 30; fi
if [ -e "$here/broken$1" ]; then cat "$here/broken$1" >&2; exit 1; fi
case $1 in
-l) if [ -e "$here/table" ]; then cat "$here/table"; exit; fi
    if [ "$LC_ALL" = C ]; then echo "no crontab for somebody" >&2; else echo "keine Tabelle" >&2; fi
    exit 1;;
-) if [ -e "$here/deaf" ]; then cat >/dev/null
   elif [ -e "$here/forgetful" ]; then tail -n 2 >"$here/table"
   else cat >"$here/table"; fi;;
*) echo "usage" >&2; exit 2;;
esac
"""
SYSTEMCTL = r"""#!/bin/sh
here=${0%/*}
echo "$*" >>"$here/calls"
[ "$1" = --user ] || exit 2
if [ -e "$here/broken-$2" ]; then cat "$here/broken-$2" >&2; exit 1; fi
case $2 in
daemon-reload) ;;
enable) [ -e "$XDG_CONFIG_HOME/systemd/user/$4" ] && : >"$here/on-$4";;
disable) rm -f "$here/on-$4";;
*) exit 2;;
esac
"""
# Says where it runs, with which PATH, as what and with which arguments.
RECORDER = r"""#!/bin/sh
printf '%s\0' "$PWD" "$PATH" "$0" "$@"
"""
SPANS = {"5m": 5, "10m": 10, "15m": 15, "20m": 20, "30m": 30,
         "1h": 60, "2h": 120, "3h": 180, "4h": 240, "6h": 360, "8h": 480, "12h": 720, "1d": 1440}  # fmt: skip
NASTY = [
    "Local Models", "it's \"mine\"", "100% sure %%", "$HOME `id` $(id) ${x} !!", "back\\slash \\% \\\\% \\",
    "ünï 日本 \u00a0", "# x; y & z | *?[a] ~ {a,b}", " -n ",
]  # fmt: skip
WORDS = ("-m", "not slow", "-k", "a or 'b'", "x%y", "$x", "", ";", "\\n", "é")


class Tools(NamedTuple):
    """The stand-ins' folder, and where units go."""

    folder: Path
    units: Path

    @property
    def table(self) -> bytes:
        """The crontab."""
        return (self.folder / "table").read_bytes()

    @table.setter
    def table(self, data: bytes) -> None:
        (self.folder / "table").write_bytes(data)

    def set(self, name: str, words: str = "") -> None:
        """Make one of the files that change a stand-in's ways."""
        (self.folder / name).write_text(words)

    def calls(self) -> list[str]:
        """What systemctl was called with since the last time, without --user."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line.removeprefix("--user ") for line in lines]

    def unit_files(self) -> dict[str, str]:
        """The units by name."""
        return {path.name: path.read_text() for path in sorted(self.units.glob("*"))}


@pytest.fixture(autouse=True)
def tools(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Stand-ins before everything else on a short PATH, and an empty place for units."""
    folder = tmp_path_factory.mktemp("tools")
    for name, script in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    return Tools(folder, folder / "config" / "systemd" / "user")


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Let the program believe that its Python is a script that says how it was called."""

    def recorder(folder: str) -> Path:
        path = tmp_path / folder / "python"
        path.parent.mkdir(exist_ok=True)
        path.write_text(RECORDER)
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return path

    return recorder


# What the readers of these files do with them


def cron(line: str) -> str:
    """Return what cron gives to sh for a line of the table: a percent sign loses its backslash."""
    command = line.split(" ", 5)[5]
    assert "%" not in re.sub(r"\\.", "", command), "cron would end the command here"
    return re.sub(r"\\(.)", lambda pair: "%" if pair[1] == "%" else pair[0], command)


def sh(command: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as cron does: from elsewhere, with next to nothing in the environment."""
    env = {"HOME": "/", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", **more}
    return subprocess.run(["/bin/sh", "-c", command], cwd="/", env=env, capture_output=True, check=False, timeout=60)


def recorded(command: str) -> list[str]:
    ended = sh(command)
    assert ended.returncode == 0, ended
    return ended.stdout.decode().split("\0")[:-1]


def systemd(value: str) -> list[str]:
    """Return the words of an ExecStart or Environment value, with specifiers and dollars undone."""
    return [single(single(word, "%"), "$") for word in shlex.split(value)]


def single(word: str, char: str) -> str:
    assert char not in word.replace(char * 2, ""), f"a single {char} has a meaning"
    return word.replace(char * 2, char)


def setting(unit: str, key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)
    return str(found)


def printed_units(ran: Ran) -> dict[str, str]:
    """Return the two files that were printed, by the paths in their headings."""
    parts = re.split(r"^# (/.*)\n", ran.out, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def minutes(minute: str, hour: str) -> list[int]:
    """Return the minutes of the day that two fields of cron or of OnCalendar name."""

    def values(field: str, end: int) -> range:
        first, _, step = field.partition("/")
        if first in ("*", "00") and (step or first == "*"):
            return range(0, end, int(step or 1))
        return range(int(first), int(first) + 1)

    return [60 * h + m for h, m in itertools.product(values(hour, 24), values(minute, 60))]


# Printing


@pytest.mark.usefixtures("root")
def test_without_install_it_prints_a_marker_and_a_line_and_does_nothing(run: Run, project: Path, tools: Tools) -> None:
    ran = run("schedule")
    marker, line = ran.out.splitlines()
    assert marker == f"# dispatcher scan: {project}"
    assert line.startswith(f"0 * * * * cd {project} && PATH={tools.folder}:/usr/bin:/bin {sys.executable} ")
    assert line.endswith(" -m dispatcher scan --quiet")
    assert ran.err == ""
    assert not (tools.folder / "table").exists()
    run("schedule", "--systemd")
    assert not tools.units.exists()
    assert tools.calls() == []


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.usefixtures("root")
def test_each_span_comes_round_evenly_by_cron_and_by_systemd(run: Run, span: str) -> None:
    wanted = list(range(0, 24 * 60, SPANS[span]))
    minute, hour, *days = run("schedule", "--every", span).out.splitlines()[1].split()[:5]
    assert minutes(minute, hour) == wanted
    assert days == ["*", "*", "*"]
    _, timer = printed_units(run("schedule", "--systemd", "--every", span)).values()
    date, time = setting(timer, "OnCalendar").split()
    hour, minute, second = time.split(":")
    assert (date, second) == ("*-*-*", "00")
    assert minutes(minute, hour) == wanted


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="asks systemd")
@pytest.mark.usefixtures("root")
def test_systemd_reads_the_calendar_as_meant(run: Run) -> None:
    for span, apart in SPANS.items():
        _, timer = printed_units(run("schedule", "--systemd", "--every", span)).values()
        asked = ["systemd-analyze", "calendar", "--iterations=3", setting(timer, "OnCalendar")]
        said = subprocess.run(
            asked, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True, timeout=60
        ).stdout
        times = [60 * int(h) + int(m) for h, m in re.findall(r" (\d\d):(\d\d):00 UTC", said)]
        assert len(times) == 3, said
        assert {(b - a - apart) % 1440 for a, b in itertools.pairwise(times)} == {0}, said


@pytest.mark.usefixtures("root")
def test_a_time_of_day_means_once_a_day(run: Run) -> None:
    for given, cron_fields, calendar in (
        ("07:30", "30 7 * * *", "07:30:00"), ("7:05", "5 7 * * *", "07:05:00"), ("23:59", "59 23 * * *", "23:59:00"),
    ):  # fmt: skip
        assert run("schedule", "--at", given).out.splitlines()[1].startswith(f"{cron_fields} cd ")
        _, timer = printed_units(run("schedule", "--systemd", "--at", given, "--every", "1d")).values()
        assert setting(timer, "OnCalendar") == f"*-*-* {calendar}"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--every", "7m"), ("--every '7m'", "5m, 10m", "12h, 1d")),
        (("--every", "90m"), ("can be",)),
        (("--every", ""), ("can be",)),
        (("--at", "24:00"), ("HH:MM",)),
        (("--at", "7:5"), ("HH:MM",)),
        (("--at", "\u0660\u0667:30"), ("HH:MM",)),
        (("--at", ""), ("HH:MM",)),
        (("--at", "07:00", "--every", "2h"), ("once a day",)),
        (("--install", "--remove"), ("--install and --remove",)),
        (("--python", "no-such-python"), ("no-such-python", "no such program")),
        (("--python", ""), ("no such program",)),
        (("--", "a\nb"), ("a\\x0ab", "newline")),
        (("--", "a\x1b[31m"), ("invisible",)),
        (("--", "a\udcff"), ("UTF-8",)),
        (("--nope",), ("--nope",)),
    ],
)
def test_what_cannot_be_scheduled_is_refused_in_one_line(
    run: Run, root: Path, tools: Tools, argv: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert root
    for how in ((), ("--install",), ("--systemd",), ("--systemd", "--install")):
        refused(run("schedule", *how, *argv, code=None), 2, *words)
    assert not (tools.folder / "table").exists()
    assert not tools.units.exists()


def test_a_newline_in_the_project_s_path_or_in_path_is_refused(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", str(project))
    (project / "a\nb").mkdir()
    run("--root", str(project / "a\nb" / STATE), "init", code=None)
    for how in ((), ("--install",), ("--systemd",), ("--remove",)):
        refused(run("--root", str(project / "a\nb" / STATE), "schedule", *how, code=None), 2, "a\\x0ab", "newline")
    monkeypatch.setenv("PATH", "/usr/bin:/a\nb")
    refused(run("schedule", code=None), 2, "PATH: holds a newline")


def test_without_an_inbox_there_is_nothing_to_schedule(run: Run) -> None:
    refused(run("schedule", code=None), 9, "dispatcher init")


# What is printed works


@pytest.mark.parametrize("name", NASTY)
def test_the_line_runs_the_scan_in_the_right_folder_whatever_the_names(
    run: Run, project: Path, recorder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = project / name
    folder.mkdir()
    run("init", str(folder))
    python = recorder(name)
    path = f"/usr/bin:{folder}:/bin"
    monkeypatch.setenv("PATH", path)
    _, line = run("--root", str(folder / STATE), "schedule", "--", *WORDS).out.splitlines()
    wanted = [str(folder), path, str(python), "-P", "-m", "dispatcher", "scan", "--quiet", "--", *WORDS]
    assert recorded(cron(line)) == wanted
    assert recorded(line.split(" ", 5)[5]) == wanted, "some crons leave every backslash alone"


@pytest.mark.parametrize("name", NASTY)
def test_the_service_runs_the_scan_in_the_right_folder_whatever_the_names(
    run: Run, project: Path, recorder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = project / name
    folder.mkdir()
    run("init", str(folder))
    python = recorder(name)
    path = f"/usr/bin:{folder}:/bin"
    monkeypatch.setenv("PATH", path)
    service, timer = printed_units(run("--root", str(folder / STATE), "schedule", "--systemd", "--", *WORDS)).values()
    where = setting(service, "WorkingDirectory")
    assert where == where.strip()
    assert not where.endswith("\\")
    assert Path(single(where, "%")) == folder
    (environment,) = shlex.split(setting(service, "Environment"))
    assert single(environment, "%") == f"PATH={path}"
    argv = systemd(setting(service, "ExecStart"))
    assert not set(argv[0]) & set("'\"\\$"), "systemd takes no such program"
    ended = subprocess.run(argv, cwd=folder, env={"PATH": path}, capture_output=True, check=True, timeout=60)
    wanted = [str(folder), path, str(python), "-P", "-m", "dispatcher", "scan", "--quiet", "--", *WORDS]
    assert ended.stdout.decode().split("\0")[:-1] == wanted
    for unit in (service, timer):
        assert unit.startswith(f"# dispatcher scan: {folder}\n")
        assert not [line for line in unit.splitlines()[1:] if line.endswith("\\")], "a backslash joins lines"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="asks systemd")
@pytest.mark.parametrize("name", NASTY)
def test_systemd_has_nothing_to_say_against_the_units(
    run: Run, project: Path, tools: Tools, recorder: Callable[[str], Path], name: str
) -> None:
    (project / name).mkdir()
    run("init", str(project / name))
    recorder(name)
    run("--root", str(project / name / STATE), "schedule", "--systemd", "--install", "--", *WORDS)
    files = [str(tools.units / unit) for unit in tools.unit_files()]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tools.folder)}
    asked = ["systemd-analyze", "--user", "verify", *files]
    said = subprocess.run(asked, env=env, capture_output=True, text=True, check=False, timeout=60)
    # It also speaks of other units of the machine.
    assert not [line for line in (said.stdout + said.stderr).splitlines() if "dispatcher" in line]


@pytest.mark.usefixtures("root")
def test_the_line_reaches_this_program_and_the_project_s_state(run: Run, project: Path) -> None:
    (project / "typer.py").write_text("raise SystemExit('a module of the project got in the way')")
    _, line = run("schedule").out.splitlines()
    for_status = cron(line).removesuffix("scan --quiet") + "status"
    ended = sh(for_status, PYTHONPATH=str(Path(__file__).parents[2]))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode() == run("status").out


@pytest.mark.usefixtures("root")
def test_units_say_what_a_scan_s_exit_code_means_and_where_they_go(run: Run, tools: Tools) -> None:
    printed = printed_units(run("schedule", "--systemd"))
    names = [Path(path).name for path in printed]
    assert re.fullmatch(r"dispatcher-scan-[0-9a-f]{8}\.service", names[0])
    assert names[1] == names[0].replace(".service", ".timer")
    assert {Path(path).parent for path in printed} == {tools.units}
    service, timer = printed.values()
    assert setting(service, "Type") == "oneshot"
    assert setting(service, "SuccessExitStatus") == "1"
    assert setting(timer, "Persistent") == "true"
    assert setting(timer, "WantedBy") == "timers.target"


def test_units_go_to_the_home_folder_when_nothing_else_is_said(
    run: Run, root: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert root
    monkeypatch.setenv("HOME", str(project))
    for value in ("", "not/absolute"):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        first, _ = printed_units(run("schedule", "--systemd"))
        assert Path(first).parent == project / ".config" / "systemd" / "user"


def test_without_a_home_there_is_no_place_for_units(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert root
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "nowhere")
    for how in ((), ("--install",), ("--remove",)):
        refused(run("schedule", "--systemd", *how, code=None), 2, "HOME")


def test_a_root_elsewhere_is_named_and_the_scan_runs_here(
    run: Run, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("else where") / "state"
    run("--root", str(elsewhere), "init")
    marker, line = run("--root", str(elsewhere), "schedule").out.splitlines()
    assert marker == f"# dispatcher scan: {project}"
    assert line.endswith(f" -m dispatcher --root '{elsewhere}' scan --quiet")


def test_one_project_has_one_name_however_one_gets_there(run: Run, root: Path, project: Path) -> None:
    plain = run("schedule").out
    (project / "link").symlink_to(project)
    (project / "state").symlink_to(root)
    for way in (root, project / "link" / STATE, project / "INBOX" / ".." / STATE, project / "state"):
        assert run("--root", str(way), "schedule").out == plain


@pytest.mark.usefixtures("root")
def test_the_tests_python_is_found_now_and_named_in_full(
    run: Run, project: Path, recorder: Callable[[str], Path]
) -> None:
    python = recorder("my env")
    (project / "my env" / "link").symlink_to(python)
    assert run("schedule", "--python", "my env/link").out.endswith(f" scan --quiet --python '{python.parent}/link'\n")
    found = shutil.which("sh")
    assert run("schedule", "--python", "sh", "--", "-x").out.endswith(f" scan --quiet --python {found} -- -x\n")


@pytest.mark.usefixtures("root")
def test_each_folder_of_path_is_kept_once_and_nothing_else_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_CLAIM_LEASE", "60")
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/bin:/opt/x:/bin")
    assert " && PATH=/usr/bin:/bin:/opt/x /" in run("schedule").out
    assert "LEASE" not in run("schedule").out + run("schedule", "--systemd").out
    monkeypatch.delenv("PATH")
    assert f" PATH={os.defpath} " in run("schedule").out


@pytest.mark.usefixtures("root")
def test_a_line_too_long_for_many_crons_is_told_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ":".join(f"/opt/a-long-name-of-a-folder-{n}/bin" for n in range(40)))
    ran = run("schedule")
    assert ran.err.startswith("dispatcher: the command has 1,")
    assert len(ran.out.splitlines()) == 2
    assert run("schedule", "--systemd").err == ""


# The crontab


@pytest.mark.usefixtures("root")
def test_installing_appends_again_replaces_and_removing_leaves_what_was(run: Run, project: Path, tools: Tools) -> None:
    for others in (
        b"",
        b"# mine\nMAILTO=me\n\n5 4 * * * echo 50\\%\n",
        b"\r\n* * * * * x\xff\xe9\r\n\t\n",
        b"0 0 * * * no end",
    ):
        tools.table = others
        kept = others if others.endswith(b"\n") or not others else others + b"\n"
        assert run("schedule", "--install").out == "installed: every hour, in your crontab\n"
        hourly = run("schedule").out.encode()
        assert tools.table == kept + hourly
        assert run("schedule", "--install").out == "already installed: every hour, in your crontab\n"
        tools.table += b"9 9 * * * later\n"
        assert run("schedule", "--install", "--at", "06:00").out == "replaced: every day at 06:00, in your crontab\n"
        assert tools.table == kept + run("schedule", "--at", "06:00").out.encode() + b"9 9 * * * later\n"
        assert run("schedule", "--remove").out == "removed from your crontab\n"
        assert tools.table == kept + b"9 9 * * * later\n"
        gone = run("schedule", "--remove")
        assert gone.out == f"nothing to remove: no scan of {project} in your crontab\n"


@pytest.mark.usefixtures("root")
def test_the_first_crontab_of_a_user_is_no_error(run: Run, tools: Tools) -> None:
    assert run("schedule", "--remove").out.startswith("nothing to remove")
    assert not (tools.folder / "table").exists()
    run("schedule", "--install")
    assert tools.table == run("schedule").out.encode()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["b", *NASTY])
def test_only_lines_of_this_project_are_touched(run: Run, project: Path, tools: Tools, name: str) -> None:
    inner = project / name
    inner.mkdir()
    run("--root", str(inner / STATE), "init")
    run("schedule", "--install")
    run("--root", str(inner / STATE), "schedule", "--install", "--every", "1d")
    run("--root", str(inner / STATE), "schedule", "--install")
    outer, both = run("schedule").out.encode(), tools.table
    assert both.startswith(outer)
    assert both.count(b"# dispatcher scan: ") == 2
    run("--root", str(inner / STATE), "schedule", "--remove")
    assert tools.table == outer


@pytest.mark.usefixtures("root")
def test_a_marker_whose_line_is_gone_or_doubled_is_tidied_without_harm(run: Run, tools: Tools) -> None:
    ours = run("schedule").out.encode()
    marker = ours.splitlines(keepends=True)[0]
    other = b"0 5 * * * backup everything\n"
    for table, wanted in (
        (marker + other, ours + other), (other + marker.rstrip(), other + ours), (ours + other + ours, ours + other),
        (ours.rstrip(), ours), (b"# was: " + marker + other, b"# was: " + marker + other + ours),
    ):  # fmt: skip
        tools.table = table
        run("schedule", "--install")
        assert tools.table == wanted
        run("schedule", "--remove")
        assert tools.table == wanted.replace(ours, b"")


@pytest.mark.usefixtures("root")
def test_a_line_that_somebody_changed_by_hand_is_still_ours(run: Run, tools: Tools) -> None:
    ours = run("schedule").out.encode()
    tools.table = ours.replace(b"\n0 * * * * cd", b"\n#17 3 * * 1 nice cd")
    assert run("schedule", "--install").out.startswith("replaced: ")
    assert tools.table == ours


@pytest.mark.usefixtures("root")
def test_a_crontab_that_does_not_do_as_told_is_one_line(
    run: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.set("broken-l", "you (somebody) are not allowed to use this program (crontab)\nsee crontab(1)\n")
    for how in ("--install", "--remove"):
        refused(run("schedule", how, code=None), 8, "crontab: you (somebody) are not allowed")
    (tools.folder / "broken-l").unlink()
    tools.set("broken-", '"-":2: bad minute\nerrors in crontab file, can\'t install.\n')
    refused(run("schedule", "--install", code=None), 8, 'crontab: "-":2: bad minute')
    tools.set("broken-", "")
    refused(run("schedule", "--install", code=None), 8, "exit code 1")
    (tools.folder / "broken-").unlink()
    tools.set("deaf")
    refused(run("schedule", "--install", code=None), 8, "shows something else")
    tools.table = run("schedule").out.encode()
    refused(run("schedule", "--remove", code=None), 8, "shows something else")
    (tools.folder / "deaf").unlink()
    tools.table = b"0 0 * * * other\n"
    tools.set("forgetful")
    refused(run("schedule", "--install", code=None), 8, "shows something else")
    (tools.folder / "crontab").chmod(0o644)
    monkeypatch.setenv("PATH", str(tools.folder))
    refused(run("schedule", "--install", code=None), 8, "crontab: permission denied")


@pytest.mark.usefixtures("root")
def test_a_crontab_that_hangs_is_given_up(run: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.schedule.program._SECONDS", 0.2)
    tools.set("hung")
    refused(run("schedule", "--install", code=None), 8, "crontab: did not end within 0.2 seconds")


@pytest.mark.usefixtures("root")
def test_without_such_a_program_another_way_is_named(
    run: Run, project: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))
    for how in ("--install", "--remove"):
        refused(run("schedule", how, code=None), 8, "crontab: there is no such program", "--systemd")
    refused(run("schedule", "--systemd", "--install", code=None), 8, "systemctl: there is no", "leave --systemd out")
    assert tools.unit_files() == {}


# systemd


@pytest.mark.usefixtures("root")
def test_units_are_written_started_replaced_and_removed(run: Run, tools: Tools) -> None:
    printed = printed_units(run("schedule", "--systemd"))
    timer = Path(list(printed)[1]).name
    told = ["daemon-reload", f"enable --now {timer}"]
    assert run("schedule", "--systemd", "--install").out == f"installed: every hour, {timer}\n"
    assert tools.calls() == told
    written = [text.rstrip() for text in tools.unit_files().values()]
    assert written == [text.rstrip() for text in printed.values()]
    assert (tools.folder / f"on-{timer}").exists()
    assert run("schedule", "--systemd", "--install").out == f"already installed: every hour, {timer}\n"
    assert tools.calls() == told, "it may have been stopped by hand"
    assert run("schedule", "--systemd", "--install", "--every", "2h").out == f"replaced: every 2 hours, {timer}\n"
    assert tools.calls() == told
    assert "00/2:00:00" in tools.unit_files()[timer]
    assert run("schedule", "--systemd", "--remove").out == f"removed from {tools.units}\n"
    assert tools.calls() == [f"disable --now {timer}", "daemon-reload"]
    assert tools.unit_files() == {}
    assert not (tools.folder / f"on-{timer}").exists()
    assert run("schedule", "--systemd", "--remove").out.startswith("nothing to remove: ")
    assert tools.calls() == []


@pytest.mark.usefixtures("root")
def test_when_systemctl_fails_the_units_are_as_they_were(run: Run, tools: Tools) -> None:
    for verb in ("daemon-reload", "enable"):
        tools.set(f"broken-{verb}", "Failed to connect to bus: No medium found\nmore\n")
        refused(run("schedule", "--systemd", "--install", code=None), 8, "systemctl: Failed to connect to bus")
        assert tools.unit_files() == {}
        (tools.folder / f"broken-{verb}").unlink()
    run("schedule", "--systemd", "--install")
    before = tools.unit_files()
    for verb, argv in (
        ("daemon-reload", ("--install", "--every", "2h")), ("enable", ("--install", "--every", "2h")),
        ("disable", ("--remove",)),
    ):  # fmt: skip
        tools.set(f"broken-{verb}", "no\n")
        refused(run("schedule", "--systemd", *argv, code=None), 8, "systemctl: no")
        assert tools.unit_files() == before
        (tools.folder / f"broken-{verb}").unlink()


@pytest.mark.usefixtures("root")
def test_a_unit_that_cannot_be_written_is_one_line_and_leaves_no_other(run: Run, tools: Tools) -> None:
    names = [Path(path).name for path in printed_units(run("schedule", "--systemd"))]
    (tools.units / names[1]).mkdir(parents=True)
    refused(run("schedule", "--systemd", "--install", code=None), 8, names[1], "is a directory")
    assert [path.name for path in tools.units.iterdir()] == [names[1]]
    shutil.rmtree(tools.units)
    tools.units.parent.mkdir(exist_ok=True)
    tools.units.write_text("in the way")
    refused(run("schedule", "--systemd", "--install", code=None), 8, str(tools.units))


@pytest.mark.usefixtures("root")
def test_half_of_the_units_is_removed_too(run: Run, tools: Tools) -> None:
    run("schedule", "--systemd", "--install")
    timer = list(tools.unit_files())[1]
    (tools.units / timer).unlink()
    tools.calls()
    run("schedule", "--systemd", "--remove")
    assert tools.unit_files() == {}
    assert tools.calls() == ["daemon-reload"], "systemctl knows no timer without its file"
