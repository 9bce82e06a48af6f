"""`/v2/executions/{id}/events`: everything that happens, once and in order, whoever asks when and where."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from api_service import NOBODY, PATIENCE, Api, assert_fault
from event_streams import TEXT, Event, finish, listening, parsed

pytest_plugins = ["api_fixtures"]

ON_POSTGRESQL = 6


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def events(api: Api, execution_id: str, after: int = 0, last: str = "") -> list[Event]:
    """All events of an execution that ends."""
    headers = {"Last-Event-ID": last} if last else {}
    answer = api("GET", f"/v2/executions/{execution_id}/events?after={after}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return list(parsed(answer.text))


def states(found: list[Event]) -> list[tuple[str, str, str | None, str]]:
    """Kind, name and states of every change."""
    return [
        (change["type"], change["name"], change["from"], change["to"])
        for event in found
        for change in event.data.get("changes", ())
    ]


def test_everything_that_happened(api: Api) -> None:
    """From the start to the end, in order, with what changed; then the end, and the connection closes."""
    execution_id = api.run("quick")["id"]
    found = events(api, execution_id)
    assert [event.id for event in found] == ["1", "1-end"]
    assert found[0].data["event"] == "started"
    assert states(found) == [
        ("workflow", "quick", None, "SUCCESS"),
        ("task", "a", None, "SUCCESS"),
        ("action", "std.noop", None, "SUCCESS"),
        ("task", "b", None, "SUCCESS"),
        ("action", "std.echo", None, "SUCCESS"),
    ]
    assert found[-1].name == "end"
    assert found[-1].data == {"state": "SUCCESS", "state_info": None, "deleted": False}


def test_steps_and_their_reasons(api: Api) -> None:
    """Each event says what changed by it, with ids that lead on."""
    execution_id = api.start("asks")["id"]
    task = api.task(execution_id, "ask", "RUNNING")
    (action,) = api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]
    api.put(f"/v2/action_executions/{action['id']}", state="SUCCESS", output={})
    api.reach(execution_id, "SUCCESS")
    first, second, end = events(api, execution_id)
    assert [event.data.get("event") for event in (first, second)] == ["started", "action-finished"]
    assert first.data["at"] < second.data["at"]
    assert states([second]) == [
        ("action", "std.async_noop", "RUNNING", "SUCCESS"),
        ("task", "ask", "RUNNING", "SUCCESS"),
        ("task", "last", None, "SUCCESS"),
        ("action", "std.noop", None, "SUCCESS"),
        ("workflow", "asks", "RUNNING", "SUCCESS"),
    ]
    change = second.data["changes"][0]
    assert (change["id"], change["task_execution_id"], change["index"]) == (action["id"], task["id"], None)
    assert end.name == "end"


def test_a_failure_says_why(api: Api) -> None:
    """The reason stands with the change and with the end."""
    execution_id = api.run("fails")["id"]
    *_, last, end = events(api, execution_id)
    failed = {change["type"]: change for change in last.data["changes"]}
    assert "out of cheese" in failed["task"]["state_info"]
    assert end.data["state"] == "ERROR"
    assert "out of cheese" in end.data["state_info"]


def test_a_sub_workflow_is_told_of(api: Api) -> None:
    """The parent's events name the child, whose own events tell the rest."""
    execution_id = api.start("outer")["id"]
    (child,) = api.until(
        lambda: [
            row for row in api.get("/v2/executions")["executions"] if row["root_execution_id"] == execution_id
        ],
        "the child",
    )
    task = api.task(child["id"], "ask", "RUNNING")
    (action,) = api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]
    api.put(f"/v2/action_executions/{action['id']}", state="SUCCESS", output={})
    api.reach(execution_id, "SUCCESS")
    found = events(api, execution_id)
    mine = [
        (change["name"], change["from"], change["to"])
        for event in found
        for change in event.data.get("changes", ())
        if change["type"] == "sub-workflow" and change["id"] == child["id"]
    ]
    assert mine == [("asks", None, "RUNNING"), ("asks", "RUNNING", "SUCCESS")]


