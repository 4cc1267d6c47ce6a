"""What is scheduled, whatever it is called, comes out of cron, sh and systemd's quoting as it went in."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.schedule import cron, job, timer
from dispatcher.text import clean_line
from tests.property.world import examples

# More often than chance would have it: what cron, sh or systemd read as more than letters.
PIECE = st.sampled_from(
    ["\\", "\\\\", "%", "\\%", "%%", "'", '"', "$", "$$", "${x}", "`", ";", "#", " ", "~", "=", "-", "a"]
)
WORD = st.lists(PIECE | st.characters(exclude_categories=["Cs", "Cc"]).filter(lambda c: clean_line(c) == c)).map(
    "".join
)
PRINTF = shutil.which("printf") or "/usr/bin/printf"


def planned(*argv: str) -> job.Job:
    return job.job(job.every("1h"), Path("/"), "/usr/bin", argv)


def cron_says(command: str, *, pairs: bool) -> str:
    """Return what reaches sh, read letter by letter as cron does; with `pairs` two backslashes are one."""
    out: list[str] = []
    escaped = False
    for char in command:
        if escaped and (char == "%" or (pairs and char == "\\")):
            out[-1] = char
        else:
            assert escaped or char != "%", "cron would end the command here"
            out.append(char)
        escaped = char == "\\" and not escaped
    return "".join(out)


@examples(150)
@given(st.lists(WORD, min_size=1, max_size=6))
def test_words_come_through_cron_and_a_real_shell(words: list[str]) -> None:
    command = cron.command(planned(PRINTF, "%s\\0", *words))
    for reaching in {cron_says(command, pairs=False), cron_says(command, pairs=True), command}:
        ended = subprocess.run(["/bin/sh", "-c", reaching], capture_output=True, check=True, timeout=60)
        assert ended.stdout.decode().split("\0")[:-1] == words


@examples(300)
@given(st.lists(WORD, max_size=6))
def test_words_come_through_systemd_s_quoting(words: list[str]) -> None:
    service, _ = timer.units(planned("/bin/x", *words)).values()
    (line,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    given = shlex.split(line)
    assert not [word for word in given if set(re.sub(r"%%|\$\$", "", word)) & set("%$")]
    assert [word.replace("%%", "%").replace("$$", "$") for word in given] == ["/bin/x", *words]
