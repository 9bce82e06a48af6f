"""Cron triggers and event triggers: what is stored, what is refused, and that they fire."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_service import NOBODY, Api, assert_fault, serving

from maestrale.model.errors import Forbidden, NotFound
from maestrale.services.access import Caller
from maestrale.services.triggers import NewCronTrigger, NewEventTrigger

ON_POSTGRESQL = 14

WORKFLOWS = """version: '2.0'
greet:
  input: [name, greeting: hello]
  output: {text: "<% $.greeting %> <% $.name %>", host: <% env().get(host) %>}
  tasks: {t: {action: std.noop}}
plain:
  tasks: {t: {action: std.noop}}
"""
FAR = "4242-12-25 13:37"
NEVER = "0 0 30 2 0"


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with serving(database_url) as found:
        found.define(WORKFLOWS)
        yield found


def workflow_id(api: Api, name: str) -> str:
    return str(api.get(f"/v2/workflows/{name}")["id"])


def create(api: Api, name: str, **body: Any) -> Any:
    given = {"workflow_name": "plain", "pattern": "0 0 1 1 *", **body}
    answer = api("POST", "/v2/cron_triggers", json={"name": name, **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(api: Api, status: int, *words: str, **body: Any) -> None:
    given = {"name": "c", "workflow_name": "plain", **body}
    assert_fault(api("POST", "/v2/cron_triggers", json=given), status, *words)
    assert api.names("cron_triggers") == []


# -- cron triggers


def test_what_is_stored(api: Api) -> None:
    created = create(
        api,
        "c",
        workflow_name="greet",
        workflow_input={"name": "Ada"},
        workflow_params='{"env": {"host": "x"}}',
        pattern="5 4 1 1 *",
        remaining_executions=3,
    )
    next_year = datetime.datetime.now(datetime.UTC).year + 1
    assert created == {
        "id": created["id"],
        "name": "c",
        "workflow_name": "greet",
        "workflow_id": workflow_id(api, "greet"),
        "workflow_input": '{"name": "Ada"}',
        "workflow_params": '{"env": {"host": "x"}}',
        "scope": "private",
        "pattern": "5 4 1 1 *",
        "remaining_executions": 3,
        "first_execution_time": None,
        "next_execution_time": created["next_execution_time"],
        "project_id": "<default-project>",
        "created_at": created["created_at"],
    }
    assert created["next_execution_time"] in [f"{year}-01-01 04:05:00" for year in (next_year - 1, next_year)]
    stored = created | {"updated_at": None}
    assert api.get("/v2/cron_triggers/c") == stored
    assert api.get(f"/v2/cron_triggers/{created['id']}") == stored
    assert api.get("/v2/cron_triggers")["cron_triggers"] == [stored]


def test_a_workflow_by_its_id(api: Api) -> None:
    created = create(api, "c", workflow_id=workflow_id(api, "plain"), workflow_name=None)
    assert created["workflow_name"] == "plain"
    assert create(api, "d", workflow_id=workflow_id(api, "plain"), workflow_name="x")["name"] == "d"


def test_a_first_time_alone_is_one_run(api: Api) -> None:
    created = create(api, "c", pattern=None, first_execution_time=FAR)
    assert created["pattern"] == NEVER
    assert created["remaining_executions"] == 1
    assert created["first_execution_time"] == created["next_execution_time"] == f"{FAR}:00"
    again = create(api, "d", pattern=NEVER, first_execution_time="4242-12-25 13:38", remaining_executions=1)
    assert (again["pattern"], again["remaining_executions"]) == (NEVER, 1)


def test_a_first_time_and_a_pattern(api: Api) -> None:
    created = create(api, "c", pattern="* * * * *", first_execution_time=FAR)
    assert created["next_execution_time"] == f"{FAR}:00"
    assert created["remaining_executions"] is None


@pytest.mark.parametrize("pattern", ["@hourly", "*/5 * * * *", "0 0 * * mon-fri", "0 0 1 1 * 30"])
def test_patterns(api: Api, pattern: str) -> None:
    created = create(api, "c", pattern=pattern)
    assert created["pattern"] == pattern
    assert created["next_execution_time"] > created["created_at"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ("Pattern or first_execution_time must be specified",)),
        ({"pattern": ""}, ("Pattern or first_execution_time must be specified",)),
        ({"pattern": NEVER}, ("Pattern or first_execution_time must be specified",)),
        ({"remaining_executions": 2}, ("Pattern or first_execution_time must be specified",)),
        ({"pattern": "5 *"}, ("pattern", "5 *", "2 fields")),
        ({"pattern": "88 * * * *"}, ("pattern", "'88' is no minute")),
        ({"pattern": "0 0 30 2 *"}, ("pattern", "no day is like that")),
        ({"pattern": ",".join(["1"] * 50) + " * * * *"}, ("pattern", "at most 100 characters")),
        ({"pattern": 5}, ("Attribute pattern must be text",)),
        ({"pattern": "@daily", "remaining_executions": 0}, ("remaining_executions", "0")),
        ({"pattern": "@daily", "remaining_executions": -1}, ("remaining_executions", "-1")),
        ({"pattern": "@daily", "remaining_executions": 2**31}, ("remaining_executions",)),
        ({"pattern": "@daily", "remaining_executions": "q"}, ("remaining_executions", "'q'")),
        ({"pattern": "@daily", "remaining_executions": 1.5}, ("remaining_executions",)),
        ({"pattern": "@daily", "remaining_executions": True}, ("remaining_executions", "a boolean")),
        ({"first_execution_time": FAR, "remaining_executions": 2}, ("Pattern must be provided",)),
        ({"first_execution_time": "soon"}, ("first_execution_time", "'soon'")),
        ({"first_execution_time": f"{FAR}:00"}, ("first_execution_time",)),
        ({"first_execution_time": "4242-12-25T13:37"}, ("first_execution_time",)),
        ({"first_execution_time": "2000-01-01 00:00"}, ("first_execution_time", "at least 1 minute")),
        ({"pattern": "@daily", "scope": "secret"}, ("Invalid scope 'secret'",)),
        ({"pattern": "@daily", "name": None}, ("Attribute name is missing",)),
        ({"pattern": "@daily", "name": "n" * 201}, ("at most 200 characters, not 201",)),
        ({"pattern": "@daily", "workflow_name": None}, ("workflow_name or workflow_id",)),
        ({"pattern": "@daily", "workflow_input": [1]}, ("workflow_input must be a JSON object",)),
        ({"pattern": "@daily", "workflow_input": {"x": 1}}, ("Invalid input", "unexpected=['x']")),
        ({"pattern": "@daily", "workflow_name": "greet"}, ("Invalid input", "missing=['name']")),
        ({"pattern": "@daily", "workflow_params": {"notify": 1}}, ("workflow_params.notify",)),
        ({"pattern": "@daily", "colour": "red"}, ("Unknown attribute", "colour")),
        ({"pattern": "@daily", "next_execution_time": FAR}, ("Unknown attribute", "next_execution_time")),
    ],
)
def test_what_is_refused(api: Api, body: Any, words: tuple[str, ...]) -> None:
    refused(api, 400, *words, **body)


def test_a_minute_is_the_least(api: Api) -> None:
    """Times are whole minutes, so this one lies behind, and the third from now far enough ahead."""
    now = datetime.datetime.now(datetime.UTC)
    soon, later = (now + datetime.timedelta(minutes=m) for m in (0, 3))
    refused(api, 400, "at least 1 minute", first_execution_time=soon.strftime("%Y-%m-%d %H:%M"))
    create(api, "c", pattern=None, first_execution_time=later.strftime("%Y-%m-%d %H:%M"))


@pytest.mark.parametrize("body", [{"workflow_name": "none"}, {"workflow_id": NOBODY}])
def test_an_unknown_workflow(api: Api, body: Any) -> None:
    refused(api, 404, "Workflow not found [workflow_identifier=", pattern="@daily", **body)


def test_a_workflow_of_another_namespace_goes_by_its_id(api: Api) -> None:
    (stored,) = api.define("version: '2.0'\nhidden:\n  tasks: {t: {action: std.noop}}\n", namespace="n")
    refused(api, 404, "hidden", pattern="@daily", workflow_name="hidden")
    soon = {"pattern": "* * * * * *", "remaining_executions": 1}
    assert create(api, "c", workflow_id=stored["id"], **soon)["workflow_name"] == "hidden"
    (run,) = api.until(lambda: _ended(api, 1), "the run")
    assert (run["workflow_name"], run["workflow_namespace"]) == ("hidden", "n")


def test_duplicates(api: Api) -> None:
    create(api, "c")
    given = {"workflow_name": "plain", "pattern": "@daily"}
    answer = api("POST", "/v2/cron_triggers", json={"name": "c", **given})
    assert_fault(answer, 409, "Duplicate entry for CronTrigger", "name='c'")
    # Those that differ by their names alone are the same, where all that counts is given.
    same = {**given, "first_execution_time": FAR, "remaining_executions": "4"}
    create(api, "d", **same)
    answer = api("POST", "/v2/cron_triggers", json={"name": "e", **same})
    assert_fault(answer, 409, "Duplicate entry for CronTrigger", "'d' does the same already")
    create(api, "f", **(same | {"remaining_executions": 5}))
    create(api, "g", **given)
    create(api, "h", **given)


def test_lists(api: Api) -> None:
    for name, count in (("a", 1), ("b", 20), ("c", None), ("d", 3)):
        create(api, name, remaining_executions=count, workflow_name="greet", workflow_input={"name": name})
    assert api.names("cron_triggers") == ["a", "b", "c", "d"]
    assert api.names("cron_triggers", name="in:a,c") == ["a", "c"]
    assert api.names("cron_triggers", remaining_executions="3") == ["d"]
    assert api.names("cron_triggers", remaining_executions="gt:2") == ["b", "d"]
    assert api.names("cron_triggers", remaining_executions="neq:3") == ["a", "b", "c"]
    assert api.names("cron_triggers", sort_keys="remaining_executions", sort_dirs="desc") == list("bdac")
    assert api.names("cron_triggers", workflow_id=workflow_id(api, "plain")) == []
    assert api.names("cron_triggers", workflow_name="greet", all_projects="true") == ["a", "b", "c", "d"]
    assert api.names("cron_triggers", workflow_input='{"name":"b"}') == ["b"]
    assert api.names("cron_triggers", next_execution_time="gt:2020-01-01 00:00:00", limit="2") == ["a", "b"]
    page = api.get("/v2/cron_triggers", limit="3", sort_keys="name", sort_dirs="desc", fields="name")
    assert page["cron_triggers"][0] == {"id": page["cron_triggers"][0]["id"], "name": "d"}
    following = api.get(page["next"].partition("localhost:8989")[2])
    assert [row["name"] for row in following["cron_triggers"]] == ["a"]
    assert api.get("/v2/cron_triggers", fields="last_error")["cron_triggers"][0]["last_error"] is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"remaining_executions": "x"}, "'x' is not a whole number"),
        ({"remaining_executions": "9" * 30}, "too large"),
        ({"remaining_executions": "has:1"}, "does not compare"),
        ({"workflow_id": "x"}, "is not a UUID"),
        ({"fields": "colour"}, "Unknown fields: colour"),
        ({"sort_keys": "colour"}, "colour"),
        ({"colour": "red"}, "Unknown argument"),
    ],
)
def test_lists_that_are_refused(api: Api, query: dict[str, str], words: str) -> None:
    assert_fault(api("GET", "/v2/cron_triggers", params=query), 400, words)


def test_what_is_deleted(api: Api) -> None:
    by_id = create(api, "c")["id"]
    create(api, "a name with / and blanks")
    assert api("DELETE", f"/v2/cron_triggers/{by_id}").status_code == 204
    assert api("DELETE", "/v2/cron_triggers/a name with / and blanks").status_code == 204
    for method in ("GET", "DELETE"):
        answer = api(method, "/v2/cron_triggers/c")
        assert_fault(answer, 404, "Cron trigger not found [identifier=c]")
    assert api("DELETE", "/v2/cron_triggers").status_code == 400
    assert api("PUT", "/v2/cron_triggers/c", json={}).status_code == 405


def test_a_workflow_that_triggers_use_stays(api: Api) -> None:
    cron = create(api, "c")["id"]
    event = create_event(api)["id"]
    answer = api("DELETE", "/v2/workflows/plain")
    assert_fault(answer, 400, "Can't delete workflow that has cron triggers", f"cron_trigger_id(s)={cron}")
    assert api("DELETE", "/v2/cron_triggers/c").status_code == 204
    assert_fault(api("DELETE", "/v2/workflows/plain"), 400, f"event_trigger_id(s)={event}")
    assert api("DELETE", f"/v2/event_triggers/{event}").status_code == 204
    assert api("DELETE", "/v2/workflows/plain").status_code == 204


def test_it_fires_and_is_gone(api: Api) -> None:
    """The run has what the trigger holds, and names it."""
    created = create(
        api,
        "c",
        workflow_name="greet",
        workflow_input={"name": "Ada"},
        workflow_params={"env": {"host": "x"}},
        pattern="* * * * * *",
        remaining_executions=2,
    )
    api.until(lambda: api("GET", "/v2/cron_triggers/c").status_code == 404, "the trigger to be gone")
    runs = api.until(lambda: _ended(api, 2), "two runs")
    assert [json.loads(run["output"])["text"] for run in runs] == ["hello Ada"] * 2
    assert [json.loads(run["output"])["host"] for run in runs] == ["x"] * 2
    described = json.loads(runs[0]["description"])
    assert described == {
        "description": f"Workflow execution created by cron trigger '({created['id']})'.",
        "triggered_by": {"type": "cron_trigger", "id": created["id"], "name": "c"},
    }
    assert runs[0]["created_at"] != runs[1]["created_at"]
    assert len(api.get("/v2/executions", description=f"has:{created['id']}")["executions"]) == 2


def test_an_environment_by_its_name(api: Api) -> None:
    """It is the one of the moment at which the trigger fires."""
    assert api("POST", "/v2/environments", json={"name": "e", "variables": {"host": "x"}}).status_code == 201
    create(
        api,
        "c",
        workflow_name="greet",
        workflow_input={"name": "Ada"},
        workflow_params={"env": "e"},
        pattern="* * * * * *",
        remaining_executions=1,
    )
    (run,) = api.until(lambda: _ended(api, 1), "the run")
    assert json.loads(run["output"])["host"] == "x"
    assert json.loads(run["params"])["env"] == {"host": "x"}


def _ended(api: Api, count: int) -> list[Any]:
    found: list[Any] = api.get("/v2/executions", state="SUCCESS", include_output="true")["executions"]
    return found if len(found) == count else []


def test_projects(api: Api) -> None:
    """What is private is another project's own; what is public can be seen, and changed by its owner only."""
    services, mine, other = api.service.services(), Caller("mine"), Caller("other")
    public = api.define("version: '2.0'\nall:\n  tasks: {t: {action: std.noop}}\n", scope="public")[0]["id"]

    def run(asked: Any) -> Any:
        return asyncio.run(asked)

    cron, events = services.cron_triggers, services.event_triggers
    stored = run(cron.create(mine, NewCronTrigger("c", public, pattern="@daily")))
    event = run(events.create(mine, NewEventTrigger(public, "e", "t", "x")))
    for triggers, identifier in ((cron, "c"), (cron, stored["id"]), (events, event["id"])):
        assert run(triggers.get(mine, identifier))["project_id"] == "mine"
        with pytest.raises(NotFound):
            run(triggers.get(other, identifier))
        with pytest.raises(NotFound):
            run(triggers.delete(other, identifier))
    run(cron.create(other, NewCronTrigger("c", public, pattern="@daily")))
    with pytest.raises(Forbidden):
        run(cron.create(mine, NewCronTrigger("p", public, pattern="@daily", scope="public")))
    with pytest.raises(NotFound):
        run(cron.create(mine, NewCronTrigger("p", "plain", pattern="@daily")))
    # What others use cannot be taken away from them.
    text = "version: '2.0'\nall:\n  tasks: {t: {action: std.noop}}\n"
    assert_fault(api("PUT", "/v2/workflows", content=text), 403, "cron triggers", "other projects")
    assert api("PUT", "/v2/workflows?scope=public", content=text).status_code == 200
    admins = create(api, "shown", scope="public")
    assert run(cron.get(other, "shown"))["id"] == admins["id"]
    with pytest.raises(Forbidden):
        run(cron.delete(other, "shown"))


