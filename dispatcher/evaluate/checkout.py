"""A working copy of our own, which shares the objects of the user's repository; it can be thrown away."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from dispatcher.evaluate.git import GitFailed, git
from dispatcher.evaluate.history import Changed
from dispatcher.evaluate.repository import Repository


class Checkout:
    """A working copy at `path`, the project in it at `project`.

    It is no worktree of the repository, in which nothing is written: it only knows where the objects are. Its settings
    are put back before each use, as tests may change them; one that git cannot use any more is made anew.
    """

    def __init__(self, repository: Repository, path: Path, *, anew: bool) -> None:
        self.path = path
        self.project = path / repository.prefix
        self._repository = repository
        self._settings = path.with_name(f"{path.name}.config")
        if anew or not self._settings.is_file() or not (path / ".git").is_dir():
            self._make()

    def at(self, commit: str) -> None:
        """Make the working copy that of a commit, and nothing else. Raises GitFailed."""
        self._whatever_happens(lambda: self._go(commit))

    def before(self, changed: Changed) -> None:
        """Make the working copy that of a commit's parent, but with the tests of the commit. Raises GitFailed."""
        self._whatever_happens(lambda: self._go_before(changed))

    def _whatever_happens(self, go: Callable[[], None]) -> None:
        try:
            go()
        except (GitFailed, OSError):  # tests may leave anything behind
            self._make()
            try:
                go()
            except OSError as error:
                raise GitFailed(f"{error.filename}: {(error.strerror or str(error)).lower()}") from error

    def _go(self, commit: str) -> None:
        (self.path / ".git" / "index.lock").unlink(missing_ok=True)  # of a command that was killed
        shutil.copyfile(self._settings, self.path / ".git" / "config")
        git(self.path, "checkout", "--quiet", "--force", "--detach", commit)
        git(self.path, "clean", "-ffdxq")

    def _go_before(self, changed: Changed) -> None:
        self._go(changed.parent)
        there = [self._repository.prefix + file.path for file in changed.tests if file.stays]
        if there:
            data = b"\0".join(map(os.fsencode, there))
            git(
                self.path, "checkout", "--quiet", changed.commit, "--pathspec-from-file=-", "--pathspec-file-nul",
                data=data,
            )  # fmt: skip
        for file in changed.tests:
            if not file.stays:
                with contextlib.suppress(OSError):  # a submodule's folder
                    (self.project / file.path).unlink()
        self.project.mkdir(parents=True, exist_ok=True)

    def _make(self) -> None:
        """Make an empty one. What is there goes first, by its name: what still runs in it does not disturb the new one."""
        aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.gone")
        self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if os.path.lexists(self.path):
            self.path.rename(aside)
        for left in self.path.parent.glob(f"{self.path.name}.*.gone"):
            remove(left)
        made = self._repository
        git(self.path.parent, "init", "--quiet", "--template=", f"--object-format={made.format}", str(self.path))
        home = self.path / ".git"
        (home / "objects" / "info").mkdir(exist_ok=True)
        (home / "objects" / "info" / "alternates").write_bytes(os.fsencode(made.objects) + b"\n")
        if made.shallow:
            shutil.copyfile(made.shallow, home / "shallow")
        shutil.copyfile(home / "config", self._settings)


def remove(folder: Path) -> None:
    """Remove a folder as far as that is possible, folders that tests have made unreadable too."""

    def open_up(_function: object, path: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            for each in (os.path.dirname(path), path):
                if not os.path.islink(each):
                    os.chmod(each, stat.S_IRWXU)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    shutil.rmtree(folder, onerror=open_up)
