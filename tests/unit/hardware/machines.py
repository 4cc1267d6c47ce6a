"""Machines for the tests: captured outputs, tools that print them, trees of files, and a recorded NVML."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dispatcher.hardware.device import HostMemory

DATA = Path(__file__).parents[2] / "data" / "hardware"
GIB = 1 << 30
HOST = HostMemory(64 * GIB, 48 * GIB)


def captured(name: str) -> bytes:
    """An output as the tool printed it; the first line of each file only says where it is from."""
    first, _, rest = (DATA / f"{name}.txt").read_bytes().partition(b"\n")
    assert first.startswith(b"# "), name
    return rest


def tool(folder: Path, name: str, script: str) -> str:
    """Put a tool into a folder; return the folder as a search path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(folder)


def printing(outputs: Mapping[str, str]) -> str:
    """A script that prints captured outputs, chosen by its first argument; "" is for any other."""
    cases = "".join(f"  {key or '*'}) cat {shlex.quote(str(DATA / name))}.txt;;\n" for key, name in outputs.items())
    return f'case "$1" in\n{cases}esac'


def tree(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a root."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def card(number: int, vram: tuple[int, int], gtt: tuple[int, int], *, revision: int = 1) -> dict[str, str | bytes]:
    """The files of an AMD card in /sys; the revision is that of its metrics table."""
    files: dict[str, str | bytes] = {
        "vendor": "0x1002\n",
        "device": "0x744c\n",
        "uevent": f"DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:{number:02X}:00.0\n",
        "gpu_metrics": bytes([0x78, 0, revision, 3]) + bytes(116),
        "mem_info_vram_total": f"{vram[0]}\n",
        "mem_info_vram_used": f"{vram[1]}\n",
        "mem_info_gtt_total": f"{gtt[0]}\n",
        "mem_info_gtt_used": f"{gtt[1]}\n",
    }
    return {f"class/drm/card{number}/device/{name}": content for name, content in files.items()}


class NVMLError(Exception):
    """As pynvml's: the names of its subclasses tell what is wrong."""


def error(name: str, text: str) -> NVMLError:
    named: type[NVMLError] = type(f"NVMLError_{name}", (NVMLError,), {})
    return named(text)


NOT_SUPPORTED = error("NotSupported", "Not Supported")
LOST = error("GpuIsLost", "GPU is lost")


class RecordedNvml:
    """NVML's answers by call and handle, replayed; an error among them is raised."""

    NVMLError: type[Exception] = NVMLError
    nvmlMemory_v2 = 0x02000028  # noqa: N815 - as in pynvml

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:  # noqa: ANN401 - any of NVML's
            self.calls.append(name)
            return self._answer(name, arguments)

        return call

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        answer = self.answers.get(name, NOT_SUPPORTED)
        if isinstance(answer, dict):
            answer = answer.get(arguments if len(arguments) > 1 else arguments[0], NOT_SUPPORTED)
        if isinstance(answer, Exception):
            raise answer
        return answer


def memory(total: int, free: int, used: int) -> SimpleNamespace:
    return SimpleNamespace(total=total, free=free, used=used)


def process(pid: int, used: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)
