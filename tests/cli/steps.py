"""What most tests of commands do first, in words; and what a refusal must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import Ran, Run

STATE = Path("INBOX", "agents", "Local Models")


def add(run: Run, title: str, *options: str) -> str:
    """Add a task and return its id."""
    return run("add", title, *options).out.strip()


def claim(run: Run, *options: str, agent: str = "me") -> str:
    """Claim a task and return the claim's token."""
    token: str = run("claim", "--agent", agent, "--json", *options).json["claims"][0]["token"]
    return token


def close(run: Run, title: str) -> str:
    """Add a task, claim it, complete it, and return its id."""
    task_id = add(run, title)
    run("complete", claim(run, task_id))
    return task_id


def task(run: Run, task_id: str) -> dict[str, Any]:
    """Return a whole task."""
    document: dict[str, Any] = run("show", task_id, "--json").json
    return document


def listed(run: Run, *options: str) -> list[str]:
    """Return the ids that `list` shows, in its order."""
    return [row["id"] for row in run("list", "--json", *options).json["tasks"]]


def folder_of(root: Path, task_id: str) -> str:
    """Return the one task folder that has the task's file."""
    (found,) = [folder.name for folder in root.glob("*_TASKS") if (folder / f"{task_id}.json").is_file()]
    return found


def refused(ran: Ran, code: int, *words: str) -> None:
    """Check that a command ended with `code` and one line of error, which holds `words`."""
    assert ran.code == code, ran
    assert ran.out == "", ran
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran
    assert ran.err.endswith(errors[0] + "\n"), ran
    for word in words:
        assert word in errors[0], (word, errors[0])
    assert "a bug" not in errors[0]


def bytes_of(root: Path, *, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return every file under the root by its path, without those whose path begins with one of `but`."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith(but)}
