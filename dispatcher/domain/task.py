"""What a task is: the document in its own file, and its compact row in the ledger."""

from __future__ import annotations

import zlib
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from dispatcher.domain import flakiness

SCHEMA_VERSION = 1
KEPT_ATTEMPTS = 10

Status = Literal["PENDING", "ACTIVE", "COMPLETED", "FAILED"]
STATUSES: tuple[Status, ...] = ("PENDING", "ACTIVE", "COMPLETED", "FAILED")
OPEN: tuple[Status, ...] = ("PENDING", "ACTIVE")
CLOSED: tuple[Status, ...] = ("COMPLETED", "FAILED")
FOLDERS: dict[Status, str] = {status: f"{status}_TASKS" for status in STATUSES}

MIN_PRIORITY, DEFAULT_PRIORITY, MAX_PRIORITY = 0, 50, 100


class Lease(TypedDict):
    """For how long a claim holds, on both clocks (see lease.py)."""

    seconds: float
    renewed_at: str
    expires_at: str
    boot_id: str
    deadline: float


class Claim(TypedDict):
    """Who works on a task now."""

    agent: str
    generation: int
    claimed_at: str
    lease: Lease


class Attempt(TypedDict):
    """How one claim ended."""

    agent: str
    generation: int
    claimed_at: str
    ended_at: str
    outcome: Literal["completed", "failed", "released", "expired"]
    note: NotRequired[str]
    note_blob: NotRequired[str]


class Progress(TypedDict):
    """A line that an agent left while it worked."""

    at: str
    agent: str
    text: str
    text_blob: NotRequired[str]


class Mute(TypedDict):
    """A known failure set aside; `until` is a timestamp or None for ever."""

    at: str
    reason: str
    reason_blob: NotRequired[str]
    until: str | None


class Result(TypedDict):
    """How a closed task ended. `unverified_because` is there when nothing was checked."""

    outcome: Literal["completed", "failed"]
    agent: str
    generation: int
    at: str
    verified: bool
    unverified_because: NotRequired[str]
    note: NotRequired[str]
    note_blob: NotRequired[str]
    resolved: NotRequired[bool]
    commit: NotRequired[str]
    allowed: NotRequired[str]
    tests_run: NotRequired[int]


class Check(TypedDict):
    """Why the last attempt to complete a task was refused after its tests had run."""

    at: str
    agent: str
    generation: int
    why: str
    why_blob: NotRequired[str]


class Given(TypedDict):
    """The context that an agent was given with a claim: its budget, its tokens, how well they are known and by what."""

    at: str
    agent: str
    generation: int
    budget: int
    tokens: int
    count: str
    by: str
    prompt_blob: str


class ScanNote(TypedDict):
    """What the last scan that changed anything saw of a task's tests; `held_open` says why it did not close it."""

    at: str
    failing: int
    passing: int
    held_open: str | None


class Task(TypedDict):
    """A whole task: what an agent needs without asking anything else.

    A key that ends in `_blob` names where the full text is when its neighbour was cut short. A task of the
    kind "test" has `failure` (a domain.failure.Failure without its detail, of the representative test), the
    first of its `tests`, how many there are, and in `detail_blob` everything else, which is put back as `detail` where a task is read.
    """

    schema_version: int
    id: str
    kind: str
    status: Status
    title: str
    body: str
    body_blob: NotRequired[str]
    priority: int
    labels: list[str]
    depends_on: list[str]
    paths: list[str]
    created_at: str
    created_seq: int
    generation: int
    claim: Claim | None
    attempts: int
    attempt_log: list[Attempt]
    last_attempt_at: str | None
    not_before: str | None
    progress: list[Progress]
    muted: Mute | None
    result: Result | None
    completed_at: str | None
    closed_seq: int | None
    archived_at: str | None
    changed_seq: int
    failure: NotRequired[dict[str, Any]]
    tests: NotRequired[list[str]]
    test_count: NotRequired[int]
    detail_blob: NotRequired[str]
    detail: NotRequired[dict[str, Any]]
    scan: NotRequired[ScanNote]
    last_check: NotRequired[Check]
    context: NotRequired[Given]
    regressions: NotRequired[int]
    flaky: NotRequired[flakiness.Record]


