"""What is long is kept whole beside the history; what is secret is not kept at all."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.dispatch import claims, completing, tasks, views
from dispatcher.dispatch.desk import Whose
from dispatcher.dispatch.tasks import Edit, NewTask
from dispatcher.domain.lifecycle import Wanted
from dispatcher.store.base import EXCERPT_BYTES
from tests.contract.opened import PASSWORD, Opened, added, happens

KEY = "ghp_" + "k3Y" * 12
LONG = "é🙂 a line that says something\n" * 400


def refs(value: object) -> list[str]:
    """Return every reference to a long text in JSON data."""
    if isinstance(value, dict):
        own = [v for k, v in value.items() if k.endswith("_blob")]
        return own + [ref for v in value.values() for ref in refs(v)]
    return [ref for item in value for ref in refs(item)] if isinstance(value, list) else []


def test_a_long_text_is_cut_in_the_record_and_comes_back_whole(opened: Opened) -> None:
    commit = opened.store.transact("add", happens(added("a", body=LONG), added("b", body="short")))
    assert commit.record
    event, short = commit.record.events
    assert len(event["body"].encode()) <= EXCERPT_BYTES
    assert LONG.startswith(event["body"])
    assert opened.store.bulk(event["body_blob"]) == LONG
    assert short["body"] == "short"
    assert "body_blob" not in short
    task = commit.ledger.task("a")
    assert (task["body"], task["body_blob"]) == (event["body"], event["body_blob"])


def test_the_limit_of_an_excerpt_is_in_bytes(opened: Opened) -> None:
    fits, one_more = "é" * (EXCERPT_BYTES // 2), "é" * (EXCERPT_BYTES // 2) + "x"
    record = opened.store.transact("add", happens(added("a", body=fits), added("b", body=one_more))).record
    assert record
    assert record.events[0]["body"] == record.events[1]["body"] == fits
    assert [opened.store.bulk(ref) for ref in refs(record.events)] == [one_more]


def test_a_text_that_is_gone_is_none(opened: Opened) -> None:
    assert opened.store.bulk("0" * 32 + "#0.body") is None
    ref = refs(opened.store.transact("add", happens(added("a", body=LONG))).ledger.task("a"))[0]
    assert opened.store.bulk(ref.partition("#")[0] + "#9.body") is None


def test_every_command_that_takes_text_keeps_it_whole(opened: Opened) -> None:
    desk = opened.desk()
    task = tasks.add(desk, NewTask("a", body=LONG + "body"))["id"]
    tasks.mute(desk, task, LONG + "muted", None)
    tasks.unmute(desk, task)
    for end, note in ((claims.fail, "failed"), (completing.complete, "completed")):
        token = str(claims.claim(desk, Wanted("ann", task=task)).claims[0].token)
        claims.progress(desk, Whose(claim=token), LONG + f"progress before {note}")
        end(desk, Whose(claim=token), LONG + note)
        tasks.reopen(desk, task, LONG)
    tasks.edit(desk, task, Edit(body=LONG + "edited"))
    shown: dict[str, Any] = dict(views.show(desk, task))
    assert shown["body"] == LONG + "edited"
    assert [p["text"] for p in shown["progress"]] == [LONG + f"progress before {n}" for n in ("failed", "completed")]
    assert [a["note"] for a in shown["attempt_log"]] == [LONG + "failed", LONG + "completed"]
    assert not refs(shown)
    tasks.edit(desk, task, Edit(body="short again"))
    assert views.show(desk, task)["body"] == "short again"


def test_the_reason_of_a_mute_is_kept_whole(opened: Opened) -> None:
    desk = opened.desk()
    task = tasks.add(desk, NewTask("a"))["id"]
    tasks.mute(desk, task, LONG + "muted", None)
    muted = views.show(desk, task)["muted"]
    assert muted
    assert muted["reason"] == (LONG + "muted").strip()


def test_long_texts_of_every_event_in_history_can_be_had(opened: Opened) -> None:
    desk = opened.desk()
    task = tasks.add(desk, NewTask("a", body=LONG))["id"]
    tasks.edit(desk, task, Edit(body=LONG * 2))
    tasks.mute(desk, task, LONG * 3, None)
    found = [opened.store.bulk(ref) for record in opened.store.history() for ref in refs(record.events)]
    assert found == [LONG.strip(), (LONG * 2).strip(), (LONG * 3).strip()]


def test_a_title_of_the_greatest_length_is_shown_whole(opened: Opened) -> None:
    title = "🙂" * 200
    task = tasks.add(opened.desk(), NewTask(title))["id"]
    assert views.show(opened.desk(), task)["title"] == title


@pytest.mark.parametrize("secret", [PASSWORD, KEY])
@pytest.mark.parametrize("filler", ["", "x " * 2000], ids=["short", "long"])
def test_secrets_are_taken_out_before_anything_is_kept(opened: Opened, secret: str, filler: str) -> None:
    """Wherever text goes in: no record, no task, no long text holds it, and what stood around it is there."""
    desk = opened.desk()
    said = f"{filler}before {secret} after"
    task = tasks.add(desk, NewTask(f"title {secret}", body=said, labels=("l",), paths=(f"src/{secret}",)))["id"]
    tasks.mute(desk, task, said, None)
    tasks.unmute(desk, task)
    token = str(claims.claim(desk, Wanted("ann")).claims[0].token)
    claims.progress(desk, Whose(claim=token), said)
    claims.release(desk, Whose(claim=token), said)
    claims.claim(desk, Wanted("ann"))
    claims.fail(desk, Whose(f"{task}@2"), said)
    tasks.reopen(desk, task, said)
    record = opened.store.transact(
        "raw", happens(added("raw", body=said, labels=[secret], more={secret: secret}))
    ).record
    records = list(opened.store.history())
    texts = [opened.store.bulk(ref) or "" for r in records for ref in refs(r.events)]
    documents = opened.store.view(lambda ledger: [ledger.task(t) for t in ledger.rows])
    everything = repr((records, texts, documents, record, task))
    assert secret not in everything
    assert everything.count("[redacted:") >= 8
    assert views.show(desk, task)["body"].startswith(f"{filler}before [redacted:")
    assert views.show(desk, task)["body"].endswith("] after")


def test_a_secret_that_the_limit_would_cut_in_two_is_taken_out_first(opened: Opened) -> None:
    body = "x" * (EXCERPT_BYTES - 10) + " " + KEY + " end" * 300
    record = opened.store.transact("add", happens(added("a", body=body))).record
    assert record
    assert "ghp_" not in record.events[0]["body"]
