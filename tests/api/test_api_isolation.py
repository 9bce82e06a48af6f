"""A project that asks for an object of another gets what it would get if there were no such object.

Alice has one of everything. Bob asks for each of it in every request that there is, and then for something
that nobody has: both answers are the same but for the name in it. What he sees of the rest has not changed
by what Alice did, and nothing of hers has changed by his asking.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from api_service import Api, Row
from callers import Callers, callers
from every_request import TABLE, Asked, asked

ON_POSTGRESQL: Final = 20

WORKFLOWS: Final = """version: '2.0'
NAME_failing:
  tasks: {t: {action: std.fail}}
NAME_waiting:
  tasks: {t: {action: std.async_noop}}
NAME_calling:
  tasks: {call: {workflow: NAME_waiting, publish: {secret: NAME_published}}}
NAME_paused:
  tasks: {t: {action: std.noop, pause-before: true}}
NAME_done:
  input: [secret: NAME_input]
  tags: [NAME_tag]
  tasks: {t: {action: NAME_action, publish: {secret: NAME_published}}}
  output: {secret: NAME_output}
"""
ACTION: Final = "version: '2.0'\nNAME_action:\n  base: std.noop\n"
WORKBOOK: Final = """version: '2.0'
name: NAME_book
workflows:
  flow: {tasks: {t: {action: std.noop}}}
actions:
  act: {base: std.noop}
"""
STATES: Final = {"failing": "ERROR", "waiting": "RUNNING", "calling": "RUNNING", "paused": "PAUSED",
                 "done": "SUCCESS"}  # fmt: skip
ASKING: Final = """version: '2.0'
asking:
  input: [about]
  tasks:
    them:
      action: std.noop
      publish:
        one: <% executions(id => $.about) %>
        below: <% executions(root_execution_id => $.about) %>
        tasks: <% tasks($.about) %>
        all: <% tasks($.about, true) %>
  output:
    found: <% [$.one, $.below, $.tasks, $.all] %>
