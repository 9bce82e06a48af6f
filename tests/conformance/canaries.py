"""Secrets that are planted before all cases and must be nowhere in clear when these have been played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import create_engine, select

from maestrale.store.database import dialect_of
from maestrale.store.tables import metadata

CANARY: Final = "canary-0815-of-the-cases"
PATIENCE: Final = 30.0
WORKFLOWS: Final = """version: '2.0'
canaries:
  input: [pin]
  tasks:
    show:
      action: std.echo output="<% $.pin %> <% env().password %>"
      publish: {both: <% task().result %>}
      publish-on-error: {failed: true}
      on-success: [fail_with, call, below]
    fail_with: {action: std.fail, input: {error_data: <% $.both %>}, on-error: [noop]}
    call:
      action: std.http
      input: {url: 'http://127.0.0.1:1/', auth: 'me:<% $.pin %>', headers: {X-Auth-Token: <% $.pin %>}}
      on-error: [noop]
    below: {workflow: canaries_below, input: {pin: <% $.pin %>}}
  output: {all: <% $ %>, env: <% env() %>}
canaries_below:
  input: [pin]
  tasks:
    keep: {action: std.echo, input: {output: [<% $.pin %>]}, publish: {kept: <% task().result %>}}
"""
LISTS: Final = (
    "environments", "workflows", "executions", "tasks", "action_executions", "cron_triggers",
    "event_triggers",
)  # fmt: skip


def plant(base_url: str) -> None:
    """Let secrets in wherever they may come in, and wait until they have gone through a workflow."""
    with httpx.Client(base_url=f"{base_url}/v2", trust_env=False, timeout=PATIENCE) as client:
        secret = {"$secret": CANARY}
        given = {"workflow_name": "canaries", "input": {"pin": secret}, "params": {"env": "canaries"}}
        variables = {"password": CANARY, "deep": {"api_key": CANARY}, "list": [secret]}
        _made(client.post("/workflows", content=WORKFLOWS.encode()))
        _made(client.post("/environments", json={"name": "canaries", "variables": variables}))
        trigger = {"name": "canaries", "workflow_name": "canaries", "pattern": "0 0 1 1 *"}
        started_with = {"workflow_input": {"pin": secret}, "workflow_params": {"env": variables}}
        _made(client.post("/cron_triggers", json={**trigger, **started_with}))
        started = _made(client.post("/executions", json=given))
        ended = client.get(f"/executions/{started['id']}", params={"wait": str(PATIENCE)}).json()
        assert ended["state"] == "SUCCESS", ended
        action = {"name": "std.echo", "input": {"output": secret}, "params": {"save_result": True}}
        client.post("/action_executions", json=action)


def listen(base_url: str) -> None:
    """No answer has a planted secret in it."""
    with httpx.Client(base_url=f"{base_url}/v2", trust_env=False, timeout=PATIENCE) as client:
        for path in LISTS:
            answer = client.get(
                f"/{path}", params={"include_output": "true"} if "executions" in path else None
            )
            assert answer.status_code == 200, answer.text
            assert CANARY not in answer.text, path
        for execution in client.get("/executions").json()["executions"]:
            if execution["workflow_name"].startswith("canaries"):
                for more in ("", "/tasks", "/report", "/why", "/events"):
                    path = f"/executions/{execution['id']}{more}"
                    assert CANARY not in client.get(path).text, path


def listen_to_what_is_left(folder: Path, database_url: str) -> None:
    """No file of the servers, and nothing that is stored, has a planted secret in it."""
    for file in folder.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file
    for place, value in _stored(database_url):
        assert CANARY not in value, place


def _stored(database_url: str) -> Iterator[tuple[str, str]]:
    dialect = dialect_of(database_url)
    if dialect.file is not None:
        yield str(dialect.file), dialect.file.read_bytes().decode("latin-1")
        return
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for table in metadata.tables.values():
            for row in connection.execute(select(table)):
                for value in row:
                    text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else value
                    yield table.name, str(text)
    engine.dispose()


def _made(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()
