"""Following an execution on a server: by its events, or (where a server has none) by asking now and then."""

from __future__ import annotations

import datetime
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from maestrale.cli.reporting import ENDED
from maestrale.client.errors import ApiError, ClientError, ServerUnreachable
from maestrale.model import states

if TYPE_CHECKING:
    from maestrale.client.results import Event, Execution
    from maestrale.client.sync import Client

PATIENCE: Final = 60.0
"""Seconds for which a server may be away (it is started again, say) that has answered before."""

AGAIN_AFTER: Final = 1.0
"""Seconds between two attempts to reach it, and between two questions to one that tells nothing."""

LONGEST_WAIT: Final = 5.0
"""Seconds for which a server is asked to wait for the end, so that progress is shown meanwhile."""

UNKNOWN: Final = (400, 404, 405)
"""What a server says that knows no events, or no waiting."""
LATER: Final = (429, 503)

EVENTS_AHEAD: Final = 1000

Incoming = queue.Queue["Event | ClientError | None"]
Show = Callable[[float, str, str, str | None], None]
"""Is told of a task: seconds after the beginning, its state, its name, and the reason."""


def follow(client: Client, identifier: str, seconds: float | None, show: Show | None) -> Execution:
    """The execution once nothing happens in it any more by itself, or `seconds` are over (None: never)."""
    deadline = None if seconds is None else time.monotonic() + seconds
    followed = _Followed(client, identifier, deadline, show)
    while True:
        try:
            found = followed.by_events()
        except ApiError as error:
            if error.status not in (*UNKNOWN, *LATER):
                raise
            return _by_asking(client, identifier, deadline, show)
        except ServerUnreachable as error:
            found = None
            if not followed.may_come_back():
                raise
            if not followed.is_away:
                followed.is_away = True
                click.echo(f"The server is away ({error.message}); trying to reach it again.", err=True)
        if found is not None:
            return found
        time.sleep(min(AGAIN_AFTER, _left(deadline)))


class _Followed:
    """What is known of an execution that is followed by its events."""

    def __init__(self, client: Client, identifier: str, deadline: float | None, show: Show | None) -> None:
        self._client = client
        self._id = identifier
        self._deadline = deadline
        self._show = show
        self._last = ""
        self._began: datetime.datetime | None = None
        self._heard: float | None = None
        self.is_away = False

    def may_come_back(self) -> bool:
        """Whether it is worth waiting for the server."""
        heard = self._heard
        return heard is not None and time.monotonic() - heard < PATIENCE and _left(self._deadline) > 0

    def by_events(self) -> Execution | None:
        """The execution at the end, or None if the stream has ended before."""
        incoming = receive(self._client, self._id, self._last)
        while True:
            try:
                event = incoming.get(timeout=_left(self._deadline))
            except queue.Empty:
                return self._client.executions.get(self._id)
            if event is None:
                return None
            if isinstance(event, ClientError):
                raise event
            self._heard, self._last, self.is_away = time.monotonic(), event.id, False
            is_paused = not event.is_end and self._note(event)
            if event.is_end or (is_paused and incoming.empty()):
                execution = self._client.executions.get(self._id)
                if execution.state in ENDED:
                    return execution

    def _note(self, event: Event) -> bool:
        """Show what has changed; whether the execution is paused by it."""
        assert event.at is not None
        self._began = began = self._began or event.at
        is_paused = False
        for change in event.changes:
            if change.type == "workflow":
                is_paused = change.after == states.PAUSED
            elif change.type == "task" and change.after != states.IDLE and self._show is not None:
                seconds = (event.at - began).total_seconds()
                self._show(seconds, change.after, change.name, change.state_info)
        return is_paused


def receive(client: Client, identifier: str, last: str = "") -> Incoming:
    """Where events come in, from a thread: so a person can interrupt, and the time can be over, at once.

    Behind the last one comes None, or the error with which they have ended.
    """
    incoming: Incoming = queue.Queue(EVENTS_AHEAD)

    def read() -> None:
        try:
            for event in client.executions.events(identifier, last, resumes=False):
                incoming.put(event)
            incoming.put(None)
        except ClientError as error:
            incoming.put(error)
        except RuntimeError:  # the client was closed, and nobody reads any more
            incoming.put(None)

    threading.Thread(target=read, name="events", daemon=True).start()
    return incoming


def _by_asking(client: Client, identifier: str, deadline: float | None, show: Show | None) -> Execution:
    """The same, on a server that tells nothing by itself (or to too many already)."""
    shown: dict[str, str] = {}
    began = time.monotonic()
    execution = client.executions.get(identifier)
    can_wait = True
    while True:
        if show is not None:
            _show_changes(client, identifier, shown, time.monotonic() - began, show)
        if execution.state in ENDED or _left(deadline) <= 0:
            return execution
        asked = time.monotonic()
        try:
            wait = min(LONGEST_WAIT, _left(deadline)) if can_wait else 0
            execution = client.executions.get(identifier, wait=wait)
        except ApiError as error:
            if error.status in UNKNOWN and can_wait:
                can_wait = False
            elif error.status not in LATER:
                raise
        if execution.state not in ENDED and time.monotonic() - asked < AGAIN_AFTER:
            time.sleep(min(AGAIN_AFTER, _left(deadline)))


def _show_changes(client: Client, identifier: str, shown: dict[str, str], seconds: float, show: Show) -> None:
    for task in client.executions.tasks(identifier):
        before, shown[task.id] = shown.get(task.id, states.IDLE), task.state
        if task.state != before:
            show(seconds, task.state, task.name, task.state_info)


def _left(deadline: float | None) -> float:
    """Seconds until the time is over."""
    return threading.TIMEOUT_MAX if deadline is None else max(0.0, deadline - time.monotonic())
