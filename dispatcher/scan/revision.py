"""Which commit of the project is checked out."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 5.0


def current(project: Path) -> str | None:
    """Return the commit's hash, or None when there is none to be had: no repository, no git, no commit yet."""
    try:
        ended = subprocess.run(
            ["git", "-C", str(project), "rev-parse", "--verify", "--quiet", "HEAD"],  # noqa: S607 - the user's own git
            capture_output=True, text=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() or None if ended.returncode == 0 else None
