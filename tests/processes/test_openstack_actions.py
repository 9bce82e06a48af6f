"""The actions of OpenStack's services: the same as in Mistral, and in a cloud that is there."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clouds.cloud import Cloud
from clouds.images import image_service
from clouds.installed_actions import PYTHON, needs_openstack_actions
from clouds.people import ADMINISTRATOR, PEOPLE, REGION, SERVICE
from clouds.recorder import Recorder
from clouds.requests_of_actions import CASES, REFERENCE, list_of_actions, outcome
from processes.server import Server

pytestmark = [pytest.mark.slow, needs_openstack_actions]

WORKFLOWS = """
version: '2.0'
build:
  input: [name]
  tasks:
    project:
      action: keystone.projects_create name=<% $.name %> domain="default"
      publish: {project: <% task().result.id %>}
      on-success: [user, image]
    user:
      action: keystone.users_create
      input: {name: <% $.name %>, domain: default, password: secret, default_project: <% $.project %>}
      publish: {user: <% task().result.id %>}
    image:
      action: glance.images_create
      input: {name: <% $.name %>, disk_format: raw, container_format: bare, action_region: RegionOne}
      publish: {image: <% task().result.id %>}
  output: {project: <% $.project %>, user: <% $.user %>, image: <% $.image %>}
look:
  input: [name]
  tasks:
    projects: {action: keystone.projects_list, publish: {projects: <% task().result.name %>}}
    users: {action: keystone.users_list, publish: {users: <% task().result.name %>}}
    images: {action: glance.images_list, publish: {images: <% task().result.name %>}}
  output:
    found: <% [$.name in $.projects, $.name in $.users, $.name in $.images] %>
clear:
  input: [project, user, image]
  tasks:
    image: {action: glance.images_delete image_id=<% $.image %>, on-success: [user]}
    user: {action: keystone.users_delete user=<% $.user %>, on-success: [project]}
    project: {action: keystone.projects_delete project=<% $.project %>}
refused:
  tasks:
    project: {action: keystone.projects_create name="mine" domain="default"}
elsewhere:
  tasks:
    images: {action: glance.images_list action_region="nowhere"}
"""


def settings(**more: str) -> dict[str, str]:
    key = base64.b64encode(os.urandom(32)).decode()
    return {"PYTHONWARNINGS": "ignore", "MAESTRALE_SECURITY_KEYS": f"k1:{key}", **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), python=PYTHON, **settings()) as started:
        yield started


@pytest.fixture(scope="module")
def reference() -> Any:
    return json.loads(REFERENCE.read_text())


@pytest.mark.covers("act.openstack")
def test_every_action_has_the_name_and_the_input_that_mistral_shows(server: Server, reference: Any) -> None:
    assert list_of_actions(f"{server.url}/v2") == reference["services"]
    assert sum(row["actions"] for row in reference["services"].values()) == 1200


@pytest.mark.covers("act.region", "auth.target")
def test_actions_send_what_mistral_sends(server: Server, reference: Any) -> None:
    with Recorder() as recorder:
        for (name, given), expected in zip(CASES, reference["cases"], strict=True):
            found = outcome(f"{server.url}/v2", recorder, name, given)
            assert {key: found[key] for key in expected} == expected


def test_without_a_caller_the_reason_is_said(server: Server) -> None:
    row = run(server, "nova.servers_list")
    assert row["state"] == "ERROR"
    assert "nova.servers_list acts for its caller, who is not known" in row["output"]
    assert "--auth keystone" in row["output"]


def test_an_action_may_ask_this_service_itself(server: Server) -> None:
    row = run(server, "mistral.workflows_list")
    assert (row["state"], json.loads(row["output"])["result"]) == ("SUCCESS", [])


def run(server: Server, name: str) -> dict[str, Any]:
    body = {"name": name, "input": {}}
    answer = httpx.post(f"{server.url}/v2/action_executions", json=body, trust_env=False, timeout=60)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


class Person:
    """Somebody who runs workflows."""

    def __init__(self, server: Server, token: str) -> None:
        headers = {"X-Auth-Token": token, "X-Region-Name": REGION}
        self._client = httpx.Client(
            base_url=f"{server.url}/v2/", headers=headers, trust_env=False, timeout=60
        )

    def upload(self) -> None:
        answer = self._client.post("workflows?scope=public", content=WORKFLOWS)
        assert answer.status_code == 201, answer.text

    def run(self, workflow: str, /, **given: str) -> tuple[str, Any]:
        """How a workflow ends: its state, and its output or what is wrong."""
        started = self._client.post("executions", json={"workflow_name": workflow, "input": given})
        assert started.status_code == 201, started.text
        row = self._client.get(f"executions/{started.json()['id']}?wait=60").json()
        if row["state"] == "SUCCESS":
            return "SUCCESS", json.loads(row["output"])
        return row["state"], row["state_info"]


@pytest.mark.covers("act.openstack")
def test_a_workflow_works_in_a_real_cloud(keystone: Cloud, tmp_path: Path) -> None:
    known_by = settings(
        MAESTRALE_SERVER_AUTH="keystone",
        MAESTRALE_KEYSTONE_AUTH_URL=keystone.url,
        MAESTRALE_KEYSTONE_USERNAME=SERVICE.name,
        MAESTRALE_KEYSTONE_PASSWORD=SERVICE.password,
        MAESTRALE_LOG_LEVEL="debug",
    )
    with (
        image_service(keystone, tmp_path / "glance"),
        Server(tmp_path / "server", python=PYTHON, **known_by) as server,
    ):
        token = keystone.log_in(ADMINISTRATOR)
        administrator = Person(server, token)
        member = Person(server, keystone.log_in(PEOPLE["blue-member"]))
        administrator.upload()
        state, made = administrator.run("build", name="sirocco")
        assert state == "SUCCESS", made
        assert all(made.values())
        assert keystone.do("GET", f"/users/{made['user']}")["user"]["default_project_id"] == made["project"]
        assert administrator.run("look", name="sirocco")[1] == {"found": [True, True, True]}
        state, left = administrator.run("clear", **made)
        assert (state, left) == ("SUCCESS", {}), left
        assert administrator.run("look", name="sirocco")[1] == {"found": [False, False, False]}
        state, reason = member.run("refused")
        assert state == "ERROR"
        assert "KeystoneAction.projects.create failed: You are not authorized" in reason
        state, reason = member.run("elsewhere")
        assert state == "ERROR"
        assert "Unable to get service endpoint" in reason
        assert "region_name=nowhere" in reason
        assert token not in server.log.read_text()
