"""Code sources and dynamic actions: what is stored, read from the text, and removed together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault, serving

from maestrale.actions.process_settings import ProcessSettings
from maestrale.model.errors import Forbidden, NotFound
from maestrale.services.access import Caller
from maestrale.services.dynamic_actions import DynamicActionChange

ON_POSTGRESQL = 6

TEXT = '''
class Greet:
    """Greet somebody."""

    def __init__(self, who, mark="!"):
        self.text = f"hello {who}{mark}"

    def run(self, context):
        return self.text


class Bare:
    def run(self):
        return 1
'''


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url, dynamic=ProcessSettings(enabled=True)) as found:
        yield found


def upload(api: Api, name: str = "m", text: str = TEXT, **query: str) -> Any:
    answer = api("POST", "/v2/code_sources", params={"name": name, **query}, content=text.encode())
    assert answer.status_code == 201, answer.text
    return answer.json()


def create(api: Api, name: str = "greet", class_name: str = "Greet", **body: Any) -> Any:
    body = {"name": name, "class_name": class_name, **({} if body else {"code_source_name": "m"}), **body}
    answer = api("POST", "/v2/dynamic_actions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_is_stored_of_a_code_source(api: Api) -> None:
    stored = upload(api, text="x = 'größe'\n")
    assert (stored["content"], stored["version"], stored["scope"]) == ("x = 'größe'\n", 1, "private")
    assert (stored["namespace"], stored["project_id"]) == ("", "<default-project>")
    assert "updated_at" not in stored
    for identifier in ("m", stored["id"]):
        assert api.get(f"/v2/code_sources/{identifier}") == stored | {"updated_at": None}
    assert api.get("/v2/code_sources")["code_sources"] == [stored | {"updated_at": None}]
    assert api.get("/v2/code_sources/m", fields="version") == {"id": stored["id"], "version": 1}


def test_every_update_raises_the_version_and_keeps_the_scope(api: Api) -> None:
    stored = upload(api, scope="public")
    for version, identifier in ((2, "m"), (3, stored["id"])):
        answer = api("PUT", "/v2/code_sources", params={"identifier": identifier}, content=b"y = 1")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["version"], found["content"], found["scope"]) == (version, "y = 1", "public")
        assert found["updated_at"] is not None


@pytest.mark.parametrize(
    ("query", "text", "status", "words"),
    [
        ({}, "x = 1", 400, 'Missing argument: "name"'),
        ({"name": "a b"}, "x = 1", 400, "must not contain spaces"),
        ({"name": "n" * 256}, "x = 1", 400, "256"),
        ({"name": "n", "scope": "all"}, "x = 1", 400, "Invalid scope"),
        ({"name": "n", "colour": "red"}, "x = 1", 400, 'Unknown argument: "colour"'),
        ({"name": "n"}, "class A:\n  def", 400, "at line 2"),
        ({"name": "n"}, "x = '\0'", 400, "null bytes"),
        ({"name": "n"}, "(" * 5000, 400, "not Python"),
        ({"name": "n"}, "x = " + "-" * 90_000 + "1", 400, "nested too deep"),
        ({"name": "m"}, "x = 1", 409, "mistral code-source-update"),
    ],
)
def test_code_sources_that_are_refused(
    api: Api, query: dict[str, str], text: str, status: int, words: str
) -> None:
    upload(api)
    assert_fault(api("POST", "/v2/code_sources", params=query, content=text.encode()), status, words)
    assert api.names("code_sources") == ["m"]


def test_names_count_in_their_namespace(api: Api) -> None:
    upload(api)
    upload(api, namespace="n", text="z = 1")
    assert api.get("/v2/code_sources/m", namespace="n")["content"] == "z = 1"
    assert api.get("/v2/code_sources/m")["content"] == TEXT
    assert_fault(api("GET", "/v2/code_sources/m?namespace=o"), 404, "m", "namespace=o")
    create(api, namespace="n", code_source_name="m", class_name="Z")
    create(api, "other", namespace="o", code_source_name="m")
    found = {row["name"]: row["code_source_id"] for row in api.get("/v2/dynamic_actions")["dynamic_actions"]}
    assert found["greet"] == api.get("/v2/code_sources/m", namespace="n")["id"]
    assert found["other"] == api.get("/v2/code_sources/m")["id"]


def test_lists_are_filtered_sorted_and_paged(api: Api) -> None:
    for name in ("c", "a", "b"):
        upload(api, name, text=f"# {name}", scope="public" if name == "a" else "private")
        create(api, f"{name}1", "X", code_source_name=name)
    assert api.names("code_sources", sort_keys="name", sort_dirs="desc") == ["c", "b", "a"]
    assert api.names("code_sources", name="in:a,b", sort_keys="name") == ["a", "b"]
    assert api.names("code_sources", scope="public") == ["a"]
    assert api.names("dynamic_actions", code_source_name="b") == ["b1"]
    page = api.get("/v2/dynamic_actions", limit="2", sort_keys="name")
    assert [row["name"] for row in page["dynamic_actions"]] == ["a1", "b1"]
    path = page["next"].removeprefix("http://localhost:8989")
    assert [row["name"] for row in api.get(path)["dynamic_actions"]] == ["c1"]


def test_what_is_stored_of_a_dynamic_action(api: Api) -> None:
    source = upload(api)
    stored = create(api)
    assert "warnings" not in stored
    assert (stored["code_source_id"], stored["code_source_name"]) == (source["id"], "m")
    for identifier in ("greet", stored["id"]):
        assert api.get(f"/v2/dynamic_actions/{identifier}") == stored | {"updated_at": None}
    assert create(api, "by_id", code_source_id=source["id"])["code_source_name"] == "m"


def test_a_dynamic_action_changes(api: Api) -> None:
    upload(api)
    upload(api, "other", "class Other:\n    def run(self): pass\n")
    stored = create(api, scope="public", code_source_name="m")
    changed = api.put("/v2/dynamic_actions", name="greet", class_name="Bare")
    assert (changed["class_name"], changed["scope"], changed["code_source_name"]) == ("Bare", "public", "m")
    changed = api.put("/v2/dynamic_actions", id=stored["id"], name="new", code_source_name="other")
    assert (changed["name"], changed["code_source_name"]) == ("new", "other")
    assert changed["warnings"] == [
        "No class 'Bare' with a method 'run' stands at the top of the code source 'other'"
        " (those that do: 'Other')"
    ]
    create(api)
    assert_fault(api("PUT", "/v2/dynamic_actions", json={"id": stored["id"], "name": "greet"}), 409, "greet")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"class_name": "Greet", "code_source_name": "m"}, 400, "name is missing"),
        ({"name": "x", "code_source_name": "m"}, 400, "class_name is missing"),
        ({"name": "x", "class_name": "Greet"}, 400, "code_source"),
        ({"name": "x", "class_name": "Greet", "code_source_name": "no"}, 404, "no"),
        ({"name": "x", "class_name": "Greet", "code_source_id": NOBODY}, 404, NOBODY),
        ({"name": "x y", "class_name": "Greet", "code_source_name": "m"}, 400, "spaces"),
        ({"name": "x", "class_name": 1, "code_source_name": "m"}, 400, "must be text"),
        ({"name": "x", "class_name": "Greet", "code_source_name": "m", "input": ""}, 400, "input"),
        ({"name": "greet", "class_name": "Greet", "code_source_name": "m"}, 409, "dynamic-action-update"),
    ],
)
def test_dynamic_actions_that_are_refused(api: Api, body: Any, status: int, words: str) -> None:
    upload(api)
    create(api)
    assert_fault(api("POST", "/v2/dynamic_actions", json=body), status, words)


def test_the_two_ways_to_name_a_code_source_must_agree(api: Api) -> None:
    source = upload(api)
    body = {"name": "x", "class_name": "Greet", "code_source_id": source["id"], "code_source_name": "n"}
    assert_fault(api("POST", "/v2/dynamic_actions", json=body), 400, "is not called 'n' but 'm'")


@pytest.mark.covers("api.code_sources.cascade")
def test_actions_vanish_with_their_code_source(api: Api) -> None:
    upload(api)
    upload(api, "kept")
    create(api)
    create(api, "kept", code_source_name="kept")
    assert api("DELETE", "/v2/code_sources/m").status_code == 204
    assert_fault(api("GET", "/v2/dynamic_actions/greet"), 404, "greet")
    assert api.names("dynamic_actions") == ["kept"]
    assert api("DELETE", "/v2/dynamic_actions/kept").status_code == 204
    assert api.names("code_sources") == ["kept"]
    for path in ("code_sources/m", "dynamic_actions/greet"):
        assert_fault(api("DELETE", f"/v2/{path}"), 404)


def test_only_administrators_see_and_change_them(api: Api) -> None:
    upload(api, scope="public")
    services = api.service.services()
    stranger = Caller("p")
    change = DynamicActionChange(name="x", class_name="Greet", code_source_name="m")
    for refused in (
        lambda: services.code_sources.get(stranger, "m", ""),
        lambda: services.code_sources.create(stranger, "x", "x = 1"),
        lambda: services.code_sources.update(stranger, "m", "x = 1"),
        lambda: services.code_sources.delete(stranger, "m", ""),
        lambda: services.dynamic_actions.create(stranger, change),
        lambda: services.dynamic_actions.update(stranger, "greet", change),
        lambda: services.dynamic_actions.delete(stranger, "greet", ""),
    ):
        with pytest.raises(Forbidden):
            asyncio.run(refused())
    with pytest.raises(NotFound):
        asyncio.run(services.dynamic_actions.get(Caller("p", is_admin=True), "greet", ""))


def test_dynamic_actions_stand_in_the_list_of_actions(api: Api) -> None:
    upload(api)
    stored = create(api)
    create(api, "unseen", "Nothing", code_source_name="m")
    create(api, "elsewhere", namespace="n", code_source_name="m")
    (shown,) = api.get("/v2/actions", name="greet")["actions"]
    assert shown == {
        "id": "greet",
        "name": "greet",
        "is_system": False,
        "input": 'who, mark="!"',
        "description": "Greet somebody.",
        "tags": [],
        "definition": "",
        "scope": "private",
        "project_id": "<default-project>",
        "created_at": stored["created_at"],
        "updated_at": None,
        "namespace": "",
    }
    assert api.get("/v2/actions/greet") == shown
    assert api.get("/v2/actions/unseen")["input"] == ""
    assert api.names("actions", namespace="n") == ["elsewhere"]
    assert "std.noop" in api.names("actions")
    updated = TEXT.replace("who, mark", "whom, mark").replace("Greet somebody", "Greet anybody")
    api("PUT", "/v2/code_sources", params={"identifier": "m"}, content=updated.encode())
    shown = api.get("/v2/actions/greet")
    assert (shown["input"], shown["description"]) == ('whom, mark="!"', "Greet anybody.")


def test_dynamic_actions_are_not_changed_as_ad_hoc_ones(api: Api) -> None:
    upload(api)
    create(api)
    assert_fault(api("DELETE", "/v2/actions/greet"), 400, "mistral dynamic-action-delete")
    text = b"version: '2.0'\ngreet: {base: std.noop}\n"
    assert_fault(api("PUT", "/v2/actions", content=text), 400, "mistral dynamic-action-update")


def test_an_ad_hoc_action_of_that_name_comes_first(api: Api) -> None:
    upload(api)
    create(api)
    text = b"version: '2.0'\ngreet: {base: std.echo output=adhoc}\n"
    assert api("POST", "/v2/actions", content=text).status_code == 201
    assert "base: std.echo" in api.get("/v2/actions/greet")["definition"]
    api.define("version: '2.0'\nw: {output: {r: <% task(t).result %>}, tasks: {t: {action: greet}}}\n")
    assert '"r": "adhoc"' in api.run("w")["output"]


def test_workflows_and_people_run_them(api: Api) -> None:
    upload(api)
    create(api)
    api.define(
        "version: '2.0'\nw: {output: {r: <% task(t).result %>}, tasks: {t: {action: greet who=Ada}}}\n"
    )
    ended = api.run("w")
    assert (ended["state"], ended["output"]) == ("SUCCESS", '{"r": "hello Ada!"}')
    answer = api("POST", "/v2/action_executions", json={"name": "greet", "input": {"who": "Bob"}})
    assert answer.json()["output"] == '{"result": "hello Bob!"}'
    answer = api("POST", "/v2/action_executions", json={"name": "greet", "input": {"x": 1}})
    assert_fault(answer, 400, "Invalid input [name=greet, class=Greet, missing=['who'], unexpected=['x']]")
    assert api("DELETE", "/v2/code_sources/m").status_code == 204
    assert "Failed to find action" in api.run("w")["state_info"]


def test_who_stores_one_learns_that_they_are_switched_off(database_url: str) -> None:
    with serving(database_url) as api:
        upload(api)
        (warning,) = create(api)["warnings"]
        assert "enabled = true in the section [dynamic_actions]" in warning
        answer = api("POST", "/v2/action_executions", json={"name": "greet", "input": {"who": "Bob"}})
        assert (answer.status_code, answer.json()["state"]) == (201, "ERROR")
        assert "switched off" in answer.json()["output"]


@pytest.mark.postgresql
def test_other_processes_hear_of_changes(lent_url: str) -> None:
    """Even of an action that takes the place of a built-in one, which they would not look up otherwise."""
    settings = ProcessSettings(enabled=True)
    with serving(lent_url, dynamic=settings) as here, serving(lent_url, dynamic=settings) as there:
        there.define(
            "version: '2.0'\nw: {output: {r: <% task(t).result %>}, tasks: {t: {action: std.noop}}}\n"
        )
        assert there.run("w")["output"] == '{"r": null}'
        upload(here)
        create(here, "std.noop", "Bare", code_source_name="m")
        there.until(lambda: there.run("w")["output"] == '{"r": 1}', "the dynamic action")
        api_of = here("DELETE", "/v2/dynamic_actions/std.noop")
        assert api_of.status_code == 204
        there.until(lambda: there.run("w")["output"] == '{"r": null}', "the built-in action")
