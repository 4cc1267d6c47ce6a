"""ST11: the same input and the same clock give the same ids, order and bytes, whatever the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from dispatcher.dispatch import claims, completing, tasks, upkeep, views
from dispatcher.dispatch.desk import Whose
from dispatcher.dispatch.tasks import Edit, NewTask
from dispatcher.domain.lifecycle import Wanted
from tests.contract.opened import OPENERS, Opened, completed
from tests.support import FakeClock


def live(opened: Opened) -> None:
    """Do a bit of everything."""
    desk = opened.desk(prune_keepClosed=2, prune_archiveAfterDays=1, claim_lease=60)
    first = tasks.add(desk, NewTask("parse() fails", body="why? " * 300, priority=80, labels=("a", "b")))["id"]
    second = tasks.add(desk, NewTask("parse() fails", depends_on=(first,), paths=("src/parse.py",)))["id"]
    third = tasks.add(desk, NewTask("späť 🙂"))["id"]
    tasks.mute(desk, third, "later", "7d")
    token = str(claims.claim(desk, Wanted("ann", limit=3)).claims[0].token)
    opened.clock.pass_time(30)
    claims.heartbeat(desk, Whose(claim=token), 90)
    claims.progress(desk, Whose(claim=token), "half way " * 100)
    opened.clock.pass_time(100)
    claims.claim(desk, Wanted("bob", task=first))
    completing.complete(desk, Whose(f"{first}@2"), "done")
    claims.claim(desk, Wanted("ann"))
    claims.fail(desk, Whose(f"{second}@1"), "cannot")
    tasks.edit(desk, second, Edit(priority=10, add_labels=("c",)))
    for name in "wxyz":
        opened.clock.pass_time(40_000)
        completed(desk, name)
    upkeep.prune(desk)
    tasks.unmute(desk, third)
    tasks.reopen(desk, second, "once more")


def seen(opened: Opened) -> dict[str, Any]:
    """Return all that a store can be asked."""
    desk = opened.desk()
    records = list(opened.store.history())
    ledger = opened.store.view(lambda ledger: ledger)
    refs = [v for r in records for e in r.events for k, v in e.items() if k.endswith("_blob")]
    return {
        "history": [record._asdict() for record in records],
        "rows": list(ledger.rows.values()),
        "tasks": [ledger.task(task) for task in ledger.rows],
        "ledger": (ledger.seq, ledger.head, ledger.writers, ledger.added, ledger.dropped, ledger.pruned_count),
        "texts": [(ref, opened.store.bulk(ref)) for ref in refs],
        "archived": sorted(opened.store.archived(""), key=lambda task: task["id"]),
        "listed": views.list_tasks(desk, views.Filter()),
    }


def made(kind: str, path: Path) -> Opened:
    path.mkdir()
    clock, said = FakeClock(), list[str]()
    opened = Opened(OPENERS[kind](path, clock, said), clock, said)
    opened.store.create()
    return opened


def lived(kind: str, path: Path) -> tuple[bytes, Opened]:
    opened = made(kind, path)
    live(opened)
    return orjson.dumps(seen(opened), option=orjson.OPT_SORT_KEYS), opened


def test_every_store_tells_the_same_story(tmp_path: Path) -> None:
    stories = [lived(kind, tmp_path / kind) for kind in OPENERS]
    for story, opened in stories[1:]:
        assert orjson.loads(story) == orjson.loads(stories[0][0])
        assert not opened.said


def test_a_second_life_leaves_the_same_files(tmp_path: Path) -> None:
    """Byte for byte, the archive included; only the cursor names the inode of its journal."""

    def files(name: str) -> dict[str, bytes]:
        _, opened = lived("files", tmp_path / name)
        opened.store.rotate()
        opened.store.close()
        paths = [p for p in (tmp_path / name).rglob("*") if p.is_file() and p.name != "cursor.json"]
        return {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in paths}

    once, again = files("once"), files("again")
    assert once == again
    assert not [name for name, data in once.items() if name.endswith(".gz") and data[4:8] != bytes(4)], "no time in it"
    assert len([name for name in once if name.startswith(("ARCHIVE/", "BLOBS/"))]) >= 4


def test_what_is_archived_in_one_prune_has_the_same_order_everywhere(tmp_path: Path) -> None:
    orders = []
    for kind in OPENERS:
        opened = made(kind, tmp_path / kind)
        desk = opened.desk(prune_keepClosed=0)
        for name in "abc":
            completed(desk, name)
        upkeep.prune(desk)
        orders.append([task["title"] for task in opened.store.archived("")])
    assert orders[0] == orders[1]
