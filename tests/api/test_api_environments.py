"""Environments: stored sets of variables, and executions that start with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import Api, assert_fault, serving

from maestrale.model.errors import Forbidden, NotFound
from maestrale.services.access import Caller
from maestrale.services.environments import EnvironmentChange

ON_POSTGRESQL = 4

SHOW = """version: '2.0'
show:
  output: {host: <% env().host %>}
  tasks: {t: {action: std.noop}}
"""
WAIT = """version: '2.0'
wait:
  output: {host: <% env().get(host) %>, port: <% env().get(port) %>}
  tasks:
    t:
      action: std.noop
      pause-before: true
"""
RERUN = """version: '2.0'
rerun:
  output: {host: <% env().host %>}
  tasks:
    t:
      action: <% env().action %>
"""


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url) as found:
        yield found


def create(api: Api, name: str, **body: Any) -> Any:
    answer = api("POST", "/v2/environments", json={"name": name, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_is_stored(api: Api) -> None:
    created = create(api, "e", variables={"a": {"b": [1, None, "ž"]}}, description="d")
    assert json.loads(created["variables"]) == {"a": {"b": [1, None, "ž"]}}
    assert (created["scope"], created["project_id"]) == ("private", "<default-project>")
    assert api.get("/v2/environments/e") == created | {"updated_at": None}
    assert api.get("/v2/environments")["environments"] == [created | {"updated_at": None}]
    bare = create(api, "bare")
    assert (bare["variables"], "description" in bare) == ("{}", False)
    assert api.get("/v2/environments/bare")["description"] is None


def test_a_name_may_be_any_text(api: Api) -> None:
    """No definition has to call an environment by its name, so blanks and accents are welcome."""
    create(api, "zona grün", variables={"host": "there"})
    assert api.get("/v2/environments/zona%20gr%C3%BCn")["name"] == "zona grün"
    assert api.put("/v2/environments", name="zona grün", description="d")["description"] == "d"
    assert api("DELETE", "/v2/environments/zona grün").status_code == 204


def test_an_update_keeps_what_is_not_sent(api: Api) -> None:
    create(api, "e", variables={"a": 1, "b": 2}, description="d", scope="public")
    changed = api.put("/v2/environments", name="e", variables={"b": 3})
    assert json.loads(changed["variables"]) == {"b": 3}
    assert (changed["description"], changed["scope"]) == ("d", "public")
    assert changed["updated_at"] is not None
    changed = api.put("/v2/environments/e", description=None)
    assert (changed["description"], changed["variables"]) == (None, '{"b": 3}')
    assert api.put("/v2/environments", name="e", scope="private")["scope"] == "private"


def test_an_update_without_a_change_changes_nothing(api: Api) -> None:
    create(api, "e", variables={"a": 1})
    assert api.put("/v2/environments", name="e", variables='{ "a": 1}')["updated_at"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "", {}, 400, "name"),
        ("POST", "", {"name": ""}, 400, "name"),
        ("POST", "", {"name": 7}, 400, "name"),
        ("POST", "", {"name": "x" * 201}, 400, "1 to 200"),
        ("POST", "", {"name": "e"}, 409, "PUT /v2/environments"),
        ("POST", "", {"name": "f", "id": "x"}, 400, "id"),
        ("POST", "", {"name": "f", "variables": [1]}, 400, "variables"),
        ("POST", "", {"name": "f", "variables": "nonsense"}, 400, "variables"),
        ("POST", "", {"name": "f", "scope": "everywhere"}, 400, "Invalid scope 'everywhere'"),
        ("PUT", "", {"variables": {}}, 400, "name"),
        ("PUT", "", {"name": "none"}, 404, "Environment not found [name=none]"),
        ("PUT", "/e", {"name": "f"}, 400, "renamed"),
        ("PUT", "", {"name": "e", "scope": "everywhere"}, 400, "scope"),
        ("DELETE", "/none", {}, 404, "Environment not found [name=none]"),
        ("DELETE", "", {}, 400, "Missing argument"),
        ("GET", "?colour=red", None, 400, "colour"),
        ("GET", "/e?fields=colour", None, 400, "colour"),
    ],
)
def test_bad_requests(api: Api, method: str, path: str, body: Any, status: int, words: str) -> None:
    create(api, "e")
    assert_fault(api(method, f"/v2/environments{path}", json=body), status, words)
    assert api.names("environments") == ["e"]


def test_lists(api: Api) -> None:
    create(api, "one", variables={"a": 1}, description="the first")
    create(api, "two", variables={"a": 2}, scope="public")
    create(api, "a/b")
    assert api.names("environments") == ["one", "two", "a/b"]
    assert api.names("environments", sort_keys="name", sort_dirs="desc") == ["two", "one", "a/b"]
    assert api.names("environments", name="in:one,two") == ["one", "two"]
    assert api.names("environments", variables='{"a":2}') == ["two"]
    assert api.names("environments", description="has:FIRST") == ["one"]
    assert api.names("environments", scope="public") == ["two"]
    first = api.get("/v2/environments", limit="1", fields="name")
    assert first["environments"][0].keys() == {"id", "name"}
    assert api.get(first["next"].removeprefix("http://localhost:8989"))["environments"][0]["name"] == "two"
    assert api("DELETE", "/v2/environments/a%2Fb").status_code == 204


def test_an_execution_keeps_its_own_copy(api: Api) -> None:
    api.define(WAIT)
    create(api, "e", variables={"host": "h1"})
    paused = api.reach(api.start("wait", params={"env": "e"})["id"], "PAUSED")
    assert json.loads(paused["params"])["env"] == {"host": "h1"}
    api.put("/v2/environments", name="e", variables={"host": "h2"})
    api("DELETE", "/v2/environments/e")
    api.put(f"/v2/executions/{paused['id']}", state="RUNNING")
    assert json.loads(api.reach(paused["id"], "SUCCESS")["output"])["host"] == "h1"


def test_names_at_a_resume_and_at_a_change(api: Api) -> None:
    api.define(WAIT)
    create(api, "first", variables={"host": "h1", "port": 1})
    create(api, "second", variables={"host": "h2"})
    paused = api.reach(api.start("wait", params={"env": "first"})["id"], "PAUSED")
    path = f"/v2/executions/{paused['id']}"
    assert_fault(api("PUT", path, json={"params": {"env": "none"}}), 400, "Environment is not found: none")
    answer = api("PUT", path, json={"state": "RUNNING", "params": {"env": "none"}})
    assert_fault(answer, 400, "Environment is not found: none")
    assert api.get(path)["state"] == "PAUSED"
    api.put(path, params={"env": "second"})
    create(api, "third", variables={"port": 3})
    api.put(path, state="RUNNING", params={"env": "third"})
    assert json.loads(api.reach(paused["id"], "SUCCESS")["output"]) == {"host": "h2", "port": 3}


@pytest.mark.parametrize("env", ["good", '{"action": "std.noop", "host": "good"}', {"action": "std.noop"}])
def test_names_at_a_rerun(api: Api, env: Any) -> None:
    api.define(RERUN)
    create(api, "bad", variables={"action": "std.fail", "host": "bad"})
    create(api, "good", variables={"action": "std.noop", "host": "good"})
    execution_id = api.run("rerun", params={"env": "bad"})["id"]
    task = api.task(execution_id, "t", "ERROR")
    body = {"state": "RUNNING", "reset": True}
    answer = api("PUT", f"/v2/tasks/{task['id']}", json=body | {"env": "none"})
    assert_fault(answer, 400, "Environment is not found: none")
    api.put(f"/v2/tasks/{task['id']}", **body, env=env)
    output = json.loads(api.reach(execution_id, "SUCCESS")["output"])
    assert output == {"host": "bad" if isinstance(env, dict) else "good"}


@pytest.mark.parametrize("env", ["none", 7, ["e"], True])
def test_a_start_needs_an_environment_that_is_there(api: Api, env: Any) -> None:
    api.define(SHOW)
    answer = api("POST", "/v2/executions", json={"workflow_name": "show", "params": {"env": env}})
    assert_fault(answer, 400, "nvironment")
    assert api.get("/v2/executions")["executions"] == []


def test_a_copy_of_an_execution_starts_with_the_same_values(api: Api) -> None:
    api.define(SHOW)
    create(api, "e", variables={"host": "h1"})
    first = api.run("show", params={"env": "e"})
    api("DELETE", "/v2/environments/e")
    answer = api("POST", "/v2/executions", json={"source_execution_id": first["id"], "description": "again"})
    again = api.reach(answer.json()["id"], "SUCCESS")
    assert again["output"] == first["output"] == '{"host": "h1"}'


def test_environments_of_others(api: Api) -> None:
    environments = api.service.services().environments
    admin, mine = Caller("a", is_admin=True), Caller("m")
    public, private = EnvironmentChange(scope="public"), EnvironmentChange(variables={"x": 1})

    async def play() -> None:
        await environments.create(admin, "shared", public)
        await environments.create(admin, "secret", private)
        assert (await environments.get(mine, "shared"))["project_id"] == "a"
        with pytest.raises(NotFound):
            await environments.get(mine, "secret")
        with pytest.raises(Forbidden):
            await environments.update(mine, "shared", private)
        with pytest.raises(Forbidden):
            await environments.delete(mine, "shared")
        with pytest.raises(Forbidden):
            await environments.create(mine, "more", public)
        await environments.create(mine, "shared", private)
        assert (await environments.get(mine, "shared"))["project_id"] == "m"
        await environments.delete(mine, "shared")
        assert (await environments.get(mine, "shared"))["project_id"] == "a"

    asyncio.run(play())
