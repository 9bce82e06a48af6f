"""The Python client against a server as it runs: every kind of object, blocking and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maestrale.client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    Forbidden,
    NotFound,
    ServerUnreachable,
    Token,
    Unauthorized,
    WaitTimeout,
)
from processes.command import maestrale
from processes.server import Server

TOKENS = (
    "operator-token: {project_id: o, user_id: o, roles: [admin]}\nada-token: {project_id: a, user_id: ada}\n"
)
TEXT = """version: '2.0'
adds:
  input: [number, more: 1]
  tasks:
    add: {action: std.echo output=<% $.number + $.more %>, publish: {sum: <% task().result %>}}
  output: {sum: <% $.sum %>}
asks:
  tasks:
    ask: {action: std.async_noop}
fails:
  tasks:
    fail: {action: std.fail error_data='out of cheese', on-skip: [other]}
    other: {action: std.noop}
"""
ACTION = "version: '2.0'\ngreet:\n  input: [name]\n  base: std.echo output='Hello <% $.name %>'\n"
BOOK = "version: '2.0'\nname: book\nworkflows: {page: {tasks: {t: {action: std.noop}}}}\n"
SOON = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "tokens").write_text(TOKENS)
    (folder / "tokens").chmod(0o600)
    settings = {"MAESTRALE_SERVER_AUTH": f"tokens:{folder / 'tokens'}"}
    settings |= {"MAESTRALE_DYNAMIC_ACTIONS_ENABLED": "true"}
    settings |= {"MAESTRALE_API_ALLOW_ACTION_EXECUTION_DELETION": "true"}
    with Server(folder, None, **settings) as running:
        with Client(f"{running.url}/v2", credentials=Token("ada-token")) as client:
            client.workflows.create(TEXT)
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(f"{server.url}/v2", credentials=Token("ada-token")) as found:
        yield found


def test_executions(client: Client) -> None:
    execution = client.executions.create("adds", {"number": 41}, description="why not", id="mine")
    assert client.executions.create("adds", {"number": 1}, id="mine").id == execution.id
    ended = client.executions.wait(execution.id, SOON)
    assert (ended.state, ended.input, ended.output) == ("SUCCESS", {"number": 41, "more": 1}, {"sum": 42})
    assert ended.created_at is not None
    assert (ended.created_at.tzinfo is not None, ended.description) == (True, "why not")
    assert client.executions.update("mine", description="").description == ""
    (task,) = client.executions.tasks("mine")
    assert client.tasks.get(task.id).result == 42
    assert client.tasks.wait(task.id, SOON).published == {"sum": 42}
    (action,) = client.tasks.action_executions(task.id, include_output=True)
    assert action.output == {"result": 42}
    assert client.action_executions.wait(action.id, SOON).accepted
    report = client.executions.report("mine", errors_only=False)
    assert report.statistics.success_tasks_count == 1
    assert report.root_workflow_execution is not None
    assert report.root_workflow_execution.task_executions[0].action_executions[0].name == "std.echo"
    assert client.executions.why("mine").why.state == "SUCCESS"
    assert client.tasks.why(task.id).why.kind == "task"
    assert client.action_executions.why(action.id).why.kind == "action"
    assert [found.id for found in client.executions.sub_executions("mine")] == ["mine"]
    assert list(client.tasks.workflow_executions(task.id)) == []
    assert list(client.tasks.sub_executions(task.id)) == []
    assert [planned.name for planned in client.tasks.plan_restart(task.id)] == ["add"]
    assert [planned.id for planned in client.tasks.restart(task.id)] == [task.id]
    assert client.executions.wait("mine", SOON).state == "SUCCESS"
    again = client.executions.create(source_execution_id="mine")
    assert client.executions.wait(again.id, SOON).output == {"sum": 42}
    client.executions.delete("mine")
    with pytest.raises(NotFound, match="not found"):
        client.executions.get("mine")


def test_what_comes_from_outside(client: Client) -> None:
    execution = client.executions.create("asks")
    with pytest.raises(WaitTimeout) as caught:
        client.executions.wait(execution.id, 0.1)
    assert caught.value.found.raw["state"] == "RUNNING"
    assert client.executions.update(execution.id, "PAUSED").state == "PAUSED"
    client.executions.update(execution.id, "RUNNING", env={"a": 1})
    assert client.executions.get(execution.id).params["env"] == {"a": 1}
    with pytest.raises(Forbidden):
        client.executions.delete(execution.id)
    (action,) = client.action_executions.list({"state": "RUNNING", "name": "std.async_noop"})
    client.action_executions.update(action.id, "SUCCESS", output={"x": None})
    events = list(client.executions.events(execution.id))
    assert (events[0].event, events[-1].is_end, events[-1].state) == ("started", True, "SUCCESS")
    assert [event.sequence for event in events[:-1]] == list(range(1, len(events)))
    assert [event.id for event in client.executions.events(execution.id, events[1].id)] == [
        event.id for event in events[2:]
    ]
    assert list(client.executions.events(execution.id, events[-1].id)) == []
    again = client.executions.events(execution.id)
    assert next(again).sequence == 1
    again.close()
    assert list(again) == []


def test_repairing(client: Client) -> None:
    execution = client.executions.create("fails")
    assert client.executions.wait(execution.id, SOON).state == "ERROR"
    (task,) = client.executions.tasks(execution.id, {"state": "ERROR"})
    client.tasks.rerun(task.id)
    assert client.executions.wait(execution.id, SOON).state == "ERROR"
    client.tasks.skip(task.id)
    assert client.executions.wait(execution.id, SOON).state == "SUCCESS"
    assert {task.name: task.state for task in client.executions.tasks(execution.id)} == {
        "fail": "SKIPPED",
        "other": "SUCCESS",
    }


def test_definitions(client: Client) -> None:
    assert [found.name for found in client.actions.create(ACTION)] == ["greet"]
    with pytest.raises(Conflict):
        client.actions.create(ACTION)
    assert [found.name for found in client.actions.update(ACTION)] == ["greet"]
    assert client.actions.get("greet").input == "name"
    assert client.actions.get("std.echo").created_at is None
    assert client.workbooks.create(BOOK).name == "book"
    assert client.workbooks.update(BOOK).scope == "private"
    assert [book.name for book in client.workbooks.list()] == ["book"]
    assert client.workflows.get("book.page").interface == {"input": [], "output": []}
    assert client.workflows.update(TEXT)[0].id == client.workflows.get("adds").id
    assert client.workflows.validate(TEXT).valid
    assert "line" in (client.workflows.validate("version: '2.0'\nw: {}\n").error or "")
    for validate in (client.workbooks.validate, client.actions.validate):
        assert not validate("x").valid
    ran = client.action_executions.create("greet", {"name": "Ada"})
    assert (ran.id, ran.output) == ("", {"result": "Hello Ada"})
    saved = client.action_executions.create("greet", {"name": "Ada"}, save_result=True, run_sync=True)
    client.action_executions.delete(saved.id)
    for kind, name in (
        (client.workbooks, "book"),
        (client.actions, "greet"),
        (client.workflows, "book.page"),
    ):
        kind.delete(name)
        with pytest.raises(NotFound):
            kind.get(name)


def test_environments_and_triggers(client: Client) -> None:
    client.environments.create("e", {"a": [1]}, description="d")
    assert client.environments.update("e", {"b": 2}).description == "d"
    assert client.environments.get("e").variables == {"b": 2}
    assert [found.name for found in client.environments.list()] == ["e"]
    client.environments.delete("e")
    cron = client.cron_triggers.create("c", "adds", {"number": 1}, pattern="@daily", count=3)
    assert (cron.workflow_input, cron.remaining_executions) == ({"number": 1}, 3)
    assert client.cron_triggers.get("c").next_execution_time is not None
    assert [found.name for found in client.cron_triggers.list()] == ["c"]
    client.cron_triggers.delete("c")
    adds = client.workflows.get("adds")
    event = client.event_triggers.create("t", adds.id, "x", "y", "z", {"number": 1})
    assert client.event_triggers.update(event.id, name="u").name == "u"
    assert [found.name for found in client.event_triggers.list()] == ["u"]
    assert client.event_triggers.get(event.id).workflow_input == {"number": 1}
    client.event_triggers.delete(event.id)
    assert client.members.create(adds.id, "b").status == "pending"
    assert [found.member_id for found in client.members.list(adds.id)] == ["b"]
    assert client.members.get(adds.id, "b").resource_type == "workflow"
    with pytest.raises(NotFound):
        client.members.update(adds.id, "b", "accepted")
    client.members.delete(adds.id, "b")


def test_what_the_operator_may(server: Server) -> None:
    with Client(f"{server.url}/v2", credentials=Token("operator-token")) as client:
        source = client.code_sources.create("s", "class A:\n    def run(self): return 1\n")
        assert client.code_sources.update("s", source.content + "\n").version == 2
        assert client.code_sources.get("s").id == source.id
        action = client.dynamic_actions.create("d", "A", "s")
        assert client.dynamic_actions.update("d", class_name="A").code_source_id == source.id
        assert client.dynamic_actions.get(action.id).name == "d"
        assert [found.name for found in client.dynamic_actions.list()] == ["d"]
        client.dynamic_actions.delete("d")
        client.code_sources.delete("s")
        assert list(client.code_sources.list()) == []
        assert {process.type for process in client.services()} == {"api", "engine"}
        client.check_health()
        with pytest.raises(ApiError, match="Info endpoint disabled"):
            client.info()
        assert client.maintenance.update("PAUSED").status in ("PAUSED", "PAUSING")
        assert client.maintenance.update("RUNNING").status == "RUNNING"
        assert client.maintenance.get().status == "RUNNING"
        assert "adds" in {flow.name for flow in client.workflows.list(all_projects=True)}


def test_expressions(client: Client) -> None:
    assert client.evaluate("<% $.x + 1 %>", {"x": 1}).result == 2
    with pytest.raises(ApiError) as caught:
        client.evaluate("<% $.x + %>", {"x": 1})
    assert caught.value.place is not None
    assert caught.value.place["line"] == 1


def test_pages(client: Client) -> None:
    ids = [client.executions.create("adds", {"number": n}, description="page").id for n in range(5)]
    listed = client.executions.list({"description": "page"}, limit=2, sort_keys="created_at,id")
    assert len(list(listed)) == 2
    assert listed.more
    found = client.executions.list({"description": "page"}, fields=("id", "state"))
    assert {execution.id for execution in found} == set(ids)
    assert not found.more


def test_who_asks(server: Server) -> None:
    with Client(f"{server.url}/v2") as stranger, pytest.raises(Unauthorized, match="OS_AUTH_TOKEN"):
        list(stranger.workflows.list())


class Logins:
    """Credentials that have to be obtained, and run out."""

    def __init__(self) -> None:
        self.tokens = ["stale", "ada-token"]

    def headers(self) -> dict[str, str]:
        """The token that is known now."""
        return {"X-Auth-Token": self.tokens[0]}

    def renew(self) -> bool:
        """Log in again."""
        self.tokens.pop(0)
        return True


def test_awaited(server: Server) -> None:
    """The same operations; here what differs: that they go side by side, lists, streams, log-ins."""

    async def ask() -> tuple[list[Any], list[str], list[str]]:
        async with AsyncClient(f"{server.url}/v2", credentials=Logins()) as client:
            assert [flow.name async for flow in client.workflows.list({"name": "adds"})] == ["adds"]
            started = await asyncio.gather(
                *(client.executions.create("adds", {"number": number}) for number in range(4))
            )
            ended = await asyncio.gather(*(client.executions.wait(one.id, SOON) for one in started))
            events = [event.event async for event in client.executions.events(started[0].id)]
            again = client.executions.events(started[0].id)
            assert (await anext(again)).sequence == 1
            await again.aclose()
            assert [event async for event in again] == []
            with pytest.raises(NotFound):
                await client.tasks.get("none")
            tasks = [task.name async for task in client.executions.tasks(started[0].id)]
            return [one.output["sum"] for one in ended], events, tasks

    sums, events, tasks = asyncio.run(ask())
    assert (sums, tasks) == ([1, 2, 3, 4], ["add"])
    assert (events[0], events[-1]) == ("started", "")


@pytest.mark.slow
def test_events_outlive_a_restart(tmp_path: Path) -> None:
    """The iterator goes on with the same process or another, as if nothing had happened."""
    with Server(tmp_path) as server, Client(f"{server.url}/v2") as client:
        client.workflows.create(TEXT)
        execution = client.executions.create("asks")
        events = client.executions.events(execution.id)
        assert next(events).event == "started"
        server.stop()
        server.start()
        (action,) = client.action_executions.list({"state": "RUNNING"})
        client.action_executions.update(action.id, "SUCCESS", output=1)
        assert [event.event for event in events] == ["action-finished", ""]
        server.stop()
        with pytest.raises(ServerUnreachable):
            client.executions.create("asks")


def test_many_from_the_command_line(server: Server, tmp_path: Path) -> None:
    settings = {"OS_MISTRAL_URL": f"{server.url}/v2", "OS_AUTH_TOKEN": "ada-token"}
    with Client(settings["OS_MISTRAL_URL"], credentials=Token("ada-token")) as client:
        ids = [client.executions.create("asks", description="many").id for _ in range(3)]
        words = ("--filter", "description=many")
        ran = maestrale(tmp_path, "execution-delete", *words, settings=settings)
        assert (ran.code, ran.out) == (2, "")
        assert "3 executions match (3 RUNNING)" in ran.err
        ran = maestrale(tmp_path, "execution-delete", *words, "--yes", settings=settings)
        assert ran.code == 1
        assert ran.err.count("not finished") + ran.err.count("force") >= 3
        ran = maestrale(
            tmp_path, "execution-cancel", *words, "--yes", "--reason", "enough", settings=settings
        )
        assert sorted(ran.out.splitlines()) == sorted(f"Execution {one} is cancelled." for one in ids)
        assert {client.executions.get(one).state_info for one in ids} == {"enough"}
        ran = maestrale(
            tmp_path, "execution-delete", *words, "--filter", "state=CANCELLED", "-y", settings=settings
        )
        assert (ran.code, len(ran.out.splitlines())) == (0, 3)
        assert list(client.executions.list({"description": "many"})) == []
