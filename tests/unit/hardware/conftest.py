"""The same examples of properties in every run, as in the folder of those tests."""

from __future__ import annotations

import tests.property.conftest  # noqa: F401 - to import it loads the profile
