"""Packages with actions, installed as they are, in a real server and in `maestrale run`: one that was written
for Mistral, and one that `maestrale new-action` has made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from installing import PACKAGES, install
from processes.command import maestrale
from processes.server import Server

WORKFLOW = """
version: '2.0'
w:
  input: [item]
  output:
    greet: <% $.greet %>
    good: <% $.good %>
    bad: <% $.bad %>
    given: <% $.given %>
    who: <% $.who %>
    plain: <% $.plain %>
    sealed: <% $.sealed %>
    objects: <% $.objects %>
    servers: <% $.servers %>
    converted: <% $.converted %>
    debt: <% $.debt %>
    echo: <% $.echo %>
    order: <% $.order %>
    late: <% $.late %>
  task-defaults:
    on-error: noop
  tasks:
    greet: {action: acme.greet name="Ada" times=2, publish: {greet: <% task().result %>}}
    good: {action: acme.judge verdict="good", publish: {good: <% task().result %>}}
    bad: {action: acme.judge verdict="bad", publish-on-error: {bad: <% task().result.code %>}}
    anything: {action: acme.anything, input: {b: 1, a: 2}, publish: {given: <% task().result %>}}
    who: {action: acme.whoami, publish: {who: <% task().result %>}}
    plain: {action: acme.plain number=4, publish: {plain: <% task().result %>}}
    sealed: {action: acme.sealed text="x", publish: {sealed: <% task().result %>}}
    objects: {action: acme.objects, publish: {objects: <% task().result %>}}
    servers:
      action: acme.servers_get server="s1" action_region="north"
      publish: {servers: <% task().result %>}
    convert: {action: acme.convert amount=4, publish: {converted: <% task().result %>}}
    debt: {action: acme.convert amount=-4, publish-on-error: {debt: <% task().result %>}}
    echo: {action: std.echo output=1, publish: {echo: <% task().result %>}}
    order: {action: acme.order item=<% $.item %>, publish-on-error: {order: <% task().result %>}}
    late: {action: acme.slow seconds=3600, timeout: 1, publish-on-error: {late: <% task().state %>}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(PACKAGES / "acme_mistral", tmp_path_factory.mktemp("acme"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that was just made."""
    folder = tmp_path_factory.mktemp("new")
    made = maestrale(folder, "new-action", "new.salute")
    assert made.code == 0, made.err
    assert made.out == "new-salute has the action new.salute. What next: new-salute/README.md\n"
    return folder / "new-salute"


@pytest.fixture(scope="module")
def new_site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(project, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def server(site: Path, new_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "PYTHONPATH": f"{site}:{new_site}",
        "MAESTRALE_ACTIONS_DENY": "acme.anything_else,*.servers_list",
    }
    with Server(tmp_path_factory.mktemp("server") / "acme", **settings) as started:
        yield started


def shown(row: dict[str, Any]) -> Any:
    return json.loads(row["output"])["result"]


class Api:
    """What tests ask the server."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.url}/v2"

    def get(self, path: str) -> dict[str, Any]:
        found = httpx.get(f"{self._url}/{path}", trust_env=False, timeout=30)
        assert found.status_code == 200, found.text
        row: dict[str, Any] = found.json()
        return row

    def run(self, name: str, given: dict[str, Any] | None = None, **params: Any) -> httpx.Response:
        body = {"name": name, "input": given or {}, "params": params}
        return httpx.post(f"{self._url}/action_executions", json=body, trust_env=False, timeout=30)

    def put(self, action_id: str, body: dict[str, Any]) -> dict[str, Any]:
        done = httpx.put(f"{self._url}/action_executions/{action_id}", json=body, trust_env=False, timeout=30)
        row: dict[str, Any] = done.json()
        assert done.status_code == 200, row
        return row


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server)


@pytest.mark.covers("act.custom.python", "act.custom.result", "act.custom.context", "act.generator")
@pytest.mark.covers("act.provider", "plug.actions", "plug.providers", "plug.lib")
def test_a_workflow_of_such_actions(site: Path, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    ran = maestrale(tmp_path, "run", "-q", "w.yaml", "-i", "item=nothing", settings={"PYTHONPATH": str(site)})
    assert ran.code == 0, ran.err
    output = json.loads(ran.out)
    who = output.pop("who")
    assert output == {
        "greet": "Hello Ada! Hello Ada!",
        "good": {"verdict": "good"},
        "bad": 42,
        "given": ["a", "b"],
        "plain": 5,
        "sealed": ["x", "opened by the serializer"],
        "objects": {"point": {"x": 1, "y": 2}, "day": "2020-02-29T12:00:00.000000", "pair": [1, 2]},
        "servers": ["get_server", "north", {"server": "s1"}],
        "converted": {"converted": 8},
        "debt": "a debt",
        "echo": 1,
        "order": {"reason": "nothing to order"},
        "late": "ERROR",
    }
    assert who["deprecated"] == {
        "project_id": who["security"]["project_id"],
        "task_id": who["execution"]["task_execution_id"],
    }
    assert who["security"]["project_id"]
    assert who["execution"]["workflow_name"] == "w"
    action_id = who["execution"]["action_execution_id"]
    assert who["execution"]["callback_url"] == f"/v2/action_executions/{action_id}"


@pytest.mark.covers("act.custom.signature", "act.allow_deny")
def test_lists_show_all_of_them(api: Api) -> None:
    found = {
        action["name"]: action for action in api.get("actions?limit=100")["actions"] if action["is_system"]
    }
    assert found["acme.greet"]["input"] == 'name, greeting="Hello", times=1'
    assert found["acme.greet"]["description"].startswith("Greets somebody.")
    assert found["acme.order"]["description"] == "Orders something; the supplier reports when it is there."
    assert not found["acme.order_if"]["description"]
    assert found["acme.anything"]["input"] == "**kwargs"
    assert found["acme.servers_get"]["input"] == 'server, action_region=""'
    assert found["acme.servers_get"]["description"] == "Gets a server."
    assert found["acme.convert"]["input"] == "amount, rate=2"
    assert found["std.echo"]["input"] == "output, delay=0"
    assert not {"acme.broken", "acme.secret", "acme.servers_list"} & found.keys()
    assert api.get("actions/acme.greet")["id"] == "acme.greet"


def test_what_is_wrong_is_said_once_and_harms_nobody(server: Server, api: Api) -> None:
    api.get("actions")
    api.get("actions")
    log = server.log.read_text()
    broken = "mistral.actions: acme.broken = acme_mistral.broken:Broken (acme-mistral) cannot be loaded"
    assert log.count(broken) == 1
    assert "No module named 'no_such_module_of_acme'" in log
    assert log.count("There are two actions named 'std.echo'") == 1
    refused = api.run("acme.broken")
    assert refused.status_code == 400
    assert "no_such_module_of_acme" in refused.text
    assert "acme.secret" in api.run("acme.secret").text


@pytest.mark.covers("act.custom.async")
def test_asynchronous_actions_wait_for_outside(api: Api) -> None:
    started = api.run("acme.order", {"item": "book"}).json()
    assert started["state"] == "RUNNING"
    assert api.get(f"action_executions/{started['id']}?wait=0.2")["state"] == "RUNNING"
    assert shown(api.put(started["id"], {"state": "SUCCESS", "output": ["here"]})) == ["here"]
    failed = api.run("acme.order", {"item": "nothing"}).json()
    ended = api.get(f"action_executions/{failed['id']}?wait=10")
    assert (ended["state"], shown(ended)) == ("ERROR", {"reason": "nothing to order"})


def test_an_object_may_say_that_it_waits(api: Api) -> None:
    saved = api.run("acme.order_if", {"wait": True}, save_result=True).json()
    assert api.get(f"action_executions/{saved['id']}?wait=0.3")["state"] == "RUNNING"
    assert api.put(saved["id"], {"state": "PAUSED"})["state"] == "PAUSED"
    assert shown(api.put(saved["id"], {"state": "SUCCESS", "output": 1})) == 1
    assert shown(api.run("acme.order_if", {"wait": False}).json()) == "done"
    unsaved = api.run("acme.order_if", {"wait": True}).json()
    assert (unsaved["state"], "save_result" in shown(unsaved)) == ("ERROR", True)


@pytest.mark.parametrize(
    ("name", "given", "state", "result"),
    [
        ("acme.judge", {"verdict": "none"}, "CANCELLED", None),
        ("acme.judge", {"verdict": "odd"}, "ERROR", "msg='no verdict on odd'"),
        ("acme.judge", {"verdict": "exit"}, "ERROR", "it raised SystemExit: 3"),
        ("acme.greet", {"name": "x", "times": 0}, "ERROR", "Failed to instantiate an action: greet at least"),
        ("acme.plain", {}, "SUCCESS", 2),
        ("acme.convert", {"amount": 1}, "SUCCESS", {"converted": 2}),
    ],
)
def test_ends(api: Api, name: str, given: dict[str, Any], state: str, result: Any) -> None:
    ran = api.run(name, given).json()
    assert ran["state"] == state
    if state == "ERROR":
        assert result in shown(ran)
        assert "action=acme" in shown(ran)
    else:
        assert shown(ran) == result


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("acme.greet", {}, "[name=acme.greet, class=acme_mistral.actions.Greet, missing=['name']]"),
        ("acme.greet", {"name": "x", "more": 1}, "unexpected=['more']"),
        ("acme.servers_get", {"region": "x"}, "missing=['server'], unexpected=['region']"),
        ("acme.convert", {"rate": 1}, "missing=['amount']"),
        ("acme.gret", {}, "did you mean 'acme.greet'?"),
    ],
)
def test_wrong_input_is_refused(api: Api, name: str, given: dict[str, Any], words: str) -> None:
    refused = api.run(name, given)
    assert refused.status_code == 400
    assert words in refused.text


def test_a_new_package_passes_its_own_test(project: Path, new_site: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "tests")],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(new_site)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    assert "2 passed" in ran.stdout


