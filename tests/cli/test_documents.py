"""What the documents promise to scripts is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import orjson
import pytest

from dispatcher.errors import ExitCode
from tests.cli.steps import add, claim, close
from tests.fakes.sized import SizedOllama
from tests.support import FakeClock, Run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.usefixtures("root")
def test_status_as_json_fits_its_schema_in_every_state(
    run: Run, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = orjson.loads((DOCS / "status.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)

    def check() -> None:
        status = run("status", "--json").json
        jsonschema.validate(status, schema)
        assert status.keys() == schema["properties"].keys()

    check()
    add(run, "waiting")
    check()
    claim(run, add(run, "held", "--priority", "90"), "--lease", "10")
    run("mute", add(run, "muted"), "--reason", "r")
    close(run, "closed")
    check()
    clock.pass_time(100)
    check()
    monkeypatch.setenv("DISPATCHER_PRUNE_KEEP_CLOSED", "0")
    run("prune")
    check()


def test_vram_as_json_fits_its_schema_with_a_server_and_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = orjson.loads((DOCS / "vram.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(run("vram", "--json").json, schema)
    with SizedOllama() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address.url)
        for window in (0, 4096):
            server.window = window
            shown = run("vram", "--json").json
            jsonschema.validate(shown, schema)
            assert shown.keys() == schema["properties"].keys()


def test_every_exit_code_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (DOCS / "exit-codes.md").read_text(), re.MULTILINE)
    assert {(int(code), name) for code, name in rows} == {(code.value, code.name) for code in ExitCode}
