"""Notifications after commits: the publishers, and that none of them can hold the engine up.

That none is lost on its way: `rules/test_rule_11_notifications.py`.
"""

from __future__ import annotations

import json
import logging
import queue
import time
from collections.abc import Iterator

import pytest
from inbox import Inbox
from service import World

from maestrale.actions.egress import HttpSettings
from maestrale.model.notifications import Publisher
from maestrale.model.values import Secret
from maestrale.runtime import webhook
from maestrale.runtime.notifier import LOGGER
from maestrale.runtime.outbox import Failure
from maestrale.runtime.webhook import Webhook
from maestrale.store.notifications import Outgoing

TEXT = "version: '2.0'\nw: {tasks: {t: {action: std.noop}}}\n"
ALL = ["WORKFLOW_LAUNCHED", "TASK_LAUNCHED", "TASK_SUCCEEDED", "WORKFLOW_SUCCEEDED"]
OPEN = HttpSettings(denied_cidrs=())


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as found:
        yield found


class Hooks:
    """A sender, and how what was handed to it has ended."""

    def __init__(self, settings: HttpSettings = OPEN) -> None:
        self.webhook = Webhook(settings, lambda: time.time_ns() // 1000)
        self.ends: queue.Queue[Failure | None] = queue.Queue()

    def send(self, url: str, event: str = "TASK_FAILED", due_in: float = 60, **more: object) -> None:
        publisher: Publisher = {"type": "webhook", "url": url, **more}
        body = {"event": event, "id": "t-1", "state_info": Secret("hush")}
        now = time.time_ns() // 1000
        self.webhook.send(Outgoing("n", publisher, body, 0, now, now + round(due_in * 1e6)), self.ends.put)

    def end(self) -> Failure | None:
        return self.ends.get(timeout=20)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    found = Hooks()
    yield found
    found.webhook.stop(0)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    return [json.loads(r.getMessage()) for r in caplog.records if r.name == LOGGER]


def test_the_log_has_one_line_for_each_notification(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        row = world.run(TEXT, params={"notify": [{"type": "log"}]})
        world.engine.loop.settle()
    assert [line["event"] for line in lines(caplog)] == ALL
    last = lines(caplog)[-1]
    assert (last["id"], last["state"], last["name"]) == (row["id"], "SUCCESS", "w")


def test_without_publishers_nothing_is_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        world.run(TEXT)
        world.run(TEXT.replace("w:", "v:"), params={"notify": [{"type": "noop"}]})
        world.engine.loop.settle()
    assert lines(caplog) == []


def test_what_is_not_committed_is_not_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    text = "version: '2.0'\nw: {input: [x], tasks: {t: {action: std.noop}}}\n"
    world.define(text)
    with caplog.at_level(logging.INFO, LOGGER):
        with pytest.raises(Exception, match="missing"):
            world.start("w", params={"notify": [{"type": "log"}]})
        world.engine.loop.settle()
    assert lines(caplog) == []


def test_who_is_no_publisher_is_named(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.define(TEXT)
    with caplog.at_level(logging.INFO, LOGGER):
        world.end(world.start("w", params={"notify": [{"type": "other"}, {"type": "log"}]}))
        world.engine.loop.settle()
    assert "There is no publisher 'other' for TASK_SUCCEEDED" in caplog.text
    assert [line["event"] for line in lines(caplog)] == ALL


def test_a_webhook_is_posted_to(hooks: Hooks, inbox: Inbox) -> None:
    hooks.send(inbox.url, headers={"X-Key": 5})
    headers, body = inbox.get()
    assert body == {"event": "TASK_FAILED", "id": "t-1", "state_info": "***"}
    assert headers["x-key"] == "5"
    assert "content-type" not in headers
    assert hooks.end() is None


@pytest.mark.parametrize(
    ("status", "may_pass"), [(201, None), (302, False), (404, False), (429, True), (500, True), (503, True)]
)
def test_what_a_receiver_answers(hooks: Hooks, status: int, may_pass: bool | None) -> None:
    with Inbox(status) as inbox:
        hooks.send(inbox.url)
        end = hooks.end()
    if may_pass is None:
        assert end is None
    else:
        assert end is not None
        assert (str(end), end.may_pass) == (f"the answer has the status {status}", may_pass)


@pytest.mark.parametrize(
    ("url", "settings", "words", "may_pass"),
    [
        ("http://127.0.0.1:1/x", HttpSettings(), "blocked address", False),
        ("http://127.0.0.1:1/x", OPEN, "Failed to send HTTP request", True),
        ("nonsense", OPEN, "URL scheme", False),
    ],
)
def test_what_cannot_be_reached(url: str, settings: HttpSettings, words: str, may_pass: bool) -> None:
    hooks = Hooks(settings)
    hooks.send(url)
    end = hooks.end()
    hooks.webhook.stop(10)
    assert end is not None
    assert words in str(end)
    assert end.may_pass == may_pass


def test_a_receiver_that_hangs_holds_up_no_other(hooks: Hooks, inbox: Inbox) -> None:
    with Inbox() as hanging:
        hanging.gate.clear()
        for _ in range(webhook.AT_A_TIME + 1):
            hooks.send(hanging.url)
        hanging.get()
        hooks.send(inbox.url)
        assert inbox.get()[1]["id"] == "t-1"


def test_what_others_may_send_soon_is_left_to_them(hooks: Hooks, inbox: Inbox) -> None:
    hooks.send(inbox.url, "TOO_LATE", due_in=webhook.TIMEOUT - 1)
    hooks.send(inbox.url, "IN_TIME", due_in=webhook.TIMEOUT + 60)
    assert inbox.get()[1]["event"] == "IN_TIME"
    assert hooks.end() is None
    assert hooks.ends.empty()


def test_no_more_wait_than_there_is_room_for(
    hooks: Hooks, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "WAITING", 2)
    inbox.gate.clear()
    assert hooks.webhook.has_room
    for _ in range(2):
        hooks.send(inbox.url)
    assert not hooks.webhook.has_room
    inbox.gate.set()
    for _ in range(2):
        hooks.end()
    hooks.webhook.stop(10)
    assert not hooks.webhook.has_room


def test_the_end_waits_for_what_is_on_its_way(inbox: Inbox) -> None:
    hooks = Hooks()
    for number in range(20):
        hooks.send(inbox.url, f"EVENT_{number}")
    hooks.webhook.stop(10)
    assert {inbox.received.get_nowait()[1]["event"] for _ in range(20)} == {f"EVENT_{n}" for n in range(20)}


def test_the_end_does_not_wait_longer_than_its_grace(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    inbox.gate.clear()
    hooks = Hooks()
    hooks.send(inbox.url)
    inbox.get()
    hooks.webhook.stop(0)
    assert "1 notifications are left for the next start" in caplog.text
    hooks.send(inbox.url)
    assert inbox.received.empty()
    assert hooks.ends.empty()
