"""Built-in actions and ad-hoc ones: one list, one way to find them, and what may not be stored."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import Api, assert_fault, serving

from maestrale.config import ApiLimits
from maestrale.model.errors import Forbidden, NotFound
from maestrale.services.access import Caller
from maestrale.services.drafts import Read, read_actions

ON_POSTGRESQL = 4

TEXT = """version: '2.0'
# both are stored with the whole text
greet:
  description: Says hello
  tags: [polite, Short]
  input: [name, {mark: '!'}, {times: 3}, {how: null}]
  base: std.echo output="Hello <% $.name %><% $.mark %>"
part:
  base: greet name="you"
"""


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url) as found:
        yield found


def upload(api: Api, text: str, method: str = "POST", path: str = "", **query: str) -> Any:
    answer = api(method, f"/v2/actions{path}", content=text.encode(), params=query or None)
    assert answer.status_code == (201 if method == "POST" else 200), answer.text
    return answer.json()


def text_of(name: str, base: str) -> str:
    return f"version: '2.0'\n{name}:\n  base: {base}\n"


def built_in(api: Api) -> list[str]:
    return [action.name for action in api.service.registry]


def test_what_is_shown_of_an_ad_hoc_action(api: Api) -> None:
    created = upload(api, TEXT)["actions"]
    assert [row["name"] for row in created] == ["greet", "part"]
    assert "updated_at" not in created[0]
    assert created[1]["description"] is None  # the official client needs it
    for row in (api.get("/v2/actions/greet"), api.get(f"/v2/actions/{created[0]['id']}")):
        assert row == created[0] | {"updated_at": None}
    assert row["input"] == 'name, mark="!", times=3, how=null'
    assert (row["description"], row["tags"], row["is_system"]) == ("Says hello", ["polite", "Short"], False)
    assert (row["scope"], row["namespace"], row["project_id"]) == ("private", "", "<default-project>")
    assert row["definition"] == api.get("/v2/actions/part")["definition"] == TEXT


def test_installed_actions_do_not_fill_a_page(database_url: str) -> None:
    with serving(database_url, api=ApiLimits(max_limit=2)) as api:
        upload(api, TEXT)
        found = api.get("/v2/actions")
        assert len(found["actions"]) == len(built_in(api)) + 2
        assert set(built_in(api)) < {row["name"] for row in found["actions"]}
        assert "next" in found
        api("DELETE", "/v2/actions/part")
        found = api.get("/v2/actions", limit="100000")
        assert len(found["actions"]) == len(built_in(api)) + 1
        assert "next" not in found


def test_what_is_shown_of_a_built_in_action(api: Api) -> None:
    row = api.get("/v2/actions/std.echo")
    assert row["id"] == row["name"] == "std.echo"
    assert row["is_system"] is True
    assert row["input"].startswith("output")
    assert (row["definition"], row["created_at"], row["updated_at"], row["namespace"]) == ("", "", "", "")
    assert (row["tags"], row["scope"], row["project_id"]) == (None, None, None)


@pytest.mark.parametrize("params", [{}, {"run_sync": True, "save_result": True}, {"save_result": True}])
def test_passwords_are_not_shown(api: Api, params: dict[str, bool]) -> None:
    given = {
        "from_addr": "a@example.org",
        "to_addrs": ["b@example.org"],
        "smtp_server": "no-such-host.invalid",
        "smtp_password": "s3cret",
    }
    answer = api(
        "POST", "/v2/action_executions", json={"name": "std.email", "input": given, "params": params}
    )
    assert answer.status_code == 201
    row = answer.json()
    shown = [row] if row["id"] is None else [row, api.get(f"/v2/action_executions/{row['id']}")]
    for found in shown:
        assert json.loads(found["input"]) == {**given, "smtp_password": "***"}
        assert "s3cret" not in json.dumps(found)


def test_one_list_over_both(api: Api) -> None:
    upload(api, TEXT)
    everything = sorted([*built_in(api), "greet", "part"])
    assert api.names("actions") == everything
    assert api.names("actions", sort_keys="name", sort_dirs="desc") == everything[::-1]
    assert api.names("actions", is_system="false") == ["greet", "part"]
    assert api.names("actions", is_system="true") == built_in(api)
    assert api.names("actions", name="in:part,std.noop") == ["part", "std.noop"]
    assert api.names("actions", name="has:GREE") == ["greet"]
    assert api.names("actions", tags="Short") == ["greet"]
    assert api.names("actions", tags="short") == []
    assert api.names("actions", tags="neq:Short") == [name for name in everything if name != "greet"]
    assert api.names("actions", scope="private") == ["greet", "part"]
    assert api.names("actions", scope="neq:private") == built_in(api)
    assert api.names("actions", definition="has:both are stored") == ["greet", "part"]
    assert api.names("actions", created_at="gt:2020-01-01 00:00:00") == ["greet", "part"]
    assert api.names("actions", description="Says hello") == ["greet"]
    assert api.names("actions", sort_keys="created_at,name")[-2:] == ["greet", "part"]
    row = api.get("/v2/actions", fields="name,updated_at", name="std.noop")["actions"][0]
    assert row == {"id": "std.noop", "name": "std.noop", "updated_at": ""}


@pytest.mark.parametrize("order", ["name", "created_at", "is_system,name", "description", "scope"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_leave_nothing_out(api: Api, order: str, direction: str) -> None:
    upload(api, TEXT)
    upload(api, text_of("last", "std.noop"), namespace="n")
    query = f"sort_keys={order}&sort_dirs={direction}"
    whole = [row["id"] for row in api.get(f"/v2/actions?{query}")["actions"]]
    assert len(whole) == len(built_in(api)) + 3
    path, found = f"/v2/actions?{query}&limit=2", []
    while path:
        page = api.get(path)
        found += [row["id"] for row in page["actions"]]
        path = page.get("next", "").removeprefix("http://localhost:8989")
    assert found == whole


def test_an_unknown_marker_is_not_found(api: Api) -> None:
    assert_fault(api("GET", "/v2/actions?marker=nobody"), 404, "nobody")


def test_a_name_is_looked_up_in_its_namespace_and_in_the_default_one(api: Api) -> None:
    upload(api, text_of("here", "std.noop"))
    upload(api, text_of("here", "std.fail"), namespace="n")
    upload(api, text_of("there", "std.noop"), namespace="n")
    assert api.get("/v2/actions/here")["namespace"] == ""
    assert api.get("/v2/actions/here/n")["namespace"] == "n"
    assert api.get("/v2/actions/here", namespace="n")["namespace"] == "n"
    assert api.get("/v2/actions/here/other")["namespace"] == ""
    assert api.get("/v2/actions/std.echo/n")["name"] == "std.echo"
    assert_fault(api("GET", "/v2/actions/there"), 404, "name=there, namespace=")
    assert api("DELETE", "/v2/actions/there").status_code == 404
    assert api("DELETE", "/v2/actions/there/n").status_code == 204
    assert api.names("actions", namespace="n") == ["here"]


def test_updating(api: Api) -> None:
    first, second = upload(api, TEXT)["actions"]
    assert api.get("/v2/actions/greet")["updated_at"] is None
    changed = upload(api, TEXT.replace("Says hello", "Greets"), "PUT", scope="public")["actions"]
    assert [row["id"] for row in changed] == [first["id"], second["id"]]
    assert (changed[0]["description"], changed[0]["scope"]) == ("Greets", "public")
    renamed = upload(api, text_of("piece", "std.noop"), "PUT", f"/{second['id']}")["actions"]
    assert (renamed[0]["id"], renamed[0]["name"]) == (second["id"], "piece")
    answer = api("PUT", f"/v2/actions/{second['id']}", content=TEXT)
    assert_fault(answer, 400, "More than one action")
    assert_fault(api("PUT", "/v2/actions", content=text_of("nobody", "std.noop")), 404, "nobody")


def test_a_text_is_stored_as_a_whole_or_not_at_all(api: Api) -> None:
    upload(api, text_of("part", "std.noop"))
    assert_fault(api("POST", "/v2/actions", content=TEXT), 409, "part", "PUT /v2/actions", "action-update")
    assert api.names("actions", is_system="false") == ["part"]
    assert_fault(api("PUT", "/v2/actions", content=TEXT), 404, "greet")
    assert api.get("/v2/actions/part")["definition"] == text_of("part", "std.noop")


def test_built_in_actions_stay_as_they_are(api: Api) -> None:
    text = text_of("std.echo", "std.noop")
    assert_fault(api("PUT", "/v2/actions", content=text), 400, "system action: std.echo")
    assert_fault(api("PUT", "/v2/actions/std.echo", content=text), 400, "system action: std.echo")
    assert_fault(api("DELETE", "/v2/actions/std.echo"), 400, "system action: std.echo")


def test_a_refused_text_has_been_read_once_and_beside_the_event_loop(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in = []

    def read(text: str) -> Read:
        read_in.append(threading.current_thread())
        return read_actions(text)

    monkeypatch.setattr("maestrale.services.actions.read_actions", read)
    assert_fault(api("PUT", "/v2/actions", content=text_of("std.echo", "std.noop")), 400, "system action")
    assert len(read_in) == 1
    assert threading.current_thread() not in read_in


def test_a_built_in_action_can_be_replaced_for_the_project(api: Api) -> None:
    answer = upload(api, text_of("std.echo", "std.noop"))
    assert "'std.echo' takes the place of the built-in one" in answer["warnings"][0]
    assert api.get("/v2/actions/std.echo")["is_system"] is False
    assert api.get("/v2/actions", name="std.echo")["actions"][0]["id"] != "std.echo"
    assert api.names("actions", name="std.echo") == ["std.echo", "std.echo"]
    assert upload(api, text_of("std.echo", "std.fail"), "PUT")["actions"][0]["name"] == "std.echo"
    assert api("DELETE", "/v2/actions/std.echo").status_code == 204
    assert api.get("/v2/actions/std.echo")["is_system"] is True
    assert "warnings" not in upload(api, text_of("mine", "std.echo"))


def test_executions_find_what_is_stored_at_once(api: Api) -> None:
    """Also where it takes the place of a built-in action, or gives it back."""
    workflow = (
        "version: '2.0'\nw:\n  output: {r: <% task(t).result %>}\n  tasks: {t: {action: NAME output=1}}\n"
    )
    wrapped = "version: '2.0'\nNAME:\n  input: [output]\n  base: std.test_dict size=1\n  output: KIND\n"

    def result() -> Any:
        return json.loads(api.run("w")["output"])["r"]

    api.define(workflow.replace("NAME", "std.echo"))
    assert result() == 1
    stored = upload(api, wrapped.replace("NAME", "std.echo").replace("KIND", "first"))["actions"][0]
    assert result() == "first"
    upload(api, wrapped.replace("NAME", "std.echo").replace("KIND", "second"), "PUT")
    assert result() == "second"
    upload(api, wrapped.replace("NAME", "other").replace("KIND", "third"), "PUT", f"/{stored['id']}")
    assert result() == 1
    upload(api, wrapped.replace("NAME", "std.echo").replace("KIND", "fourth"), "PUT", f"/{stored['id']}")
    assert result() == "fourth"
    assert api("DELETE", "/v2/actions/std.echo").status_code == 204
    assert result() == 1
    member = "version: '2.0'\nname: std\nactions:\n  echo: {input: [output], base: std.noop, output: fifth}\n"
    assert api("POST", "/v2/workbooks", content=member).status_code == 201
    assert result() == "fifth"
    assert api("PUT", "/v2/workbooks", content=member.replace("fifth", "sixth")).status_code == 200
    assert result() == "sixth"


def test_what_others_publish_comes_after_the_built_in_ones(api: Api) -> None:
    actions = api.service.services().actions
    admin, other, mine = Caller("a", is_admin=True), Caller("o"), Caller("m")

    async def play() -> None:
        await actions.create(admin, text_of("std.echo", "std.noop"), scope="public")
        await actions.create(admin, text_of("shared", "std.noop"), scope="public")
        await actions.create(other, text_of("secret", "std.noop"))
        assert (await actions.get(mine, "std.echo", ""))["is_system"]
        assert (await actions.get(mine, "shared", ""))["project_id"] == "a"
        with pytest.raises(NotFound):
            await actions.get(mine, "secret", "")
        await actions.create(mine, text_of("shared", "std.noop"))
        assert (await actions.get(mine, "shared", ""))["project_id"] == "m"
        with pytest.raises(Forbidden):
            await actions.update(other, text_of("shared", "std.noop"))
        with pytest.raises(Forbidden):
            await actions.delete(other, "shared", "")
        with pytest.raises(Forbidden):
            await actions.create(mine, text_of("more", "std.noop"), scope="public")

    asyncio.run(play())


@pytest.mark.parametrize(
    "text",
    [
        text_of("a", "a"),
        "version: '2.0'\na: {base: b}\nb: {base: c}\nc: {base: a}\nd: {base: std.noop}\n",
    ],
)
def test_a_cycle_in_a_text_is_refused_with_its_place(api: Api, text: str) -> None:
    assert_fault(api("POST", "/v2/actions", content=text), 400, "line ", "cycle", "a -> ")
    verdict = api("POST", "/v2/actions/validate", content=text).json()
    assert verdict["valid"] is False
    assert "cycle" in verdict["error"]
    assert "'d'" not in verdict["error"]
    assert api.names("actions", is_system="false") == []


def test_a_cycle_over_stored_actions_is_refused(api: Api) -> None:
    upload(api, text_of("a", "b"))  # what it is based on may come later
    upload(api, text_of("c", "a"))
    answer = api("POST", "/v2/actions", content=text_of("b", "c"))
    assert_fault(answer, 400, "b -> c -> a -> b")
    upload(api, text_of("b", "std.noop"))
    assert_fault(api("PUT", "/v2/actions", content=text_of("b", "c")), 400, "cycle")
    upload(api, text_of("a", "std.noop"), "PUT")
    upload(api, text_of("b", "c"), "PUT")


def test_many_actions_on_top_of_stored_ones(api: Api) -> None:
    """Each stored text is read once, not once for each action that leads to it."""
    names = range(300)
    text = "version: '2.0'\n"
    upload(api, text + "".join(f"low{n}: {{base: {f'low{n - 1}' if n else 'std.noop'}}}\n" for n in names))
    upload(api, text + "".join(f"high{n}: {{base: low{n}}}\n" for n in names))
    answer = api("PUT", "/v2/actions/low0", content=text_of("low0", "high299"))
    assert_fault(answer, 400, "low0 -> high299 -> low299", "low2 -> low1 -> low0")


def test_validation_stores_nothing(api: Api) -> None:
    assert api("POST", "/v2/actions/validate", content=TEXT).json() == {"valid": True}
    assert api.names("actions", is_system="false") == []
