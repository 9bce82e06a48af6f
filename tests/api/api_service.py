"""The API in this process, on a database of its own, and what tests ask of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from conformity import Description

from maestrale.actions.process_settings import ProcessSettings
from maestrale.api.app import PageMakers, all_routes
from maestrale.api.identity_settings import OidcSettings
from maestrale.api.openapi import make_document
from maestrale.api.settings import ApiSettings
from maestrale.config import ApiLimits, DatabaseSettings, ServerSettings, Settings
from maestrale.model import states
from maestrale.wiring import Service

T = TypeVar("T")
Row = dict[str, Any]

HOST = "localhost:8989"
BASE = f"http://{HOST}"
MAX_BODY = 100_000
PATIENCE = 20.0
"""Seconds after which something that must happen counts as not happening."""

NOBODY = "11111111-1111-4111-8111-111111111111"
"""An id that belongs to nothing."""


class Api:
    """Sends requests to the application of one service: `api("GET", "/v2/workflows")`.

    `token` goes with each of them.
    """

    def __init__(self, service: Service, token: str | None = None, app: Any = None) -> None:
        self.service = service
        self.app = app or service.app()
        self._headers = {} if token is None else {"X-Auth-Token": token}
        self._changed = threading.Condition()
        service.engine.loop.listeners.append(self._committed)

    def as_caller(self, token: str) -> Api:
        """The same for the caller with this token."""
        return Api(self.service, token, self.app)

    def __call__(self, method: str, path: str, host: str = HOST, **given: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            base = f"http://{host}"
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=self._headers) as client:
                return await client.request(method, path, **given)

        answer = _loop().run(once())
        description(self.service).check(answer)
        return answer

    def get(self, path: str, **query: str) -> Any:
        """What a read that must succeed answers."""
        return _content(self("GET", path, params=query or None), 200)

    def put(self, path: str, **body: Any) -> Any:
        """What an update that must succeed answers."""
        return _content(self("PUT", path, json=body), 200)

    def names(self, collection: str, field: str = "name", **query: str) -> list[str]:
        """One field of all members of a list."""
        return [row[field] for row in self.get(f"/v2/{collection}", **query)[collection]]

    def define(self, text: str, **query: str) -> list[Row]:
        """Store the workflows of a text."""
        answer = self("POST", "/v2/workflows", content=text.encode(), params=query or None)
        found: list[Row] = _content(answer, 201)["workflows"]
        return found

    def start(self, name: str, **body: Any) -> Row:
        """Start a workflow."""
        answer = self("POST", "/v2/executions", json={"workflow_name": name, **body})
        found: Row = _content(answer, 201)
        return found

    def run(self, name: str, **body: Any) -> Row:
        """Start a workflow and wait for its end."""
        return self.reach(self.start(name, **body)["id"], *states.COMPLETED)

    def reach(self, execution_id: str, *wanted: str) -> Row:
        """An execution once it is in one of these states."""

        def find() -> Row | None:
            row: Row = self.get(f"/v2/executions/{execution_id}")
            return row if row["state"] in wanted else None

        found = self.until(find, f"{execution_id} to be {wanted}")
        assert found is not None
        return found

    def tasks(self, execution_id: str) -> dict[str, Row]:
        """The task executions of an execution by name."""
        rows = self.get(f"/v2/executions/{execution_id}/tasks")["tasks"]
        return {row["name"]: row for row in rows}

    def task(self, execution_id: str, name: str, state: str) -> Row:
        """A task execution of this name once it is in this state."""

        def find() -> Row | None:
            row = self.tasks(execution_id).get(name)
            return row if row and row["state"] == state else None

        found = self.until(find, f"task {name} to be {state}")
        assert found is not None
        return found

    def until(self, find: Callable[[], T], what: str) -> T:
        """Call `find` after each commit until it finds something true; that."""
        deadline = time.monotonic() + PATIENCE
        while not (found := find()):
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            with self._changed:
                self._changed.wait(0.05)
        return found

    def _committed(self, _execution_ids: list[str]) -> None:
        with self._changed:
            self._changed.notify_all()


_loops = threading.local()


def _loop() -> asyncio.Runner:
    """The event loop of this thread: one for each request would take longer than the request."""
    if not hasattr(_loops, "runner"):
        _loops.runner = asyncio.Runner()
    runner: asyncio.Runner = _loops.runner
    return runner


_descriptions: list[Description] = []


def description(service: Service) -> Description:
    """What the API says of itself: of every service the same, so it is made once."""
    if not _descriptions:
        makers = PageMakers(str, lambda _document, base: base)
        routes = all_routes(service.services(), ApiSettings(), makers)
        _descriptions.append(Description(make_document(routes, is_open=False)))
    return _descriptions[0]


def _content(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def assert_fault(answer: httpx.Response, status: int, *words: str) -> None:
    """An answer is an error with this status in the one envelope, and its text has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    fault = answer.json()
    expected = {"faultcode": "Client", "faultstring": fault["faultstring"], "debuginfo": None}
    assert fault == expected, answer.text
    assert answer.headers["Server-Error-Message"].isascii()
    for word in words:
        assert word in fault["faultstring"], (word, fault["faultstring"])


@contextmanager
def serving(
    database_url: str,
    server: ServerSettings | None = None,
    api: ApiLimits | None = None,
    dynamic: ProcessSettings | None = None,
    oidc: OidcSettings | None = None,
) -> Iterator[Api]:
    """A started service on a database."""
    service = Service(
        Settings(
            server=server or ServerSettings(),
            database=DatabaseSettings(database_url),
            api=api or ApiLimits(),
            dynamic_actions=dynamic or ProcessSettings(),
            oidc=oidc or OidcSettings(),
        )
    )
    service.start()
    try:
        yield Api(service)
    finally:
        service.stop(0)