def test_a_new_action_is_listed_and_runs(server: Server, api: Api, project: Path, new_site: Path) -> None:
    listed = maestrale(
        server.folder, "--os-mistral-url", f"{server.url}/v2", "action-get", "new.salute", "-f", "json"
    )
    assert listed.code == 0, listed.err
    shown_action = json.loads(listed.out)
    assert shown_action["Input"] == "name, times=1"
    assert shown_action["Description"].startswith("Greet somebody.")
    refused = api.run("new.salute", {"name": "Ada", "times": "two"}).json()
    assert "parameter 'times': Expected `int`, got `str`" in shown(refused)
    ran = maestrale(project, "run", "-q", "example.yaml", settings={"PYTHONPATH": str(new_site)})
    assert json.loads(ran.out) == {"said": ["Hello Ada", "Hello Ada"]}, ran.err


def test_a_reference_is_made_of_what_actions_say(tmp_path: Path, site: Path, new_site: Path) -> None:
    names = ("acme.convert", "new.salute", "std.http")
    made = maestrale(tmp_path, "action-docs", *names, settings={"PYTHONPATH": f"{site}:{new_site}"})
    assert made.code == 0, made.err
    assert [line[3:] for line in made.out.splitlines() if line.startswith("## ")] == list(names)
    assert "| `times` | `int` | `1` |" in made.out
    assert "Converts an amount." in made.out
    assert "- Kept secret: `auth`, `cookies`." in made.out
