from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from http_peer import basic_header, call, context_with, free_port, peer, raw_peer

from maestrale.actions.base import ActionContext
from maestrale.actions.egress import HttpSettings
from maestrale.actions.http_client import HttpFailure
from maestrale.actions.std import http
from maestrale.model.actions import ActionFailure
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[TestServer]:
    del anyio_backend
    async with peer() as running:
        yield running
    await http.close()


async def echoed(server: TestServer, context: ActionContext | None = None, **given: Json) -> Any:
    """What arrived at the server."""
    return (await call(server.make_url("/echo"), context, **given))["content"]


# Results


async def test_the_result_has_every_field(server: TestServer) -> None:
    url = server.make_url("/status/200")
    result = await call(url)
    elapsed = result.pop("elapsed")
    headers = result.pop("headers")
    assert result == {
        "content": {"code": 200},
        "status": 200,
        "url": str(url),
        "history": [],
        "encoding": "utf-8",
        "reason": "Reason 200",
        "cookies": {},
    }
    assert 0 < elapsed < 5
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert all(type(name) is str for name in headers)


async def test_cookies_are_a_map_and_repeated_headers_are_joined(server: TestServer) -> None:
    result = await call(server.make_url("/cookies"))
    assert result["cookies"] == {"a": "1", "b": "2"}
    assert result["headers"]["Set-Cookie"] == "a=1; Path=/, b=2; Path=/"


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 306])
async def test_good_statuses(server: TestServer, status: int) -> None:
    assert (await call(server.make_url(f"/status/{status}")))["status"] == status


@pytest.mark.parametrize("status", [307, 308, 400, 404, 500, 503])
async def test_bad_statuses_fail_with_the_answer_as_result(server: TestServer, status: int) -> None:
    with pytest.raises(ActionFailure) as caught:
        await call(server.make_url(f"/status/{status}"))
    assert caught.value.result["status"] == status
    assert caught.value.result["content"] == {"code": status}


@pytest.mark.parametrize(
    ("body", "content_type", "content", "encoding"),
    [
        (b"", None, "", None),
        (b'{"a": [1, null]}', "text/plain", {"a": [1, None]}, "utf-8"),
        (b"42", None, 42, "utf-8"),
        (b"\xef\xbb\xbf[1]", "application/json", [1], "utf-8"),
        (b"NaN", "application/json", "NaN", "utf-8"),
        (b"[" * 2000, "application/json", "[" * 2000, "utf-8"),
        ("grün".encode(), "text/html", "grün", "utf-8"),
        ("grün".encode("latin-1"), "text/html", "grün", "ISO-8859-1"),
        ("grün".encode("cp1252"), "text/html; charset=windows-1252", "grün", "windows-1252"),
        ('"grün"'.encode("utf-16"), "application/json; charset=utf-16", "grün", "utf-16"),
        ("grün".encode(), "text/html; charset=nonsense", "grün", "utf-8"),
        ("grün".encode(), "text/html; charset=ascii", "grün", "utf-8"),
        (b"abc", "text/plain; charset=hex", "abc", "utf-8"),
        (b"abc", "text/plain; charset=punycode", "abc", "utf-8"),
        (b"\\ud800", "text/plain; charset=unicode_escape", "\\ud800", "utf-8"),
        (b"\x00\xff\xfe", "application/octet-stream", "\x00\xff\xfe", "ISO-8859-1"),
    ],
)
async def test_content_is_json_if_it_is_and_text_if_not(
    server: TestServer, body: bytes, content_type: str | None, content: Json, encoding: str | None
) -> None:
    query = {"hex": body.hex()} | ({"type": content_type} if content_type else {})
    result = await call(server.make_url("/body").with_query(query))
    assert (result["content"], result["encoding"]) == (content, encoding)


