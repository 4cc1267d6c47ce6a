"""What the journal says, read and folded by the standard library alone: a second opinion on the program's own."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
import zlib
from typing import Any

from tests.faults.tree import Files

GENESIS = "00000000"
_SEGMENT = re.compile(r"ARCHIVE/journal-(\d{10})-(\d{10})(\.damaged)?\.jsonl(\.gz)?")
_CRC = re.compile(rb',"crc":"([0-9a-f]{8})"\}')

Record = dict[str, Any]
Problems = list[str]


def good(line: bytes) -> bool:
    """Tell whether a line is what was written."""
    found = _CRC.search(line, len(line) - 18) if len(line) > 18 else None
    return found is not None and f"{zlib.crc32(line[:-18]):08x}".encode() == found[1]


def lines_of(name: str, data: bytes, problems: Problems) -> list[bytes]:
    """Return the good lines of a segment; what is not good goes to `problems`."""
    *lines, tail = (gzip.decompress(data) if name.endswith(".gz") else data).split(b"\n")
    if tail:
        problems.append(f"{name} ends with an unfinished line of {len(tail)} bytes")
    problems += [f"{name}, line {number}: bad checksum" for number, line in enumerate(lines, 1) if not good(line)]
    return [line for line in lines if good(line)]


def segments(files: Files) -> dict[str, bytes]:
    """Return the old segments, oldest first; of one that is there twice the compressed form."""
    found = {path: data for path, data in sorted(files.items()) if data is not None and _SEGMENT.fullmatch(path)}
    return {path: data for path, data in found.items() if f"{path}.gz" not in found}


def history(files: Files, problems: Problems) -> list[bytes]:
    """Return the lines of all sound segments and of the journal, oldest first."""
    old = [
        line
        for path, data in segments(files).items()
        if ".damaged" not in path
        for line in lines_of(path, data, problems)
    ]
    lines = lines_of("JOURNAL.jsonl", files.get("JOURNAL.jsonl") or b"", problems)
    present = set(lines)  # a rotation that was cut short leaves a segment that is the journal itself
    return [line for line in old if line not in present] + lines


def check_chain(records: list[Record], *, whole: bool) -> Problems:
    """I3: numbers without gaps and each record chained to the one before; a `whole` history begins with the first."""
    problems = []
    for before, record in itertools.pairwise(records):
        if _is_repair(record):  # a gap is what it repairs
            continue
        if record["seq"] != before["seq"] + 1:
            problems.append(f"record {record['seq']} comes after {before['seq']}")
        if record["prev"] != before["crc"]:
            problems.append(f"record {record['seq']} is not chained to the one before it")
    if whole and records and (records[0]["seq"], records[0]["prev"]) != (1, GENESIS):
        problems.append(f"the history begins with record {records[0]['seq']}")
    return problems


def _is_repair(record: Record) -> bool:
    return any(event["type"] == "journal_repaired" for event in record["events"])


def blob(files: Files, ref: str) -> Any:  # noqa: ANN401 - a blob's parts, or one of them
    """Return the blob, or the part of it, that a reference names. Raises ValueError when it is not there and good."""
    name, _, key = ref.partition("#")
    try:
        data = zlib.decompress(files[f"BLOBS/{name}.z"] or b"")
        if hashlib.sha256(data).hexdigest()[:32] != name:
            raise ValueError(f"blob {name} is not what its name says")
        parts = json.loads(data)
        return parts[key] if key else parts
    except (zlib.error, KeyError) as error:
        raise ValueError(f"blob {ref} is gone or bad ({type(error).__name__})") from error


class Task:
    """What the checker follows of a task: where it is, and who has it."""

    def __init__(self, status: str = "PENDING", generation: int = 0, *, archived: bool = False) -> None:
        self.status = status
        self.generation = generation
        self.archived = archived

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        return f"{self.status}@{self.generation}{' archived' if self.archived else ''}"


class Fold:
    """The tasks that records add up to, and what in these records cannot be (I6)."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.added = 0
        self.dropped = 0
        self.seq = 0
        self.head = GENESIS
        self.writers: dict[str, int] = {}
        self.packs: dict[int, set[str]] = {}
        self.problems: Problems = []

    def start(self, state: dict[str, Any]) -> None:
        """Begin with the state of a checkpoint."""
        self.added, self.dropped, self.writers = state["added"], state["dropped"], dict(state["writers"])
        self.seq, self.head = state["seq"], state["head"]
        for task in state["tasks"]:
            archived = task["archived_at"] is not None
            self.tasks[task["id"]] = Task(task["status"], task["generation"], archived=archived)

    def told(self) -> tuple[object, ...]:
        """Return what a checkpoint tells."""
        return self.tasks, self.added, self.dropped, self.writers, self.seq, self.head

    def take(self, record: Record) -> None:
        """Fold one record in."""
        for event in record["events"]:
            handler = getattr(self, "_" + event["type"], None)
            if handler is not None:
                handler(event, record["seq"])
        self.seq, self.head = record["seq"], record["crc"]
        if record["n"] != self.writers.get(record["writer"], 0) + 1:
            self.problems.append(f"record {record['seq']}: '{record['writer']}' skips from its record before")
        self.writers[record["writer"]] = record["n"]

    def _must(self, fits: bool, event: Record, seq: int) -> None:
        if not fits:
            task = event["task"]
            self.problems.append(f"record {seq}: {event['type']} of {task}, which is {self.tasks.get(task)}")

    def _task_added(self, event: Record, seq: int) -> None:
        self._must(event["task"] not in self.tasks, event, seq)
        self.tasks[event["task"]] = Task()
        self.added += 1

    def _task_claimed(self, event: Record, seq: int) -> None:
        task = self.tasks[event["task"]]
        self._must(task.status == "PENDING" and event["generation"] == task.generation + 1, event, seq)
        task.status, task.generation = "ACTIVE", event["generation"]

    def _held(self, event: Record, seq: int, status: str, *, late: bool = False) -> None:
        task = self.tasks[event["task"]]
        held = task.status == "ACTIVE" or (late and task.status in ("PENDING", "FAILED"))
        self._must(held and event.get("generation", task.generation) == task.generation, event, seq)
        task.status = status

    def _context_given(self, event: Record, seq: int) -> None:
        self._held(event, seq, "ACTIVE")

    def _lease_extended(self, event: Record, seq: int) -> None:
        self._held(event, seq, "ACTIVE")

    def _lease_expired(self, event: Record, seq: int) -> None:
        self._held(event, seq, event["to"])

    def _task_released(self, event: Record, seq: int) -> None:
        self._held(event, seq, "PENDING")

    def _task_completed(self, event: Record, seq: int) -> None:
        self._held(event, seq, "COMPLETED", late=True)

    def _task_failed(self, event: Record, seq: int) -> None:
        self._held(event, seq, "FAILED", late=True)

    def _task_reopened(self, event: Record, seq: int) -> None:
        task = self.tasks[event["task"]]
        self._must(task.status in ("COMPLETED", "FAILED"), event, seq)
        task.status, task.archived = "PENDING", False
        task.generation += 1  # which outdates every earlier claim

    def _verification_failed(self, event: Record, seq: int) -> None:
        self._held(event, seq, self.tasks[event["task"]].status, late=True)

    def _failure_changed(self, event: Record, seq: int) -> None:
        task = self.tasks.get(event["task"])
        self._must(task is not None and task.status == "PENDING", event, seq)

    def _scan_noted(self, event: Record, seq: int) -> None:
        task = self.tasks.get(event["task"])
        self._must(task is not None and task.status != "COMPLETED", event, seq)

    def _task_restored(self, event: Record, seq: int) -> None:
        self._must(event["task"] not in self.tasks, event, seq)
        document = event["document"]
        archived = document["archived_at"] is not None
        self.tasks[event["task"]] = Task(document["status"], document["generation"], archived=archived)
        self.dropped -= 1

    def _pruned(self, event: Record, seq: int) -> None:
        for task in event["archived"]:
            self.tasks[task].archived = True
        if event["archived"]:
            self.packs[seq] = set(event["archived"])
        for task in event["dropped"]:
            del self.tasks[task]
            self.dropped += 1


def fold(files: Files, records: list[Record]) -> Fold:
    """Fold records, of which the first is the very first or a checkpoint; each checkpoint must say what they add up to."""
    found = Fold()
    for record in records:
        first = record["events"][0]
        if first["type"] == "checkpoint":
            said = Fold()
            said.start(blob(files, first["state"]))
            if found.seq == 0 or _is_repair(record):
                said.packs, said.problems = found.packs, found.problems
                found = said
            elif said.told() != found.told():
                found.problems.append(f"record {record['seq']}: the checkpoint is not what came before it")
        found.take(record)
    return found
