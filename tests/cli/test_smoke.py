from pathlib import Path

from tests.support import Run


def test_a_task_goes_from_add_to_completed(run: Run, root: Path) -> None:
    task_id = run("add", "parse() loses the last line").out.strip()
    claimed = run("claim", "--agent", "me")
    assert f"claim: {task_id}@1" in claimed.out
    done = run("complete", "--claim", f"{task_id}@1")
    assert "unverified: made by hand" in done.out
    assert (root / "COMPLETED_TASKS" / f"{task_id}.json").is_file()
    assert not list((root / "ACTIVE_TASKS").iterdir())
