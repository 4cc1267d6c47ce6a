"""Any order of commands, clock changes, reboots and lost files against a model of what the documents promise."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from dispatcher.dispatch import claims, completing, tasks, upkeep, views
from dispatcher.dispatch.desk import Whose
from dispatcher.dispatch.tasks import Edit, NewTask
from dispatcher.domain.ids import Token
from dispatcher.domain.ledger import Ledger
from dispatcher.domain.lifecycle import Wanted
from dispatcher.domain.moment import from_iso, to_iso
from dispatcher.domain.task import FOLDERS
from dispatcher.errors import DispatcherError
from dispatcher.store import projections
from tests.property.invariants import check_counts, check_files, check_history, expected_files, files_of, fold
from tests.property.model import FOR_EVER, Card, Model, Refusal, Rules
from tests.property.world import World, examples

AGENTS = st.sampled_from(["ann", "bob"])
PRIORITIES = st.sampled_from([10, 50, 90])
LEASES = st.sampled_from([None, 30, 500])
SECONDS = st.sampled_from([1, 29, 30, 99, 100, 101, 3600, 90_000])
SAID = {"short": "short", "long": "long " * 200, "wide": "späť 🙂 " * 100}
TEXTS = st.sampled_from([*SAID])  # names, so that a failure is short to read
RULES = Rules(max_attempts=3, keep_closed=1, archive_after=1, keep_progress=1)


class TaskLife(RuleBasedStateMachine):
    """One user, two agents, and a hand that deletes files."""

    ids = Bundle("ids")
    tokens = Bundle("tokens")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.desk = world.begin(
            claim_lease=RULES.lease, claim_maxAttempts=RULES.max_attempts, claim_backoff=RULES.backoff,
            prune_keepClosed=RULES.keep_closed, prune_archiveAfterDays=RULES.archive_after,
            prune_keepProgress=RULES.keep_progress,
        )  # fmt: skip
        self.model = Model(RULES)
        self.excused: set[str] = set()
        self.will_recover = False
        self.generations: dict[str, int] = {}
        self.past: dict[int, int] = {}

    def meets(self, expected: object, command: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the command returns
        """Run a command; it must raise `expected` if that is an error's class, and must not raise otherwise."""
        refusal = expected if isinstance(expected, type) else None
        try:
            result = command()
        except DispatcherError as error:
            assert refusal is not None and isinstance(error, refusal), error  # noqa: PT017, PT018 - either may be the case
            result = None
        else:
            assert refusal is None, f"{refusal} was expected"
        if self.will_recover:
            # What has the name of a task that is gone may be anybody's: that is left alone.
            gone = {f"{card.id}.json" for card in self.model.cards.values() if card.dropped}
            self.excused = {path for path in self.excused if path.rpartition("/")[2] in gone}
            self.will_recover = False
        return result

    # Commands. Few rules with a choice inside: each rule is as likely as any other.

    @initialize(target=ids, priorities=st.lists(PRIORITIES, min_size=3, max_size=6))
    def begin(self, priorities: list[int]) -> Any:  # noqa: ANN401 - hypothesis' own type
        return multiple(*(self.add(priority, [], "long") for priority in priorities))

    @rule(target=ids, priority=PRIORITIES, waits=st.lists(ids, max_size=2, unique=True), body=TEXTS)
    def add(self, priority: int, waits: list[str], body: str) -> str:
        task = self.meets(None, lambda: tasks.add(self.desk, NewTask("Fix it", SAID[body], priority, (), tuple(waits))))
        self.model.add(task["id"], priority, tuple(waits))
        return str(task["id"])

    @rule(task=ids, priority=PRIORITIES, body=TEXTS)
    def edit(self, task: str, priority: int, body: str) -> None:
        expected = self.model.edit(task, priority)
        self.meets(expected, lambda: tasks.edit(self.desk, task, Edit(priority=priority, body=SAID[body])))

    @rule(task=ids, seconds=st.one_of(st.none(), SECONDS), reason=TEXTS, off=st.booleans())
    def mute(self, task: str, seconds: int | None, reason: str, off: bool) -> None:
        now = self.world.now()
        if off:
            self.meets(self.model.mute(task, 0, now), lambda: tasks.unmute(self.desk, task))
            return
        until = FOR_EVER if seconds is None else now.wall + seconds * 1000
        date = None if seconds is None else to_iso(until)
        self.meets(self.model.mute(task, until, now), lambda: tasks.mute(self.desk, task, SAID[reason], date))

    @rule(target=tokens, agent=AGENTS, count=st.integers(1, 3), lease=LEASES)
    def claim(self, agent: str, count: int, lease: int | None) -> Any:  # noqa: ANN401 - hypothesis' own type
        expected = self.model.claim(agent, count, lease, self.world.now())
        return multiple(*self.granted(expected, Wanted(agent, count), lease))

    @rule(target=tokens, task=ids, agent=AGENTS, lease=LEASES)
    def claim_one(self, task: str, agent: str, lease: int | None) -> Any:  # noqa: ANN401 - as above
        expected = self.model.claim_one(task, agent, lease, self.world.now())
        return multiple(*self.granted(expected, Wanted(agent, 1, task), lease))

    def granted(self, expected: list[str] | Refusal, wanted: Wanted, lease: int | None) -> list[Token]:
        """Claim, compare what was granted, and return the tokens."""
        got = self.meets(expected, lambda: claims.claim(self.desk, wanted, lease))
        tokens = [one.token for one in got.claims] if got else []
        assert [token.task for token in tokens] == (expected if isinstance(expected, list) else [])
        return tokens

    @rule(token=tokens, what=st.sampled_from(["heartbeat", "progress", "release"]), lease=LEASES, text=TEXTS)
    def hold(self, token: Token, what: str, lease: int | None, text: str) -> None:
        whose = Whose(claim=str(token))
        if what == "heartbeat":
            expected = self.model.heartbeat(*token, lease, self.world.now())
            self.meets(expected, lambda: claims.heartbeat(self.desk, whose, lease))
        elif what == "progress":
            self.meets(
                self.model.progress(*token, SAID[text].strip()), lambda: claims.progress(self.desk, whose, SAID[text])
            )
        else:
            self.meets(self.model.release(*token), lambda: claims.release(self.desk, whose, SAID[text]))

    @rule(token=tokens, done=st.booleans(), note=TEXTS)
    def close(self, token: Token, done: bool, note: str) -> None:
        expected = self.model.close(*token, "COMPLETED" if done else "FAILED", self.world.now())
        command = completing.complete if done else claims.fail
        closed = self.meets(expected, lambda: command(self.desk, Whose(str(token)), SAID[note]))
        assert closed is None or closed.again is expected

    @rule(target=tokens, chosen=st.lists(ids, min_size=1, max_size=3), done=st.booleans(), seconds=SECONDS)
    def work(self, chosen: list[str], done: bool, seconds: int) -> Any:  # noqa: ANN401 - hypothesis' own type
        """Claim tasks, note something, and close them some time later: what mostly happens."""
        granted: list[Token] = []
        for task in chosen:
            expected = self.model.claim_one(task, "ann", None, self.world.now())
            granted += self.granted(expected, Wanted("ann", 1, task), None)
        for token in granted:
            self.hold(token, "progress", None, "long")
            self.world.clock.pass_time(seconds)
            self.close(token, done, "short")
        return multiple(*granted)

    @rule(
        target=tokens, task=ids, lease=st.sampled_from([30, 100]), beyond=st.sampled_from([-1, 0, 1, 59, 60, 61]),
        wall=st.sampled_from([0, 0, -90_000, 90_000]), reboots=st.booleans(), done=st.booleans(),
    )  # fmt: skip
    def outlive(self, task: str, lease: int, beyond: int, wall: int, reboots: bool, done: bool) -> Any:  # noqa: ANN401 - as above
        """Let a lease run out, or nearly, while clocks are set; then another wants the task, and the first closes it."""
        granted = self.granted(
            self.model.claim_one(task, "ann", lease, self.world.now()), Wanted("ann", 1, task), lease
        )
        self.clock("pass", lease + beyond - (7 if reboots else 0))
        if reboots:
            self.clock("reboot", 7)
        self.world.clock.set_wall(wall)
        granted += self.granted(self.model.claim("bob", 1, lease, self.world.now()), Wanted("bob"), lease)
        for token in granted[:1]:
            self.close(token, done, "short")
        return multiple(*granted)

    @rule(task=ids)
    def reopen(self, task: str) -> None:
        self.meets(self.model.reopen(task), lambda: tasks.reopen(self.desk, task, "again"))

    @rule(days=st.integers(0, 3))
    def prune(self, days: int) -> None:
        self.world.clock.pass_time(days * 86_400)
        foreseen = upkeep.prune(self.desk, dry_run=True)
        done = self.meets(None, lambda: upkeep.prune(self.desk))
        assert done._replace(journal_bytes=0) == foreseen._replace(journal_bytes=0)
        assert (set(done.archived), set(done.dropped)) == self.model.prune(self.world.now())

    @rule(what=st.sampled_from(["rotate", "rebuild", "rebuild packs"]))
    def keep_up(self, what: str) -> None:
        if what == "rotate":
            self.meets(None, self.world.store.rotate)
            return
        archive = self.world.bytes_of("ARCHIVE")
        for path in archive:
            if what == "rebuild packs" and "tasks-" in path:
                (self.world.root / path).unlink()
        self.will_recover = True
        assert not self.meets(None, self.world.store.rebuild).lost
        assert self.world.bytes_of("ARCHIVE") == archive
        once = self.world.bytes_of()
        again = self.world.store.rebuild().lines
        assert all(line.endswith("left alone") for line in again)
        assert self.world.bytes_of() == once, "rebuilding twice changes nothing (I7)"

    # The world around

    @rule(how=st.sampled_from(["pass", "back", "forward", "reboot"]), seconds=SECONDS)
    def clock(self, how: str, seconds: int) -> None:
        clock = self.world.clock
        if how == "reboot":
            clock.reboot(seconds)
            self.will_recover = True
        elif how == "pass":
            clock.pass_time(seconds)
        else:
            clock.set_wall(seconds if how == "forward" else -seconds)

    @rule(name=st.sampled_from([projections.LEDGER, projections.CURSOR, *FOLDERS.values(), "CACHE"]))
    def delete(self, name: str) -> None:
        path = self.world.root / name
        self.excused |= {name, *(f"{name}/{p.name}" for p in path.iterdir())} if path.is_dir() else {name}
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        self.will_recover |= name in (projections.LEDGER, projections.CURSOR, "CACHE")

    @rule(task=ids, folder=st.sampled_from([*FOLDERS.values()]), junk=st.sampled_from(["", "{}", "\x00"]))
    def scribble(self, task: str, folder: str, junk: str) -> None:
        path = self.world.root / folder / f"{task}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(junk * 700)
        self.excused.add(f"{folder}/{task}.json")

    @rule(task=ids)
    def look(self, task: str) -> None:
        """I9: what only looks changes no byte, and shows every task there ever was, archived or not."""
        before = self.world.bytes_of()
        shown = views.show(self.desk, task)
        assert shown["progress"] == [] or shown["progress"][-1]["text"] == self.model.cards[task].progress[-1]
        assert views.status(self.desk)["added"] == len(self.model.cards)
        assert len(views.list_tasks(self.desk, views.Filter())) == len(self.model.rows())
        assert next(iter(views.log(self.desk, views.LogFilter(task=task)))).command == "add"
        assert self.world.bytes_of() == before

    # What must hold

    @invariant()
    def holds(self) -> None:
        records = list(self.world.store.history())
        check_history(records)
        ledger, archived = fold(records)
        check_counts(ledger)
        expected = expected_files(ledger)
        check_files(files_of(self.world.root), expected, self.excused)
        self.past[ledger.seq] = zlib.crc32(b"".join(expected[name] for name in sorted(expected)))
        rows = self.world.store.view(lambda seen: {**seen.rows})
        assert rows == ledger.rows
        for card in self.model.cards.values():
            self.agrees(card, ledger, archived)
        for task, row in ledger.rows.items():
            assert row.get("generation", 0) >= self.generations.get(task, 0)
            self.generations[task] = row.get("generation", 0)

    def agrees(self, card: Card, ledger: Ledger, archived: dict[str, Any]) -> None:
        """Compare one task with the model's."""
        assert (card.id in ledger.rows) is not card.dropped
        if card.dropped:
            assert archived[card.id]["archived_at"]
            return
        row = ledger.rows[card.id]
        standing = row["status"], row.get("generation", 0), row.get("archived", False)
        assert standing == (card.status, card.generation, card.archived), row
        assert (row["claimed_by"], row["attempts"], row["priority"]) == (card.agent, card.attempts, card.priority)
        expires = from_iso(row["lease_expires_at"]) if row["lease_expires_at"] else None
        assert expires == (card.lease.wall_end if card.lease else None)
        assert len(ledger.task(card.id)["progress"]) == len(card.progress)

    def teardown(self) -> None:
        """I13: the state at every earlier number, rebuilt now from what is left of the history, is what it was then."""
        records = list(self.world.store.history())
        for seq, then in self.past.items():
            files = expected_files(fold(records[:seq])[0])
            assert zlib.crc32(b"".join(files[name] for name in sorted(files))) == then


def test_no_order_of_commands_breaks_a_promise(world: World) -> None:
    def begin() -> TaskLife:
        return TaskLife(world)

    # Shrinking forty steps takes minutes: PROPERTY_PROFILE=explore does it for who looks into a failure.
    phases = [Phase.generate] if settings().derandomize else list(Phase)
    limits = settings(examples(100), stateful_step_count=40, phases=phases)
    run_state_machine_as_test(begin, settings=limits)  # type: ignore[arg-type] # a function will do as well
