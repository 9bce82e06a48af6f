"""Actions of OpenStack whose requests are compared with those that Mistral sends for them.

`python -m clouds.requests_of_actions URL FILE` (in `tests`) asks a Mistral with `mistral-extra` for what the
file `reference_of_actions.json` keeps; see docs/openstack.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx

from clouds.recorder import Recorder

REFERENCE: Final = Path(__file__).with_name("reference_of_actions.json")

CASES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("nova.servers_list", {}),
    ("nova.servers_list", {"detailed": False, "search_opts": {"name": "x"}, "action_region": "north"}),
    ("nova.servers_create", {"name": "vm", "image": "i1", "flavor": "f1", "nics": [{"net-id": "n"}]}),
    ("nova.servers_delete", {"server": "s1"}),
    ("nova.servers_reboot", {"server": "s1", "reboot_type": "HARD"}),
    ("nova.flavors_list", {"is_public": None}),
    ("neutron.list_networks", {"name": "n", "action_region": "north"}),
    ("neutron.create_network", {"body": {"network": {"name": "n", "admin_state_up": True}}}),
    ("neutron.update_port", {"port": "p1", "body": {"port": {"name": "q"}}}),
    ("neutron.delete_port", {"port": "p1"}),
    ("glance.images_list", {"limit": 1, "filters": {"status": "active"}}),
    ("glance.images_get", {"image_id": "i1"}),
    ("glance.images_delete", {"image_id": "i1"}),
    ("heat.stacks_list", {"filters": {"name": "s"}}),
    ("heat.stacks_create", {"stack_name": "s", "template": {"resources": {}}, "parameters": {"p": 1}}),
    ("heat.stacks_get", {"stack_id": "s/7", "action_region": "north"}),
    ("heat.stacks_delete", {"stack_id": "s/7"}),
    ("keystone.projects_list", {"domain": "default"}),
    ("keystone.users_create", {"name": "u", "domain": "default", "password": "p", "enabled": True}),
    ("keystone.roles_grant", {"role": "r1", "user": "u1", "project": "p1"}),
    ("cinder.volumes_list", {}),
    ("cinder.volumes_create", {"size": 1, "name": "v"}),
    ("cinder.volumes_extend", {"volume": "v1", "new_size": 2}),
    ("swift.get_account", {}),
    ("swift.put_container", {"container": "c"}),
    ("swift.put_object", {"container": "c", "obj": "o", "contents": "text"}),
    ("trove.instances_list", {}),
    ("ironic.node_list", {}),
    ("ironic.node_set_provision_state", {"node_uuid": "n1", "state": "active"}),
    ("designate.quotas_list", {"project_id": "p1"}),
    ("zaqar.queue_post", {"queue_name": "q", "messages": [{"body": {"a": 1}, "ttl": 60}]}),
    ("nova.servers_get", {"server": "s1", "action_region": "nowhere"}),
)  # fmt: skip


def outcome(url: str, recorder: Recorder, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """How an action ends that works in the recorder's cloud, and which requests it has sent there.

    `result` is a digest, or the reason of a failure; missing where Mistral breaks down over the answer.
    """
    answer = httpx.post(
        f"{url}/action_executions",
        json={"name": name, "input": given},
        headers=recorder.target(),
        trust_env=False,
        timeout=60,
    )
    found: dict[str, Any] = {"name": name, "input": given, "requests": recorder.taken()}
    if answer.status_code == 500 and "to primitive" in answer.text:
        return found
    assert answer.status_code == 201, answer.text
    row = answer.json()
    result = json.loads(row["output"])["result"]
    if row["state"] == "ERROR":
        return found | {"state": "ERROR", "result": result[result.index("msg=") :]}
    text = json.dumps(_without_clients(result), sort_keys=True).replace(recorder.url, "URL")
    return found | {"state": row["state"], "result": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _without_clients(value: Any) -> Any:
    """Mistral adds to each object what it finds in the client it is from, down to some depth."""
    if isinstance(value, dict):
        return {name: _without_clients(item) for name, item in value.items() if name != "manager"}
    return [_without_clients(item) for item in value] if isinstance(value, list) else value


def list_of_actions(url: str) -> dict[str, dict[str, Any]]:
    """For each service, how many actions a server lists, and a digest of their names and inputs."""
    lines: dict[str, list[str]] = {}
    page: str | None = f"{url}/actions?fields=name,input"
    while page:
        listed = httpx.get(page, trust_env=False, timeout=60).json()
        for action in listed["actions"]:
            service = action["name"].partition(".")[0]
            if service != "std":
                lines.setdefault(service, []).append(f"{action['name']}: {action['input']}\n")
        page = listed.get("next")
    return {
        service: {
            "actions": len(found),
            "digest": hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16],
        }
        for service, found in sorted(lines.items())
    }


def main() -> None:
    url, path = sys.argv[1:]
    with Recorder() as recorder:
        outcomes = [outcome(url, recorder, name, given) for name, given in CASES]
    listed = {service: json.dumps(row) for service, row in list_of_actions(url).items()}
    rows = ",\n".join(f"    {json.dumps(service)}: {row}" for service, row in listed.items())
    cases = ",\n".join(f"    {json.dumps(case, sort_keys=True)}" for case in outcomes)
    Path(path).write_text(f'{{\n  "services": {{\n{rows}\n  }},\n  "cases": [\n{cases}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