async def test_header_bytes_that_are_no_text_can_still_be_stored() -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 \xfcbel\r\nX-Name: gr\xfcn\r\nContent-Length: 0\r\n\r\n")

    async with raw_peer(answer) as url:
        result = await call(url)
    assert result["headers"]["X-Name"] == "grün"
    assert result["reason"] == "übel"
    await http.close()


# What is sent


async def test_a_plain_get(server: TestServer) -> None:
    arrived = await echoed(server)
    assert (arrived["method"], arrived["path"], arrived["body"]) == ("GET", "/echo", "")
    assert arrived["headers"]["user-agent"].startswith("maestrale/")
    assert not {"content-type", "cookie", "authorization", "idempotency-key"} & set(arrived["headers"])


@pytest.mark.parametrize("method", ["POST", "put", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods(server: TestServer, method: str) -> None:
    assert (await echoed(server, method=method))["method"] == method.upper()


async def test_head_has_no_content_however_large_the_body_would_be(server: TestServer) -> None:
    settings = HttpSettings(denied_cidrs=(), max_response_size_bytes=10)
    url = server.make_url("/size?how=announced&bytes=5000")
    result = await call(url, context_with(settings), method="HEAD")
    assert (result["status"], result["content"]) == (200, "")


@pytest.mark.parametrize(
    ("query", "params", "arrives"),
    [
        ("", {"a": 1, "b": "x y&z", "none": None}, "?a=1&b=x+y%26z"),
        ("", {"a": [1, 2], "flag": True}, "?a=1&a=2&flag=True"),
        ("?c=3", {"a": 1}, "?c=3&a=1"),
        ("", "flag&a=1", "?flag&a=1"),
        ("?c=3", "a=1", "?c=3&a=1"),
        ("?c=3", None, "?c=3"),
        ("?c=3", {}, "?c=3"),
    ],
)
async def test_params_join_the_query(server: TestServer, query: str, params: Json, arrives: str) -> None:
    result = await call(f"{server.make_url('/echo')}{query}", params=params)
    assert result["content"]["path"] == f"/echo{arrives}"
    assert result["url"].endswith(f"/echo{arrives}")


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        ("grün", "grün"),
        (b"bytes", "bytes"),
        ({"a": [1]}, '{"a": [1]}'),
        ({}, "{}"),
        ([1, 2], "[1, 2]"),
        ("", ""),
    ],
)
async def test_a_body_is_sent_without_content_type(server: TestServer, body: Json, arrives: str) -> None:
    arrived = await echoed(server, method="POST", body=body)
    assert arrived["body"] == arrives
    assert "content-type" not in arrived["headers"]


@pytest.mark.parametrize(("json", "arrives"), [({"a": "ü"}, '{"a": "\\u00fc"}'), ([], "[]"), (0, "0")])
async def test_json_is_sent_with_its_content_type(server: TestServer, json: Json, arrives: str) -> None:
    arrived = await echoed(server, method="POST", json=json)
    assert arrived["body"] == arrives
    assert arrived["headers"]["content-type"] == "application/json"


async def test_a_content_type_of_ones_own_wins(server: TestServer) -> None:
    headers = {"content-TYPE": "application/vnd.x+json"}
    arrived = await echoed(server, method="POST", json={"a": 1}, headers=headers)
    assert arrived["headers"]["content-type"] == "application/vnd.x+json"
    arrived = await echoed(server, method="POST", body="x", headers=headers)
    assert arrived["headers"]["content-type"] == "application/vnd.x+json"


async def test_an_empty_one_of_body_and_json_gives_way(server: TestServer) -> None:
    assert (await echoed(server, method="POST", body={}, json={"a": 1}))["body"] == '{"a": 1}'
    assert (await echoed(server, method="POST", body="x", json={}))["body"] == "x"


async def test_header_values_become_text(server: TestServer) -> None:
    headers = {"X-Int": 7, "X-Float": 1.5, "X-Bool": True, "X-None": None, "X-Text": "t"}
    arrived = (await echoed(server, headers=headers))["headers"]
    assert (arrived["x-int"], arrived["x-float"], arrived["x-bool"]) == ("7", "1.5", "True")
    assert arrived["x-text"] == "t"
    assert "x-none" not in arrived


