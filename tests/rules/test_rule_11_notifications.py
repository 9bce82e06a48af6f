"""Rule 11: a notification is stored in the transaction of its cause, sent in none, and gone once received.

Whoever dies in between, and whatever the receiver does: it is sent again, under the same id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from inbox import Inbox
from service import PATIENCE, World
from sqlalchemy import Connection, insert

from maestrale.actions.egress import HttpSettings
from maestrale.config import NotifierSettings
from maestrale.runtime import outbox
from maestrale.store.database import Database
from maestrale.store.executions import MailChanged
from maestrale.store.notifications import (
    HELD_FOR,
    Outgoing,
    notification_row,
    take_notifications,
)
from maestrale.store.schema import prepare
from maestrale.store.tables import notifications, processes

TEXT = "version: '2.0'\nw: {tasks: {t: {action: std.noop}}}\n"
OPEN = HttpSettings(denied_cidrs=())
EVENTS = ["WORKFLOW_LAUNCHED", "TASK_LAUNCHED", "TASK_SUCCEEDED", "WORKFLOW_SUCCEEDED"]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as found:
        yield found


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.05)


def world_of(database_url: str, retry_for: float = 3600) -> World:
    return World(database_url, std_http=OPEN, notifier=NotifierSettings(retry_for=retry_for))


def begin(world: World, inbox: Inbox, *events: str) -> str:
    """Start a workflow of which the inbox hears (of these events)."""
    world.define(TEXT)
    hook: dict[str, Any] = {"type": "webhook", "url": inbox.url, "event_types": list(events)}
    return world.start("w", params={"notify": [hook]})


def stored(world: World) -> list[dict[str, Any]]:
    return world.rows(notifications)


def received(inbox: Inbox) -> dict[str, Any]:
    body: dict[str, Any] = inbox.get()[1]
    return body


def test_it_is_stored_until_it_is_received(database_url: str, inbox: Inbox) -> None:
    inbox.gate.clear()
    with world_of(database_url) as world:
        key = begin(world, inbox)
        first = received(inbox)  # the receiver has it, and has not answered
        assert world.end(key)["state"] == "SUCCESS"
        assert len(stored(world)) == 4
        assert first["notification_id"] in {row["id"] for row in stored(world)}
        assert world.run(TEXT.replace("w:", "other:"))["state"] == "SUCCESS"  # no transaction waits for it
        inbox.gate.set()
        world.until(lambda: not stored(world), "all to be received")
        bodies = [first, *(received(inbox) for _ in range(3))]
        assert sorted(body["event"] for body in bodies) == sorted(EVENTS)
        bodies.sort(key=lambda body: body["sequence"])
        assert [body["event"] for body in bodies] == EVENTS


def test_what_is_not_committed_is_not_sent(
    database_url: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world_of(database_url) as world:

        def refuse(*_: object) -> None:
            raise MailChanged

        with monkeypatch.context() as broken:
            broken.setattr("maestrale.store.executions._write_mail", refuse)
            world.define(TEXT)
            hook = {"type": "webhook", "url": inbox.url}
            future = world.engine.start_workflow(world.request("w", params={"notify": [hook]}))
            time.sleep(0.3)
            assert stored(world) == []
            assert inbox.received.empty()
        future.result(PATIENCE)
        assert {received(inbox)["event"] for _ in EVENTS} == set(EVENTS)


def test_what_a_process_has_left_is_sent_by_the_next(database_url: str, inbox: Inbox) -> None:
    inbox.gate.clear()
    with world_of(database_url) as world:
        world.end(begin(world, inbox, "WORKFLOW_SUCCEEDED"))
        first = received(inbox)
    inbox.gate.set()
    with world_of(database_url) as world:
        assert received(inbox) == first
        world.until(lambda: not stored(world), "it to be received")
    assert inbox.received.empty()


def test_a_receiver_that_fails_is_asked_again(database_url: str, inbox: Inbox) -> None:
    inbox.status = 503
    with world_of(database_url) as world:
        begin(world, inbox, "WORKFLOW_SUCCEEDED")
        first = received(inbox)
        assert received(inbox) == first
        inbox.status = 200
        world.until(lambda: not stored(world), "it to be received")


@pytest.mark.parametrize(("status", "retry_for"), [(503, 0.0), (404, 3600.0)])
def test_it_is_given_up_in_the_end(
    database_url: str, inbox: Inbox, status: int, retry_for: float, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.status = status
    with world_of(database_url, retry_for) as world:
        begin(world, inbox, "WORKFLOW_SUCCEEDED")
        received(inbox)
        world.until(lambda: not stored(world), "it to be given up")
    assert inbox.received.empty()
    assert f"was not received and is given up: the answer has the status {status}" in caplog.text
    assert [r.levelno for r in caplog.records if "given up" in r.getMessage()] == [logging.ERROR]


def test_who_may_take_what(empty_database_url: str) -> None:
    """What is due, and what a process has taken that is no more; nobody else's."""
    database = Database(empty_database_url)
    prepare(database)
    people = {"alive": False, "gone": True}
    row = {"host": "h", "boot": "b", "pid": 1, "roles": "engine", "started_at": 1, "lease_until": 1}

    def fill(connection: Connection) -> None:
        connection.execute(
            insert(processes), [{"id": who, "gone": gone, **row} for who, gone in people.items()]
        )
        for name, taken_by, due_at in [
            ("its", "alive", 200), ("due", "alive", 100), ("left", "gone", 200), ("lost", "unknown", 200),
            ("free", None, 100), ("later", None, 200),
        ]:  # fmt: skip
            one = Outgoing(name, {"type": "webhook"}, {"event": "E"}, 2, 1, due_at)
            connection.execute(insert(notifications), [notification_row(one, "e", taken_by)])

    database.write(fill).result()
    some = database.write(take_notifications, "alive", 100, 2).result()
    rest = database.write(take_notifications, "alive", 100, 9).result()
    again = database.write(take_notifications, "alive", 100, 9).result()
    database.close()
    assert [one.id for one in some] == ["due", "free"]
    assert {one.id for one in rest} == {"left", "lost"}
    assert again == []
    assert {one.due_at for one in (*some, *rest)} == {100 + HELD_FOR}
    assert some[0].attempts == 2