class Row(TypedDict):
    """A task in the ledger: enough to list it and to decide what may be done with it.

    `sum` is the CRC-32 of the task's file. Optional keys are there only when they say something. `held`: its
    tests no longer fail, but a person has to look at why they do not.
    """

    id: str
    status: Status
    priority: int
    title: str
    labels: list[str]
    attempts: int
    claimed_by: str | None
    lease_expires_at: str | None
    created_at: str
    completed_at: str | None
    last_attempt_at: str | None
    seq: int
    sum: str
    kind: NotRequired[str]
    paths: NotRequired[list[str]]
    depends_on: NotRequired[list[str]]
    generation: NotRequired[int]
    lease: NotRequired[Lease]
    not_before: NotRequired[str]
    muted_until: NotRequired[str]
    progress: NotRequired[int]
    closed_seq: NotRequired[int]
    archived: NotRequired[bool]
    tests: NotRequired[int]
    held: NotRequired[bool]


FOR_EVER = "9999-12-31T23:59:59.999Z"


def new_task(task_id: str, title: str, created_at: str, seq: int) -> Task:
    """Return a pending task with nothing in it yet."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": task_id,
        "kind": "manual",
        "status": "PENDING",
        "title": title,
        "body": "",
        "priority": DEFAULT_PRIORITY,
        "labels": [],
        "depends_on": [],
        "paths": [],
        "created_at": created_at,
        "created_seq": seq,
        "generation": 0,
        "claim": None,
        "attempts": 0,
        "attempt_log": [],
        "last_attempt_at": None,
        "not_before": None,
        "progress": [],
        "muted": None,
        "result": None,
        "completed_at": None,
        "closed_seq": None,
        "archived_at": None,
        "changed_seq": seq,
    }


def encode(task: Task) -> bytes:
    """Return the bytes of a task's file."""
    return orjson.dumps(task, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def checksum(data: bytes) -> str:
    """Return the CRC-32 of `data` as eight hexadecimal digits."""
    return f"{zlib.crc32(data):08x}"


def row_of(task: Task, file_sum: str) -> Row:
    """Return the ledger's row for a task whose file has the checksum `file_sum`."""
    claim = task["claim"]
    row: dict[str, Any] = {
        "id": task["id"],
        "status": task["status"],
        "priority": task["priority"],
        "title": task["title"],
        "labels": task["labels"],
        "attempts": task["attempts"],
        "claimed_by": claim["agent"] if claim else None,
        "lease_expires_at": claim["lease"]["expires_at"] if claim else None,
        "created_at": task["created_at"],
        "completed_at": task["completed_at"],
        "last_attempt_at": task["last_attempt_at"],
        "seq": task["created_seq"],
        "sum": file_sum,
    }
    if task["kind"] != "manual":
        row["kind"] = task["kind"]
    for key in ("paths", "depends_on", "generation", "not_before", "closed_seq"):
        if value := task[key]:
            row[key] = value
    if claim:
        row["lease"] = claim["lease"]
    if task["progress"]:
        row["progress"] = len(task["progress"])
    if muted := task["muted"]:
        row["muted_until"] = muted["until"] or FOR_EVER
    if task["archived_at"]:
        row["archived"] = True
    if "test_count" in task:
        row["tests"] = task["test_count"]
        if (scan := task.get("scan")) and scan["held_open"]:
            row["held"] = True
    return row  # type: ignore[return-value] # built key by key for speed


def row_kind(row: Row) -> str:
    """Return the kind of a row's task."""
    return row.get("kind", "manual")
