"""Workbooks: what is stored of one, as a whole, and what stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import Api, assert_fault, serving

from maestrale.model.errors import Forbidden, NotFound
from maestrale.services.access import Caller

ON_POSTGRESQL = 3

TEXT = """version: '2.0'
name: book
description: About words
tags: [b1]

actions:
  shout:
    input: [text, {mark: '!'}]
    base: std.echo output="<% $.text %>"
  louder: {base: shout}
workflows:
  # the inner one
  inner:
    tags: [w1]
    input: [t, {u: 2}]
    output: {loud: <% $.t %>}
    tasks:
      s: {action: std.noop}   # does nothing
  outer: {output: {r: <% $.r %>}, tasks: {a: {workflow: inner t=1, publish: {r: <% task().result.loud %>}}}}
"""
OTHER = """version: '2.0'
name: book
workflows:
  inner: {tasks: {s: {action: std.fail}}}
"""


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url) as found:
        yield found


def upload(api: Api, text: str, method: str = "POST", **query: str) -> Any:
    answer = api(method, "/v2/workbooks", content=text.encode(), params=query or None)
    assert answer.status_code == (201 if method == "POST" else 200), answer.text
    return answer.json()


def members(api: Api) -> list[str]:
    return sorted(api.names("workflows") + api.names("actions", is_system="false"))


def test_what_is_stored(api: Api) -> None:
    created = upload(api, TEXT)
    assert (created["name"], created["tags"], created["scope"], created["namespace"]) == (
        ("book", ["b1"], "private", "")
    )
    assert "updated_at" not in created
    assert api.get("/v2/workbooks/book") == created | {"updated_at": None}
    assert api.get("/v2/workbooks")["workbooks"] == [created | {"updated_at": None}]
    assert created["definition"] == TEXT
    assert members(api) == ["book.inner", "book.louder", "book.outer", "book.shout"]
    inner = api.get("/v2/workflows/book.inner")
    assert (inner["input"], inner["tags"], inner["checksum"]) == ('t, u="2"', ["w1"], None)
    assert inner["definition"].startswith("inner:\n  tags: [w1]\n")
    assert "# does nothing" in inner["definition"]
    shout = api.get("/v2/actions/book.shout")
    assert (shout["input"], shout["is_system"]) == ('text, mark="!"', False)
    assert shout["definition"].startswith("shout:\n  input: [text, {mark: '!'}]\n")


def test_members_know_each_other_by_short_names(api: Api) -> None:
    """Also those that stand in flow style, and where another workflow has the short name."""
    api.define(
        "version: '2.0'\ninner:\n  input: [t]\n  output: {loud: wrong}\n  tasks: {s: {action: std.noop}}\n"
    )
    upload(api, TEXT)
    execution = api.run("book.outer")
    assert (execution["state"], execution["output"]) == ("SUCCESS", '{"r": 1}')
    children = api.get("/v2/executions", workflow_name="book.inner")["executions"]
    assert len(children) == 1


def test_members_live_where_the_workbook_lives(api: Api) -> None:
    upload(api, TEXT, namespace="n", scope="public")
    for path in ("workbooks/book", "workflows/book.inner", "actions/book.shout"):
        row = api.get(f"/v2/{path}", namespace="n")
        assert (row["namespace"], row["scope"]) == ("n", "public")
        assert_fault(api("GET", f"/v2/{path}"), 404, "book")
    upload(api, TEXT, "PUT", namespace="n")
    assert api.get("/v2/workflows/book.inner", namespace="n")["scope"] == "private"
    assert api.run("book.outer", workflow_namespace="n")["state"] == "SUCCESS"


def test_an_update_replaces_members_and_keeps_those_that_it_does_not_have(api: Api) -> None:
    upload(api, TEXT)
    before = {name: api.get(f"/v2/workflows/book.{name}") for name in ("inner", "outer")}
    assert upload(api, OTHER, "PUT")["tags"] == []
    inner = api.get("/v2/workflows/book.inner")
    assert inner["id"] == before["inner"]["id"]
    assert "std.fail" in inner["definition"]
    assert api.get("/v2/workflows/book.outer") == before["outer"]
    assert members(api) == ["book.inner", "book.louder", "book.outer", "book.shout"]


def test_an_update_without_a_change_changes_nothing(api: Api) -> None:
    upload(api, TEXT)
    upload(api, TEXT, "PUT")
    for path in ("workbooks/book", "workflows/book.inner", "actions/book.shout"):
        assert api.get(f"/v2/{path}")["updated_at"] is None


def test_creating_takes_over_what_has_the_name_of_a_member(api: Api) -> None:
    stored = api.define("version: '2.0'\nbook.inner:\n  tasks: {s: {action: std.fail}}\n")[0]
    upload(api, TEXT)
    inner = api.get("/v2/workflows/book.inner")
    assert inner["id"] == stored["id"]
    assert "std.fail" not in inner["definition"]


def test_all_or_nothing(api: Api) -> None:
    upload(api, OTHER)
    assert_fault(api("POST", "/v2/workbooks", content=TEXT.encode()), 409, "book", "mistral workbook-update")
    assert members(api) == ["book.inner"]
    assert_fault(api("PUT", "/v2/workbooks", content=TEXT.replace("name: book", "name: none")), 404, "none")
    assert members(api) == ["book.inner"]
    cycle = TEXT.replace("louder: {base: shout}", "louder: {base: louder}")
    assert_fault(api("PUT", "/v2/workbooks", content=cycle), 400, "line 10", "book.louder -> book.louder")
    assert members(api) == ["book.inner"]


def test_a_cycle_over_stored_actions_is_refused(api: Api) -> None:
    action = "version: '2.0'\nmine:\n  base: book.louder\n"
    assert api("POST", "/v2/actions", content=action).status_code == 201
    text = TEXT.replace("louder: {base: shout}", "louder: {base: mine}")
    assert_fault(api("POST", "/v2/workbooks", content=text), 400, "book.louder -> mine -> book.louder")
    assert api.names("workbooks") == []


def test_deleting_leaves_the_members(api: Api) -> None:
    upload(api, TEXT)
    assert api("DELETE", "/v2/workbooks/book").status_code == 204
    assert_fault(api("GET", "/v2/workbooks/book"), 404, "Workbook not found [name=book, namespace=]")
    assert_fault(api("DELETE", "/v2/workbooks/book"), 404, "book")
    assert len(members(api)) == 4
    assert api.run("book.outer")["state"] == "SUCCESS"


def test_workbooks_go_by_name_only(api: Api) -> None:
    row = upload(api, TEXT)
    assert_fault(api("GET", f"/v2/workbooks/{row['id']}"), 404, row["id"])
    odd = "version: '2.0'\nname: 123e4567-e89b-12d3-a456-426655440000\n"
    upload(api, odd)
    upload(api, "version: '2.0'\nname: a/b\n")
    assert api.get("/v2/workbooks/123e4567-e89b-12d3-a456-426655440000")["definition"] == odd
    assert api.get("/v2/workbooks/a%2Fb")["name"] == "a/b"


def test_lists(api: Api) -> None:
    upload(api, TEXT)
    upload(api, "version: '2.0'\nname: second\ntags: [b1, b2]\n", namespace="n")
    assert api.names("workbooks") == ["book", "second"]
    assert api.names("workbooks", tags="b2") == ["second"]
    assert api.names("workbooks", namespace="") == ["book"]
    assert api.names("workbooks", definition="has:About words") == ["book"]
    assert api.get("/v2/workbooks", fields="name", name="second")["workbooks"][0].keys() == {"id", "name"}
    first = api.get("/v2/workbooks", limit="1")
    assert api.get(first["next"].removeprefix("http://localhost:8989"))["workbooks"][0]["name"] == "second"


def test_warnings(api: Api) -> None:
    answer = upload(api, OTHER.replace("tasks:", "inputs: [a], tasks:"))
    assert "line 4" in answer["warnings"][0]
    verdict = api("POST", "/v2/workbooks/validate", content=OTHER.replace("tasks:", "inputs: [a], tasks:"))
    assert verdict.json() == {"valid": True, "warnings": answer["warnings"]}
    assert "warnings" not in upload(api, OTHER, "PUT")
    shadow = "version: '2.0'\nname: std\nactions: {echo: {base: std.noop}}\n"
    assert "takes the place of the built-in one" in upload(api, shadow)["warnings"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "version"),
        ("version: '2.0'\nworkflows: {}\n", "name"),
        (OTHER.replace("std.fail", "std.fail, on-success: ghost"), "ghost"),
    ],
)
def test_what_is_wrong_is_said(api: Api, text: str, words: str) -> None:
    assert_fault(api("POST", "/v2/workbooks", content=text), 400, words)
    verdict = api("POST", "/v2/workbooks/validate", content=text).json()
    assert not verdict["valid"]
    assert words in verdict["error"]
    assert members(api) == []


def test_workbooks_of_others(api: Api) -> None:
    workbooks = api.service.services().workbooks
    admin, mine = Caller("a", is_admin=True), Caller("m")

    async def play() -> None:
        await workbooks.create(admin, OTHER, scope="public")
        assert (await workbooks.get(mine, "book", ""))["project_id"] == "a"
        with pytest.raises(Forbidden):
            await workbooks.update(mine, OTHER)
        with pytest.raises(Forbidden):
            await workbooks.delete(mine, "book", "")
        await workbooks.update(admin, OTHER)
        with pytest.raises(NotFound):
            await workbooks.get(mine, "book", "")
        with pytest.raises(Forbidden):
            await workbooks.create(mine, TEXT, scope="public")
        await workbooks.create(mine, TEXT)
        await workbooks.update(mine, OTHER)
        assert (await workbooks.get(mine, "book", ""))["project_id"] == "m"

    asyncio.run(play())
