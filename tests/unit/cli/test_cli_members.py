"""What the commands for members send and print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from cli_objects import MEMBER
from cli_server import ApiServer, ask

SHOWN: Final = {
    "Resource ID": "w", "Resource Type": "workflow", "Resource Owner": "blue", "Member ID": "green",
    "Status": "pending", "Created at": "2026-11-28 10:00:00", "Updated at": None,
}  # fmt: skip


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.answer("GET /workflows/w/members", {"members": [MEMBER]})
        for method in ("GET", "PUT"):
            server.answer(f"{method} /workflows/w/members/green", MEMBER)
        server.answer("POST /workflows/w/members", MEMBER, status=201)
        server.answer("DELETE /workflows/w/members/green", status=204)
        yield server


@pytest.mark.parametrize(
    ("words", "method", "path", "body"),
    [
        (("member-get", "w", "workflow", "-m", "green"), "GET", "/green", None),
        (("member-get", "w", "workflow"), "GET", "/green", None),
        (("resource", "member", "show", "w", "workflow"), "GET", "/green", None),
        (("member-create", "w", "workflow", "green"), "POST", "", {"member_id": "green"}),
        (("member-update", "w", "workflow"), "PUT", "/green", {"status": "accepted"}),
        (("member-update", "w", "workflow", "-m", "green", "-s", "rejected"), "PUT", "/green",
         {"status": "rejected"}),
    ],
)  # fmt: skip
def test_one_member(api: ApiServer, words: tuple[str, ...], method: str, path: str, body: Any) -> None:
    outcome = ask(api, *words, "-f", "json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == SHOWN
    assert (api.last.method, api.last.path) == (method, f"/v2/workflows/w/members{path}")
    assert (api.last.body if body else None) == body


def test_all_members(api: ApiServer) -> None:
    assert json.loads(ask(api, "member-list", "w", "workflow", "-f", "json").out) == [SHOWN]
    assert api.last.query == {}


def test_the_end_of_sharing(api: ApiServer) -> None:
    outcome = ask(api, "member-delete", "w", "workflow", "green")
    assert outcome.out == "Request to delete workflow member green has been accepted.\n"
    assert (api.last.method, api.last.path) == ("DELETE", "/v2/workflows/w/members/green")
    api.refuse("DELETE /workflows/w/members/none", 404, "Resource member not found")
    outcome = ask(api, "member-delete", "w", "workflow", "none")
    assert (outcome.code, outcome.err) == (1, "ERROR (app) Resource member not found\n")


@pytest.mark.parametrize(("members", "number"), [([], 0), ([MEMBER, MEMBER], 2)])
def test_which_member_must_be_clear(api: ApiServer, members: list[Any], number: int) -> None:
    api.answer("GET /workflows/v/members", {"members": members})
    for command in ("member-get", "member-update"):
        outcome = ask(api, command, "v", "workflow")
        assert outcome.code == 1
        assert f"shared with {number} projects; name one with --member-id" in outcome.err


def test_only_workflows_are_shared(api: ApiServer) -> None:
    assert ask(api, "member-list", "w", "workbook").code == 2
    assert api.requests == []