async def test_cookies_are_sent_unless_the_header_is_given(server: TestServer) -> None:
    cookies = {"a": "1", "b": 2, "none": None}
    assert (await echoed(server, cookies=cookies))["headers"]["cookie"] == "a=1; b=2"
    arrived = await echoed(server, cookies=cookies, headers={"cookie": "c=3"})
    assert arrived["headers"]["cookie"] == "c=3"


async def test_cookies_of_one_answer_are_not_kept_for_the_next_request(server: TestServer) -> None:
    await call(server.make_url("/cookies"))
    assert "cookie" not in (await echoed(server))["headers"]


@pytest.mark.parametrize("auth", ["user:pass", "user:pa:ss", "üser:", ":pass"])
async def test_auth_is_split_at_the_first_colon(server: TestServer, auth: str) -> None:
    arrived = await echoed(server, auth=auth, headers={"authorization": "other"})
    assert arrived["headers"]["authorization"] == basic_header(auth)


async def test_credentials_in_the_url(server: TestServer) -> None:
    url = server.make_url("/echo").with_user("u").with_password("p")
    result = await call(url)
    assert result["content"]["headers"]["authorization"] == basic_header("u:p")
    assert "u:p" not in result["url"]
    result = await call(url, auth="a:b")
    assert result["content"]["headers"]["authorization"] == basic_header("a:b")


async def test_the_idempotency_key_is_sent_unless_the_author_sets_one(server: TestServer) -> None:
    context = context_with(idempotency_key="a-1")
    assert (await echoed(server, context))["headers"]["idempotency-key"] == "a-1"
    arrived = await echoed(server, context, headers={"idempotency-key": "mine"})
    assert arrived["headers"]["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"body": "x", "json": {"a": 1}}, "Only one of the parameters 'json' and 'body' can be passed"),
        ({"json": float("nan")}, "The body cannot be written as JSON"),
        ({"headers": ["x"]}, "Parameter 'headers' must be a map, not list"),
        ({"headers": {"X": ["y"]}}, "Header 'X' must be text or a number, not list"),
        ({"cookies": "a=1"}, "Parameter 'cookies' must be a map, not str"),
        ({"params": [1]}, "Parameter 'params' must be a map, not list"),
        ({"proxies": "http://x"}, "Parameter 'proxies' must be a map, not str"),
        ({"auth": "token"}, "Parameter 'auth' must be a text of the form user:password"),
        ({"auth": ["u:", "p"]}, "Parameter 'auth' must be a text of the form user:password"),
        ({"timeout": "soon"}, "Parameter 'timeout' must be a number of seconds, not 'soon'"),
        ({"url": "http://[::1"}, "Parameter 'url' is not a URL: Invalid IPv6 URL"),
        ({"timeout": -1}, "Parameter 'timeout' must be a number of seconds, not -1"),
    ],
)
async def test_wrong_parameters_are_explained(given: dict[str, Json], complaint: str) -> None:
    with pytest.raises(InvalidAction) as caught:
        await http.std_http.run(context_with(), {"url": "http://127.0.0.1:1/", **given})
    assert str(caught.value).startswith(complaint)
    await http.close()


# Redirects


async def test_redirects_are_not_followed_unless_asked(server: TestServer) -> None:
    url = server.make_url("/redirect").with_query(to="/echo")
    for given in ({}, {"allow_redirects": False}, {"allow_redirects": None}):
        result = await call(url, **given)
        assert (result["status"], result["headers"]["Location"]) == (302, "/echo")


