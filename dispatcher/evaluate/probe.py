"""Run by the tests' own interpreter: which pytest it has, what is installed, and where it takes modules from.

Standard library only, Python 3.8 and later; nothing of the project is imported. Reads JSON from the standard input: a
list of lists of modules' dotted names. Prints JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types

INSTALLED = (".dist-info", ".egg-info", ".egg-link")
"""What tells by its name which version of a package is installed."""


def origin(dotted: str) -> str | None:
    """Return the file that a module would be loaded from, None if there is none; packages around it are not loaded."""
    path = None
    parts = dotted.split(".")
    for n in range(len(parts)):
        name = ".".join(parts[: n + 1])
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((each for each in found if each is not None), None)
        if spec is None:
            return None
        if spec.submodule_search_locations is None or n == len(parts) - 1:
            return spec.origin
        path = list(spec.submodule_search_locations)
        package = types.ModuleType(name)  # in place of the real one: what is inside a namespace is found by it
        package.__path__ = path
        sys.modules.setdefault(name, package)
    return None


def main() -> None:
    """Print what was asked for."""
    asked = json.load(sys.stdin)
    sys.path.pop(0)  # the working directory, or wherever this file lies
    told: dict[str, object] = {"origins": [[origin(name) for name in names] for names in asked]}
    if not asked:
        told.update(environment())
    sys.stdout.write("\n" + json.dumps(told) + "\n")


def environment() -> dict[str, object]:
    """Return why pytest cannot be run, None if it can, and what is installed."""
    why = None
    try:
        pytest = importlib.import_module("pytest")
        if int(pytest.__version__.split(".")[0]) < 7:
            why = "pytest " + pytest.__version__ + " is too old"
    except ImportError as error:
        why = str(error)
    folders = [folder for folder in sys.path if os.path.isdir(folder)]
    installed = sorted(name for folder in folders for name in os.listdir(folder) if name.endswith(INSTALLED))
    return {"no_pytest": why, "installed": [sys.version, *installed]}


if __name__ == "__main__":
    main()
