"""Ollama with a model that takes memory as our formulas have it, on a CPU."""

from __future__ import annotations

from typing import Any

from dispatcher.llm.facts import from_show
from dispatcher.llm.footprint import Setup, told_bytes
from tests.fakes import scripted
from tests.fakes.ollama import FakeOllama

GIB = 1 << 30
MODEL, OTHER, CLOUD = "tiny:1b", "embed:latest", "big:671b-cloud"
LAYERS, HEADS, KV_HEADS, LENGTH, WIDTH = 16, 32, 8, 64, 2048


def shown(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return what /api/show tells of a model of 1.2 GB whose cache takes 32 KiB a token in f16."""
    info = {
        "general.architecture": "llama",
        "general.parameter_count": 1_235_814_432,
        "llama.context_length": 131_072,
        "llama.block_count": LAYERS,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": 8192,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.key_length": LENGTH,
        "llama.attention.value_length": LENGTH,
        "llama.vocab_size": 128_256,
    } | more
    tensors = [
        {"name": "token_embd.weight", "type": "Q8_0", "shape": [WIDTH, 128_256]},
        {"name": "blk.0.ffn_up.weight", "type": "Q8_0", "shape": [WIDTH, 450_000]},
    ]
    return {
        "model_info": info,
        "details": {"quantization_level": "Q8_0"},
        "tensors": tensors,
        "capabilities": ["completion"],
    }


FACTS = from_show(MODEL, shown(), "aa" * 32)


class SizedOllama(FakeOllama):
    """The server, with one type of cache; `window` is what is loaded, 0 for nothing."""

    def __init__(self, kv_type: Any = "f16", version: str = "0.33.1") -> None:  # noqa: ANN401 - one of KvType
        super().__init__(version)
        self.window = 0
        self.how = Setup(kv_type=kv_type, gpus=0, version=tuple(int(part) for part in version.split(".")))
        models = [
            {"name": MODEL, "digest": "aa" * 32, "size": GIB},
            {"name": OTHER, "digest": "bb" * 32, "size": 1},
            {"name": CLOUD, "digest": "cc" * 32, "remote_host": "https://ollama.com:443"},
        ]
        self.script("/api/tags", scripted.says(200, {"models": models}))
        self.script("/api/ps", self._told)
        self.script("/api/show", self._facts)
        self.script("/api/chat", self._load)

    def _told(self, call: scripted.Call) -> None:
        held = {"name": MODEL, "digest": "aa" * 32, "size_vram": 0, "context_length": self.window}
        size = told_bytes(FACTS, self.window, self.how) if self.window else 0
        scripted.says(200, {"models": [held | {"size": size}] if self.window else []})(call)

    def _facts(self, call: scripted.Call) -> None:
        absurd = shown(**{"llama.block_count": "many"})
        scripted.says(200, shown() if call.asked.body["model"] == MODEL else absurd)(call)

    def _load(self, call: scripted.Call) -> None:
        body = call.asked.body
        self.window = 0 if body.get("keep_alive") == 0 else body["options"]["num_ctx"]
        scripted.says(200, {"model": MODEL, "message": {"role": "assistant", "content": ""}, "done": True})(call)
