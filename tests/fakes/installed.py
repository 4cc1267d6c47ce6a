"""What Ollama would tell of a model whose GGUF file is here."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from dispatcher.llm import gguf

_LONGEST_SHOWN = 5
"""Arrays with more elements come empty unless asked for (getModelData in server/routes.go)."""

TEMPLATE = """{{- range $i, $_ := .Messages }}<start_of_turn>{{ if eq .Role "assistant" }}model{{ else }}user{{ end }}
{{ .Content }}<end_of_turn>
{{ end }}<start_of_turn>model
"""


class Installed:
    """A model, by its name and its file."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.details = {"format": "gguf", "family": self._architecture, "quantization_level": "Q4_K_M"}

    @cached_property
    def digest(self) -> str:
        """The file's digest, as Ollama's store names it. Of the header only: reading weights takes a second."""
        return gguf.digest(self.path, self._header)

    def listed(self) -> dict[str, Any]:
        """Return the model as /api/tags lists it."""
        told = {"name": self.name, "model": self.name, "digest": self.digest, "size": self.path.stat().st_size}
        return told | {"modified_at": "2026-11-21T10:00:00Z", "details": self.details}

    def shown(self, *, verbose: bool) -> dict[str, Any]:
        """Return the answer of /api/show."""
        header = self._whole if verbose else self._header
        info = {key: _short(value, verbose=verbose) for key, value in header.metadata.items()}
        info |= {key: [] for key in header.lengths if key not in info}
        info["general.parameter_count"] = sum(gguf.elements(tensor.shape) for tensor in header.tensors)
        tensors = [{"name": t.name, "type": t.type.upper(), "shape": list(t.shape)} for t in header.tensors]
        more = {"details": self.details, "capabilities": ["completion"], "template": TEMPLATE}
        return {"modelfile": f"FROM {self.path}", "model_info": info, "tensors": tensors} | more

    @cached_property
    def _header(self) -> gguf.Header:
        return gguf.read(self.path)

    @cached_property
    def _whole(self) -> gguf.Header:
        return gguf.read(self.path, self._header.lengths)

    @property
    def _architecture(self) -> str:
        return str(self._header.metadata["general.architecture"])


def _short(value: gguf.Value, *, verbose: bool) -> gguf.Value:
    return [] if isinstance(value, list) and len(value) > _LONGEST_SHOWN and not verbose else value
