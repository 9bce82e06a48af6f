"""A real HTTP server on loopback that answers whatever a test needs."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from maestrale.actions.base import ActionContext, ActionSettings
from maestrale.actions.egress import HttpSettings
from maestrale.actions.std import http
from maestrale.model.values import Json

RawHandler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def context_with(settings: HttpSettings | None = None, idempotency_key: str = "") -> ActionContext:
    """A context whose HTTP settings allow loopback, unless others are given."""
    return ActionContext(
        workflow_name="build",
        workflow_execution_id="w-1",
        task_name="call",
        task_execution_id="t-1",
        action_execution_id="a-1",
        callback_path="/v2/action_executions/a-1",
        idempotency_key=idempotency_key,
        settings=ActionSettings(http=settings or HttpSettings(denied_cidrs=())),
    )


async def call(url: object, context: ActionContext | None = None, **given: Json) -> dict[str, Any]:
    """The result of std.http."""
    return await http.std_http.run(context or context_with(), {"url": str(url), **given})


def basic_header(text: str) -> str:
    """The value of Authorization for `user:password`."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def free_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _echo(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode(),
        }
    )


async def _status(request: web.Request) -> web.Response:
    code = int(request.match_info["code"])
    return web.json_response({"code": code}, status=code, reason=f"Reason {code}")


async def _body(request: web.Request) -> web.Response:
    """Answers with the bytes that the query gives in hexadecimal digits."""
    headers = {"Content-Type": request.query["type"]} if "type" in request.query else {}
    return web.Response(body=bytes.fromhex(request.query["hex"]), headers=headers)


async def _redirect(request: web.Request) -> web.Response:
    headers = {"Location": request.query["to"], "Set-Cookie": "seen=1"}
    return web.Response(status=int(request.query.get("status", "302")), headers=headers)


async def _cookies(_: web.Request) -> web.Response:
    response = web.Response(text="set")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def _slow(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def _size(request: web.Request) -> web.StreamResponse:
    """As many bytes as asked for: announced, in pieces without announcement, or compressed."""
    size = int(request.query["bytes"])
    if request.query["how"] == "announced":
        return web.Response(body=b"x" * size)
    if request.query["how"] == "compressed":
        return web.Response(body=gzip.compress(b"x" * size), headers={"Content-Encoding": "gzip"})
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(0, size, 1000):
        await response.write(b"x" * 1000)
    return response


async def _stall(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    await asyncio.sleep(30)
    return response


@asynccontextmanager
async def peer() -> AsyncIterator[TestServer]:
    """Serve all of the above."""
    app = web.Application()
    app.router.add_route("*", "/echo", _echo)
    app.router.add_route("*", "/status/{code}", _status)
    app.router.add_route("*", "/body", _body)
    app.router.add_route("*", "/redirect", _redirect)
    app.router.add_route("*", "/cookies", _cookies)
    app.router.add_route("*", "/slow", _slow)
    app.router.add_route("*", "/size", _size)
    app.router.add_route("*", "/stall", _stall)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def raw_peer(answer: RawHandler) -> AsyncIterator[str]:
    """A server that reads one request head and leaves the rest to `answer`; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
