"""Under which id a request is answered, and logged."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator

import httpx
import pytest
from callers import Callers, callers
from starlette.types import Receive, Scope, Send

from maestrale.api.guard import Guard
from maestrale.api.request_ids import RequestIdFilter
from maestrale.api.settings import ApiSettings

HEADER = "X-OpenStack-Request-ID"
GIVEN = "req-11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    folder = tmp_path_factory.mktemp("ids")
    with callers(f"sqlite:///{folder}/ids.db", folder) as found:
        yield found


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged, as the server writes it."""
    written: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler = Lines()
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter("%(message)s%(request)s"))
    caplog.set_level(logging.INFO, "maestrale.api")
    logger = logging.getLogger("maestrale.api")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def test_it_is_told_and_logged(people: Callers, lines: list[str]) -> None:
    answer = people.stranger("GET", "/v2/tasks")
    own = answer.headers[HEADER]
    assert re.fullmatch(r"req-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", own)
    assert [line.partition(" [")[2] for line in lines] == [f"{own}]"]


def test_that_of_the_caller_is_logged_beside_it(people: Callers, lines: list[str]) -> None:
    answer = people.stranger("GET", "/v2/tasks", headers={HEADER: GIVEN})
    own = answer.headers[HEADER]
    assert own != GIVEN
    assert [line.partition(" [")[2] for line in lines] == [f"{own} {GIVEN}]"]


@pytest.mark.parametrize("given", ["req-1", GIVEN.upper(), GIVEN + "0", f"x {GIVEN}", ""])
def test_what_is_no_id_is_not_logged(people: Callers, lines: list[str], given: str) -> None:
    answer = people.stranger("GET", "/v2/tasks", headers={HEADER: given})
    assert [line.partition(" [")[2] for line in lines] == [f"{answer.headers[HEADER]}]"]


def test_a_bug_is_found_by_its_id(lines: list[str]) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("a bug")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(broken, ApiSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/v2/tasks")

    answer = asyncio.run(ask())
    own = answer.headers[HEADER]
    assert own in answer.json()["faultstring"]
    assert f"GET /v2/tasks failed [{own}]" in lines[0]


def test_what_belongs_to_no_request_has_none(lines: list[str]) -> None:
    logging.getLogger("maestrale.api.guard").info("beginning")
    assert lines == ["beginning"]
