"""What was pruned is still found; a new segment of the history changes nothing that can be asked."""

from __future__ import annotations

import pytest

from dispatcher.dispatch import tasks, upkeep, views
from dispatcher.dispatch.tasks import NewTask
from dispatcher.domain.record import Record, Stamp, seal
from dispatcher.errors import AmbiguousTask, Refused, UnknownTask
from tests.contract.opened import Opened, added, completed, happens, rows

DAY = 86_400


def is_sealed(record: Record) -> bool:
    stamp = Stamp(record.command, record.writer, record.at)
    return seal(record.seq, record.prev, record.n, stamp, record.events)[0].crc == record.crc


def test_a_pruned_task_is_found_by_its_id_and_by_the_start_of_it(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    first, second = completed(desk, "parse the line"), completed(desk, "parse the page")
    upkeep.prune(desk)
    assert rows(opened.store) == {}
    assert [t["id"] for t in opened.store.archived(first)] == [first]
    assert {t["id"] for t in opened.store.archived("parse-the")} == {first, second}
    assert {t["id"] for t in opened.store.archived("")} == {first, second}
    assert opened.store.archived("the") == []
    shown = views.show(desk, first[:-1])
    assert (shown["title"], shown["status"]) == ("parse the line", "COMPLETED")
    assert shown["archived_at"] == opened.clock().iso
    with pytest.raises(AmbiguousTask):
        views.show(desk, "parse-the")
    with pytest.raises(UnknownTask):
        views.show(desk, "nothing-like-it")


def test_the_ledger_goes_before_the_archive_when_both_fit_a_prefix(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    completed(desk, "parse the line")
    upkeep.prune(desk)
    here = tasks.add(desk, NewTask("parse the page"))["id"]
    assert views.show(desk, "parse")["id"] == here


def test_a_task_archived_twice_is_found_once_in_its_newest_form(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    task = completed(desk, "a")
    upkeep.prune(desk)
    tasks.reopen(desk, task, "not done")
    again = completed(desk, "b")
    opened.store.transact(
        "complete",
        happens(
            {"type": "task_claimed", "task": task, "agent": "bob", "generation": 2, "lease": _lease(opened)},
            {"type": "task_completed", "task": task, "agent": "bob", "generation": 2},
        ),
    )
    upkeep.prune(desk)
    found = opened.store.archived(task)
    assert [(t["id"], t["generation"]) for t in found] == [(task, 2)]
    assert {t["id"] for t in opened.store.archived("")} == {task, again}


def _lease(opened: Opened) -> dict[str, object]:
    now = opened.clock()
    return {"seconds": 9, "renewed_at": now.iso, "expires_at": now.iso, "boot_id": now.boot_id, "deadline": now.boot}


def test_archived_lists_the_newest_first(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    made = []
    for name in "abc":
        made.append(completed(desk, name))
        upkeep.prune(desk)
        opened.clock.pass_time(DAY)
    assert [t["id"] for t in opened.store.archived("")] == made[::-1]


def test_a_task_whose_row_stays_keeps_its_whole_document(opened: Opened) -> None:
    desk = opened.desk(prune_archiveAfterDays=1)
    task = completed(desk, "old")
    before = views.show(desk, task)
    opened.clock.pass_time(2 * DAY)
    upkeep.prune(desk)
    assert rows(opened.store)[task]["archived"] is True
    after = views.show(desk, task)
    changed = {key for key in after if after[key] != before[key]}  # type: ignore[literal-required] # keys of Task
    assert changed == {"archived_at", "changed_seq"}


def test_a_task_comes_back_from_the_archive_as_it_was(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    task = completed(desk, "a")
    upkeep.prune(desk)
    back = tasks.reopen(desk, task, "not done")
    assert (back["status"], back["generation"], back["attempts"]) == ("PENDING", 2, 0)
    assert back["attempt_log"][0]["note"] == "done: a"
    assert opened.store.view(lambda ledger: (ledger.added, ledger.dropped, list(ledger.rows))) == (1, 0, [task])


def test_no_record_changes_after_it_was_sealed(opened: Opened) -> None:
    """Not even the one that brings a task back, whose document the ledger goes on with."""
    desk = opened.desk(prune_keepClosed=0)
    task = completed(desk, "a")
    upkeep.prune(desk)
    commit = opened.store.transact(
        "reopen",
        happens(
            {"type": "task_restored", "task": task, "document": opened.store.archived(task)[0]},
            {"type": "task_reopened", "task": task, "reason": "x"},
        ),
    )
    assert all(is_sealed(record) for record in opened.store.history())
    assert commit.record
    assert is_sealed(commit.record)


def test_what_is_archived_is_not_muted(opened: Opened) -> None:
    """Its document is closed up in the archive; edit refuses that too."""
    desk = opened.desk(prune_archiveAfterDays=1)
    task = completed(desk, "old")
    opened.clock.pass_time(2 * DAY)
    upkeep.prune(desk)
    with pytest.raises(Refused, match="archived"):
        tasks.mute(desk, task, "why", None)


def test_rotation_keeps_state_history_and_texts(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=1)
    gone, kept = completed(desk, "a"), completed(desk, "b")
    upkeep.prune(desk)
    tasks.add(desk, NewTask("open", body="long " * 500))
    state, before = opened.store.view(lambda ledger: ledger.checkpoint()), list(opened.store.history())
    for number in (1, 2):
        commit = opened.store.rotate()
        assert commit.record
        assert commit.record.seq == len(before) + number
    after = list(opened.store.history())
    assert after[: len(before)] == before
    assert [r.events[0]["type"] for r in after[len(before) :]] == ["checkpoint", "checkpoint"]
    now = opened.store.view(lambda ledger: ledger.checkpoint())
    assert _without_head(now) == _without_head(state)
    assert views.show(desk, gone)["id"] == gone
    assert views.show(desk, "open")["body"] == ("long " * 500).strip()
    assert tasks.reopen(desk, kept, "still works")["status"] == "PENDING"


def _without_head(state: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in state.items() if k not in ("seq", "head", "writers")}


def test_rebuilding_a_sound_state_loses_and_changes_nothing(opened: Opened) -> None:
    desk = opened.desk(prune_keepClosed=0)
    completed(desk, "a")
    upkeep.prune(desk)
    opened.store.transact("add", happens(added("b")))
    before = list(opened.store.history()), rows(opened.store), opened.store.archived("")
    assert opened.store.rebuild() == ([], False)
    assert (list(opened.store.history()), rows(opened.store), opened.store.archived("")) == before
