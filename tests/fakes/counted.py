"""Ollama with a tiny vocabulary that it counts with itself: slowly, by other code than ours."""

from __future__ import annotations

from typing import Any

from dispatcher.llm.vocabulary import of_metadata
from tests.fakes.scripted import Call, says, streams
from tests.fakes.sized import MODEL, SizedOllama, shown
from tests.unit.llm import slow_counting

TEMPLATE = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"


def chatml(messages: list[dict[str, Any]]) -> str:
    """Return the prompt that TEMPLATE stands for."""
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return f"{turns}<|im_start|>assistant\n"


class CountedOllama(SizedOllama):
    """The server. `kind`: how it names its vocabulary's rules; `off`: by how many tokens its counts differ.

    `cuts`: it drops what does not fit into half of its window, and tells nobody. `verbose` counts how often the
    vocabulary was asked for.
    """

    def __init__(self, kind: str = "qwen2", *, off: int = 0, cuts: bool = False, template: str = TEMPLATE) -> None:
        super().__init__()
        self.off, self.cuts, self.verbose = off, cuts, 0
        self._template = template
        self._metadata = slow_counting.in_bytes()
        self._vocabulary = of_metadata(self._metadata)
        self._metadata["tokenizer.ggml.pre"] = kind
        self.script("/api/show", self._tell)
        self.script("/api/chat", self.read)

    def count(self, text: str, *, rendered: bool = False) -> int:
        """Return how many tokens a text is."""
        return slow_counting.count(self._vocabulary, text, rendered=rendered)

    def _tell(self, call: Call) -> None:
        body = call.asked.body
        told = shown(**(self._metadata if body.get("verbose") else {}))
        self.verbose += bool(body.get("verbose"))
        says(200, told | {"template": self._template, "modelfile": "FROM tiny"})(call)

    def read(self, call: Call) -> None:
        """Answer a request to /api/chat."""
        body = call.asked.body
        window = body["options"]["num_ctx"]
        read = self.count(chatml(body["messages"]), rendered=True) + self.off
        if self.cuts:
            read = min(read, window // 2)
        answer = {
            "model": MODEL,
            "message": {"role": "assistant", "content": "x"},
            "done": True,
            "done_reason": "length",
        }
        streams(answer | {"prompt_eval_count": read, "eval_count": 1})(call)
