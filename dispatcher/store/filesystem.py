"""The store on files: a journal, and projections of it, under one lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from dispatcher import config
from dispatcher.domain.ledger import Changed, Ledger, empty
from dispatcher.domain.moment import Moment
from dispatcher.domain.record import Record, Stamp
from dispatcher.domain.redact import Redactor
from dispatcher.domain.task import Task
from dispatcher.errors import Damaged, Locked, NoInbox, OutcomeUnknown, StorageError
from dispatcher.files import FileStat, Root
from dispatcher.flock import Lock
from dispatcher.store import archive, blobs, journal, projections, reading, recovery
from dispatcher.store.base import Change, Clock, Commit, Decide, Repair, T, Tell, advance, archived_by, draft
from dispatcher.store.recovery import Behind
from dispatcher.text import clean_line

LOCK = ".lock"
_POLL_SECONDS = 0.05
_READ_TRIES = 4
_BLOBS_AT_ONCE = 8

README = """# The INBOX of `dispatcher`

`DISPATCH_LEDGER.json` lists the tasks, one a line; each whole task is a file in `PENDING_TASKS`,
`ACTIVE_TASKS`, `COMPLETED_TASKS` or `FAILED_TASKS`. These files are there to be read. They are made from
`JOURNAL.jsonl`, which holds everything that happened, and are made anew when they are changed or deleted.
Change tasks with the `dispatcher` command. Of the rest only `CACHE` may be deleted.
"""
GITIGNORE = """# The state is of this machine. To keep it in git, delete this file.
*
!.gitignore
!README.md
"""


class FilesystemStore:
    """State under one folder; base.Store says what is promised, docs/files.md what the files are.

    A command that finds everything as the last one left it reads the ledger file and the tasks that
    it touches. Any sign of a crash, a reboot or another hand makes it replay the journal instead.
    """

    def __init__(self, path: Path, clock: Clock, redactor: Redactor, lock_seconds: float, tell: Tell) -> None:
        self._root = Root(path)
        self._clock = clock
        self._redactor = redactor
        self._lock_seconds = lock_seconds
        self._tell_user = tell
        self._told: set[str] = set()
        self._read: dict[str, dict[str, Any] | None] = {}

    @property
    def place(self) -> str:
        """The path of the state root."""
        return str(self._root.path)

    def close(self) -> None:
        """Close the root's descriptor."""
        self._root.close()

    def create(self) -> bool:
        """Make the state, or what is missing of its folders."""
        with self._locked("init"):
            for folder in recovery.FOLDER_NAMES:
                self._root.make_folder(folder)
            texts = {"README.md": README, ".gitignore": GITIGNORE, config.FILE: config.template()}
            for name, text in texts.items():
                if self._root.stat(name) is None:
                    self._root.replace(name, text.encode())
            now = self._clock()
            try:
                self._sound(now)
            except NoInbox:
                pass
            else:
                return False
            ledger = empty()
            change = Change([{"type": "store_created", "schema_version": 1}])
            record, line, _ = draft(ledger, change, self._redactor, "init", now.iso)
            ledger.apply(record)
            stat = self._root.replace(journal.NAME, line, durable=True)
            recovery.publish(self._root, ledger, stat, now.boot_id)
            return True

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._tell_user(line)

    # Reading

    def view(self, look: Callable[[Ledger], T]) -> T:
        """Return what `look` says of the present state; takes no lock and writes nothing."""
        differing = None
        for _ in range(_READ_TRIES):
            try:
                ledger = reading.projected(self._root)
                if ledger is not None:
                    return look(ledger)
            except Behind as behind:  # a writer moved the file meanwhile, or another hand changed it
                differing = str(behind)
        state = recovery.replay(self._root)
        if differing is None and recovery.kept_ledger(self._root) is None:
            differing = projections.LEDGER
        if differing:
            self._tell(f"{differing} is not what the journal says; 'dispatcher rebuild' remakes it")
        return look(state.ledger)

    def history(self) -> Iterator[Record]:
        """Yield every record there ever was, oldest first."""
        last = 0
        for _ in range(_READ_TRIES):
            for record in archive.records(self._root):
                if record.seq > last:
                    yield record
                    last = record.seq
            segment, _ = recovery.sound_segment(self._root)
            # A gap means that the journal was rotated between the two readings.
            if segment.records[0].seq <= last + 1:
                break
        else:
            previous = segment.records[0].events[0]["previous"]["segment"] or archive.FOLDER
            self._tell(f"{previous} is gone: records {last + 1} to {segment.records[0].seq - 1} cannot be shown")
        yield from (r for r in segment.records if r.seq > last)

    def bulk(self, ref: str) -> Any:  # noqa: ANN401 - JSON data
        """Return a long text or other bulk by its reference."""
        name, _, key = ref.partition("#")
        if name not in self._read:  # the tasks of one scan share a blob
            if len(self._read) >= _BLOBS_AT_ONCE:
                self._read.clear()
            self._read[name] = blobs.get(self._root, name)
        parts = self._read[name]
        return None if parts is None else parts.get(key)

    def archived(self, given: str) -> list[Task]:
        """Return the tasks in the archive whose id begins with `given`."""
        return archive.find_tasks(self._root, given)

    def ledger_text(self, ledger: Ledger) -> bytes:
        """Return the ledger file as it is, or should be, for this state."""
        return projections.render_ledger(ledger)

    def history_bytes(self) -> int:
        """Return the size of the present segment."""
        stat = self._root.stat(journal.NAME)
        return stat.size if stat else 0

    def wait(self, seq: int, seconds: float) -> bool:
        """Wait until there is a record after `seq`, or the journal changes while waiting."""
        until = time.monotonic() + seconds
        before = self._root.stat(journal.NAME)
        while True:
            if self._root.stat(journal.NAME) != before or self._last_seq() > seq:
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, left))

    def _last_seq(self) -> int:
        cursor = projections.read_cursor(self._root)
        return cursor.seq if cursor else self.view(lambda ledger: ledger.seq)

    # Writing

    def transact(self, command: str, decide: Decide) -> Commit:
        """Let `decide` say what happens and make it happen."""
        with self._locked(command):
            now = self._clock()
            ledger = self._sound(now)

            def attempt(ledger: Ledger) -> tuple[Record, bytes, bytes | None] | None:
                change = decide(ledger, now)
                if not change.events:
                    return None
                drafted = draft(ledger, change, self._redactor, command, now.iso)
                advance(ledger, drafted[0], self._root.full(journal.NAME))
                return drafted

            try:
                drafted = attempt(ledger)
            except Behind:
                ledger = self._recover(now)
                drafted = attempt(ledger)
            if drafted is None:
                return Commit(ledger, None, now)
            record, line, blob = drafted
            if blob:
                blobs.put(self._root, blob)
            stat = self._append(line)
            self._project(ledger, record, ledger.settle(), stat, now)
            return Commit(ledger, record, now)

    def rotate(self) -> Commit:
        """Begin a new segment; the old one goes to the archive and is compressed there."""
        from dispatcher.store.rotation import begin_segment

        with self._locked("prune"):
            now = self._clock()
            ledger = self._sound(now)
            found = journal.read(self._root)
            first = found[0].records[0].seq if found and found[0].records else 0
            old, stamp = archive.segment_path(first, ledger.seq), Stamp("prune", "prune", now.iso)
            try:
                record, stat = begin_segment(self._root, ledger, old, stamp)
            except Behind:
                ledger = self._recover(now)
                record, stat = begin_segment(self._root, ledger, old, stamp)
            self._project(ledger, record, ledger.settle(), stat, now)
            archive.compress_segments(self._root)
            return Commit(ledger, record, now)

    def rebuild(self) -> Repair:
        """Make every projection and missing pack anew; repair the journal if it is damaged."""
        with self._locked("rebuild"):
            now = self._clock()
            lines = self._look_at_suspect()
            try:
                state = recovery.replay(self._root)
            except Damaged as damage:
                from dispatcher.store import repair

                mended = repair.mend(self._root, now)
                return Repair([f"{damage.data['file']}: {damage.data['problem']}", *lines, *mended.lines], mended.lost)
            lines += recovery.reconcile(self._root, state, now.boot_id)
            lines += recovery.restore_packs(self._root)
            gaps = recovery.gaps_of_the_archive(self._root, state.ledger)
            return Repair(lines + gaps, lost=bool(gaps))

    def _sound(self, now: Moment) -> Ledger:
        """Return the present state to a writer, after putting right what is not as the last command left it."""
        if self._root.stat(journal.SUSPECT):
            problem = "the last write to the journal failed and could not be undone"
            raise OutcomeUnknown(file=self._root.full(journal.SUSPECT), problem=problem)
        found = reading.vouched(self._root)
        if found:
            ledger, cursor, stat = found
            if stat == cursor.journal and stat.links == 1 and cursor.boot_id == now.boot_id:
                return ledger
        return self._recover(now)

    def _recover(self, now: Moment) -> Ledger:
        state = recovery.replay(self._root)
        for line in recovery.reconcile(self._root, state, now.boot_id):
            self._tell(line)
        return state.ledger

    def _append(self, line: bytes) -> FileStat:
        stat = self._root.stat(journal.NAME)
        try:
            return self._root.append_durable(journal.NAME, line, stat.size if stat else 0)
        except OutcomeUnknown:
            # Best effort: the disk that has just failed twice may refuse this as well.
            try:
                self._root.replace(journal.SUSPECT, b"see 'dispatcher rebuild'\n", durable=True)
            except StorageError:
                self._tell(f"{journal.SUSPECT} could not be written either")
            raise

    def _project(self, ledger: Ledger, record: Record, changed: list[Changed], stat: FileStat, now: Moment) -> None:
        """Bring the files up to date. The command has happened already: failing here is not failing."""
        gone = ledger.take_dropped()
        try:
            if tasks := archived_by(ledger, record, gone):
                archive.write_pack(self._root, record.seq, tasks)
            for task_id, file, was in changed:
                projections.place_task(self._root, ledger.rows[task_id], file, was)
            for task in gone.values():
                self._root.unlink(projections.path_in(task["status"], task["id"]))
            recovery.publish(self._root, ledger, stat, now.boot_id)
        except StorageError as error:
            self._tell(f"saved, but {error}; the next command brings the files up to date")

    def _look_at_suspect(self) -> list[str]:
        if not self._root.stat(journal.SUSPECT):
            return []
        data = self._root.read(journal.NAME, journal.MAX_BYTES)
        if data is not None:  # pages of a failed sync may be lost: write all of it anew
            self._root.replace(journal.NAME, data, durable=True)
        self._root.unlink(journal.SUSPECT)
        return [f"{journal.NAME}: written anew after a failed write"]

    def _locked(self, command: str) -> Lock:
        holder = {"pid": os.getpid(), "host": os.uname().nodename, "command": command, "since": self._clock().iso}
        return self._root.lock(LOCK, self._lock_seconds, orjson.dumps(holder), self._locked_out)

    def _locked_out(self, note: bytes) -> Locked:
        try:
            fields = orjson.loads(note)
            holder = f"'{fields['command']}' (pid {fields['pid']} on {fields['host']}, since {fields['since']})"
        except (orjson.JSONDecodeError, KeyError, TypeError):
            holder = "another process"
        return Locked(holder=clean_line(holder), seconds=self._lock_seconds)