def test_going_on_where_one_stopped(api: Api) -> None:
    """By the header that browsers send, or by the argument; who has heard of the end is told to stop."""
    execution_id = api.start("many", input={"count": 5})["id"]
    task = api.task(execution_id, "t", "RUNNING")
    for action in api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]:
        api.put(f"/v2/action_executions/{action['id']}", state="SUCCESS", output={})
    api.reach(execution_id, "SUCCESS")
    whole = events(api, execution_id)
    assert len(whole) == 7
    for number in range(1, 7):
        assert events(api, execution_id, after=number) == whole[number:]
        assert events(api, execution_id, last=str(number)) == whole[number:]
    path = f"/v2/executions/{execution_id}/events"
    assert api("GET", path, headers={"Last-Event-ID": "6-end"}).status_code == 204


def test_wrong_positions(api: Api) -> None:
    """What is no position is refused with the reason."""
    path = f"/v2/executions/{api.run('quick')['id']}/events"
    assert_fault(api("GET", f"{path}?after=x"), 400, "after", "'x'")
    assert_fault(api("GET", f"{path}?after=-1"), 400, "after", "-1")
    assert_fault(api("GET", f"{path}?after=99"), 400, "no event 99", "last one is 1")
    assert_fault(api("GET", f"{path}?since=1"), 400, "since")
    assert_fault(api("GET", path, headers={"Last-Event-ID": "x"}), 400, "Last-Event-ID", "x")
    assert_fault(api("GET", f"/v2/executions/{NOBODY}/events"), 404, NOBODY)


