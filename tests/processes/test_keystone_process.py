"""A server that knows its callers by Keystone, and the commands of people who log in there."""

from __future__ import annotations

from pathlib import Path

import pytest

from clouds.cloud import Cloud
from clouds.people import PEOPLE, SERVICE, Person
from processes.command import maestrale
from processes.server import Server

WORKFLOW = (
    "version: '2.0'\nw:\n  tasks: {t: {action: std.noop}}\n  output: {who: <% $.openstack.user_name %>}\n"
)


def variables(cloud: Cloud, person: Person) -> dict[str, str]:
    """What somebody has in the environment who uses a cloud."""
    return {
        "OS_AUTH_URL": cloud.url,
        "OS_USERNAME": person.name,
        "OS_PASSWORD": person.password,
        "OS_PROJECT_NAME": person.project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }


@pytest.mark.slow
def test_people_log_in_and_run_workflows(keystone: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(WORKFLOW)
    settings = {
        "MAESTRALE_SERVER_AUTH": "keystone",
        "MAESTRALE_KEYSTONE_AUTH_URL": keystone.url,
        "MAESTRALE_KEYSTONE_USERNAME": SERVICE.name,
        "MAESTRALE_KEYSTONE_PASSWORD": SERVICE.password,
        "MAESTRALE_LOG_LEVEL": "debug",
    }
    member, reader = (variables(keystone, PEOPLE[name]) for name in ("blue-member", "green-reader"))
    with Server(tmp_path / "server", **settings) as server:
        keystone.register("workflowv2", "mistral", f"{server.url}/v2", "here")
        member, reader = member | {"OS_REGION_NAME": "here"}, reader | {"OS_MISTRAL_URL": f"{server.url}/v2"}
        assert maestrale(tmp_path, "workflow-create", str(file), settings=member).code == 0
        ran = maestrale(tmp_path, "execution-create", "w", "--wait", "-f", "json", settings=member)
        assert ran.code == 0, ran.err
        seen = maestrale(tmp_path, "execution-list", "-f", "json", settings=reader)
        assert (seen.code, seen.out.strip()) == (0, "[]")
        wrong = maestrale(tmp_path, "workflow-list", settings=member | {"OS_PASSWORD": "wrong"})
        assert wrong.code == 1
        assert "are user, domain, project and password right?" in wrong.err
        log = server.log.read_text()
    for secret in (SERVICE.password, PEOPLE["blue-member"].password, "gAAAA"):
        assert secret not in log
