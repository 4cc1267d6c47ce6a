"""Turn failing tests into task files that small local models can fix."""

__version__ = "0.1.0"