"""
COLLECTIONS: Final = (
    "workflows", "workbooks", "actions", "environments", "executions", "tasks", "action_executions",
    "cron_triggers", "event_triggers",
)  # fmt: skip
OF_ADMINISTRATORS: Final = ("code_sources", "dynamic_actions")

ID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
CHECKSUM: Final = re.compile(r'"checksum": "[0-9a-f]{32}"')


class Things(NamedTuple):
    """What one project has: ids and names of each kind, by a word for each."""

    workflows: dict[str, str]
    workbooks: dict[str, str]
    actions: dict[str, str]
    environments: dict[str, str]
    executions: dict[str, str]
    tasks: dict[str, str]
    action_executions: dict[str, str]
    cron_triggers: dict[str, str]
    event_triggers: dict[str, str]

    def every(self) -> dict[str, str]:
        """All of it, each thing once."""
        return {
            f"{kind} {word}": value for kind in self._fields for word, value in getattr(self, kind).items()
        }


class World(NamedTuple):
    """Alice, of whom nobody is to know, and Bob, who asks. `before` and `after`: what he saw."""

    people: Callers
    hers: Things
    his: Things
    before: dict[str, str]
    after: dict[str, str]


def make(api: Api, name: str) -> Things:
    """One of everything."""
    created = api.define(WORKFLOWS.replace("NAME", name))
    api.define(WORKFLOWS.replace("NAME", name), namespace="corner")
    action = api("POST", "/v2/actions", content=ACTION.replace("NAME", name)).json()["actions"][0]
    assert api("POST", "/v2/workbooks", content=WORKBOOK.replace("NAME", name)).status_code == 201
    variables = {"secret": f"{name}_variable"}
    body = {"name": f"{name}_environment", "variables": variables, "description": f"{name}_text"}
    assert api("POST", "/v2/environments", json=body).status_code == 201
    executions, tasks, actions = {}, {}, {}
    for word, state in STATES.items():
        given = {"description": f"{name}_description", "params": {"env": f"{name}_environment"}}
        execution = api.reach(api.start(f"{name}_{word}", **given)["id"], state)
        executions[word] = execution["id"]
        wanted = {"failing": "ERROR", "done": "SUCCESS", "paused": "IDLE"}.get(word, "RUNNING")
        task = "call" if word == "calling" else "t"
        tasks[word] = api.task(execution["id"], task, wanted)["id"]
        if word not in ("calling", "paused"):
            (one,) = api.get(f"/v2/tasks/{tasks[word]}/action_executions")["action_executions"]
            actions[word] = one["id"]
    executions["child"] = _child(api, tasks["calling"])
    tasks["child"] = api.task(executions["child"], "t", "RUNNING")["id"]
    alone = api("POST", "/v2/action_executions", json={"name": "std.async_noop"}).json()
    shared = api("POST", f"/v2/workflows/{created[0]['id']}/members", json={"member_id": "grey"})
    assert shared.status_code == 201
    cron = {"name": f"{name}_cron", "workflow_name": f"{name}_done", "pattern": "0 0 1 1 *"}
    event = {"name": f"{name}_event", "workflow_id": created[0]["id"], "exchange": "e", "topic": "t",
             "event": name}  # fmt: skip
    cron_trigger = api("POST", "/v2/cron_triggers", json=cron).json()
    event_trigger = api("POST", "/v2/event_triggers", json=event).json()
    return Things(
        workflows={
            "by id": created[0]["id"],
            "by name": f"{name}_done",
            "of a workbook": f"{name}_book.flow",
        },
        workbooks={"by name": f"{name}_book"},
        actions={"by id": action["id"], "by name": action["name"], "of a workbook": f"{name}_book.act"},
        environments={"by name": f"{name}_environment"},
        executions=executions,
        tasks=tasks,
        action_executions=actions | {"alone": alone["id"]},
        cron_triggers={"by id": cron_trigger["id"], "by name": cron_trigger["name"]},
        event_triggers={"booting": event_trigger["id"]},
    )


def _child(api: Api, task_id: str) -> str:
    def find() -> str:
        rows = api.get(f"/v2/tasks/{task_id}/workflow_executions")["executions"]
        return str(rows[0]["id"]) if rows else ""

    return api.until(find, "the sub-workflow")


def everything(api: Api) -> dict[str, str]:
    """All lists as one caller sees them."""
    query = {"limit": "1000", "include_output": "true"}
    return {
        name: api("GET", f"/v2/{name}", params=query if "executions" in name else {"limit": "1000"}).text
        for name in COLLECTIONS
    }


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with callers(module_database_url, tmp_path_factory.mktemp("isolation")) as people:
        his = make(people.bob, "green")
        people.bob.define(ASKING)
        before = everything(people.bob)
        hers = make(people.alice, "blue")
        yield World(people, hers, his, before, everything(people.bob))


def absent(value: str) -> str:
    """What nobody has, of the same form."""
    return str(uuid.uuid4()) if ID.fullmatch(value) else value.replace("blue", "none")


def shown(answer: httpx.Response, value: str) -> tuple[int, str, list[str]]:
    """An answer without what differs between any two: ids, times and the name that was asked for."""
    text = answer.text.replace(value, "<asked>")
    for pattern, word in ((ID, "<id>"), (TIME, "<time>"), (CHECKSUM, "<checksum>")):
        text = pattern.sub(word, text)
    return answer.status_code, text, sorted(answer.headers)


def ask(api: Api, row: Asked, path: str, given: dict[str, Any]) -> httpx.Response:
    answer = api(row.method, path, **given)
    if row.method == "POST" and answer.status_code == 201:
        _undo(api, path, answer.json())
    return answer


def _undo(api: Api, path: str, made: Row) -> None:
    """Remove what a request has made, so that the next one finds the same."""
    for row in made.get("workflows") or made.get("actions") or [made]:
        collection = path.split("/")[2]
        name = row["name"] if collection in ("workbooks", "environments") else row["id"]
        force = {"force": "true"} if collection == "executions" else None
        if name:
            api("DELETE", f"/v2/{collection}/{quote(name)}", params=force)
        if collection == "workbooks":
            api("DELETE", f"/v2/workflows/{row['name']}.flow")
            api("DELETE", f"/v2/actions/{row['name']}.act")


OWN: Final = re.compile(r"\[(\w+)\]")
PARTS: Final = re.compile(r"\{(\w+)(?::path)?\}")
WITH_PARTS: Final = [row for row in TABLE if PARTS.search(row.path)]
OTHER_PARTS: Final = {"namespace": "corner", "member_id": "grey"}


def first_part(row: Asked, value: str) -> str:
    """The path with `value` as its first part; what stands behind belongs to it."""
    path = PARTS.sub(quote(value, safe=""), row.path, count=1)
    return PARTS.sub(lambda match: OTHER_PARTS.get(match[1], value), path)


@pytest.mark.parametrize("row", WITH_PARTS, ids=lambda row: f"{row.method} {row.path} {row.rules}")
def test_objects_of_others_are_not_there(world: World, row: Asked) -> None:
    """Also asked for as what they are not."""
    given = dict(row.given)
    for word, value in world.hers.every().items():
        other = absent(value)
        real = shown(ask(world.people.bob, row, first_part(row, value), given), value)
        none = shown(ask(world.people.bob, row, first_part(row, other), given), other)
        assert real == none, word
        assert real[0] != 200, (word, real)


def test_the_same_requests_find_what_is_ones_own(world: World) -> None:
    """Else the test above could not fail."""
    for row in WITH_PARTS:
        if row.method != "GET" or "members" in row.path or "action_id" in row.path:
            continue
        kind = row.path.split("/")[2]
        if kind in OF_ADMINISTRATORS:
            continue
        value = next(iter(getattr(world.his, kind).values()))
        assert world.people.bob("GET", first_part(row, value)).status_code == 200, row.path
        assert world.people.root("GET", first_part(row, value)).status_code == 200, row.path


@pytest.mark.parametrize(("task", "action"), [("his", "hers"), ("hers", "his"), ("hers", "hers")])
def test_an_action_execution_below_a_task(world: World, task: str, action: str) -> None:
    path = "/v2/tasks/{}/action_executions/{}"
    task_id = getattr(world, task).tasks["done"]
    action_id = getattr(world, action).action_executions["done"]
    answer = world.people.bob("GET", path.format(task_id, action_id))
    other = str(uuid.uuid4())
    unknown = world.people.bob("GET", path.format(task_id if task == "his" else other, other))
    assert shown(answer, action_id) == shown(unknown, other)
    assert answer.status_code == 404


BODIES: Final = [
    asked("POST /v2/executions", json={"workflow_id": "X"}),
    asked("POST /v2/executions", json={"workflow_name": "X"}),
    asked("POST /v2/executions", json={"workflow_name": "X", "workflow_namespace": "corner"}),
    asked("POST /v2/executions", json={"source_execution_id": "X"}),
    asked("POST /v2/executions", json={"source_execution_id": "X", "workflow_name": "green_done"}),
    asked("POST /v2/executions", json={"workflow_name": "green_done", "params": {"env": "X"}}),
    asked("PUT /v2/executions/[paused]", json={"params": {"env": "X"}}),
    asked("PUT /v2/executions/[paused]", json={"state": "RUNNING", "params": {"env": "X"}}),
    asked("PUT /v2/tasks/[failing]", json={"state": "RUNNING", "reset": True, "env": "X"}),
    asked("POST /v2/tasks/[done]/restart", json={"env": "X"}),
    asked("POST /v2/evaluations", json={"expression": "<% $ %>", "task_execution_id": "X"}),
    *(
        asked("POST /v2/evaluations", json={"expression": expression, "task_execution_id": "[done]"})
        for expression in (
            "<% executions(id => 'X') %>",
            "<% executions(root_execution_id => 'X') %>",
            "<% tasks('X') %>",
            "<% tasks('X', true) %>",
            "<% tasks('X', false, 'RUNNING') %>",
            "{{ tasks('X', true) }}",
            "<% task('X') %>",
        )
    ),
    asked("POST /v2/action_executions", json={"name": "X"}),
    asked("POST /v2/action_executions", json={"name": "X", "workflow_namespace": "corner"}),
    asked("PUT /v2/environments", json={"name": "X", "variables": {"a": 1}}),
    asked("POST /v2/environments", json={"name": "X"}),
    asked("PUT /v2/workflows", content="version: '2.0'\nX:\n  tasks: {t: {action: std.noop}}\n"),
    asked("POST /v2/workflows", content="version: '2.0'\nX:\n  tasks: {t: {action: std.noop}}\n"),
    asked("POST /v2/workflows", content="version: '2.0'\nw:\n  tasks: {t: {workflow: X}, u: {action: X}}\n"),
    asked("POST /v2/workflows/validate", content="version: '2.0'\nw:\n  tasks: {t: {workflow: X}}\n"),
    asked("PUT /v2/actions", content="version: '2.0'\nX:\n  base: std.noop\n"),
    asked("POST /v2/actions", content="version: '2.0'\nX:\n  base: std.noop\n"),
    asked("POST /v2/actions", content="version: '2.0'\na:\n  base: X\n"),
    asked(
        "PUT /v2/workbooks", content="version: '2.0'\nname: X\nworkflows: {w: {tasks: {t: {action: a}}}}\n"
    ),
    asked("POST /v2/workbooks", content=WORKBOOK.replace("NAME_book", "X")),
    asked("POST /v2/workflows/[X]/members", json={"member_id": "green"}),
    asked("POST /v2/cron_triggers", json={"name": "c", "workflow_name": "X", "pattern": "@yearly"}),
    asked("POST /v2/cron_triggers", json={"name": "c", "workflow_id": "X", "pattern": "@yearly"}),
    asked("POST /v2/cron_triggers", json={"name": "X", "workflow_name": "green_done", "pattern": "@yearly"}),
    asked("POST /v2/event_triggers", json={"workflow_id": "X", "exchange": "e", "topic": "t", "event": "n"}),
    asked("PUT /v2/event_triggers/[booting]", json={"workflow_id": "X"}),
    *(
        asked(f"GET /v2/{name}", params={key: "X"})
        for name, keys in {
            "workflows": "name project_id definition tags marker namespace",
            "workbooks": "name marker",
            "actions": "name marker",
            "environments": "name variables marker",
            "executions": "workflow_name workflow_id task_execution_id root_execution_id tags marker",
            "tasks": "workflow_name workflow_id workflow_execution_id name tags marker",
            "action_executions": "workflow_name task_execution_id name tags marker",
            "cron_triggers": "name workflow_id workflow_name marker",
            "event_triggers": "name workflow_id event marker",
        }.items()
        for key in keys.split()
    ),
]
"""Requests that name something in their body or query, where X stands; [word] is one of Bob's own."""


