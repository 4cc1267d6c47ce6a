"""The files that people read: their form, and that no changed one is believed."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from dispatcher.domain.ledger import Ledger
from dispatcher.domain.task import FOLDERS, Row, Task, checksum, encode
from dispatcher.errors import TooNew
from dispatcher.files import Root
from dispatcher.store import projections
from tests.unit.domain.ledgers import added, claimed, ended, happen, ledger_of


def nothing(row: Row) -> Task:
    raise KeyError(row["id"])


def sample() -> Ledger:
    return ledger_of(
        added("b", priority=90, labels=["x"]),
        added("a", title="é🙂 \u202e", depends_on=["b"], paths=["src/a.py"]),
        added("c"),
        claimed("a"),
        claimed("c"),
        ended("completed", "c", note="done"),
    )


def test_the_ledger_is_one_document_with_sorted_keys_and_a_line_per_task() -> None:
    data = projections.render_ledger(sample())
    document = orjson.loads(data)
    assert list(document) == sorted(document)
    lines = data.splitlines()
    assert [orjson.loads(line.rstrip(b","))["id"] for line in lines[1:-1]] == ["b", "a", "c"]
    assert data.endswith(b"}\n")
    assert all(list(task) == sorted(task) for task in document["tasks"])
    assert document["schema_version"] == 1
    assert document["seq"] == 6
    assert document["summary"] == {"pending": 1, "active": 1, "completed": 1, "failed": 0}


def test_the_ledger_is_read_as_it_was_written() -> None:
    ledger = sample()
    data = projections.render_ledger(ledger)
    read = projections.parse_ledger(data, nothing)
    assert read
    assert read.rows == ledger.rows
    assert list(read.rows) == list(ledger.rows)
    assert (read.seq, read.head, read.writers) == (ledger.seq, ledger.head, ledger.writers)
    assert (read.added, read.dropped, read.counts()) == (3, 0, ledger.counts())
    assert projections.render_ledger(read) == data


def test_an_empty_ledger_is_a_document_too() -> None:
    data = projections.render_ledger(ledger_of())
    assert orjson.loads(data)["tasks"] == []
    assert projections.parse_ledger(data, nothing)


def test_no_changed_bit_of_the_ledger_is_believed() -> None:
    data = projections.render_ledger(sample())
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        assert projections.parse_ledger(bytes(changed), nothing) is None, at


def test_no_cut_ledger_is_believed() -> None:
    data = projections.render_ledger(sample())
    for changed in (data[:-1], data + b" ", b"", data[1:], data[:40]):
        assert projections.parse_ledger(changed, nothing) is None


def test_a_ledger_of_a_newer_version_is_refused_by_name() -> None:
    data = projections.render_ledger(sample()).replace(b'"schema_version":1', b'"schema_version":2')
    at = slice(len(b'{"checksum":"'), len(b'{"checksum":"') + 8)
    newer = data[: at.start] + checksum(data[: at.start] + b"00000000" + data[at.stop :]).encode() + data[at.stop :]
    with pytest.raises(TooNew, match="schema_version is 2"):
        projections.parse_ledger(newer, nothing)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def place(root: Root, ledger: Ledger, task: str, was: str | None) -> None:
    projections.place_task(root, ledger.rows[task], encode(ledger.task(task)), was)  # type: ignore[arg-type] # a status


def where(root: Root) -> list[str]:
    """Return the task files there are."""
    return [f"{folder}/{name}" for folder in FOLDERS.values() for name in root.names(folder)]


def test_a_task_file_moves_with_its_status_and_is_readable(root: Root) -> None:
    ledger = ledger_of(added("a"))
    place(root, ledger, "a", None)
    assert where(root) == ["PENDING_TASKS/a.json"]
    happen(ledger, claimed("a"))
    place(root, ledger, "a", "PENDING")
    assert where(root) == ["ACTIVE_TASKS/a.json"]
    data = root.read("ACTIVE_TASKS/a.json", 1 << 20) or b""
    assert data.endswith(b"\n}\n")
    document = orjson.loads(data)
    assert list(document) == sorted(document)
    assert projections.read_task(root, ledger.rows["a"]) == document == ledger.task("a")


def test_a_stale_file_under_the_right_name_is_replaced(root: Root) -> None:
    ledger = ledger_of(added("a"))
    place(root, ledger, "a", None)
    root.replace("ACTIVE_TASKS/a.json", b"stale")
    happen(ledger, claimed("a"))
    place(root, ledger, "a", "PENDING")
    assert where(root) == ["ACTIVE_TASKS/a.json"]
    assert projections.read_task(root, ledger.rows["a"])


def test_an_archived_task_has_no_file(root: Root) -> None:
    ledger = ledger_of(added("a"), claimed("a"), ended("completed", "a"))
    place(root, ledger, "a", "ACTIVE")
    happen(ledger, {"type": "pruned", "archived": ["a"], "dropped": [], "trimmed": [], "keep_progress": 1})
    place(root, ledger, "a", "COMPLETED")
    assert where(root) == []


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", None])
def test_a_task_file_that_the_ledger_does_not_mean_is_none(root: Root, data: bytes | None) -> None:
    ledger = ledger_of(added("a"))
    if data is not None:
        root.replace("PENDING_TASKS/a.json", data)
    assert projections.read_task(root, ledger.rows["a"]) is None
    place(root, ledger, "a", None)
    happen(ledger, {"type": "task_edited", "task": "a", "priority": 1})
    assert projections.read_task(root, ledger.rows["a"]) is None, "it is older than the ledger"


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"7", b'"x"', b"null", b'{"boot_id":1}', b"\xff", b"x" * 5000, b"[" * 3000], ids=len
)
def test_a_cursor_that_says_nothing_is_none(root: Root, data: bytes) -> None:
    assert projections.read_cursor(root) is None
    root.replace(projections.CURSOR, data)
    assert projections.read_cursor(root) is None
