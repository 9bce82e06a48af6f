"""The stream of events of an execution: read, and taken up again where it broke off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import msgspec

from maestrale.client.conversation import RETRIES, Request, Session, exchange
from maestrale.client.errors import NotFound, ServerUnreachable
from maestrale.client.reading import nothing, read
from maestrale.client.results import Event
from maestrale.client.steps import Item, ItemSteps, Pause, Read

SILENCE: Final = 45.0
"""Seconds without a word after which a stream has broken off; a server speaks every 15."""

AGAIN_AFTER: Final = 1.0
PATIENCE: Final = 60.0
"""Seconds for which a server may be away (it is started again, say) that has answered before."""


class EventReader:
    """Makes events of the text of a stream, however it is cut into pieces."""

    def __init__(self) -> None:
        self._rest = ""
        self._fields: dict[str, str] = {}

    def feed(self, text: str) -> Iterator[Event]:
        """The events that are complete with this piece."""
        # Not splitlines: other characters that may count as ends of lines stand in values.
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line:
                name, _, value = line.partition(":")
                self._fields[name] = value.removeprefix(" ")
                continue
            fields, self._fields = self._fields, {}
            if "data" in fields:
                is_end = fields.get("event") == "end"
                yield read(Event, json.loads(fields["data"]), id=fields.get("id", ""), is_end=is_end)


class EventStream(msgspec.Struct, frozen=True):
    """The events of an execution after the one with the id `last`, until its end.

    With `resumes` a stream that breaks off is taken up again; without, it is over then.
    """

    path: str
    last: str
    resumes: bool

    def steps(self, session: Session) -> ItemSteps[Event]:
        """Give the events as they come; whether there are more, because the end was not reached.

        Raises `ServerUnreachable` if a server that broke off does not come back.
        """
        last, heard = self.last, None
        while True:
            failure: ServerUnreachable | None
            try:
                answer = yield from exchange(
                    Request("GET", self.path, nothing),
                    session,
                    headers={"Last-Event-ID": last} if last else {},
                    retries=RETRIES if self.resumes else 0,
                    silence=SILENCE,
                )
            except ServerUnreachable as error:
                failure = error
            else:
                if answer.status == HTTPStatus.NO_CONTENT:  # nothing has happened after the end
                    return False
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    raise NotFound(HTTPStatus.NOT_FOUND, f"There are no events at {session.url(self.path)}")
                reader = EventReader()
                while isinstance(text := (yield Read()), str):
                    heard = session.clock()
                    for event in reader.feed(text):
                        last = event.id
                        yield Item(event)
                        if event.is_end:
                            return False
                failure = text
            is_worth_waiting = heard is not None and session.clock() - heard < PATIENCE
            if failure is not None and not (self.resumes and is_worth_waiting):
                raise failure
            if not self.resumes:
                return True
            yield Pause(AGAIN_AFTER)
