"""What runs the tests, and whose code they test: that of our checkout, or one installed from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.errors import TestsNotRun

_PROBE = Path(__file__).with_name("probe.py")
_SECONDS = 60.0
_INSTALLED = "-packages" + os.sep


class Name(NamedTuple):
    """A way to call a file: a folder on the path, relative to the project, and a module's dotted name below it."""

    root: str
    dotted: str


class Python(NamedTuple):
    """An interpreter, and what is installed for it."""

    path: str
    installed: tuple[str, ...]


def found(python: str, project: Path) -> Python:
    """Return an interpreter that can run tests. Raises TestsNotRun."""
    told = _asked(python, project, (), [])
    if told["no_pytest"] is not None:
        raise TestsNotRun(problem=f"{python} cannot run pytest ({told['no_pytest']}); name another with --python")
    return Python(python, tuple(told["installed"]))


class Source:
    """The source in a checkout, of which the user's own copy at `worktree` may be installed too."""

    def __init__(self, project: Path, python: str, worktree: Path | None) -> None:
        self._project, self._python = project, python
        self._worktree = None if worktree is None else str(worktree) + os.sep

    def paths(self, files: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
        """Return folders that have to come first on the path for some files to be those that are tested.

        And the file that would be tested instead even so, None if there is none. Raises TestsNotRun.
        """
        usual = [str(self._project / "src"), str(self._project)]
        names = [list(_names(self._project, path)) for path in files if (self._project / path).is_file()]
        wrong = self._wrong(usual, names)
        if wrong:
            usual = [*(str(self._project / root) for root, _ in wrong), *usual]
            wrong = self._wrong(usual, names)
        return tuple(dict.fromkeys(usual)), wrong[0][1] if wrong else None

    def _wrong(self, paths: Sequence[str], names: Sequence[list[Name]]) -> list[tuple[str, str]]:
        """Return the root of each file that would be taken from elsewhere, with that other place."""
        asked = [[name.dotted for name in each] for each in names]
        origins = _asked(self._python, self._project, paths, asked)["origins"] if asked else []
        wrong = []
        for each, told in zip(names, origins, strict=True):
            others = [(name.root, origin) for name, origin in zip(each, told, strict=True) if self._is_copy(origin)]
            wrong += others[:1]
        return wrong

    def _is_copy(self, origin: str | None) -> bool:
        if origin is None:
            return False
        real = os.path.realpath(origin)
        inside = self._worktree is not None and real.startswith(self._worktree)
        return (inside or _INSTALLED in real) and not real.startswith(os.path.realpath(self._project) + os.sep)


def _names(project: Path, path: str) -> Iterator[Name]:
    """Yield the ways in which a file may be called: by the package it is in, from `src`, from the project's folder."""
    *folders, file = path.removesuffix(".py").split("/")
    depth = len(folders)
    while depth and (project / Path(*folders[:depth]) / "__init__.py").is_file():
        depth -= 1
    for root in dict.fromkeys((depth, 1 if folders[:1] == ["src"] else 0, 0)):
        parts = [*folders[root:], *([file] if file != "__init__" else [])]
        if parts and all(part.isidentifier() for part in parts):
            yield Name("/".join(folders[:root]), ".".join(parts))


def _asked(python: str, project: Path, paths: Sequence[str], names: Sequence[Sequence[str]]) -> dict[str, Any]:
    given = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *given])} if paths else dict(os.environ)
    try:
        ended = subprocess.run(
            [python, "-c", _PROBE.read_text("utf-8")], cwd=project, env=environ, input=json.dumps(names).encode(),
            capture_output=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
        return dict(json.loads(ended.stdout.splitlines()[-1]))
    except (OSError, subprocess.TimeoutExpired) as error:
        said = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it does not answer"
        raise TestsNotRun(problem=f"{python} cannot be started: {said}") from error
    except (ValueError, IndexError) as error:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {ended.returncode}"]
        raise TestsNotRun(problem=f"{python} is no Python that runs: {last[0]}") from error
