"""What a name, the beginning of a name, or a token means."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from dispatcher import config
from dispatcher.dispatch import finding, tasks, upkeep
from dispatcher.dispatch.desk import Desk, Whose
from dispatcher.dispatch.tasks import NewTask
from dispatcher.domain.lifecycle import Holder
from dispatcher.domain.redact import Redactor
from dispatcher.domain.task import Task
from dispatcher.errors import AmbiguousTask, DispatcherError, InvalidInput, Refused, UnknownTask
from dispatcher.store.memory import MemoryStore
from tests.contract.opened import Opened, added, completed, happens
from tests.support import FakeClock


class Place(NamedTuple):
    """A desk, and the ids of three open tasks and two archived ones by their titles."""

    desk: Desk
    ids: dict[str, str]

    def fill(self, text: str | None) -> str | None:
        """Return `text` with {title} replaced by that task's id."""
        return text and text.format(**self.ids)

    def find(self, given: str) -> tuple[str, Task | None]:
        return self.desk.store.view(lambda ledger: finding.find(self.desk, ledger, given))

    def holder(self, whose: Whose) -> tuple[Holder, Task]:
        filled = Whose(self.fill(whose.task), self.fill(whose.claim), whose.agent)
        return self.desk.store.view(lambda ledger: finding.holder(self.desk, ledger, filled))

    def depends(self, *given: str) -> list[str]:
        return self.desk.store.view(lambda ledger: finding.dependencies(self.desk, ledger, given))


@pytest.fixture
def place(clock: FakeClock) -> Place:
    store = MemoryStore(clock, Redactor({}))
    store.create()
    short = Opened(store, clock, []).desk(prune_keepClosed=0)
    gone = {title: completed(short, title) for title in ("old", "older", "write")}
    upkeep.prune(short)
    desk = Desk(store, config.load(None, config.FILE, {}), clock, Redactor({}))
    here = {title: tasks.add(desk, NewTask(title))["id"] for title in ("parse", "parser", "write")}
    return Place(desk, {**gone, **here, "written": gone["write"]})


def test_an_id_or_the_only_one_that_begins_so(place: Place) -> None:
    for given in ("write", place.ids["write"], place.ids["write"][:-1], " WRITE ", place.ids["write"] + "@3"):
        assert place.find(given) == (place.ids["write"], None)
    with pytest.raises(AmbiguousTask):
        place.find("parse")
    assert place.find("parse-")[0] == place.ids["parse"]


def test_what_left_the_ledger_is_found_in_the_archive(place: Place) -> None:
    found, document = place.find("older")
    assert found == place.ids["older"]
    assert document
    assert (document["id"], document["status"]) == (found, "COMPLETED")
    with pytest.raises(AmbiguousTask):
        place.find("old")


def test_the_ledger_goes_first_unless_the_whole_id_is_that_of_an_archived_task(place: Place) -> None:
    assert place.find("write")[1] is None
    gone = place.ids["written"]
    place.desk.store.transact("add", happens(added(gone + "0")))
    assert place.find(gone + "0") == (gone + "0", None)
    found, document = place.find(gone)
    assert found == gone
    assert document
    assert place.holder(Whose(claim=f"{gone}@1"))[0].task == gone
    assert place.find(gone[:-1])[0] == gone + "0", "the beginning of an id means a task in the ledger"


@pytest.mark.parametrize("given", ["", " ", "nobody", "../parse", "parse/../x", "é", "@", "old\n\nx"])
def test_what_is_nowhere_is_unknown(place: Place, given: str) -> None:
    with pytest.raises(UnknownTask):
        place.find(given)


def test_commands_for_the_ledger_say_that_a_task_is_archived(place: Place) -> None:
    with pytest.raises(Refused, match="it is archived; 'dispatcher reopen' brings it back"):
        place.desk.store.view(lambda ledger: finding.find_here(place.desk, ledger, "older"))


@pytest.mark.parametrize(
    ("whose", "meant"),
    [
        (Whose(claim="{parse}@2"), Holder("{parse}", 2)),
        (Whose("{parse}@2"), Holder("{parse}", 2)),
        (Whose("{parse}@2", "{write}@7"), Holder("{parse}", 2)),
        (Whose("write", claim="{write}@3"), Holder("{write}", 3)),
        (Whose("write", agent="ann"), Holder("{write}", None, "ann")),
        (Whose(claim="write@3", agent="ann"), Holder("{write}", 3, "ann")),
        (Whose(claim="{older}@1"), Holder("{older}", 1)),
    ],
)
def test_a_claim_is_named_by_token_or_by_task_and_agent(place: Place, whose: Whose, meant: Holder) -> None:
    holder, task = place.holder(whose)
    assert holder == meant._replace(task=meant.task.format(**place.ids))
    assert task["id"] == holder.task


@pytest.mark.parametrize(
    ("whose", "error"),
    [
        (Whose(), InvalidInput),
        (Whose("write"), InvalidInput),
        (Whose(agent="ann"), InvalidInput),
        (Whose("parser", "{parse}@2"), InvalidInput),
        (Whose(claim="{parse}"), InvalidInput),
        (Whose(claim="nobody@1"), UnknownTask),
        (Whose(claim="parse@1"), AmbiguousTask),
        (Whose("../etc", agent="ann"), UnknownTask),
    ],
)
def test_a_claim_that_is_not_clear_is_refused(place: Place, whose: Whose, error: type[DispatcherError]) -> None:
    with pytest.raises(error):
        place.holder(whose)


def test_dependencies_are_found_once_each_and_archived_ones_are_done(place: Place) -> None:
    parse, write = place.ids["parse"], place.ids["write"]
    assert place.depends("write", parse, "older", write) == [write, parse]


@pytest.mark.parametrize(
    ("given", "error"), [("nobody", UnknownTask), ("", UnknownTask), ("old", AmbiguousTask), ("parse", AmbiguousTask)]
)
def test_a_dependency_that_is_not_clear_is_refused(place: Place, given: str, error: type[DispatcherError]) -> None:
    """Leaving it out would let the task be claimed at once."""
    with pytest.raises(error):
        place.depends(given)