def filled(row: Asked, his: Things, value: str) -> tuple[str, dict[str, Any]]:
    """The path and what goes with it, for one thing that is asked for."""
    kind = row.path.split("/")[2]
    own: dict[str, str] = his.tasks if kind == "evaluations" else getattr(his, kind, {})

    def fill(given: Any) -> Any:
        if isinstance(given, dict):
            return {key: fill(inner) for key, inner in given.items()}
        if not isinstance(given, str):
            return given
        return OWN.sub(lambda found: own.get(found[1], value), given).replace("X", value)

    return fill(row.path), {name: fill(given) for name, given in row.given.items()}


@pytest.mark.parametrize("row", BODIES, ids=lambda row: f"{row.method} {row.path} {dict(row.given)}")
def test_what_others_have_cannot_be_named(world: World, row: Asked) -> None:
    texts = {"project_id": "blue", "tags": "blue_tag"}
    for word, value in {**world.hers.every(), **texts}.items():
        other = absent(value)
        path, given = filled(row, world.his, value)
        real = shown(ask(world.people.bob, row, path, given), value)
        path, given = filled(row, world.his, other)
        none = shown(ask(world.people.bob, row, path, given), other)
        assert real == none, word


@pytest.mark.parametrize("word", ["failing", "calling", "child", "done"])
def test_workflows_cannot_ask_about_executions_of_others(world: World, word: str) -> None:
    bob = world.people.bob
    about = world.hers.executions[word]
    run = bob.run("asking", input={"about": about})
    assert run["output"] == '{"found": [[], [], [], []]}'
    bob("DELETE", f"/v2/executions/{run['id']}")
    own = bob.run("asking", input={"about": world.his.executions[word]})
    assert world.his.executions[word] in own["output"]
    bob("DELETE", f"/v2/executions/{own['id']}")


