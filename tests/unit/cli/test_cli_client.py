"""The client as a Python API."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from cli_objects import EXECUTION, TASK, WORKFLOW
from cli_server import ApiServer

from maestrale.cli.client import ApiError, Client, ServerUnreachable, is_local


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def test_objects_are_made_read_and_removed(api: ApiServer) -> None:
    api.answer("POST /workflows", {"workflows": [WORKFLOW]}, status=201)
    api.answer("GET /workflows/hello_world", WORKFLOW)
    api.answer("DELETE /workflows/hello_world", status=204)
    api.answer("POST /executions", EXECUTION, status=201)
    with Client(api.url + "/", headers={"X-Project-Id": "p"}) as client:
        assert client.workflows.create("text", namespace="n") == [WORKFLOW]
        assert client.workflows.get("hello_world", "n") == WORKFLOW
        client.workflows.delete("hello_world")
        assert client.executions.create("hello_world", {"a": 1}, id="mine") == EXECUTION
    assert api.last.body == {
        "description": "",
        "id": "mine",
        "workflow_name": "hello_world",
        "input": {"a": 1},
    }


def test_pages_know_whether_there_is_more(api: ApiServer) -> None:
    api.answer("GET /executions/e/tasks", {"tasks": [TASK], "next": "http://elsewhere/"})
    api.answer("GET /executions/e/tasks", {"tasks": []})
    with Client(api.url) as client:
        page = client.tasks.list(below="e", limit=1, filters={"state": "neq:ERROR"})
        assert (page.items, page.more) == ([TASK], True)
        assert api.last.query == {"limit": ["1"], "state": ["neq:ERROR"]}
        assert client.tasks.list(below="e", limit=1, marker=TASK["id"]) == ([], False)


def test_all_pages_are_followed(api: ApiServer) -> None:
    for name in "abc":
        api.answer("GET /actions", {"actions": [{"id": name}], "next": "http://elsewhere/"})
    api.answer("GET /actions", {"actions": []})
    with Client(api.url) as client:
        assert [action["id"] for action in client.actions.list().items] == ["a", "b", "c"]
    assert [request.query.get("marker") for request in api.requests] == [None, ["a"], ["b"], ["c"]]


def test_a_server_that_repeats_its_last_page_is_no_endless_loop(api: ApiServer) -> None:
    api.answer("GET /actions", {"actions": [{"id": "a"}], "next": "http://elsewhere/"})
    with Client(api.url) as client:
        client.actions.list()
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ({"faultstring": "in JSON", "debuginfo": None}, {"Server_Error_Message": "in a header"}, "in JSON"),
        ("<html/>", {"content_type": "text/html", "Server_Error_Message": "in a header"}, "in a header"),
        ("plain words\n", {"content_type": "text/plain"}, "plain words"),
        ("<html/>", {"content_type": "text/html"}, "HTTP 423 Locked from "),
        ("[1]", {}, "HTTP 423 Locked from "),
    ],
)
def test_refusals_carry_the_words_of_the_server(
    api: ApiServer, body: object, headers: dict[str, str], message: str
) -> None:
    api.answer("GET /tasks/t", body, 423, **headers)
    with Client(api.url) as client, pytest.raises(ApiError) as caught:
        client.tasks.get("t")
    assert caught.value.status == 423
    assert caught.value.message.startswith(message)


def test_an_answer_that_is_no_json_is_no_mistral(api: ApiServer) -> None:
    api.answer("GET /tasks/t", "<html>welcome</html>")
    with Client(api.url) as client, pytest.raises(ApiError, match="is this the address of a Mistral API"):
        client.tasks.get("t")


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v2"
        with Client(url) as client, pytest.raises(ServerUnreachable, match="refused") as caught:
            client.tasks.get("t")
    assert not caught.value.reached


def test_no_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v2"
        with Client(url, timeout=0.1) as client:
            with pytest.raises(ServerUnreachable, match=r"no answer within 0\.1 seconds$") as caught:
                client.tasks.get("t")
            assert caught.value.reached
            with pytest.raises(ServerUnreachable, match="not known whether the request was carried out"):
                client.executions.create("w")


def test_a_connection_that_breaks_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        with Client(url) as client, pytest.raises(ServerUnreachable) as caught:
            client.executions.get("e")
        thread.join()
    assert caught.value.reached


@pytest.mark.parametrize("url", ["localhost:8989/v2", "ftp://host/v2", "http://[::1", "http://host:port/v2"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServerUnreachable), Client(url) as client:
        client.tasks.get("t")


def test_a_proxy_is_not_asked_for_this_machine(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    api.answer("GET /tasks/t", TASK)
    with Client(api.url) as client:
        assert client.tasks.get("t") == TASK


def test_this_machine_has_several_names() -> None:
    assert all(map(is_local, ["http://localhost/", "http://127.0.1.1:8/v2", "https://[::1]:8989/v2"]))
    assert not is_local("http://example.org:8989/v2")
