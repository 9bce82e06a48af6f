"""The service that the original clients ask, as plain HTTP requests see it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from original import PythonApi, Refused, Resource

from processes.server import Server

PATIENCE = "20"
"""Seconds after which an execution that must end counts as not ending."""

ALICE, BOB, ROOT = "token-of-alice-0001", "token-of-bob-000002", "token-of-root-00003"
TOKENS = f"""
{ALICE}: {{project_id: blue, user_id: alice}}
{BOB}: {{project_id: green, user_id: bob}}
{ROOT}: {{project_id: black, user_id: root, roles: [admin]}}
"""


class Plain:
    """The service as plain HTTP requests see it, without any client of ours or theirs."""

    def __init__(self, server: Server, token: str = "") -> None:
        self.url = f"{server.url}/v2"
        headers = {"X-Auth-Token": token} if token else {}
        self._client = httpx.Client(headers=headers, trust_env=False, timeout=30)

    def get(self, path: str, **query: str) -> Any:
        """What a read that must succeed answers."""
        answer = self._client.get(self.url + path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def list(self, collection: str, **query: str) -> Any:
        """The objects of a collection."""
        return self.get(f"/{collection}", **query)[collection]

    def post(self, path: str, **given: Any) -> Any:
        """What a create that must succeed answers."""
        answer = self._client.post(self.url + path, **given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def delete(self, path: str, **query: str) -> None:
        """Remove something that is there."""
        answer = self._client.delete(self.url + path, params=query)
        assert answer.status_code == 204, answer.text

    def status(self, path: str) -> int:
        """The status of a read."""
        return self._client.get(self.url + path).status_code

    def ended(self, identifier: str) -> Any:
        """An execution when it has ended."""
        found = self.get(f"/executions/{identifier}", wait=PATIENCE)
        assert found["state"] in ("SUCCESS", "ERROR", "CANCELLED"), found
        return found

    def run(self, workflow: str, **attributes: Any) -> Any:
        """An execution of a workflow when it has ended."""
        started = self.post("/executions", json={"workflow_name": workflow, **attributes})
        return self.ended(started["id"])

    def tasks(self, execution: str) -> Any:
        """The task executions of an execution by their names."""
        return {task["name"]: task for task in self.get(f"/executions/{execution}/tasks")["tasks"]}


def same(made: Resource, shown: dict[str, Any], *unset: str) -> None:
    """The answer to a change holds what a read shows, apart from what is `unset` and null there."""
    assert made.data == {name: value for name, value in shown.items() if name not in unset}
    assert [shown[name] for name in unset] == [None] * len(unset)
    assert made.attributes.keys() == made.data.keys()


def refused(api: PythonApi, method: str, *arguments: object, **options: object) -> tuple[int, str]:
    """How a call is refused: code and message of the client's exception."""
    with pytest.raises(Refused) as caught:
        api(method, *arguments, **options)
    return caught.value.code, caught.value.message
