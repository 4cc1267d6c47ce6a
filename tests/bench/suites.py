"""Test suites of real packages, prepared in a cache folder, and how a scan of each compares with plain pytest.

Run by scripts/suites, which prints a table. A package is its source distribution, unpacked twice: `pristine`
stays as it came, `tree` is installed editable into an environment of the package's own, and is what is
scanned. Nothing of it is written into this repository. What is prepared is kept.
"""

from __future__ import annotations

import argparse
import fcntl
import filecmp
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

import orjson

from tests.cli.compare import Compared, compare
from tests.cli.processes import environment

CACHE = Path("~/.cache/dispatcher-suites")
_PYENV = Path("~/.pyenv/versions")


class Suite(NamedTuple):
    """A package whose tests are run: which version of it, with which Python, and what its tests need."""

    name: str
    version: str
    python: str
    style: str
    needs: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """How the suite is called here: one package may be declared for two Pythons."""
        return f"{self.name}-{self.version}-py{self.python}"


# Old releases on newer Pythons or with newer dependencies fail as they do in real life; pins keep them doing so.
_NEW, _OLD = "pytest==9.0.2", "pytest==7.4.4"
SUITES = (
    Suite("more-itertools", "8.14.0", "3.11", "unittest", (_NEW,)),
    Suite("jinja2", "2.11.3", "3.10", "plain, src", (_OLD, "markupsafe==2.0.1")),
    Suite("werkzeug", "0.16.1", "3.11", "plain, src; some warnings come when garbage is collected", (_OLD, "requests==2.32.3")),
    Suite("attrs", "22.2.0", "3.13", "plain, src", (_NEW, "hypothesis==6.100.0", "cloudpickle==3.0.0")),
    Suite("sqlparse", "0.3.1", "3.13", "plain", (_NEW,)),
    Suite("markdown", "3.2.2", "3.12", "unittest, none can be collected", (_NEW, "pyyaml==6.0.2")),
    Suite("markdown", "3.2.2", "3.9", "unittest", ("pytest==8.4.2", "pyyaml==6.0.2", "pygments==2.17.2")),
    Suite("boltons", "23.1.1", "3.13", "doctest", ("pytest==8.4.2",), ("--doctest-modules", "boltons", "tests")),
    Suite("packaging", "21.3", "3.12", "plain, parametrized", ("pytest==8.4.2", "pretend==1.0.9")),
    Suite("click", "7.1.2", "3.13", "plain, src", (_NEW,)),
    Suite("marshmallow", "3.0.0", "3.13", "plain, src", (_NEW, "setuptools==75.8.0", "pytz==2024.1", "simplejson==3.19.2", "python-dateutil==2.9.0")),
    Suite("asgiref", "3.7.2", "3.12", "asyncio", ("pytest==8.4.2", "pytest-asyncio==0.23.8")),
    Suite("toolz", "0.12.0", "3.13", "doctest", ("pytest==8.4.2", "setuptools==82.0.0"), ("--doctest-modules",)),
    Suite("itsdangerous", "2.1.2", "3.12", "plain, src", (_NEW, "freezegun==1.5.1")),
    Suite("cachetools", "5.3.0", "3.12", "unittest, src", (_NEW,)),
    Suite("pydash", "7.0.6", "3.11", "doctest, src", (_OLD, "pytest-cov==4.1.0", "invoke==2.2.0", "mock==5.1.0")),
    Suite("flask", "1.1.2", "3.9", "plain, src", (_OLD, "werkzeug==1.0.1", "jinja2==3.0.3", "itsdangerous==1.1.0", "click==7.1.2", "markupsafe==2.0.1", "blinker==1.6.2")),
    Suite("wtforms", "3.0.1", "3.12", "plain, src", (_NEW, "babel==2.14.0", "email-validator==2.1.0")),
    Suite("pyparsing", "3.0.9", "3.12", "unittest", (_NEW, "jinja2==3.1.4", "railroad-diagrams==3.0.1")),
    Suite("hyperlink", "21.0.0", "3.11", "unittest, src", (_NEW, "idna==3.7")),
    Suite("humanize", "4.4.0", "3.12", "plain, src", (_NEW, "freezegun==1.5.1")),
    Suite("simplejson", "3.19.2", "3.12", "unittest", (_NEW,)),
)  # fmt: skip


class Prepared(NamedTuple):
    """A suite that can be run. `used` is the version of the Python that was found."""

    suite: Suite
    folder: Path
    used: str

    @property
    def pristine(self) -> Path:
        """The package as it was fetched."""
        return self.folder / "pristine"

    @property
    def tree(self) -> Path:
        """The package as it is installed."""
        return self.folder / "tree"

    @property
    def python(self) -> str:
        """The Python of its environment."""
        return str(self.folder / "venv" / "bin" / "python")