async def test_followed_redirects_are_the_history(server: TestServer) -> None:
    first = server.make_url("/redirect").with_query(to="/redirect?to=/echo")
    result = await call(first, method="POST", json={"a": 1}, allow_redirects=True)
    assert (result["status"], result["url"]) == (200, str(server.make_url("/echo")))
    assert result["content"]["method"] == "GET"
    assert [step["status"] for step in result["history"]] == [302, 302]
    assert result["history"][0]["url"] == str(first)
    assert result["history"][0]["headers"]["Location"] == "/redirect?to=/echo"
    assert result["history"][0]["cookies"] == {"seen": "1"}


async def test_307_repeats_the_request(server: TestServer) -> None:
    url = server.make_url("/redirect").with_query(to="/echo", status="307")
    result = await call(url, method="POST", json={"a": 1}, allow_redirects=True)
    assert (result["content"]["method"], result["content"]["body"]) == ("POST", '{"a": 1}')


async def test_another_host_gets_no_credentials(server: TestServer) -> None:
    async with peer() as other:
        url = server.make_url("/redirect").with_query(to=str(other.make_url("/echo")))
        result = await call(url, auth="u:p", cookies={"a": 1}, headers={"X-Kept": "1"}, allow_redirects=True)
    arrived = result["content"]["headers"]
    assert not {"authorization", "cookie"} & set(arrived)
    assert arrived["x-kept"] == "1"


async def test_endless_redirects_end() -> None:
    async def loop(_: web.Request) -> web.Response:
        raise web.HTTPFound("/loop")

    app = web.Application()
    app.router.add_get("/loop", loop)
    async with TestServer(app, host="127.0.0.1") as looping:
        with pytest.raises(HttpFailure, match="more than 30 redirects from http://"):
            await call(looping.make_url("/loop"), allow_redirects=True)
    await http.close()


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/x", "http://[bad/"])
async def test_redirects_to_elsewhere_than_http(server: TestServer, to: str) -> None:
    with pytest.raises(HttpFailure, match="redirected to something that is not an http or https URL"):
        await call(server.make_url("/redirect").with_query(to=to), allow_redirects=True)


# std.mistral_http


async def test_mistral_http_says_who_is_calling() -> None:
    heads: list[dict[str, str]] = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = head.decode().split("\r\n")[1:]
        heads.append(dict(line.split(": ", 1) for line in lines if line))
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 7\r\n\r\nignored")

    async with raw_peer(answer) as url:
        context = context_with(idempotency_key="a-1")
        given = {"url": url, "method": "POST", "headers": {"mistral-task-id": "forged", "X-Own": "1"}}
        await http.std_mistral_http.run(context, given)
        await http.std_mistral_http.run(ActionContext(settings=context.settings), {"url": url})
    assert {name: value for name, value in heads[0].items() if name.lower().startswith("mistral")} == {
        "Mistral-Workflow-Name": "build",
        "Mistral-Workflow-Execution-Id": "w-1",
        "Mistral-Task-Id": "t-1",
        "Mistral-Action-Execution-Id": "a-1",
        "Mistral-Callback-URL": "/v2/action_executions/a-1",
    }
    assert (heads[0]["Idempotency-Key"], heads[0]["X-Own"]) == ("a-1", "1")
    assert not [name for name in heads[1] if name.startswith("Mistral")]
    await http.close()


async def test_mistral_http_waits_for_somebody_but_fails_at_once(server: TestServer) -> None:
    assert http.std_mistral_http.facts.waits_outside
    assert not http.std_http.facts.waits_outside
    assert http.std_mistral_http.input_text == http.std_http.input_text
    with pytest.raises(ActionFailure) as caught:
        await http.std_mistral_http.run(context_with(), {"url": str(server.make_url("/status/404"))})
    assert caught.value.result["status"] == 404
    with pytest.raises(HttpFailure):
        await http.std_mistral_http.run(context_with(), {"url": f"http://127.0.0.1:{free_port()}/"})


def test_the_parameters_are_the_documented_ones() -> None:
    assert http.std_http.input_text == (
        'url, method="GET", params=null, body=null, json=null, headers=null, cookies=null, auth=null, '
        "timeout=null, allow_redirects=null, proxies=null, verify=null"
    )