def test_a_head_request_gets_no_stream(api: Api) -> None:
    """Only the header, at once, although the execution runs."""
    answer = api("HEAD", f"/v2/executions/{api.start('asks')['id']}/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""


def test_reading_waits_for_the_end(api: Api) -> None:
    """`wait` answers when it has ended; a task and an action, too; and at once what has ended already."""
    execution_id = api.start("asks")["id"]
    task = api.task(execution_id, "ask", "RUNNING")
    (action,) = api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]
    paths = [f"executions/{execution_id}", f"tasks/{task['id']}", f"action_executions/{action['id']}"]

    async def together() -> list[str]:
        transport = httpx.ASGITransport(api.service.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8989") as client:
            reads = [asyncio.ensure_future(client.get(f"/v2/{path}?wait=30")) for path in paths]
            await asyncio.sleep(0.2)
            assert not any(read.done() for read in reads)
            body = {"state": "SUCCESS", "output": {}}
            await client.put(f"/v2/action_executions/{action['id']}", json=body)
            async with asyncio.timeout(5):
                return [(await read).json()["state"] for read in reads]

    assert asyncio.run(together()) == ["SUCCESS"] * 3
    assert [api.get(f"/v2/{path}", wait="30")["state"] for path in paths] == ["SUCCESS"] * 3


def test_the_time_is_over(api: Api) -> None:
    """Who waits too short is told what is."""
    execution_id = api.start("asks")["id"]
    assert api.get(f"/v2/executions/{execution_id}", wait="0.05")["state"] == "RUNNING"
    assert_fault(api("GET", f"/v2/executions/{execution_id}?wait=long"), 400, "wait", "'long'")
    assert_fault(api("GET", f"/v2/executions/{execution_id}?wait=-1"), 400, "wait", "'-1'")
    assert_fault(api("GET", f"/v2/executions/{execution_id}?wait=nan"), 400, "wait", "'nan'")
    assert_fault(api("GET", f"/v2/executions/{NOBODY}?wait=10"), 404, NOBODY)


def test_an_action_by_itself_is_waited_for(api: Api) -> None:
    """It belongs to no execution."""
    body = {"name": "std.async_noop", "params": {"save_result": True}}
    action_id = api("POST", "/v2/action_executions", json=body).json()["id"]

    async def together() -> str:
        transport = httpx.ASGITransport(api.service.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8989") as client:
            path = f"/v2/action_executions/{action_id}"
            read = asyncio.ensure_future(client.get(f"{path}?wait=30"))
            await asyncio.sleep(0.1)
            assert not read.done()
            told = await client.put(path, json={"state": "ERROR", "output": {"why": "no"}})
            assert told.status_code == 200, told.text
            async with asyncio.timeout(5):
                found: str = (await read).json()["state"]
                return found

    assert asyncio.run(together()) == "ERROR"


def test_who_waits_for_what_is_deleted(api: Api) -> None:
    """It is told that there is nothing any more, at once."""
    execution_id = api.start("asks")["id"]

    async def together() -> tuple[int, list[Event]]:
        transport = httpx.ASGITransport(api.service.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8989") as client:
            path = f"/v2/executions/{execution_id}"
            read = asyncio.ensure_future(client.get(f"{path}?wait=30"))
            stream = asyncio.ensure_future(client.get(f"{path}/events"))
            await asyncio.sleep(0.1)
            assert (await client.delete(f"{path}?force=true")).status_code == 204
            async with asyncio.timeout(5):
                return (await read).status_code, list(parsed((await stream).text))

    status, found = asyncio.run(together())
    assert status == 404
    assert found[-1].name == "end"
    assert found[-1].data == {"state": None, "state_info": None, "deleted": True}


def test_it_is_told_when_it_happens(api: Api) -> None:
    """Over a real connection: what happens arrives while the stream is open, and nobody is asked twice."""
    execution_id = api.start("asks")["id"]

    async def follow() -> list[Event]:
        found: list[Event] = []
        arrived = asyncio.Event()
        async with listening(api) as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:

            async def read() -> None:
                async with client.stream("GET", f"{url}/executions/{execution_id}/events") as answer:
                    text = ""
                    async for part in answer.aiter_text():
                        text += part
                        found[:] = parsed(text)
                        arrived.set()

            reading = asyncio.ensure_future(read())
            await arrived.wait()
            assert [event.data.get("event") for event in found] == ["started"]
            await finish(client, url, execution_id)
            async with asyncio.timeout(5):
                await reading
        return found

    found = asyncio.run(follow())
    assert [event.id for event in found] == ["1", "2", "2-end"]


@pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True)
def test_a_slow_reader_holds_up_nobody(api: Api) -> None:
    """Who does not read gets everything later; meanwhile the execution ends, and others are told."""
    execution_id = api.start("many", input={"count": 400})["id"]
    api.task(execution_id, "t", "RUNNING")

    async def follow() -> tuple[list[Event], int]:
        async with listening(api) as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            address = url.removeprefix("http://").removesuffix("/v2")
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
            request = f"GET /v2/executions/{execution_id}/events HTTP/1.1\r\nHost: {address}\r\n\r\n"
            writer.write(request.encode())
            count = await finish(client, url, execution_id)
            other = await client.get(f"{url}/executions/{execution_id}/events")
            text = b""
            async with asyncio.timeout(PATIENCE):
                while b"event: end" not in text:
                    text += await reader.read(4096)
            writer.close()
            assert list(parsed(other.text))[-1].name == "end"
            body = text.decode().partition("\r\n\r\n")[2]
            # Chunks of the transfer encoding stand on lines of their own.
            plain = "\n".join(line for line in body.split("\n") if not line.endswith("\r"))
            return list(parsed(plain)), count

    found, count = asyncio.run(follow())
    assert count == 400
    numbers = [int(event.id) for event in found if event.name == "message"]
    assert numbers == list(range(1, len(numbers) + 1))
    ended = [
        change for event in found for change in event.data.get("changes", ()) if change["type"] == "action"
    ]
    assert sum(change["to"] == "SUCCESS" for change in ended) == count