# -- event triggers


def create_event(api: Api, **body: Any) -> Any:
    given = {
        "workflow_id": workflow_id(api, "plain"),
        "exchange": "nova",
        "topic": "notifications",
        "event": "compute.instance.create.end",
        **body,
    }
    answer = api("POST", "/v2/event_triggers", json=given)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_event_trigger_is_stored(api: Api) -> None:
    created = create_event(api, name="e", workflow_params={"a": [1]}, scope="public")
    assert created == {
        "id": created["id"],
        "name": "e",
        "workflow_id": workflow_id(api, "plain"),
        "workflow_input": "{}",
        "workflow_params": '{"a": [1]}',
        "exchange": "nova",
        "topic": "notifications",
        "event": "compute.instance.create.end",
        "scope": "public",
        "project_id": "<default-project>",
        "created_at": created["created_at"],
    }
    stored = created | {"updated_at": None}
    assert api.get(f"/v2/event_triggers/{created['id']}") == stored
    assert api.get("/v2/event_triggers")["event_triggers"] == [stored]
    assert create_event(api, event="other")["name"] is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"exchange": None, "topic": ""}, 400, ("Params exchange, topic must be provided",)),
        ({"workflow_id": None}, 400, ("Params workflow_id must be provided",)),
        ({"workflow_id": "plain"}, 400, ("workflow_id must be a UUID",)),
        ({"workflow_id": NOBODY}, 404, (f"Workflow not found [workflow_identifier={NOBODY}",)),
        ({"workflow_input": {"x": 1}}, 400, ("Invalid input", "unexpected=['x']")),
        ({"workflow_params": "x"}, 400, ("workflow_params",)),
        ({"event": "e" * 81}, 400, ("Attribute event has at most 80 characters",)),
        ({"name": "n" * 201}, 400, ("at most 200 characters",)),
        ({"scope": "secret"}, 400, ("Invalid scope",)),
        ({"pattern": "@daily"}, 400, ("Unknown attribute", "pattern")),
    ],
)
def test_event_triggers_that_are_refused(api: Api, body: Any, status: int, words: tuple[str, ...]) -> None:
    given = {"workflow_id": workflow_id(api, "plain"), "exchange": "x", "topic": "t", "event": "e", **body}
    assert_fault(api("POST", "/v2/event_triggers", json=given), status, *words)
    assert api.names("event_triggers") == []


