"""Who may call a server without authentication, and how requests are bounded."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from api_service import MAX_BODY, Api

from maestrale.api.headers import missing

pytest_plugins = ["api_fixtures"]

TEXT = "version: '2.0'\nguarded:\n  tasks: {t: {action: std.noop}}\n"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8989", "[::1]:8989", "127.1.2.3", "LOCALHOST:1"])
def test_loopback_names_are_let_in(api: Api, host: str) -> None:
    assert api("GET", "/v2/workflows", host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_other_names_are_refused(api: Api, host: str) -> None:
    """A name of a stranger that points here is DNS rebinding."""
    answer = api("GET", "/v2/workflows", host=host)
    assert answer.status_code == 403
    assert "allowed_hosts" in answer.json()["faultstring"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_of_strangers_change_nothing(api: Api, method: str) -> None:
    answer = api(method, "/v2/workflows", content=TEXT, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "evil.example" in answer.json()["faultstring"]


@pytest.mark.parametrize("origin", ["null", "http://localhost:1", "http://localhost.evil.example"])
def test_near_misses_of_the_own_origin_are_strangers(api: Api, origin: str) -> None:
    assert api("POST", "/v2/workflows", content=TEXT, headers={"Origin": origin}).status_code == 403


def test_own_pages_and_friends_are_let_in(api: Api) -> None:
    for origin in ("http://localhost:8989", "https://friend.example"):
        answer = api("POST", "/v2/workflows/validate", content=TEXT, headers={"Origin": origin})
        assert answer.status_code == 200


def test_reading_needs_no_origin(api: Api) -> None:
    assert api("GET", "/v2/workflows", headers={"Origin": "https://evil.example"}).status_code == 200


def test_a_body_that_is_too_large(api: Api) -> None:
    answer = api("POST", "/v2/workflows", content="x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.json()["faultstring"]


def test_every_answer_has_a_request_id(api: Api) -> None:
    first, second = (api("GET", "/v2/").headers["X-Openstack-Request-Id"] for _ in range(2))
    assert first.startswith("req-")
    assert first != second


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/workflows"), ("GET", "/health"), ("GET", "/nowhere"), ("POST", "/v2")]
)
def test_browsers_do_no_harm_with_answers(api: Api, method: str, path: str) -> None:
    headers = api(method, path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "Strict-Transport-Security" not in headers


def test_a_page_may_load_what_it_needs_but_not_be_framed(api: Api) -> None:
    headers = api("GET", "/", headers={"Accept": "text/html"}).headers
    parts = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= {*parts}
    assert any(part.startswith("style-src 'sha256-") for part in parts)


def test_what_an_answer_says_itself_stays() -> None:
    given = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"x-frame-options", b"SAMEORIGIN"),
    ]
    names = [name for name, _ in missing(given, is_secure=False)]
    assert names == [b"x-content-type-options", b"referrer-policy", b"content-security-policy"]


def test_a_refused_name_gets_the_headers_too(api: Api) -> None:
    assert api("GET", "/v2", host="evil.example").headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("forwarded", "scheme"), [("https", "https"), ("HTTPS ", "https"), ("ftp", "http")])
def test_a_proxy_on_this_machine_says_how_it_was_asked(api: Api, forwarded: str, scheme: str) -> None:
    answer = api("GET", "/v2/", headers={"X-Forwarded-Proto": forwarded})
    assert answer.json()["uri"] == f"{scheme}://localhost:8989/v2"
    assert ("Strict-Transport-Security" in answer.headers) is (scheme == "https")


def test_others_do_not_say_how_they_were_asked(api: Api) -> None:
    transport = httpx.ASGITransport(api.service.app(), client=("10.0.0.9", 1))

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8989") as client:
            return await client.get("/v2/", headers={"X-Forwarded-Proto": "https"})

    assert asyncio.run(once()).json()["uri"] == "http://localhost:8989/v2"
