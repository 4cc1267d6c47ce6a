"""Which files of a project belong to its tests, by the names that pytest and people use."""

from __future__ import annotations

import re

_FILE = re.compile(r"(?:^|/)(?:conftest|test_[^/]*|[^/]*_test|tests)\.py$")
_FOLDER = re.compile(r"(?:^|/)(?:tests?|testing)/")


def is_test_code(relative: str) -> bool:
    """Tell whether a file of the project, named relative to it, belongs to its tests."""
    return bool(_FILE.search(relative) or _FOLDER.search(relative))