def test_an_event_trigger_changes(api: Api) -> None:
    created = create_event(api, name="e", workflow_params={"a": 1})
    path = f"/v2/event_triggers/{created['id']}"
    assert api.put(path, name="e")["updated_at"] is None
    changed = api.put(path, name="z")
    assert (changed["name"], changed["workflow_params"]) == ("z", '{"a": 1}')
    assert changed["updated_at"] is not None
    greet = workflow_id(api, "greet")
    assert_fault(api("PUT", path, json={"workflow_id": greet}), 400, "missing=['name']")
    changed = api.put(path, workflow_id=greet, workflow_input={"name": "Ada"}, workflow_params={})
    assert (changed["workflow_id"], changed["workflow_input"]) == (greet, '{"name": "Ada"}')
    assert_fault(api("PUT", path, json={"workflow_input": {}}), 400, "missing=['name']")
    assert_fault(api("PUT", path, json={"topic": "t"}), 400, "Can not update fields topic")
    assert_fault(api("PUT", path, json={"workflow_id": NOBODY}), 404, NOBODY)
    other = create_event(api)
    answer = api("PUT", f"/v2/event_triggers/{other['id']}", json={"workflow_id": greet})
    assert_fault(answer, 400, "missing=['name']")
    body = {"workflow_id": greet, "workflow_input": {"name": "x"}}
    answer = api("PUT", f"/v2/event_triggers/{other['id']}", json=body)
    assert_fault(answer, 409, "Duplicate entry for EventTrigger")


