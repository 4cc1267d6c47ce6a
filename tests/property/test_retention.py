"""ST7: what a prune takes away, over any ledger and any limits."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.dispatch import upkeep, views
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import lease
from dispatcher.domain.moment import to_iso
from dispatcher.domain.record import Event
from dispatcher.domain.task import FOLDERS, Row, Task
from dispatcher.store.base import Change
from tests.property.world import World, examples

DAY = 86_400


class Planned(NamedTuple):
    """How a task of an example ends, and with how many lines of progress."""

    status: str
    progress: int


class Case(NamedTuple):
    """A ledger to be: tasks, in which order and how many days apart they close, and the limits."""

    tasks: list[Planned]
    order: list[int]
    pauses: list[int]
    rest: int
    keep_closed: int
    days: float
    keep_progress: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    statuses = st.sampled_from(["PENDING", "ACTIVE", "FAILED", "COMPLETED", "COMPLETED", "COMPLETED"])
    planned = draw(st.lists(st.builds(Planned, statuses, st.integers(0, 4)), max_size=9))
    return Case(
        planned,
        draw(st.permutations(range(len(planned)))),
        draw(st.lists(st.integers(0, 3), min_size=len(planned), max_size=len(planned))),
        draw(st.integers(0, 3)),
        draw(st.integers(0, 5)),
        draw(st.sampled_from([0, 0.5, 1, 2, 4, 30])),
        draw(st.integers(1, 3)),
    )


class Lived(NamedTuple):
    """A state made to order: its desk, and the ids of the closed tasks in the order they closed."""

    desk: Desk
    closed: list[str]


def live(world: World, case: Case) -> Lived:
    """Let the tasks of a case live their lives, each closing a record of its own."""
    desk = world.begin(
        prune_keepClosed=case.keep_closed, prune_archiveAfterDays=case.days, prune_keepProgress=case.keep_progress
    )
    names = [f"t{n}" for n in range(len(case.tasks))]
    record(world, [{"type": "task_added", "task": name, "title": name} for name in names])
    closed = []
    for number in case.order:
        world.clock.pass_time(case.pauses[number] * DAY + 1)
        planned, name = case.tasks[number], names[number]
        if planned.status == "PENDING":
            continue
        granted = lease.grant(1e8, world.now())
        said: Event = {"task": name, "agent": "ann", "generation": 1}
        events = [{**said, "type": "task_claimed", "lease": granted}]
        events += [{**said, "type": "progress_noted", "text": f"{n}", "keep": 9} for n in range(planned.progress)]
        if planned.status != "ACTIVE":
            events.append({**said, "type": f"task_{planned.status.lower()}", "note": "x" * 700})
            closed.append(name)
        record(world, events)
    world.clock.pass_time(case.rest * DAY)
    return Lived(desk, closed)


def record(world: World, events: list[Event]) -> None:
    world.store.transact("test", lambda _ledger, _now: Change(events))


def rows(desk: Desk) -> dict[str, Row]:
    return desk.store.view(lambda ledger: dict(ledger.rows))


def documents(desk: Desk, ids: list[str]) -> dict[str, Task]:
    return {task: views.show(desk, task) for task in ids}


def trimmed(task: Task, keep: int) -> dict[str, object]:
    """Return a task as pruning may leave it."""
    kept = {k: v for k, v in task.items() if k not in ("archived_at", "changed_seq")}
    return {**kept, "progress": task["progress"][-keep:]}


@examples(100)
@given(cases())
def test_what_is_open_or_failed_stays_and_so_do_the_latest_closed(world: World, case: Case) -> None:
    desk, closed = live(world, case)
    before = rows(desk)
    upkeep.prune(desk)
    after = rows(desk)
    must_stay = {i for i, row in before.items() if row["status"] != "COMPLETED"}
    must_stay |= set(closed[len(closed) - min(case.keep_closed, len(closed)) :])
    assert set(after) == must_stay
    assert {i: row["status"] for i, row in after.items()} == {i: before[i]["status"] for i in after}


@examples(100)
@given(cases())
def test_files_go_when_their_time_has_come_and_no_task_is_lost(world: World, case: Case) -> None:
    """A completed task keeps its file as long as its row, and not longer than so many days; all are still shown."""
    desk, _ = live(world, case)
    before = documents(desk, list(rows(desk)))
    limit = to_iso(world.now().wall - round(case.days * DAY * 1000))
    upkeep.prune(desk)
    after = rows(desk)
    files = {p.stem for folder in FOLDERS.values() for p in (world.root / folder).iterdir()}
    old = {i for i, t in before.items() if t["status"] == "COMPLETED" and (t["completed_at"] or "") < limit}
    assert files == after.keys() - old
    assert {i for i, row in after.items() if row.get("archived")} == after.keys() & old
    shown = documents(desk, list(before))
    for task, document in before.items():
        away = task not in files
        assert bool(shown[task]["archived_at"]) is away
        keep = len(document["progress"]) if away else case.keep_progress
        assert trimmed(shown[task], 99) == trimmed(document, keep)
    assert desk.store.view(lambda ledger: (ledger.added, ledger.dropped)) == (len(before), len(before) - len(after))


@examples(60)
@given(cases())
def test_pruned_at_and_pruned_count_say_when_and_how_many_went(world: World, case: Case) -> None:
    desk, _ = live(world, case)
    before = len(rows(desk))
    done = upkeep.prune(desk)
    went = {*done.archived, *done.dropped}
    assert set(done.dropped) <= set(done.archived)
    assert before - len(rows(desk)) == len(done.dropped)
    recorded = desk.store.view(lambda ledger: (ledger.pruned_at, ledger.pruned_count))
    happened = bool(went or done.trimmed)
    assert recorded == ((world.now().iso, len(went)) if happened else (None, 0))


@examples(60)
@given(cases())
def test_a_dry_run_foretells_the_prune_and_a_second_prune_does_nothing(world: World, case: Case) -> None:
    desk, _ = live(world, case)
    before = world.bytes_of()
    foretold = upkeep.prune(desk, dry_run=True)
    assert world.bytes_of() == before
    done = upkeep.prune(desk)
    assert done._replace(journal_bytes=0) == foretold._replace(journal_bytes=0)
    once = world.bytes_of()
    again = upkeep.prune(desk)
    assert (again.archived, again.dropped, again.trimmed, again.expired) == ([], [], [], [])
    assert world.bytes_of() == once


@examples(60)
@given(cases(), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_pruning_often_ends_where_pruning_once_does(world: World, case: Case, pauses: list[int]) -> None:
    """Rows and files after some prunes are those of one prune at the end: nothing depends on when cron ran."""
    desk, _ = live(world, case)
    world.clock.pass_time(sum(pauses) * DAY)
    upkeep.prune(desk)
    wanted = {i: (row["status"], row.get("archived")) for i, row in rows(desk).items()}
    desk, _ = live(world, case)
    for pause in pauses:
        upkeep.prune(desk)
        world.clock.pass_time(pause * DAY)
    upkeep.prune(desk)
    assert {i: (row["status"], row.get("archived")) for i, row in rows(desk).items()} == wanted
