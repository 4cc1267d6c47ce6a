"""The one error of rendering."""

from __future__ import annotations

from dispatcher.errors import DispatcherError, ExitCode


class Unrenderable(DispatcherError):
    """the chat template cannot be rendered here: {problem}"""

    exit_code = ExitCode.MODEL