def test_an_event_starts_a_workflow_once(api: Api) -> None:
    create_event(api, name="e")
    body = {"workflow_id": workflow_id(api, "plain"), "exchange": "nova", "topic": "notifications"}
    given = {"name": "f", "event": "compute.instance.create.end", **body}
    answer = api("POST", "/v2/event_triggers", json=given)
    assert_fault(answer, 409, "Duplicate entry for EventTrigger", "topic='notifications'")


def test_lists_of_event_triggers(api: Api) -> None:
    for name in "abc":
        create_event(api, name=name, event=f"event.{name}")
    assert api.names("event_triggers", event="event.b") == ["b"]
    assert api.names("event_triggers", name="zz") == []
    assert api.names("event_triggers", topic="has:notif", sort_keys="name", sort_dirs="desc") == list("cba")
    page = api.get("/v2/event_triggers", limit="2", fields="name")
    following = api.get(page["next"].partition("localhost:8989")[2])
    assert [row["name"] for row in following["event_triggers"]] == ["c"]
    assert api.names("event_triggers", all_projects="true", exchange="neq:nova") == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_event_triggers_go_by_their_ids(api: Api, method: str) -> None:
    create_event(api, name="e")
    body: dict[str, Any] = {"json": {"name": "f"}} if method == "PUT" else {}
    assert_fault(api(method, "/v2/event_triggers/e", **body), 400, "must be a UUID, not 'e'")
    assert_fault(api(method, f"/v2/event_triggers/{NOBODY}", **body), 404, "Event trigger not found")


def test_an_event_trigger_is_deleted(api: Api) -> None:
    path = f"/v2/event_triggers/{create_event(api)['id']}"
    assert api("DELETE", path).status_code == 204
    assert_fault(api("DELETE", path), 404, "Event trigger not found")
