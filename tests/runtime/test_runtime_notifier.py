"""Notifications after commits: the publishers, and that none of them can hold the engine up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from inbox import Inbox
from service import World

from maestrale.actions.egress import HttpSettings
from maestrale.engine.effects import Notify
from maestrale.model.notifications import Publisher
from maestrale.model.values import Secret
from maestrale.runtime.notifier import LOGGER, Notifier

TEXT = "version: '2.0'\nw: {tasks: {t: {action: std.noop}}}\n"
ALL = ["WORKFLOW_LAUNCHED", "TASK_LAUNCHED", "TASK_SUCCEEDED", "WORKFLOW_SUCCEEDED"]
OPEN = HttpSettings(denied_cidrs=())


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as found:
        yield found


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    found = Notifier(OPEN)
    yield found
    found.stop(0)


def notification(*publishers: Publisher, event: str = "TASK_FAILED") -> Notify:
    return Notify(event, {"id": "t-1", "name": "t", "state_info": Secret("hush")}, publishers)


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


def test_a_webhook_is_posted_to(notifier: Notifier, inbox: Inbox) -> None:
    notifier.publish(notification({"type": "webhook", "url": inbox.url, "headers": {"X-Key": 5}}))
    headers, body = inbox.get()
    assert body == {"event": "TASK_FAILED", "id": "t-1", "name": "t", "state_info": "***"}
    assert headers["x-key"] == "5"
    assert "content-type" not in headers


def test_a_failing_webhook_is_logged_and_holds_up_nobody(
    notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    with Inbox(302) as first, Inbox() as second:
        bad = {"type": "webhook", "url": first.url}
        notifier.publish(notification({"type": "other"}, bad, {"type": "webhook", "url": second.url}))
        first.get()
        second.get()
        notifier.stop(10)
        assert second.received.empty()
    assert "There is no publisher 'other' for TASK_FAILED" in caplog.text
    assert "A webhook could not be told of TASK_FAILED of t-1: the answer has the status 302" in caplog.text


@pytest.mark.parametrize(
    ("url", "settings", "words"),
    [
        ("http://127.0.0.1:1/x", HttpSettings(), "blocked address"),
        ("http://127.0.0.1:1/x", OPEN, "Failed to send HTTP request"),
        ("nonsense", OPEN, "A webhook could not be told"),
    ],
)
def test_what_cannot_be_reached_is_logged(
    url: str, settings: HttpSettings, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(settings)
    notifier.publish(notification({"type": "webhook", "url": url}))
    notifier.stop(10)
    assert words in caplog.text


def test_a_publisher_that_fails_does_not_stop_the_next(
    notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Notify("TASK_FAILED", {"id": {1, 2}.__iter__()}, ({"type": "log"}, {"type": "other"}))
    notifier.publish(broken)
    assert "The publisher 'log' failed for TASK_FAILED" in caplog.text
    assert "There is no publisher 'other'" in caplog.text


def test_the_end_waits_for_what_is_on_its_way(inbox: Inbox) -> None:
    notifier = Notifier(OPEN)
    for number in range(20):
        event = f"EVENT_{number}"
        notifier.publish(notification({"type": "webhook", "url": inbox.url}, event=event))
    notifier.stop(10)
    assert {inbox.received.get_nowait()[1]["event"] for _ in range(20)} == {f"EVENT_{n}" for n in range(20)}


def test_the_end_does_not_wait_longer_than_its_grace(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    inbox.gate.clear()
    notifier = Notifier(OPEN)
    notifier.publish(notification({"type": "webhook", "url": inbox.url}))
    inbox.get()
    notifier.stop(0)
    assert "1 notifications were not sent any more" in caplog.text
    notifier.publish(notification({"type": "webhook", "url": inbox.url}))
    assert inbox.received.empty()