def prepare(suite: Suite, cache: Path) -> Prepared:
    """Fetch and install a suite, unless that was done before."""
    folder = cache / suite.key
    marker = folder / "ready.json"
    if not marker.is_file() or orjson.loads(marker.read_bytes())["needs"] != list(suite.needs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made = Prepared(suite, folder, _make_environment(suite, folder))
        _unpack(made)
        _quietly(made.python, "-m", "pip", "install", *_PIP, "-e", str(made.tree), *suite.needs)
        marker.write_bytes(orjson.dumps({"needs": suite.needs, "used": made.used}))
    return Prepared(suite, folder, orjson.loads(marker.read_bytes())["used"])


def locked(made: Prepared) -> TextIO:
    """Take a suite's tree for oneself, until what is returned is closed, and undo what was changed there."""
    lock = (made.folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SystemExit(f"{made.suite.key} is in use by another process") from error
    for path in made.pristine.rglob("*.py"):  # faults of a process that was killed
        ours = made.tree / path.relative_to(made.pristine)
        if not ours.is_file() or not filecmp.cmp(path, ours, shallow=False):
            shutil.copy2(path, ours)
    return lock


_PIP = ("--quiet", "--disable-pip-version-check", "--no-input")


def _make_environment(suite: Suite, folder: Path) -> str:
    python = _interpreter(suite.python)
    _quietly(python, "-m", "venv", str(folder / "venv"))
    asked = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", asked], capture_output=True, check=True, text=True).stdout.strip()


def _interpreter(version: str) -> str:
    """Return a Python of the wanted version, or the running one when there is none."""
    for known in sorted(_PYENV.expanduser().glob(f"{version}.*"), reverse=True):
        if (known / "bin" / "python").is_file():
            return str(known / "bin" / "python")
    return shutil.which(f"python{version}") or sys.executable


def _unpack(made: Prepared) -> None:
    """Fetch the source distribution, and unpack it twice."""
    suite, fetched = made.suite, made.folder / "fetched"
    wanted = f"{suite.name}=={suite.version}"
    _quietly(
        made.python, "-m", "pip", "download", *_PIP, "--no-deps", "--no-binary", ":all:", "-d", str(fetched), wanted
    )
    (archive,) = [path for path in fetched.iterdir() if path.suffix in (".gz", ".bz2", ".zip")]
    with tarfile.open(archive) as tar:
        tar.extractall(fetched, filter="data")
    (unpacked,) = [path for path in fetched.iterdir() if path.is_dir()]
    unpacked.rename(made.pristine)
    shutil.copytree(made.pristine, made.tree)


def _quietly(*argv: str) -> None:
    """Run a program that has to succeed, in an environment without settings of ours."""
    env = environment()
    env.pop("PYTHONPATH")
    ended = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {ended.returncode}:\n{ended.stdout.decode()[-2000:]}")


def chosen(names: str | None) -> list[Suite]:
    """Return the suites that are called by a list of names with commas: of packages, or keys."""
    if names is None:
        return list(SUITES)
    wanted = names.split(",")
    unknown = [w for w in wanted if not any(w in (s.name, s.key) for s in SUITES)]
    if unknown:
        raise SystemExit(f"no such package: {', '.join(unknown)}; known: {', '.join(s.key for s in SUITES)}")
    return [suite for suite in SUITES if suite.name in wanted or suite.key in wanted]


_COLUMNS = ("package", "version", "Python", "style", "items", "failing", "in tasks", "tasks", "equal")


def row(made: Prepared, found: Compared) -> str:
    """Return a row of the table."""
    suite = made.suite
    missing = "" if made.used.startswith(f"{suite.python}.") else f" ({suite.python} is missing)"
    items = re.search(r"([\d,]+) tests? in ", found.summary)
    cells = (
        suite.name,
        suite.version,
        f"{made.used}{missing}",
        suite.style,
        items[1] if items else "?",
        len(found.reported),
        len(found.tasks),
        found.groups,
        "yes" if found.agree else "NO",
    )
    return _line(map(str, cells))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Prepare, scan and compare; print the table while it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are prepared and kept")
    parser.add_argument("--packages", help="only these, with commas between them")
    parser.add_argument("--only-prepare", action="store_true", help="scan nothing")
    given = parser.parse_args()
    cache = given.cache.expanduser().absolute()
    if not given.only_prepare:
        print(_line(_COLUMNS), _line("---" for _ in _COLUMNS), sep="\n", flush=True)
    agree = True
    for suite in chosen(given.packages):
        made = prepare(suite, cache)
        if given.only_prepare:
            print(f"{suite.key}: Python {made.used}", flush=True)
            continue
        arguments = ("-p", "no:cacheprovider", *suite.arguments)
        with locked(made):
            found = compare(made.tree, made.python, arguments)
        agree = agree and found.agree
        print(row(made, found), flush=True)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
