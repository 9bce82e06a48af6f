"""Waiting and watching on servers that differ: with events, without, and with answers of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cli_objects import EXECUTION, FAILED, TASK
from cli_server import ApiServer, ask

RUNNING = EXECUTION | {"state": "RUNNING", "output": "{}"}
ID = EXECUTION["id"]
FAULT = {"faultcode": "Client", "faultstring": "Unknown argument", "debuginfo": None}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def event(sequence: int, *changes: tuple[str, str, str]) -> str:
    """One event as a server sends it; changes are kinds, names and new states."""
    shown = [
        {"type": kind, "id": name, "name": name, "from": None, "to": state, "state_info": None}
        for kind, name, state in changes
    ]
    data = {"sequence": sequence, "event": "x", "at": f"2026-11-28 12:00:0{sequence}.5", "changes": shown}
    return f"id: {sequence}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def end(state: str = "SUCCESS") -> str:
    """The last event."""
    data = {"state": state, "state_info": None, "deleted": False}
    return f"id: 9-end\nevent: end\ndata: {json.dumps(data)}\n\n"


def stream(api: ApiServer, *events: str, **given: Any) -> None:
    """What the server says of the events of the execution."""
    api.answer(f"GET /executions/{ID}/events", "".join(events), content_type="text/event-stream", **given)


def test_a_server_with_events_is_asked_nothing_else(api: ApiServer) -> None:
    """Whatever characters stand in its events."""
    odd = "a\u2028b"
    first = event(1, ("workflow", "w", "RUNNING"), ("task", "a", "RUNNING"), ("action", "x", "RUNNING"))
    stream(api, "retry: 1\n\n: a comment\n\n", first, event(3, ("task", odd, "SUCCESS")), end())
    api.answer("POST /executions", RUNNING, status=201)
    api.answer(f"GET /executions/{ID}", EXECUTION)
    outcome = ask(api, "execution-create", "hello_world", "--wait")
    assert outcome.code == 0
    assert json.loads(outcome.out) == json.loads(EXECUTION["output"])
    assert outcome.err.split("\n") == [
        f"hello_world: execution {ID}",
        "   0.00s  RUNNING    a",
        f"   2.00s  SUCCESS    {odd}",
        "",
    ]
    assert [request.method for request in api.requests] == ["POST", "GET", "GET"]


def test_it_goes_on_after_the_last_event(api: ApiServer) -> None:
    """A server that stops ends its streams without an end."""
    stream(api, event(1, ("task", "a", "RUNNING")))
    stream(api, event(2, ("task", "a", "SUCCESS")), end())
    api.answer(f"GET /executions/{ID}", EXECUTION)
    outcome = ask(api, "execution-watch", ID)
    assert outcome.code == 0
    assert [line.split()[1:] for line in outcome.err.splitlines()] == [["RUNNING", "a"], ["SUCCESS", "a"]]


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_server_without_events_or_waiting_is_asked_again(api: ApiServer, status: int) -> None:
    """As the reference is; nothing is said about it."""
    api.answer(f"GET /executions/{ID}/events", FAULT, status=status)
    api.answer(f"GET /executions/{ID}", RUNNING)
    api.answer(f"GET /executions/{ID}", FAULT, status=400)
    api.answer(f"GET /executions/{ID}", EXECUTION)
    api.answer(f"GET /executions/{ID}/tasks", {"tasks": [TASK | {"state": "RUNNING"}]})
    api.answer(f"GET /executions/{ID}/tasks", {"tasks": [TASK]})
    outcome = ask(api, "execution-watch", ID)
    assert outcome.code == 0
    shown = [line.split()[1:] for line in outcome.err.splitlines()]
    assert shown == [["RUNNING", "say_hello"], ["SUCCESS", "say_hello"]]


@pytest.mark.parametrize("status", [429, 503])
def test_too_many_streams_is_no_failure(api: ApiServer, status: int) -> None:
    api.answer(f"GET /executions/{ID}/events", FAULT, status=status, Retry_After="1")
    api.answer(f"GET /executions/{ID}", RUNNING)
    api.answer(f"GET /executions/{ID}", RUNNING)
    api.answer(f"GET /executions/{ID}", EXECUTION)
    outcome = ask(api, "execution-get", ID, "--wait", "-f", "value", "-c", "State")
    assert (outcome.code, outcome.out, outcome.err) == (0, "SUCCESS\n", "")
    assert api.last.query == {"wait": ["5"]}


def test_no_such_execution(api: ApiServer) -> None:
    api.refuse(f"GET /executions/{ID}/events", 404, "not found")
    api.refuse(f"GET /executions/{ID}", 404, f"WorkflowExecution not found [id={ID}]")
    outcome = ask(api, "execution-watch", ID)
    assert outcome.code == 1
    assert f"WorkflowExecution not found [id={ID}]" in outcome.err


def test_a_failed_one_says_of_what(api: ApiServer) -> None:
    identifier = FAILED["id"]
    api.answer(f"GET /executions/{identifier}/events", end("ERROR"), content_type="text/event-stream")
    api.answer(f"GET /executions/{identifier}", FAILED)
    failed = TASK | {"state": "ERROR", "state_info": "out of cheese"}
    api.answer(f"GET /executions/{identifier}/tasks", {"tasks": [failed]})
    api.answer(f"GET /tasks/{failed['id']}/action_executions", {"action_executions": []})
    outcome = ask(api, "-q", "execution-watch", identifier)
    assert outcome.code == 1
    assert "ERROR: Failure caused by error in tasks: t1" in outcome.err
    assert "  task 'say_hello'\n    error: out of cheese\n" in outcome.err


def test_the_time_is_over(api: ApiServer) -> None:
    """With 124, as of the command `timeout`, so that it cannot pass for a failure."""
    api.answer(f"GET /executions/{ID}/events", FAULT, status=404)
    api.answer(f"GET /executions/{ID}", RUNNING)
    outcome = ask(api, "execution-get", ID, "--wait", "--timeout", "0.2", "-f", "value", "-c", "State")
    assert (outcome.code, outcome.out) == (124, "RUNNING\n")
    assert f"mistral execution-watch {ID}" in outcome.err


def test_a_time_to_wait_needs_waiting(api: ApiServer) -> None:
    outcome = ask(api, "execution-get", ID, "--timeout", "1")
    assert outcome.code == 2
    assert "--wait" in outcome.err
    assert not api.requests