@pytest.mark.parametrize("name", COLLECTIONS)
def test_lists_do_not_change_by_what_others_have(world: World, name: str) -> None:
    assert world.after[name] == world.before[name]
    assert "blue" not in world.after[name]
    assert "blue" in world.people.root("GET", f"/v2/{name}", params={"limit": "1000"}).text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("workflows", {"all_projects": "true"}),
        ("executions", {"all_projects": "true"}),
        ("executions", {"project_id": "blue"}),
        ("executions", {"project_id": "green"}),
        ("executions", {"project_id": "neq:green"}),
        ("cron_triggers", {"all_projects": "true"}),
        ("event_triggers", {"all_projects": "true"}),
    ],
)
def test_only_administrators_ask_for_other_projects(world: World, path: str, query: dict[str, str]) -> None:
    assert world.people.bob("GET", f"/v2/{path}", params=query).status_code == 403
    assert world.people.root("GET", f"/v2/{path}", params=query).status_code == 200


def test_estimates_come_from_ones_own_runs(world: World) -> None:
    """How long others take with a shared workflow is theirs to know."""
    text = "version: '2.0'\nestimated:\n  tasks: {t: {action: std.async_noop}}\n"
    (public,) = world.people.root.define(text, scope="public")
    done = world.people.alice.start("estimated")["id"]
    task = world.people.alice.task(done, "t", "RUNNING")["id"]
    (action,) = world.people.alice.get(f"/v2/tasks/{task}/action_executions")["action_executions"]
    world.people.alice.put(f"/v2/action_executions/{action['id']}", state="SUCCESS")
    world.people.alice.reach(done, "SUCCESS")
    runs = {name: getattr(world.people, name).start("estimated")["id"] for name in ("alice", "bob")}
    path = "/v2/executions/{}/report"
    assert world.people.alice.get(path.format(runs["alice"]))["statistics"]["estimated_time"] >= 1
    assert world.people.bob.get(path.format(runs["bob"]))["statistics"]["estimated_time"] == -1
    for name, run in (*runs.items(), ("alice", done)):
        answer = getattr(world.people, name)("DELETE", f"/v2/executions/{run}", params={"force": "true"})
        assert answer.status_code == 204
    assert world.people.root("DELETE", f"/v2/workflows/{public['id']}").status_code == 204


def test_an_id_that_is_taken_tells_nothing_but_that(world: World) -> None:
    """Ids of executions are one for all projects: the one place where another project shows."""
    body = {"workflow_name": "green_done", "id": world.hers.executions["done"]}
    answer = world.people.bob("POST", "/v2/executions", json=body)
    assert answer.status_code == 409
    assert "blue" not in answer.text


def test_nothing_of_hers_has_changed(world: World) -> None:
    """The last one: after all that Bob has tried."""
    alice = world.people.alice
    for word, state in STATES.items():
        assert alice.get(f"/v2/executions/{world.hers.executions[word]}")["state"] == state
    assert alice.get(f"/v2/executions/{world.hers.executions['child']}")["state"] == "RUNNING"
    for kind in (
        "workflows", "workbooks", "actions", "environments", "tasks", "action_executions", "cron_triggers",
        "event_triggers",
    ):  # fmt: skip
        for value in getattr(world.hers, kind).values():
            assert alice("GET", f"/v2/{kind}/{value}").status_code == 200
    assert everything(world.people.bob) == world.before
    (member,) = alice.get(f"/v2/workflows/{world.hers.workflows['by id']}/members")["members"]
    assert (member["member_id"], member["status"]) == ("grey", "pending")
