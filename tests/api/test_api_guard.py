"""Who may call a server without authentication, and how requests are bounded."""

from __future__ import annotations

import pytest
from api_service import MAX_BODY, Api

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
