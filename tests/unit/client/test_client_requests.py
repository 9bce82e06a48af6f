"""Requests as they go over the wire, from both clients, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from cli_objects import EXECUTION, TASK, WORKFLOW
from cli_server import ApiServer

from maestrale.client import (
    ApiError,
    AsyncClient,
    Client,
    ClientError,
    Conflict,
    Connection,
    Forbidden,
    NotFound,
    ServerUnreachable,
    Token,
    Unauthorized,
    UnexpectedAnswer,
)
from maestrale.client.connection import is_local

T = TypeVar("T")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def awaited(url: str, ask: Callable[[AsyncClient], Coroutine[Any, Any, T]], **options: Any) -> T:
    """What the other client says."""

    async def once() -> T:
        async with AsyncClient(url, **options) as client:
            return await ask(client)

    return asyncio.run(once())


def test_objects_are_made_read_and_removed(api: ApiServer) -> None:
    api.answer("POST /workflows", {"workflows": [WORKFLOW]}, status=201)
    api.answer("GET /workflows/hello_world", WORKFLOW)
    api.answer("DELETE /workflows/hello_world", status=204)
    api.answer("POST /executions", EXECUTION, status=201)
    with Client(api.url + "/", credentials=Token("t0ken")) as client:
        assert [found.raw for found in client.workflows.create("text", namespace="n")] == [WORKFLOW]
        found = client.workflows.get("hello_world", "n")
        assert (found.name, found.updated_at, found.interface) == (
            "hello_world",
            None,
            {"input": [], "output": []},
        )
        assert str(found.created_at) == "2026-11-23 20:09:36+00:00"
        client.workflows.delete("hello_world")
        started = client.executions.create("hello_world", {"a": 1}, id="mine")
        assert (started.state, started.input, started.params["env"]) == ("SUCCESS", {}, {})
    assert api.last.token == "t0ken"
    assert api.last.body == {
        "description": "",
        "id": "mine",
        "workflow_name": "hello_world",
        "input": {"a": 1},
    }


def test_both_clients_say_the_same(api: ApiServer) -> None:
    """One description stands behind both, so one operation of each sort does."""
    for _ in range(2):
        api.answer("GET /tasks", {"tasks": [TASK], "next": "http://elsewhere/"})
        api.answer("GET /tasks", {"tasks": []})
    api.answer("GET /workflows/w", WORKFLOW)
    api.refuse("DELETE /executions/e", 404, "not there")

    async def ask(client: AsyncClient) -> tuple[str, list[str], bool]:
        with pytest.raises(NotFound, match="not there"):
            await client.executions.delete("e", force=True)
        tasks = client.tasks.list({"state": "ERROR"})
        return (await client.workflows.get("w")).name, [task.name async for task in tasks], tasks.more

    said = awaited(api.url, ask, credentials=Token("t0ken"))
    assert said == ("hello_world", ["say_hello"], False)
    asked = list(api.requests)
    api.requests.clear()
    with Client(api.url, credentials=Token("t0ken")) as client:
        with pytest.raises(NotFound, match="not there"):
            client.executions.delete("e", force=True)
        tasks = client.tasks.list({"state": "ERROR"})
        assert (client.workflows.get("w").name, [task.name for task in tasks], tasks.more) == said
    assert api.requests == asked
    assert len(asked) == 4


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


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthorized), (403, Forbidden), (404, NotFound), (409, Conflict), (400, ApiError)],
)
def test_refusals_have_classes(api: ApiServer, status: int, kind: type[ApiError]) -> None:
    api.refuse("PUT /executions/e", status, "no")
    with Client(api.url) as client, pytest.raises(ApiError) as caught:
        client.executions.update("e", "PAUSED")
    assert type(caught.value) is kind
    assert bool(caught.value.hint) == (status == 401)


def test_an_answer_that_is_no_json_is_no_mistral(api: ApiServer) -> None:
    api.answer("GET /tasks/t", "<html>welcome</html>")
    with Client(api.url) as client, pytest.raises(UnexpectedAnswer, match="the address of a Mistral API"):
        client.tasks.get("t")


@pytest.mark.parametrize(
    "sent", [[1], {"tasks": 3}, {"tasks": [3]}, {"tasks": [{"id": "t", "created_at": []}]}]
)
def test_an_answer_of_another_shape_is_named(api: ApiServer, sent: object) -> None:
    api.answer("GET /tasks", sent)
    with Client(api.url) as client, pytest.raises(UnexpectedAnswer, match="The server"):
        list(client.tasks.list())


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v2"
        with Client(url) as client, pytest.raises(ServerUnreachable, match="refused") as caught:
            client.tasks.get("t")
        assert not caught.value.reached
        with pytest.raises(ServerUnreachable):
            awaited(url, lambda client: client.tasks.get("t"))


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
        assert client.tasks.get("t").raw == TASK


def test_this_machine_has_several_names() -> None:
    assert all(map(is_local, ["http://localhost/", "http://127.0.1.1:8/v2", "https://[::1]:8989/v2"]))
    assert not is_local("http://example.org:8989/v2")


def test_the_environment_names_server_and_token(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answer("GET /tasks/t", TASK)
    monkeypatch.setenv("OS_MISTRAL_URL", api.url)
    monkeypatch.setenv("OS_AUTH_TOKEN", "t0ken")
    with Client.from_environment() as client:
        client.tasks.get("t")
    assert api.last.token == "t0ken"


def test_whom_to_trust_stands_in_the_environment() -> None:
    variables = {"OS_MISTRAL_URL": "https://host/v2", "OS_CACERT": "/no/such/file"}
    with pytest.raises(ClientError, match="Cannot read the certificate files"):
        _ = Connection.from_environment(variables).options
    insecure = Connection.from_environment(variables | {"OS_CACERT": "", "MISTRALCLIENT_INSECURE": "1"})
    verify = insecure.options["verify"]
    assert not isinstance(verify, bool)
    assert not verify.check_hostname
    assert Connection.from_environment({}).options["verify"] is True


@pytest.mark.parametrize("token", ["schl\u00fcssel", "a\nb"])
def test_what_no_header_can_carry_is_no_token(token: str) -> None:
    with pytest.raises(ClientError, match="printable"):
        Token(token)


def test_what_the_server_finds_odd_is_told(api: ApiServer) -> None:
    api.answer("POST /workflows", {"workflows": [WORKFLOW], "warnings": ["odd"]}, status=201)
    told: list[str] = []
    with Client(api.url, on_warning=told.append) as client:
        client.workflows.create("text")
    assert told == ["odd"]


def test_the_client_loads_nothing_of_the_server() -> None:
    code = "import pkgutil, sys, maestrale.client as client\n"
    code += (
        "for found in pkgutil.iter_modules(client.__path__): __import__(f'maestrale.client.{found.name}')\n"
    )
    code += "print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ours = {name.split(".")[1] for name in shown.split() if name.startswith("maestrale.")}
    assert ours == {"client", "model"}
    assert not {"sqlalchemy", "starlette", "yaql"} & set(shown.split())
